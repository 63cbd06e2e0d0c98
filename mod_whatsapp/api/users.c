/* SPDX-License-Identifier: Apache-2.0 */
#include "api.h"

#include <string.h>

#include <apr_strings.h>

#include "../core/wa_users.h"
#include "page.h"

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
    code = wa_user_create(app, req->pool, req->request_id, &user,
                          wa_json_str(req->json, "password"), r);
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
    }
    return code;
}

WA_API_HANDLER(wa_api_users_list)
{
    apr_array_header_t *users = NULL;
    json_t *data;
    wa_page page;
    wa_code code = wa_page_read(req, &page, r);
    int i, shown;

    if (code == WA_OK) {
        /* One more than asked for tells whether there is a next page. */
        code = wa_user_list(app, req->pool, req->request_id, page.after_time,
                            page.after_id, page.limit + 1, &users, r);
    }
    if (code != WA_OK) {
        return code;
    }
    shown = users->nelts > page.limit ? page.limit : users->nelts;
    data = json_array();
    for (i = 0; i < shown; i++) {
        json_array_append_new(data,
                              user_json(&APR_ARRAY_IDX(users, i, wa_user)));
    }
    if (users->nelts > page.limit) {
        const wa_user *last = &APR_ARRAY_IDX(users, shown - 1, wa_user);

        page.next = wa_page_cursor(req->pool, last->created_at, last->id);
    }
    wa_page_answer(req, resp, &page, data);
    return WA_OK;
}
