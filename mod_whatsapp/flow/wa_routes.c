/* SPDX-License-Identifier: Apache-2.0 */
/* THE table of endpoints: what there is, and who may call it. Each row stands
 * in docs/openapi.yaml too; t/check/routes.sh compares. */
#include "wa_route.h"

#include "../api/api.h"

#define SMALL 16384
/* 65,536 characters, each at worst escaped as two \uXXXX. */
#define TEXT_BODY ((apr_size_t)65536 * 12 + SMALL)
/* A caption of 4,096 characters, and a URL. */
#define MEDIA_BODY ((apr_size_t)4096 * 12 + SMALL)
#define BULK_BODY ((apr_size_t)4 * 1048576)
#define EVENTS_BODY 1048576
#define CREDENTIALS_BODY ((apr_size_t)8 * 1048576)

// clang-format off
const wa_route wa_routes_api[] = {
    { "GET",  "/health/live",         WA_CALLER_PUBLIC, 0, 0, NULL, wa_api_health_live, 0, 1 },
    { "GET",  "/health/ready",        WA_CALLER_PUBLIC, 0, 0, NULL, wa_api_health_ready, 0, 1 },

    { "POST", "/auth/login",          WA_CALLER_PUBLIC, 0, SMALL, wa_api_login_fields, wa_api_login },

    { "POST", "/auth/refresh",        WA_CALLER_PUBLIC, 0, SMALL, wa_api_refresh_fields, wa_api_refresh },
    { "POST", "/auth/logout",         WA_CALLER_USER, 0, SMALL, wa_api_no_fields, wa_api_logout },
    { "GET",  "/auth/me",             WA_CALLER_USER, 0, 0, NULL, wa_api_me },
    { "POST", "/auth/password",       WA_CALLER_USER, WA_SCOPE_ACCOUNT_MANAGE, SMALL, wa_api_password_fields, wa_api_password_change },
    { "GET",  "/auth/logins",         WA_CALLER_USER, WA_SCOPE_ACCOUNT_MANAGE, 0, NULL, wa_api_logins_own },
    { "DELETE", "/auth/logins/{id}",  WA_CALLER_USER, WA_SCOPE_ACCOUNT_MANAGE, 0, NULL, wa_api_login_end_own },

    { "GET",  "/users",               WA_CALLER_ADMIN, WA_SCOPE_ADMIN, 0, NULL, wa_api_users_list },
    { "POST", "/users",               WA_CALLER_ADMIN, WA_SCOPE_ADMIN, SMALL, wa_api_user_fields, wa_api_user_create },
    { "GET",  "/users/{id}",          WA_CALLER_ADMIN, WA_SCOPE_ADMIN, 0, NULL, wa_api_user_get },
    { "PATCH", "/users/{id}",         WA_CALLER_ADMIN, WA_SCOPE_ADMIN, SMALL, wa_api_user_change_fields, wa_api_user_update },
    { "DELETE", "/users/{id}",        WA_CALLER_ADMIN, WA_SCOPE_ADMIN, 0, NULL, wa_api_user_delete },
    { "POST", "/users/{id}/session/init", WA_CALLER_ADMIN, WA_SCOPE_ADMIN, SMALL, wa_api_session_init_fields, wa_api_session_init },
    { "GET",  "/users/{id}/session/qr", WA_CALLER_ADMIN, WA_SCOPE_ADMIN, 0, NULL, wa_api_session_qr },
    { "GET",  "/users/{id}/session/status", WA_CALLER_ADMIN, WA_SCOPE_ADMIN, 0, NULL, wa_api_session_status },
    { "POST", "/users/{id}/password", WA_CALLER_ADMIN, WA_SCOPE_ADMIN, SMALL, wa_api_password_reset_fields, wa_api_password_reset },
    { "GET",  "/users/{id}/keys",     WA_CALLER_ADMIN, WA_SCOPE_ADMIN, 0, NULL, wa_api_keys_of_user },
    { "POST", "/users/{id}/keys",     WA_CALLER_ADMIN, WA_SCOPE_ADMIN, SMALL, wa_api_key_fields, wa_api_key_create },
    { "GET",  "/users/{id}/logins",   WA_CALLER_ADMIN, WA_SCOPE_ADMIN, 0, NULL, wa_api_logins_of_user },
    { "DELETE", "/users/{id}/logins/{login_id}", WA_CALLER_ADMIN, WA_SCOPE_ADMIN, 0, NULL, wa_api_login_end_of_user },

    { "GET",  "/keys",                WA_CALLER_USER, WA_SCOPE_ACCOUNT_MANAGE, 0, NULL, wa_api_keys_own },
    { "POST", "/keys",                WA_CALLER_USER, WA_SCOPE_ACCOUNT_MANAGE, SMALL, wa_api_key_fields, wa_api_own_key_create },
    { "GET",  "/keys/{id}",           WA_CALLER_USER, WA_SCOPE_ACCOUNT_MANAGE, 0, NULL, wa_api_key_get },
    { "PATCH", "/keys/{id}",          WA_CALLER_USER, WA_SCOPE_ACCOUNT_MANAGE, SMALL, wa_api_key_rename_fields, wa_api_key_rename },
    { "DELETE", "/keys/{id}",         WA_CALLER_USER, WA_SCOPE_ACCOUNT_MANAGE, 0, NULL, wa_api_key_revoke },
    { "POST", "/keys/{id}/rotate",    WA_CALLER_USER, WA_SCOPE_ACCOUNT_MANAGE, SMALL, wa_api_key_rotate_fields, wa_api_key_rotate },

    { "POST", "/session/init",        WA_CALLER_USER, WA_SCOPE_SESSIONS_WRITE, SMALL, wa_api_session_init_fields, wa_api_session_init },
    { "GET",  "/session/qr",          WA_CALLER_USER, WA_SCOPE_SESSIONS_WRITE, 0, NULL, wa_api_session_qr },
    { "GET",  "/session/status",      WA_CALLER_USER, WA_SCOPE_SESSIONS_READ, 0, NULL, wa_api_session_status },
    { "POST", "/session/disconnect",  WA_CALLER_USER, WA_SCOPE_SESSIONS_WRITE, SMALL, wa_api_session_fields, wa_api_session_disconnect },
    { "POST", "/session/logout",      WA_CALLER_USER, WA_SCOPE_SESSIONS_WRITE, SMALL, wa_api_session_fields, wa_api_session_logout },

    { "GET",  "/engines",             WA_CALLER_USER, WA_SCOPE_SESSIONS_READ, 0, NULL, wa_api_engines },

    { "GET",  "/sessions",            WA_CALLER_ADMIN, WA_SCOPE_ADMIN, 0, NULL, wa_api_sessions_list },
    { "POST", "/sessions/{id}/disconnect", WA_CALLER_ADMIN, WA_SCOPE_ADMIN, SMALL, wa_api_no_fields, wa_api_sessions_disconnect },
    { "POST", "/sessions/{id}/logout", WA_CALLER_ADMIN, WA_SCOPE_ADMIN, SMALL, wa_api_no_fields, wa_api_sessions_logout },
    { "POST", "/sessions/{id}/restart", WA_CALLER_ADMIN, WA_SCOPE_ADMIN, SMALL, wa_api_no_fields, wa_api_sessions_restart },

    { "POST", "/messages/send-text",  WA_CALLER_USER, WA_SCOPE_MESSAGES_SEND, TEXT_BODY, wa_api_send_text_fields, wa_api_send_text },
    { "GET",  "/chats",               WA_CALLER_USER, WA_SCOPE_MESSAGES_READ, 0, NULL, wa_api_chats },
    { "POST", "/messages/send-media", WA_CALLER_USER, WA_SCOPE_MESSAGES_SEND, MEDIA_BODY, wa_api_send_media_fields, wa_api_send_media, 1 },
    { "POST", "/messages/bulk",       WA_CALLER_USER, WA_SCOPE_MESSAGES_SEND, BULK_BODY, wa_api_bulk_fields, wa_api_bulk },
    { "GET",  "/messages",            WA_CALLER_USER, WA_SCOPE_MESSAGES_READ, 0, NULL, wa_api_messages_list },
    { "GET",  "/messages/{id}",       WA_CALLER_USER, WA_SCOPE_MESSAGES_READ, 0, NULL, wa_api_message_get },
    { "DELETE", "/messages/{id}",     WA_CALLER_USER, WA_SCOPE_MESSAGES_SEND, 0, NULL, wa_api_message_cancel },

    { "GET",  "/events",              WA_CALLER_USER, WA_SCOPE_EVENTS_READ, 0, NULL, wa_api_events },
    { "GET",  "/events/stream",       WA_CALLER_USER, WA_SCOPE_EVENTS_READ, 0, NULL, wa_api_events_stream },
    { "GET",  "/users/{id}/events",   WA_CALLER_ADMIN, WA_SCOPE_ADMIN, 0, NULL, wa_api_events_of_user },
    { "POST", "/media",               WA_CALLER_USER, WA_SCOPE_MESSAGES_SEND, 0, NULL, wa_api_media_upload },
    { "GET",  "/media",               WA_CALLER_USER, WA_SCOPE_MESSAGES_READ, 0, NULL, wa_api_media_list },
    { "GET",  "/media/{id}",          WA_CALLER_USER, WA_SCOPE_MESSAGES_READ, 0, NULL, wa_api_media_get },
    { "DELETE", "/media/{id}",        WA_CALLER_USER, WA_SCOPE_MESSAGES_SEND, 0, NULL, wa_api_media_delete },

    { "GET",  "/webhooks",            WA_CALLER_USER, WA_SCOPE_WEBHOOKS_MANAGE, 0, NULL, wa_api_webhooks_list },
    { "POST", "/webhooks",            WA_CALLER_USER, WA_SCOPE_WEBHOOKS_MANAGE, SMALL, wa_api_webhook_fields, wa_api_webhook_create },
    { "GET",  "/webhooks/{id}",       WA_CALLER_USER, WA_SCOPE_WEBHOOKS_MANAGE, 0, NULL, wa_api_webhook_get },
    { "PATCH", "/webhooks/{id}",      WA_CALLER_USER, WA_SCOPE_WEBHOOKS_MANAGE, SMALL, wa_api_webhook_change_fields, wa_api_webhook_update },
    { "DELETE", "/webhooks/{id}",     WA_CALLER_USER, WA_SCOPE_WEBHOOKS_MANAGE, 0, NULL, wa_api_webhook_delete },
    { "POST", "/webhooks/{id}/rotate-secret", WA_CALLER_USER, WA_SCOPE_WEBHOOKS_MANAGE, SMALL, wa_api_webhook_rotate_fields, wa_api_webhook_rotate },
    { "POST", "/webhooks/{id}/test",  WA_CALLER_USER, WA_SCOPE_WEBHOOKS_MANAGE, SMALL, wa_api_no_fields, wa_api_webhook_test },
    { "POST", "/webhooks/{id}/replay", WA_CALLER_USER, WA_SCOPE_WEBHOOKS_MANAGE, SMALL, wa_api_webhook_replay_fields, wa_api_webhook_replay },
    { "GET",  "/webhooks/{id}/deliveries", WA_CALLER_USER, WA_SCOPE_WEBHOOKS_MANAGE, 0, NULL, wa_api_webhook_deliveries },
    { "POST", "/webhooks/{id}/deliveries/{delivery}/resend", WA_CALLER_USER, WA_SCOPE_WEBHOOKS_MANAGE, SMALL, wa_api_no_fields, wa_api_webhook_resend },

    { "GET",  "/limits",              WA_CALLER_USER, WA_SCOPE_USAGE_READ, 0, NULL, wa_api_limits },
    { "GET",  "/usage",               WA_CALLER_USER, WA_SCOPE_USAGE_READ, 0, NULL, wa_api_usage },
    { "GET",  "/users/{id}/usage",    WA_CALLER_ADMIN, WA_SCOPE_ADMIN, 0, NULL, wa_api_usage_of_user },
    { "GET",  "/logs",                WA_CALLER_USER, WA_SCOPE_USAGE_READ, 0, NULL, wa_api_logs },
    { "GET",  "/audit",               WA_CALLER_ADMIN, WA_SCOPE_ADMIN, 0, NULL, wa_api_audit },
    { "GET",  "/overview",            WA_CALLER_ADMIN, WA_SCOPE_ADMIN, 0, NULL, wa_api_overview },
    { NULL, NULL, WA_CALLER_PUBLIC, 0, 0, NULL, NULL }
};

const wa_route wa_routes_internal[] = {
    { "POST", "/events",              WA_CALLER_INTERNAL, 0, EVENTS_BODY, NULL, wa_api_internal_events },
    { "GET",  "/media/{id}",          WA_CALLER_INTERNAL, 0, 0, NULL, wa_api_internal_media },
    { "POST", "/credentials",         WA_CALLER_INTERNAL, 0, CREDENTIALS_BODY, NULL, wa_api_internal_credentials_store },
    { "POST", "/credentials/{id}/claim", WA_CALLER_INTERNAL, 0, SMALL, NULL, wa_api_internal_credentials_claim },
    { "POST", "/credentials/{id}/read", WA_CALLER_INTERNAL, 0, SMALL, NULL, wa_api_internal_credentials_page },
    { NULL, NULL, WA_CALLER_PUBLIC, 0, 0, NULL, NULL }
};
// clang-format on
