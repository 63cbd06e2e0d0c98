/* SPDX-License-Identifier: Apache-2.0 */
/* The sessions of all users, for admins. */
#include "api.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_id.h"
#include "../core/wa_audit.h"
#include "../core/wa_sessions.h"
#include "page.h"

#define LIST "sessions"

static wa_code read_filters(wa_req *req, wa_session_query *q, wa_result *r)
{
    wa_code code = wa_req_query(req, "status", &q->status, r);

    if (code == WA_OK) {
        code = wa_req_query(req, "user_id", &q->user_id, r);
    }
    if (code == WA_OK) {
        code = wa_req_query(req, "engine", &q->engine, r);
    }
    if (code == WA_OK && q->user_id && !wa_id_is_uuid(q->user_id)) {
        code = wa_fail(r, WA_E_BAD_PARAMETER, "user_id is not a user's id");
    }
    return code;
}

static json_t *row_json(const wa_app *app, const wa_session *s)
{
    json_t *j = wa_api_session_json(app, s);

    /* Whoever holds the code can link a phone; a list is no place for it. */
    json_object_del(j, "qr_code");
    json_object_del(j, "qr_expires_at");
    json_object_del(j, "pairing_code");
    json_object_del(j, "pairing_code_expires_at");
    wa_json_set_str(j, "user_id", s->user_id);
    wa_json_set_str(j, "username", s->username);
    wa_json_set_time(j, "created_at", s->created_at);
    return j;
}

WA_API_HANDLER(wa_api_sessions_list)
{
    apr_array_header_t *sessions = NULL;
    wa_session_query q;
    wa_page page;
    json_t *data;
    int i, shown;
    wa_code code;

    memset(&q, 0, sizeof(q));
    code = read_filters(req, &q, r);
    if (code == WA_OK) {
        code = wa_page_read(app, req, LIST, &page, r);
    }
    if (code != WA_OK) {
        return code;
    }
    q.after_created = page.after_time;
    q.after_id = page.after_id;
    q.limit = page.limit + 1;
    code = wa_session_list(app, req->pool, req->request_id, &q, &sessions, r);
    if (code != WA_OK) {
        return code;
    }
    shown = sessions->nelts > page.limit ? page.limit : sessions->nelts;
    data = json_array();
    for (i = 0; i < shown; i++) {
        json_array_append_new(
            data, row_json(app, &APR_ARRAY_IDX(sessions, i, wa_session)));
    }
    if (sessions->nelts > page.limit) {
        const wa_session *last = &APR_ARRAY_IDX(sessions, shown - 1,
                                                wa_session);

        page.next = wa_page_cursor_time(app, req->pool, LIST, last->created_at,
                                        last->id);
    }
    wa_page_answer(req, resp, &page, data);
    return WA_OK;
}

typedef wa_code rule_fn(wa_app *app, apr_pool_t *p, const char *request_id,
                        const char *user_id, const char *name,
                        wa_session **session, wa_result *r);

/* Do something to a session named by its id, and write down who did. */
static wa_code act(wa_app *app, wa_req *req, wa_resp *resp, rule_fn *rule,
                   const char *action, wa_result *r)
{
    wa_audit_entry e = wa_audit_of(req, action, "session", req->params[0],
                                   NULL);
    wa_session *s;
    wa_code code = wa_session_get(app, req->pool, req->request_id,
                                  req->params[0], &s, r);

    if (code != WA_OK) {
        return code;
    }
    if (!wa_place_take(app)) {
        return wa_fail_retry(r, WA_E_NOT_READY, 1,
                             "Too many requests wait for the bridge");
    }
    wa_audit_note(app, req->pool, &e);
    code = rule(app, req->pool, req->request_id, s->user_id, s->name, &s, r);
    wa_place_give(app);
    if (code == WA_OK) {
        wa_resp_json(resp, req->pool, 200, row_json(app, s));
    }
    return code;
}

WA_API_HANDLER(wa_api_sessions_disconnect)
{
    return act(app, req, resp, wa_session_disconnect, "session.disconnect", r);
}

WA_API_HANDLER(wa_api_sessions_logout)
{
    return act(app, req, resp, wa_session_logout, "session.logout", r);
}

WA_API_HANDLER(wa_api_sessions_restart)
{
    return act(app, req, resp, wa_session_restart, "session.restart", r);
}
