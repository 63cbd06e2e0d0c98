/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_webhooks_private.h @brief What the files of webhooks share. */
#ifndef WA_WEBHOOKS_PRIVATE_H
#define WA_WEBHOOKS_PRIVATE_H

#include "wa_tx.h"
#include "wa_webhooks.h"

/** Run a statement that returns one webhook's columns; without a row r says
 * WA_E_NOT_FOUND. */
apr_status_t wa_webhook_one(wa_db *db, wa_sql_id statement,
                            const char *const *args, int count, apr_pool_t *p,
                            wa_webhook **w, wa_result *r);

/** A transaction about the webhook of that id. */
wa_code wa_webhook_tx(wa_app *app, const wa_req *req, const char *id,
                      wa_tx_fn *fn, void *baton, wa_result *r);

#endif
