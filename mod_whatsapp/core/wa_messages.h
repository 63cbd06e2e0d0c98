/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_messages.h @brief Messages: accept, send, look up. */
#ifndef WA_MESSAGES_H
#define WA_MESSAGES_H

#include "wa_app.h"
#include "wa_auth.h"
#include "wa_limits.h"

/** Longest text, in Unicode characters. */
#define WA_TEXT_MAX 65536

typedef struct wa_message {
    const char *id, *session_id;
    const char *direction; /* out, in */
    const char *type, *status;
    const char *recipient, *sender, *chat, *content, *whatsapp_id;
    apr_time_t created_at, sent_at, delivered_at, read_at;
    int attempts;
    const char *error_code, *error_message;
} wa_message;

/** What a client asks to be sent. */
typedef struct wa_message_order {
    const char *session;   /* name */
    const char *recipient; /* as the client wrote it */
    const char *text;
    int async;                /* don't wait for WhatsApp */
    apr_interval_time_t wait; /* else wait at most this long */
} wa_message_order;

/** Accept a text: once this returns WA_OK the message is committed and will be
 * sent or end in failed. Unless the order is async, the first attempt is made
 * here and the message comes back sent, failed or still pending.
 * @return WA_OK; WA_E_RECIPIENT, WA_E_NOT_LINKED, quota and database errors
 *         (nothing was stored); WA_E_NOT_ON_WHATSAPP, WA_E_REJECTED, … (the
 *         message is stored as failed, *message is set) */
wa_code wa_message_send_text(wa_app *app, apr_pool_t *p, const char *request_id,
                             const wa_principal *who,
                             const wa_message_order *order,
                             wa_limit_state *limits, wa_message **message,
                             wa_result *r);

/** @return WA_OK or WA_E_NOT_FOUND (also for another user's message), … */
wa_code wa_message_get(wa_app *app, apr_pool_t *p, const char *request_id,
                       const char *user_id, const char *id,
                       wa_message **message, wa_result *r);

#endif
