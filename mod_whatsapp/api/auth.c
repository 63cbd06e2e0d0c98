/* SPDX-License-Identifier: Apache-2.0 */
#include "api.h"

#include <string.h>

#include <apr_strings.h>

#include "../core/wa_logins.h"
#include "../core/wa_scope.h"

const wa_field wa_api_no_fields[] = { { NULL, WA_F_STRING, 0, 0, 0, NULL } };

const wa_field wa_api_login_fields[] = {
    { "username", WA_F_STRING, 1, 1, 64, NULL },
    { "password", WA_F_STRING, 1, 1, WA_PASSWORD_MAX, NULL },
    { "cookie", WA_F_BOOL, 0, 0, 0, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

const wa_field wa_api_refresh_fields[] = {
    { "refresh_token", WA_F_STRING, 1, 1, 128, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

const wa_field wa_api_password_fields[] = {
    { "current_password", WA_F_STRING, 1, 1, WA_PASSWORD_MAX, NULL },
    { "new_password", WA_F_STRING, 1, 1, WA_PASSWORD_MAX, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

const wa_field wa_api_password_reset_fields[] = {
    { "new_password", WA_F_STRING, 1, 1, WA_PASSWORD_MAX, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

/* {access_token, token_type, expires_in, refresh_token} */
static wa_code answer_token(wa_app *app, wa_req *req, wa_resp *resp,
                            const wa_user *user, const wa_login *login,
                            wa_result *r)
{
    const char *token = wa_login_token(app, req, user, login);
    json_t *j;

    if (!token) {
        return wa_fail(r, WA_E_INTERNAL, NULL);
    }
    j = json_object();
    wa_json_set_str(j, "access_token", token);
    wa_json_set_str(j, "token_type", "Bearer");
    wa_json_set_int(j, "expires_in", apr_time_sec(app->settings->token_life));
    wa_json_set_str(j, "refresh_token", login->secret);
    wa_json_set_time(j, "login_expires_at", login->expires_at);
    wa_resp_json(resp, req->pool, 200, j);
    return WA_OK;
}

static void set_cookie(wa_req *req, wa_resp *resp, const char *value,
                       int seconds)
{
    apr_table_setn(resp->headers, "Set-Cookie",
                   apr_psprintf(req->pool,
                                WA_LOGIN_COOKIE
                                "=%s; Path=/; Max-Age=%d;"
                                " Secure; HttpOnly; SameSite=Strict",
                                value, seconds));
}

/* {csrf_token, username, role, login_expires_at}, and the cookie. */
static void answer_cookie(wa_app *app, wa_req *req, wa_resp *resp,
                          const wa_user *user, const wa_login *login)
{
    json_t *j = json_object();

    wa_json_set_str(j, "csrf_token",
                    wa_auth_csrf_token(app, req->pool, login->id));
    wa_json_set_str(j, "username", user->username);
    wa_json_set_str(j, "role", user->role);
    wa_json_set_time(j, "login_expires_at", login->expires_at);
    wa_resp_json(resp, req->pool, 200, j);
    set_cookie(req, resp, login->secret, WA_LOGIN_SECONDS);
}

WA_API_HANDLER(wa_api_login)
{
    int cookie = json_is_true(json_object_get(req->json, "cookie"));
    wa_user *user;
    wa_login *login;
    wa_code code;

    /* Else another page could log its visitor in as somebody of its own. */
    if (cookie && !wa_auth_same_origin(req)) {
        return wa_fail(r, WA_E_CSRF, NULL);
    }
    code = wa_login_start(app, req, wa_json_str(req->json, "username"),
                          wa_json_str(req->json, "password"),
                          cookie ? "cookie" : "token", &user, &login, r);
    if (code != WA_OK) {
        return code;
    }
    if (cookie) {
        answer_cookie(app, req, resp, user, login);
        return WA_OK;
    }
    return answer_token(app, req, resp, user, login, r);
}

WA_API_HANDLER(wa_api_refresh)
{
    wa_user *user;
    wa_login *login;
    wa_code code = wa_login_refresh(
        app, req, wa_json_str(req->json, "refresh_token"), &user, &login, r);

    return code == WA_OK ? answer_token(app, req, resp, user, login, r) : code;
}

WA_API_HANDLER(wa_api_logout)
{
    wa_code code;

    if (!req->principal->login_id) {
        return wa_fail(r, WA_E_CONFLICT,
                       "An API key has no login to end;"
                       " revoke the key instead");
    }
    code = wa_login_end(app, req, req->principal->login_id,
                        req->principal->user_id, r);
    if (code == WA_OK) {
        set_cookie(req, resp, "", 0);
        resp->status = 204;
    }
    return code;
}

/* Who am I? For pages: also the token that changes must show. */
WA_API_HANDLER(wa_api_me)
{
    const wa_principal *who = req->principal;
    json_t *j = json_object();

    wa_json_set_str(j, "user_id", who->user_id);
    wa_json_set_str(j, "username", who->username);
    wa_json_set_str(j, "role", who->role);
    wa_json_set_str(j, "key_id", who->key_id);
    wa_json_set_str(j, "login_id", who->login_id);
    wa_json_set(j, "scopes", wa_scopes_json(who->scopes));
    if (who->login_id) {
        wa_json_set_str(j, "csrf_token",
                        wa_auth_csrf_token(app, req->pool, who->login_id));
    }
    wa_json_set_time(j, "expires_at", who->expires_at);
    wa_resp_json(resp, req->pool, 200, j);
    return WA_OK;
}

static json_t *login_json(const wa_req *req, const wa_login *l)
{
    json_t *j = json_object();

    wa_json_set_str(j, "id", l->id);
    wa_json_set_str(j, "kind", l->kind);
    wa_json_set_str(j, "address", l->address);
    wa_json_set_str(j, "user_agent", l->user_agent);
    wa_json_set_time(j, "created_at", l->created_at);
    wa_json_set_time(j, "last_used_at", l->last_used_at);
    wa_json_set_time(j, "expires_at", l->expires_at);
    wa_json_set_bool(j, "current",
                     req->principal->login_id
                         && !strcmp(req->principal->login_id, l->id));
    return j;
}

static wa_code list(wa_app *app, wa_req *req, wa_resp *resp,
                    const char *user_id, wa_result *r)
{
    apr_array_header_t *logins;
    json_t *j, *data;
    int i;
    wa_code code = wa_login_list(app, req, user_id, &logins, r);

    if (code != WA_OK) {
        return code;
    }
    j = json_object();
    data = json_array();
    for (i = 0; i < logins->nelts; i++) {
        json_array_append_new(
            data, login_json(req, &APR_ARRAY_IDX(logins, i, wa_login)));
    }
    wa_json_set(j, "data", data);
    wa_json_set(j, "next_cursor", json_null());
    wa_resp_json(resp, req->pool, 200, j);
    return WA_OK;
}

WA_API_HANDLER(wa_api_logins_own)
{
    return list(app, req, resp, req->principal->user_id, r);
}

WA_API_HANDLER(wa_api_logins_of_user)
{
    wa_user *user;
    wa_code code = wa_user_get(app, req->pool, req->request_id, req->params[0],
                               &user, r);

    return code == WA_OK ? list(app, req, resp, user->id, r) : code;
}

static wa_code end(wa_app *app, wa_req *req, wa_resp *resp, const char *id,
                   const char *user_id, wa_result *r)
{
    wa_code code = wa_login_end(app, req, id, user_id, r);

    if (code == WA_OK) {
        resp->status = 204;
    }
    return code;
}

WA_API_HANDLER(wa_api_login_end_own)
{
    return end(app, req, resp, req->params[0], req->principal->user_id, r);
}

WA_API_HANDLER(wa_api_login_end_of_user)
{
    return end(app, req, resp, req->params[1], req->params[0], r);
}

WA_API_HANDLER(wa_api_password_change)
{
    wa_code code = wa_password_change(
        app, req, wa_json_str(req->json, "current_password"),
        wa_json_str(req->json, "new_password"), r);

    if (code == WA_OK) {
        resp->status = 204;
    }
    return code;
}

WA_API_HANDLER(wa_api_password_reset)
{
    wa_code code = wa_password_reset(app, req, req->params[0],
                                     wa_json_str(req->json, "new_password"), r);

    if (code == WA_OK) {
        resp->status = 204;
    }
    return code;
}
