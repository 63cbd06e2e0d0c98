/* SPDX-License-Identifier: Apache-2.0 */
/* THE table of endpoints: what there is, and who may call it. Each row stands
 * in docs/openapi.yaml too; t/check/routes.sh compares. */
#include "wa_route.h"

#include "../api/api.h"

#define SMALL 16384
/* 65,536 characters, each at worst escaped as two \uXXXX. */
#define TEXT_BODY (65536 * 12 + SMALL)
#define EVENTS_BODY (1024 * 1024)

// clang-format off
const wa_route wa_routes_api[] = {
    { "GET",  "/health/live",         WA_SCOPE_PUBLIC, 0, NULL, wa_api_health_live },
    { "GET",  "/health/ready",        WA_SCOPE_PUBLIC, 0, NULL, wa_api_health_ready },

    { "POST", "/auth/login",          WA_SCOPE_PUBLIC, SMALL, wa_api_login_fields, wa_api_login },

    { "GET",  "/users",               WA_SCOPE_ADMIN, 0, NULL, wa_api_users_list },
    { "POST", "/users",               WA_SCOPE_ADMIN, SMALL, wa_api_user_fields, wa_api_user_create },
    { "GET",  "/users/{id}",          WA_SCOPE_ADMIN, 0, NULL, wa_api_user_get },
    { "POST", "/users/{id}/keys",     WA_SCOPE_ADMIN, SMALL, wa_api_key_fields, wa_api_key_create },

    { "POST", "/session/init",        WA_SCOPE_USER, SMALL, wa_api_session_init_fields, wa_api_session_init },
    { "GET",  "/session/qr",          WA_SCOPE_USER, 0, NULL, wa_api_session_qr },
    { "GET",  "/session/status",      WA_SCOPE_USER, 0, NULL, wa_api_session_status },
    { "POST", "/session/disconnect",  WA_SCOPE_USER, SMALL, wa_api_session_fields, wa_api_session_disconnect },
    { "POST", "/session/logout",      WA_SCOPE_USER, SMALL, wa_api_session_fields, wa_api_session_logout },

    { "POST", "/messages/send-text",  WA_SCOPE_USER, TEXT_BODY, wa_api_send_text_fields, wa_api_send_text },
    { "GET",  "/messages/{id}",       WA_SCOPE_USER, 0, NULL, wa_api_message_get },
    { NULL, NULL, WA_SCOPE_PUBLIC, 0, NULL, NULL }
};

const wa_route wa_routes_internal[] = {
    { "POST", "/events",              WA_SCOPE_INTERNAL, EVENTS_BODY, NULL, wa_api_internal_events },
    { NULL, NULL, WA_SCOPE_PUBLIC, 0, NULL, NULL }
};
// clang-format on
