/* SPDX-License-Identifier: Apache-2.0 */
#include "api.h"

#include <string.h>

#include <apr_strings.h>

#include "../core/wa_audit.h"
#include "../core/wa_users.h"
#include "etag.h"
#include "page.h"

static const char *const roles[] = { "admin", "user", NULL };

const wa_field wa_api_user_fields[] = {
    { "username", WA_F_STRING, 1, 1, 64, NULL },
    { "email", WA_F_STRING, 1, 1, 254, NULL },
    { "password", WA_F_STRING, 0, 1, WA_PASSWORD_MAX, NULL },
    { "role", WA_F_STRING, 0, 1, 16, NULL },
    { "max_messages_per_minute", WA_F_INT, 0, 1, WA_LIMIT_MAX, NULL },
    { "max_messages_per_day", WA_F_INT, 0, 1, WA_LIMIT_MAX, NULL },
    { "max_requests_per_minute", WA_F_INT, 0, 1, WA_LIMIT_MAX, NULL },
    { "max_sessions", WA_F_INT, 0, 1, 1000, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

static json_t *user_json(const wa_user *u)
{
    json_t *j = json_object();

    wa_json_set_str(j, "id", u->id);
    wa_json_set_str(j, "username", u->username);
    wa_json_set_str(j, "email", u->email);
    wa_json_set_str(j, "role", u->role);
    wa_json_set_bool(j, "is_active", u->is_active);
    wa_json_set_int(j, "max_messages_per_minute", u->max_messages_per_minute);
    wa_json_set_int(j, "max_messages_per_day", u->max_messages_per_day);
    wa_json_set_int(j, "max_requests_per_minute", u->max_requests_per_minute);
    wa_json_set_int(j, "max_sessions", u->max_sessions);
    wa_json_set_time(j, "created_at", u->created_at);
    wa_json_set_time(j, "updated_at", u->updated_at);
    return j;
}

WA_API_HANDLER(wa_api_user_create)
{
    const char *role = wa_json_str(req->json, "role");
    wa_audit_entry audit;
    json_t *detail;
    wa_user user;
    wa_code code;

    memset(&user, 0, sizeof(user));
    user.username = wa_json_str(req->json, "username");
    user.email = wa_json_str(req->json, "email");
    user.role = role ? role : "user";
    user.max_messages_per_minute = wa_json_int(req->json,
                                               "max_messages_per_minute", 0);
    user.max_messages_per_day = wa_json_int(req->json, "max_messages_per_day",
                                            0);
    user.max_requests_per_minute = wa_json_int(req->json,
                                               "max_requests_per_minute", 0);
    user.max_sessions = wa_json_int(req->json, "max_sessions", 0);
    detail = wa_json_own(
        req->pool,
        json_pack("{s:s, s:s}", "username", user.username, "role", user.role));
    audit = wa_audit_of(req, "user.create", "user", NULL, detail);
    code = wa_user_create(app, req->pool, &user,
                          wa_json_str(req->json, "password"), &audit, r);
    if (code != WA_OK) {
        return code;
    }
    wa_resp_json(resp, req->pool, 201, user_json(&user));
    apr_table_setn(resp->headers, "Location",
                   apr_pstrcat(req->pool, "/api/users/", user.id, NULL));
    return WA_OK;
}

WA_API_HANDLER(wa_api_user_get)
{
    wa_user *user;
    wa_code code = wa_user_get(app, req->pool, req->request_id, req->params[0],
                               &user, r);

    if (code == WA_OK) {
        wa_resp_json(resp, req->pool, 200, user_json(user));
        wa_etag_set(req, resp, user->version);
    }
    return code;
}

const wa_field wa_api_user_change_fields[] = {
    { "username", WA_F_STRING, 0, 1, 64, NULL },
    { "email", WA_F_STRING, 0, 1, 254, NULL },
    { "role", WA_F_STRING, 0, 1, 16, roles },
    { "is_active", WA_F_BOOL, 0, 0, 0, NULL },
    { "max_messages_per_minute", WA_F_INT, 0, 1, WA_LIMIT_MAX, NULL },
    { "max_messages_per_day", WA_F_INT, 0, 1, WA_LIMIT_MAX, NULL },
    { "max_requests_per_minute", WA_F_INT, 0, 1, WA_LIMIT_MAX, NULL },
    { "max_sessions", WA_F_INT, 0, 1, 1000, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

WA_API_HANDLER(wa_api_user_update)
{
    const json_t *active = json_object_get(req->json, "is_active");
    wa_user_change c;
    wa_user *user = NULL;
    apr_int64_t version;
    wa_code code = wa_etag_if_match(req, &version, r);

    memset(&c, 0, sizeof(c));
    c.username = wa_json_str(req->json, "username");
    c.email = wa_json_str(req->json, "email");
    c.role = wa_json_str(req->json, "role");
    c.active = json_is_boolean(active) ? wa_db_p_bool(json_is_true(active))
                                       : NULL;
    c.max_messages_per_minute = wa_json_int(req->json,
                                            "max_messages_per_minute", 0);
    c.max_messages_per_day = wa_json_int(req->json, "max_messages_per_day", 0);
    c.max_requests_per_minute = wa_json_int(req->json,
                                            "max_requests_per_minute", 0);
    c.max_sessions = wa_json_int(req->json, "max_sessions", 0);
    if (code == WA_OK) {
        code = wa_user_update(app, req, req->params[0], version, &c, &user, r);
    }
    if (code == WA_OK) {
        wa_resp_json(resp, req->pool, 200, user_json(user));
        wa_etag_set(req, resp, user->version);
    }
    return code;
}

/* The bridge is asked to unlink, so the request takes a waiting place. */
WA_API_HANDLER(wa_api_user_delete)
{
    const char *confirm;
    wa_code code = wa_req_query(req, "confirm", &confirm, r);

    if (code != WA_OK) {
        return code;
    }
    if (!wa_place_take(app)) {
        return wa_fail_retry(r, WA_E_NOT_READY, 1,
                             "Too many requests wait for the bridge");
    }
    code = wa_user_delete(app, req, req->params[0], confirm, r);
    wa_place_give(app);
    if (code == WA_OK) {
        resp->status = 204;
    }
    return code;
}

static json_t *row_json(const wa_user_row *row)
{
    json_t *j = user_json(&row->user);

    wa_json_set_time(j, "last_active_at", row->last_active_at);
    wa_json_set_str(j, "session_status",
                    row->session_status ? row->session_status : "disconnected");
    wa_json_set_str(j, "phone_number", row->phone_number);
    wa_json_set_int(j, "messages_today", row->messages_today);
    wa_json_set_int(j, "messages_total", row->messages_total);
    wa_json_set_int(j, "key_count", row->keys);
    return j;
}

static const char *const sorts[] = { "created_at", "username", "last_active_at",
                                     NULL };

static int known(const char *const *names, const char *name)
{
    for (; *names; names++) {
        if (!strcmp(*names, name)) {
            return 1;
        }
    }
    return 0;
}

/* ?sort=username or -created_at; newest first when nothing is said. */
static wa_code read_sort(wa_req *req, wa_user_query *q, wa_result *r)
{
    const char *sort;
    wa_code code = wa_req_query(req, "sort", &sort, r);

    q->sort = "created_at";
    q->descending = 1;
    if (code != WA_OK || !sort) {
        return code;
    }
    q->descending = *sort == '-';
    q->sort = sort + q->descending;
    if (!known(sorts, q->sort)) {
        return wa_fail(r, WA_E_BAD_PARAMETER,
                       "sort is created_at, username or last_active_at, with"
                       " '-' before it for descending");
    }
    return WA_OK;
}

static wa_code read_filters(wa_req *req, wa_user_query *q, wa_result *r)
{
    const char *active;
    wa_code code = wa_req_query(req, "search", &q->search, r);

    if (code == WA_OK) {
        code = wa_req_query(req, "role", &q->role, r);
    }
    if (code == WA_OK) {
        code = wa_req_query(req, "session_status", &q->session_status, r);
    }
    if (code == WA_OK) {
        code = wa_req_query(req, "is_active", &active, r);
    }
    if (code != WA_OK) {
        return code;
    }
    if (q->role && !known(roles, q->role)) {
        return wa_fail(r, WA_E_BAD_PARAMETER, "role is admin or user");
    }
    if (active && strcmp(active, "true") && strcmp(active, "false")) {
        return wa_fail(r, WA_E_BAD_PARAMETER, "is_active is true or false");
    }
    q->active = active ? wa_db_p_bool(*active == 't') : NULL;
    return WA_OK;
}

WA_API_HANDLER(wa_api_users_list)
{
    apr_array_header_t *rows = NULL;
    json_t *data;
    const char *list = NULL;
    wa_user_query q;
    wa_page page;
    int i, shown;
    wa_code code;

    memset(&q, 0, sizeof(q));
    code = read_sort(req, &q, r);
    if (code == WA_OK) {
        code = read_filters(req, &q, r);
    }
    if (code == WA_OK) {
        list = apr_pstrcat(req->pool, "users:", q.sort, q.descending ? "-" : "",
                           NULL);
        code = wa_page_read(app, req, list, &page, r);
    }
    if (code != WA_OK) {
        return code;
    }
    q.after_key = page.after_key;
    q.after_id = page.after_id;
    q.limit = page.limit + 1; /* one more tells whether there is a next page */
    code = wa_user_list(app, req, &q, &rows, r);
    if (code != WA_OK) {
        return code;
    }
    shown = rows->nelts > page.limit ? page.limit : rows->nelts;
    data = json_array();
    for (i = 0; i < shown; i++) {
        json_array_append_new(data,
                              row_json(&APR_ARRAY_IDX(rows, i, wa_user_row)));
    }
    if (rows->nelts > page.limit) {
        const wa_user_row *last = &APR_ARRAY_IDX(rows, shown - 1, wa_user_row);

        page.next = wa_page_cursor(app, req->pool, list, last->sort_key,
                                   last->user.id);
    }
    wa_page_answer(req, resp, &page, data);
    return WA_OK;
}
