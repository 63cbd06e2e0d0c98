/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_bulk.h
 * @brief Many messages by one request: each is judged for itself, and those
 * that are fine are accepted in one transaction.
 */
#ifndef WA_BULK_H
#define WA_BULK_H

#include "wa_messages.h"

/** One of them. */
typedef struct wa_bulk_item {
    wa_message *message; /* to be sent; NULL: it is refused */
    wa_result *r;        /* why it is refused */
} wa_bulk_item;

/** Take the quota for all that are not refused; those for which nothing is
 * left become refused, the last ones first.
 * @param charged how many have theirs
 * @return WA_OK also then; what the database failed with */
wa_code wa_bulk_charge(wa_app *app, wa_req *req, wa_bulk_item *items, int n,
                       int *charged, wa_result *r);

/** Store those that are not refused, and the answer with the request's
 * Idempotency-Key, in one transaction. Those of one chat go in their order.
 * @param session name
 * @param answer with its body; made already, as it can't change any more
 * @param found set when the request is a repeat: then nothing was stored
 * @return WA_OK; WA_E_NOT_LINKED, key and database errors: nothing was stored
 */
wa_code wa_bulk_store(wa_app *app, wa_req *req, const char *session,
                      const wa_bulk_item *items, int n, const wa_resp *answer,
                      wa_idem_found **found, wa_result *r);

#endif
