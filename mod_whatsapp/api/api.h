/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file api.h
 * @brief The handlers of the REST API, one file per resource.
 *
 * A handler gets a request that is routed, authenticated, authorised and
 * checked against its fields; it calls one rule of core and writes the answer.
 */
#ifndef WA_API_H
#define WA_API_H

#include "../base/wa_http_msg.h"
#include "../core/wa_app.h"

#define WA_API_HANDLER(name)                                                   \
    wa_code name(wa_app *app, wa_req *req, wa_resp *resp, wa_result *r)

/** For a body that may be absent and has no members. */
extern const wa_field wa_api_no_fields[];

/* health.c */
WA_API_HANDLER(wa_api_health_live);
WA_API_HANDLER(wa_api_health_ready);

/* auth.c */
extern const wa_field wa_api_login_fields[];
extern const wa_field wa_api_refresh_fields[];
extern const wa_field wa_api_password_fields[];
extern const wa_field wa_api_password_reset_fields[];
WA_API_HANDLER(wa_api_login);
WA_API_HANDLER(wa_api_refresh);
WA_API_HANDLER(wa_api_logout);
WA_API_HANDLER(wa_api_me);
WA_API_HANDLER(wa_api_logins_own);
WA_API_HANDLER(wa_api_login_end_own);
WA_API_HANDLER(wa_api_logins_of_user);
WA_API_HANDLER(wa_api_login_end_of_user);
WA_API_HANDLER(wa_api_password_change);
WA_API_HANDLER(wa_api_password_reset);

/* users.c */
extern const wa_field wa_api_user_fields[];
WA_API_HANDLER(wa_api_users_list);
WA_API_HANDLER(wa_api_user_create);
WA_API_HANDLER(wa_api_user_get);
extern const wa_field wa_api_user_change_fields[];
WA_API_HANDLER(wa_api_user_update);
WA_API_HANDLER(wa_api_user_delete);

/* keys.c */
extern const wa_field wa_api_key_fields[];
extern const wa_field wa_api_key_rename_fields[];
extern const wa_field wa_api_key_rotate_fields[];
WA_API_HANDLER(wa_api_key_create);
WA_API_HANDLER(wa_api_own_key_create);
WA_API_HANDLER(wa_api_keys_of_user);
WA_API_HANDLER(wa_api_keys_own);
WA_API_HANDLER(wa_api_key_get);
WA_API_HANDLER(wa_api_key_rename);
WA_API_HANDLER(wa_api_key_revoke);
WA_API_HANDLER(wa_api_key_rotate);

/* session.c */
extern const wa_field wa_api_session_fields[];
extern const wa_field wa_api_session_init_fields[];
WA_API_HANDLER(wa_api_session_init);
WA_API_HANDLER(wa_api_engines);
WA_API_HANDLER(wa_api_session_qr);
WA_API_HANDLER(wa_api_session_status);
WA_API_HANDLER(wa_api_session_disconnect);
WA_API_HANDLER(wa_api_session_logout);
struct wa_session;
json_t *wa_api_session_json(const wa_app *app, const struct wa_session *s);

/* sessions.c: of all users, for admins */
WA_API_HANDLER(wa_api_sessions_list);
WA_API_HANDLER(wa_api_sessions_disconnect);
WA_API_HANDLER(wa_api_sessions_logout);
WA_API_HANDLER(wa_api_sessions_restart);

/* messages.c */
struct wa_message;
struct wa_message_order;
/** Write what a message is, its last brace left open. @param name NULL where
 * it is no member */
void wa_api_message_open(wa_json_text *t, const char *name,
                         const struct wa_message *m);
/** What all sends have in common, of the checked body and Prefer. */
void wa_api_order_read(const wa_app *app, const wa_req *req,
                       struct wa_message_order *order, wa_resp *resp);
/** Answer a send that is a repeat as the first time. @return WA_OK;
 * WA_E_NOT_FOUND, with nothing in r, when it is none; other errors */
wa_code wa_api_order_repeated(wa_app *app, const wa_req *req, wa_resp *resp,
                              wa_result *r);
/** Send it, or answer a repeat as the first time. */
wa_code wa_api_order_send(wa_app *app, wa_req *req, wa_resp *resp,
                          struct wa_message_order *order, wa_result *r);
extern const wa_field wa_api_send_text_fields[];
WA_API_HANDLER(wa_api_send_text);
WA_API_HANDLER(wa_api_message_get);
WA_API_HANDLER(wa_api_message_cancel);

/* bulk.c */
extern const wa_field wa_api_bulk_fields[];
WA_API_HANDLER(wa_api_bulk);

/* messages_list.c */
WA_API_HANDLER(wa_api_chats);
WA_API_HANDLER(wa_api_messages_list);

/* events.c */
WA_API_HANDLER(wa_api_events);
WA_API_HANDLER(wa_api_events_of_user);
/* events_stream.c */
WA_API_HANDLER(wa_api_events_stream);

/* send_media.c */
extern const wa_field wa_api_send_media_fields[];
WA_API_HANDLER(wa_api_send_media);

/* limits.c */
WA_API_HANDLER(wa_api_limits);

/* media.c */
struct wa_media;
json_t *wa_api_media_json(apr_pool_t *p, const struct wa_media *m);
WA_API_HANDLER(wa_api_media_upload);
WA_API_HANDLER(wa_api_media_list);
WA_API_HANDLER(wa_api_media_get);
WA_API_HANDLER(wa_api_media_delete);
WA_API_HANDLER(wa_api_internal_media);

/* webhooks.c, webhooks_sent.c */
extern const wa_field wa_api_webhook_fields[];
extern const wa_field wa_api_webhook_change_fields[];
extern const wa_field wa_api_webhook_rotate_fields[];
extern const wa_field wa_api_webhook_replay_fields[];
WA_API_HANDLER(wa_api_webhooks_list);
WA_API_HANDLER(wa_api_webhook_create);
WA_API_HANDLER(wa_api_webhook_get);
WA_API_HANDLER(wa_api_webhook_update);
WA_API_HANDLER(wa_api_webhook_delete);
WA_API_HANDLER(wa_api_webhook_rotate);
WA_API_HANDLER(wa_api_webhook_test);
WA_API_HANDLER(wa_api_webhook_deliveries);
WA_API_HANDLER(wa_api_webhook_resend);
WA_API_HANDLER(wa_api_webhook_replay);

/* usage.c */
WA_API_HANDLER(wa_api_usage);
WA_API_HANDLER(wa_api_usage_of_user);

/* logs.c */
WA_API_HANDLER(wa_api_logs);

/* audit.c */
WA_API_HANDLER(wa_api_audit);

/* overview.c */
WA_API_HANDLER(wa_api_overview);

/* internal.c: what the bridge calls */
WA_API_HANDLER(wa_api_internal_events);
WA_API_HANDLER(wa_api_internal_credentials_claim);
WA_API_HANDLER(wa_api_internal_credentials_store);
WA_API_HANDLER(wa_api_internal_credentials_page);

#endif
