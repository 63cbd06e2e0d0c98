/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_tx.h @brief A change of the database, whole or not at all. */
#ifndef WA_TX_H
#define WA_TX_H

#include "wa_app.h"

/** What is done within the transaction.
 * @return APR_SUCCESS to commit; a failure of the database; or, with r->code
 *         set by wa_fail, anything: then nothing is kept */
typedef apr_status_t wa_tx_fn(wa_app *app, wa_db *db, void *baton,
                              wa_result *r);

/** Borrow a connection, run fn in a transaction, give it back.
 * @return WA_OK when committed, else what r says */
wa_code wa_tx_run(wa_app *app, apr_pool_t *p, const char *request_id,
                  wa_tx_fn *fn, void *baton, wa_result *r);

/** The same without a transaction, for reads and single statements. */
wa_code wa_tx_read(wa_app *app, apr_pool_t *p, const char *request_id,
                   wa_tx_fn *fn, void *baton, wa_result *r);

/** Run one statement on a borrowed connection and give that back.
 * @param rows live as long as p
 * @return WA_OK or what the database failed with */
wa_code wa_tx_query(wa_app *app, apr_pool_t *p, const char *request_id,
                    wa_sql_id id, const char *const *args, int count,
                    wa_db_rows **rows, wa_result *r);

/** wa_tx_query with the parameters listed. */
#define WA_TX_QUERY(app, p, request_id, id, rows, r, ...)                      \
    wa_tx_query((app), (p), (request_id), (id),                                \
                (const char *const[]){ __VA_ARGS__ },                          \
                (int)(sizeof((const char *const[]){ __VA_ARGS__ })             \
                      / sizeof(const char *)),                                 \
                (rows), (r))

#endif
