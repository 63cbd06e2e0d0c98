/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_credentials.h
 * @brief What the engines of bridges keep of a session, so that it can move.
 *
 * The bridge seals it; here it is stored, and one bridge at a time may write:
 * the one that claimed the session last.
 */
#ifndef WA_CREDENTIALS_H
#define WA_CREDENTIALS_H

#include "../base/wa_json.h"
#include "wa_app.h"

/** Most keys that one page has. */
#define WA_CREDENTIALS_PAGE 1000

/** Let a bridge hold a session.
 * @param body {bridge_id, take}; take: also when another bridge holds it
 * @param out {epoch, generation, clean, mine, keys}, owned by p: clean is
 *        false when the holder before may have had more than it wrote; mine
 *        is true when that was this bridge, or nobody
 * @return WA_OK, WA_E_NOT_FOUND without such a session, WA_E_CONFLICT when
 *         another bridge holds it */
wa_code wa_credentials_claim(wa_app *app, apr_pool_t *p, const char *request_id,
                             const char *session, const json_t *body,
                             json_t **out, wa_result *r);

/** Store a batch: {bridge_id, sessions: [{id, epoch, generation, clean,
 * tidy?, changes: [[name, value or null], …]}]}. A session whose epoch is not
 * the present one is left as it is.
 * @param out {sessions: [{id, held}]}, owned by p */
wa_code wa_credentials_store(wa_app *app, apr_pool_t *p, const char *request_id,
                             const json_t *batch, json_t **out, wa_result *r);

/** A page of what is stored, for the bridge that holds the session.
 * @param body {bridge_id, epoch, after?}
 * @param out {keys: [[name, value], …]}; fewer than WA_CREDENTIALS_PAGE means
 *        that these are the last */
wa_code wa_credentials_page(wa_app *app, apr_pool_t *p, const char *request_id,
                            const char *session, const json_t *body,
                            json_t **out, wa_result *r);

#endif
