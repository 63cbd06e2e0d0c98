/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_accept.h
 * @brief Messages come into the database, those of one moment together.
 */
#ifndef WA_ACCEPT_H
#define WA_ACCEPT_H

#include "../base/wa_http_msg.h"
#include "wa_app.h"
#include "wa_message.h"

/** From now on, messages that come at one time are accepted together; for
 * processes with many threads, before they start.
 * @return APR_SUCCESS or APR_ENOLOCK */
apr_status_t wa_accept_start(wa_app *app);

/** Store message, outbox row and the request's Idempotency-Key in one
 * transaction, together with what else comes at this time.
 * @param inline_wanted we would make the first attempt
 * @param m to be stored; session_id, created_at and what is told of a pace are
 *        filled, unless nothing was stored, for want of a linked session or
 *        because the key is known
 * @param leased set to 1 when we are to make the first attempt
 * @return WA_OK also when nothing was stored; or what the database failed with
 */
wa_code wa_accept(wa_app *app, const wa_req *req, const wa_message_order *order,
                  int inline_wanted, wa_message *m, int *leased, wa_result *r);

#endif
