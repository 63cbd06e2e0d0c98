/* SPDX-License-Identifier: Apache-2.0 */
#include "api.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "../base/wa_qr.h"
#include "../core/wa_audit.h"
#include "../core/wa_auth.h"
#include "../core/wa_recipient.h"
#include "../core/wa_session_peek.h"
#include "../core/wa_sessions.h"
#include "../core/wa_users.h"
#include "negotiate.h"

#define PNG_SCALE 8
#define QR_RETRY_SECONDS 1

static const char *const engines[] = { "baileys", "webjs", NULL };

const wa_field wa_api_session_fields[] = {
    { "session", WA_F_STRING, 0, 1, 64, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

const wa_field wa_api_session_init_fields[] = {
    { "session", WA_F_STRING, 0, 1, 64, NULL },
    { "engine", WA_F_STRING, 0, 1, 32, engines },
    { "phone_number", WA_F_STRING, 0, 1, 32, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

json_t *wa_api_session_json(const wa_app *app, const wa_session *s)
{
    json_t *j = json_object();

    wa_json_set_str(j, "id", s->id);
    wa_json_set_str(j, "session", s->name);
    wa_json_set_str(j, "engine", s->engine);
    wa_json_set_str(j, "mode", app->settings->mode);
    wa_json_set_str(j, "status", s->status);
    wa_json_set_str(j, "reason", s->reason);
    wa_json_set_bool(j, "restricted", s->restricted);
    wa_json_set_str(j, "phone_number", s->phone_number);
    wa_json_set_str(j, "push_name", s->push_name);
    wa_json_set_time(j, "connected_at", s->connected_at);
    wa_json_set_time(j, "last_active_at", s->last_active_at);
    wa_json_set_str(j, "qr_code", s->qr_code);
    wa_json_set_time(j, "qr_expires_at", s->qr_code ? s->qr_expires_at : 0);
    wa_json_set_str(j, "pairing_code", s->pairing_code);
    wa_json_set_time(j, "pairing_code_expires_at",
                     s->pairing_code ? s->pairing_code_expires_at : 0);
    return j;
}

/* Whose session: the user in the path, which only admins' routes have, or who
 * asks. */
static const char *subject(const wa_req *req)
{
    return req->params[0] ? req->params[0] : req->principal->user_id;
}

/* A user who never had a session has one that was never linked. */
static const wa_session *never_linked(apr_pool_t *p, const char *name)
{
    wa_session *s = apr_pcalloc(p, sizeof(*s));

    s->name = name;
    s->status = "disconnected";
    s->reason = "never_linked";
    return s;
}

/* A user in the path must exist. */
static wa_code check_subject(wa_app *app, const wa_req *req, wa_result *r)
{
    wa_user *user;

    return req->params[0] ? wa_user_get(app, req->pool, req->request_id,
                                        req->params[0], &user, r)
                          : WA_OK;
}

/* The session a GET speaks of, by ?session=. */
static wa_code find(wa_app *app, wa_req *req, const char **name,
                    wa_session **session, wa_result *r)
{
    wa_code code = check_subject(app, req, r);

    if (code == WA_OK) {
        code = wa_req_query(req, "session", name, r);
    }
    if (code == WA_OK) {
        code = wa_session_name(name, r);
    }
    if (code == WA_OK) {
        code = wa_session_find(app, req->pool, req->request_id, subject(req),
                               *name, session, r);
    }
    return code;
}

/* The answer as it was given a moment ago. */
static void answer_again(wa_resp *resp, const wa_session_peek *peek)
{
    resp->content_type = "application/json";
    resp->body = peek->text;
    resp->body_len = peek->len;
}

WA_API_HANDLER(wa_api_session_status)
{
    const char *name;
    wa_session *s;
    wa_code code;

    if (req->peek && req->peek->text) {
        answer_again(resp, req->peek);
        return WA_OK;
    }
    code = find(app, req, &name, &s, r);
    if (code != WA_OK) {
        return code;
    }
    wa_resp_json(
        resp, req->pool, 200,
        wa_api_session_json(app, s ? s : never_linked(req->pool, name)));
    /* A code to link a phone with is not for Redis, and changes all the time.
     */
    if (req->peek && resp->status == 200
        && !(s && (s->qr_code || s->pairing_code))) {
        wa_session_keep(app, req->pool, req->principal->user_id, req->peek,
                        resp->body, resp->body_len);
    }
    return code;
}

/* A rule of core, called for the session the body names. */
typedef wa_code session_rule(wa_app *app, const wa_req *req, const char *name,
                             wa_session **session, wa_result *r);

/* The bridge is asked, so the request takes a waiting place. */
static wa_code with_place(wa_app *app, wa_req *req, wa_resp *resp,
                          session_rule *rule, int status, wa_result *r)
{
    const char *name = wa_json_str(req->json, "session");
    wa_session *s;
    wa_code code = wa_session_name(&name, r);

    if (code == WA_OK) {
        code = check_subject(app, req, r);
    }
    if (code != WA_OK) {
        return code;
    }
    if (!wa_place_take(app)) {
        return wa_fail_retry(r, WA_E_NOT_READY, 1,
                             "Too many requests wait for the bridge");
    }
    code = rule(app, req, name, &s, r);
    wa_place_give(app);
    if (code == WA_OK) {
        wa_resp_json(resp, req->pool, status, wa_api_session_json(app, s));
    }
    return code;
}

/* A number as people write it, and no id of a group. */
static wa_code read_phone(const wa_req *req, const char **phone, wa_result *r)
{
    const char *text = wa_json_str(req->json, "phone_number");
    const char *chat;
    wa_result *ignored = wa_result_make(req->pool);

    *phone = NULL;
    if (text
        && (strchr(text, '@')
            || wa_recipient_read(text, phone, &chat, ignored) != WA_OK)) {
        return wa_fail_field(r, "/phone_number", "format",
                             "must be a phone number such as +491701234567");
    }
    return WA_OK;
}

/* What an admin starts for somebody else is written down. */
static void note_init(wa_app *app, const wa_req *req, const wa_session *s)
{
    json_t *detail = json_pack("{s:s, s:s}", "user_id", s->user_id, "session",
                               s->name);
    wa_audit_entry e = wa_audit_of(req, "session.init", "session", s->id,
                                   wa_json_own(req->pool, detail));

    wa_audit_note(app, req->pool, &e);
}

static wa_code init_rule(wa_app *app, const wa_req *req, const char *name,
                         wa_session **session, wa_result *r)
{
    wa_session_wish wish = { .user_id = subject(req), .name = name };
    wa_code code = read_phone(req, &wish.phone_number, r);

    if (code != WA_OK) {
        return code;
    }
    wish.engine = wa_json_str(req->json, "engine");
    code = wa_session_init(app, req->pool, req->request_id, &wish, session, r);
    if (code == WA_OK && req->params[0]) {
        note_init(app, req, *session);
    }
    return code;
}

static wa_code disconnect_rule(wa_app *app, const wa_req *req, const char *name,
                               wa_session **session, wa_result *r)
{
    return wa_session_disconnect(app, req->pool, req->request_id, subject(req),
                                 name, session, r);
}

static wa_code logout_rule(wa_app *app, const wa_req *req, const char *name,
                           wa_session **session, wa_result *r)
{
    return wa_session_logout(app, req->pool, req->request_id, subject(req),
                             name, session, r);
}

/* 202: linking or connecting goes on after the answer. */
WA_API_HANDLER(wa_api_session_init)
{
    return with_place(app, req, resp, init_rule, 202, r);
}

/* Which engine is used where nobody names one is the module's setting. */
WA_API_HANDLER(wa_api_engines)
{
    json_t *list, *j;
    wa_code code;

    if (!wa_place_take(app)) {
        return wa_fail_retry(r, WA_E_NOT_READY, 1,
                             "Too many requests wait for the bridge");
    }
    code = wa_bridge_engines(&app->bridge, req->pool, req->request_id, &list,
                             r);
    wa_place_give(app);
    if (code != WA_OK) {
        return code;
    }
    j = json_object();
    wa_json_set_str(j, "default", app->settings->default_engine);
    json_object_set_new(j, "engines", list);
    wa_resp_json(resp, req->pool, 200, j);
    return WA_OK;
}

WA_API_HANDLER(wa_api_session_disconnect)
{
    return with_place(app, req, resp, disconnect_rule, 200, r);
}

WA_API_HANDLER(wa_api_session_logout)
{
    return with_place(app, req, resp, logout_rule, 200, r);
}

static wa_code no_qr(const wa_session *s, wa_result *r)
{
    if (s && !strcmp(s->status, "connected")) {
        return wa_fail(r, WA_E_ALREADY_LINKED,
                       "A phone is linked to this session");
    }
    if (s && s->linked && s->wanted) {
        return wa_fail(r, WA_E_ALREADY_LINKED,
                       "A phone is linked to this session; it is"
                       " reconnecting");
    }
    if (!s || !s->wanted) {
        return wa_fail_retry(r, WA_E_QR_NOT_READY, QR_RETRY_SECONDS,
                             "The session is not started; POST"
                             " /api/session/init starts it");
    }
    if (s->pairing_code) {
        return wa_fail_retry(r, WA_E_QR_NOT_READY, QR_RETRY_SECONDS,
                             "The session is linked by a number: type its"
                             " pairing_code (GET /api/session/status) on the"
                             " phone");
    }
    return wa_fail_retry(r, WA_E_QR_NOT_READY, QR_RETRY_SECONDS,
                         "The code is on its way");
}

static wa_code draw(wa_req *req, wa_resp *resp, const wa_app *app,
                    const wa_session *s, wa_format format, wa_result *r)
{
    apr_status_t rv = APR_SUCCESS;

    switch (format) {
    case WA_FORMAT_JSON:
        wa_resp_json(resp, req->pool, 200, wa_api_session_json(app, s));
        break;
    case WA_FORMAT_RAW:
        resp->content_type = "text/plain; charset=utf-8";
        resp->body = s->qr_code;
        resp->body_len = strlen(s->qr_code);
        break;
    case WA_FORMAT_PNG:
        resp->content_type = "image/png";
        rv = wa_qr_png(req->pool, s->qr_code, PNG_SCALE, &resp->body,
                       &resp->body_len);
        break;
    default:
        resp->content_type = "image/svg+xml";
        rv = wa_qr_svg(req->pool, s->qr_code, &resp->body, &resp->body_len);
        break;
    }
    return rv == APR_SUCCESS ? WA_OK : wa_fail(r, WA_E_INTERNAL, NULL);
}

WA_API_HANDLER(wa_api_session_qr)
{
    const char *name;
    wa_format format;
    wa_session *s;
    wa_code code = wa_negotiate_qr(req, &format, r);

    if (code == WA_OK) {
        code = find(app, req, &name, &s, r);
    }
    if (code != WA_OK) {
        return code;
    }
    if (!s || !s->qr_code || strcmp(s->status, "qr_pending")) {
        return no_qr(s, r);
    }
    apr_table_setn(resp->headers, "Vary", "Accept");
    return draw(req, resp, app, s, format, r);
}
