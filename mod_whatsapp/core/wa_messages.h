/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_messages.h @brief Messages: accept, send, look up. */
#ifndef WA_MESSAGES_H
#define WA_MESSAGES_H

#include "wa_app.h"
#include "wa_auth.h"
#include "wa_idempotency.h"
#include "wa_limits.h"
#include "wa_message.h"

/** All statuses there are, ended by NULL. */
extern const char *const wa_message_statuses[];

/** Read a time to send at: RFC 3339, in the future, at most a year ahead.
 * @param text NULL: at once, 0
 * @param pointer of the field that has it
 * @return WA_OK or WA_E_INVALID */
wa_code wa_message_read_schedule(const char *text, const char *pointer,
                                 apr_time_t *at, wa_result *r);

/** Accept a message: once this returns WA_OK it is committed, together with
 * the request's Idempotency-Key, and will be sent or end in failed. Unless the
 * order is async, the first attempt is made here and the message comes back
 * sent, failed or still pending.
 * @param found set when the request is a repeat, as wa_message_repeated does
 * @return WA_OK; WA_E_RECIPIENT, WA_E_NOT_LINKED, quota, key and database
 *         errors (nothing was stored); WA_E_NOT_ON_WHATSAPP, WA_E_REJECTED, …
 *         (the message is stored as failed, *message is set) */
wa_code wa_message_send(wa_app *app, wa_req *req, const wa_message_order *order,
                        wa_message **message, wa_idem_found **found,
                        wa_result *r);

/** What a request that was made before is answered with. Costs nothing where it
 * has no Idempotency-Key.
 * @param found what is known of it; its answer, where that is stored
 * @param message otherwise, as it was accepted, or as it is when the process
 *        that made it died
 * @return WA_OK; WA_E_NOT_FOUND when it was not made before; what the key or
 *         the database failed with */
wa_code wa_message_repeated(wa_app *app, const wa_req *req,
                            wa_message **message, wa_idem_found **found,
                            wa_result *r);

/** A message as the order has it, not stored yet; only the recipient is
 * checked. @return NULL with r when that is none */
wa_message *wa_message_make(wa_req *req, const wa_message_order *order,
                            wa_result *r);

/** Say why no linked session took a message. @param session its name */
wa_code wa_message_not_linked(wa_app *app, const wa_req *req,
                              const char *session, wa_result *r);

/** What a list of messages is asked for; absent filters are NULL or 0. */
typedef struct wa_message_query {
    const char *user_id;
    const char *status, *type, *direction, *chat, *session_id, *client_ref;
    apr_time_t from, until;
    apr_time_t after_at; /* of the last row seen; 0: from the newest */
    const char *after_id;
    int limit;
} wa_message_query;

/** A page of a user's messages, newest first. @param rows of wa_message */
wa_code wa_message_page(wa_app *app, apr_pool_t *p, const char *request_id,
                        const wa_message_query *q, apr_array_header_t **rows,
                        wa_result *r);

/** A page of a user's chats, each by its newest message, newest first; of the
 * query's filters only session_id counts. @param rows of wa_message */
wa_code wa_message_chats(wa_app *app, apr_pool_t *p, const char *request_id,
                         const wa_message_query *q, apr_array_header_t **rows,
                         wa_result *r);

/** @return WA_OK or WA_E_NOT_FOUND (also for another user's message), … */
wa_code wa_message_get(wa_app *app, apr_pool_t *p, const char *request_id,
                       const char *user_id, const char *id,
                       wa_message **message, wa_result *r);

/** Cancel a message that was not sent and is not being attempted; doing it
 * again is no fault.
 * @param message as it is then
 * @return WA_OK, WA_E_NOT_FOUND, WA_E_NOT_CANCELLABLE, … */
wa_code wa_message_cancel(wa_app *app, apr_pool_t *p, const char *request_id,
                          const char *user_id, const char *id,
                          wa_message **message, wa_result *r);

/** A reaction to a message. */
typedef struct wa_reaction {
    const char *sender, *emoji;
    apr_time_t at;
} wa_reaction;

/** The reactions to a message, oldest first. @param found of wa_reaction */
wa_code wa_message_reactions(wa_app *app, apr_pool_t *p, const char *request_id,
                             const wa_message *m, apr_array_header_t **found,
                             wa_result *r);

#endif
