/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_bridge.c @brief docs/bridge-api.md, the side that calls. */
#include <apr_strings.h>
#include <apr_tables.h>
#include <string.h>

#include "../base/wa_id.h"
#include "../base/wa_log.h"
#include "../base/wa_time.h"
#include "../base/wa_trace.h"
#include "wa_bridge.h"

#define CALL_TIMEOUT apr_time_from_sec(10)
#define LOGOUT_TIMEOUT apr_time_from_sec(15) /* it waits for WhatsApp */
#define HEALTH_TIMEOUT apr_time_from_msec(500)
#define SEND_MARGIN apr_time_from_sec(2)
#define RETRY_AFTER 2

/* One call and what came of it. */
typedef struct exchange {
    const wa_bridge *b;
    apr_pool_t *p;
    const char *request_id;
    apr_interval_time_t timeout;
    apr_status_t rv; /* of the HTTP call */
    wa_http_answer answer;
    json_t *json; /* the answer's object, or NULL */
} exchange;

/* --- the wire --------------------------------------------------------------
 */

static const apr_table_t *make_headers(const exchange *x, int with_body)
{
    apr_table_t *t = apr_table_make(x->p, 4);

    apr_table_setn(t, "Authorization",
                   apr_pstrcat(x->p, "Bearer ", x->b->secret, NULL));
    if (with_body) {
        apr_table_setn(t, "Content-Type", "application/json");
    }
    if (x->request_id) {
        apr_table_setn(t, "X-Request-ID", x->request_id);
    }
    apr_table_setn(t, "traceparent", wa_trace_parent(x->p, x->request_id));
    return t;
}

/* Logs what only an operator can mend. */
static void complain(const exchange *x)
{
    if (x->rv == APR_EINVAL) {
        wa_log(WA_LOG_ERR, x->request_id,
               "WA0261: the bridge's URL or secret can't be used in a call");
    }
    else if (x->rv == APR_SUCCESS && x->answer.status == 401) {
        wa_log(WA_LOG_ERR, x->request_id,
               "WA0262: the bridge refuses our secret");
    }
}

/* @param body taken over, or NULL */
static void call(exchange *x, const char *method, const char *path,
                 json_t *body)
{
    wa_http_call c = { .method = method, .timeout = x->timeout };
    wa_result *ignored = wa_result_make(x->p);

    c.url = apr_pstrcat(x->p, x->b->url, path, NULL);
    c.headers = make_headers(x, body != NULL);
    if (body) {
        c.body = wa_json_dump(x->p, body, &c.body_len);
        json_decref(body);
    }
    x->json = NULL;
    x->rv = wa_http_do(x->b->http, x->p, &c, &x->answer);
    if (x->rv == APR_SUCCESS
        && wa_json_parse(&x->json, x->answer.body, x->answer.body_len, ignored)
               != WA_OK) {
        x->json = NULL;
    }
    complain(x);
}

static const char *session_path(const exchange *x, const char *session,
                                const char *verb)
{
    return apr_pstrcat(x->p, "/v1/sessions/", session, verb, NULL);
}

/* --- what an answer means --------------------------------------------------
 */

static const char *problem_code(const exchange *x)
{
    const char *code = wa_json_str(x->json, "code");

    return code ? code : "";
}

static wa_code unavailable(const exchange *x, wa_code code, wa_result *r)
{
    int wait = x->answer.retry_after;

    return wa_fail_retry(r, code, wait > 0 ? wait : RETRY_AFTER, NULL);
}

/* The codes of the bridge that are the client's business too; with any other
 * one it is between us and the bridge. */
static wa_code shared_code(const char *name)
{
    wa_code code = !strcmp(name, "media_refused") ? WA_E_REJECTED
                                                  : wa_code_by_name(name);

    switch (code) {
    case WA_E_QR_NOT_READY:
    case WA_E_CONFLICT:
    case WA_E_NOT_LINKED:
    case WA_E_ALREADY_LINKED:
    case WA_E_SESSION_LIMIT:
    case WA_E_RECIPIENT:
    case WA_E_NOT_ON_WHATSAPP:
    case WA_E_REJECTED:
    case WA_E_MEDIA_NOT_FOUND:
    case WA_E_MEDIA_TOO_LARGE:
    case WA_E_MEDIA_GONE:
    case WA_E_NOT_SUPPORTED:
    case WA_E_SESSION_UNAVAILABLE:
    case WA_E_BRIDGE_FULL:
    case WA_E_ACK_TIMEOUT:
        return code;
    default:
        return WA_OK;
    }
}

static wa_code fail_shared(const exchange *x, wa_code code, wa_result *r)
{
    const char *detail = wa_json_str(x->json, "detail");

    if (wa_code_status(code) == 503) {
        unavailable(x, code, r);
    }
    else {
        wa_fail(r, code, NULL);
    }
    r->detail = detail ? apr_pstrdup(r->p, detail) : NULL;
    return code;
}

/* Our own fault, or a version of the bridge that doesn't fit. */
static wa_code fail_refused(const exchange *x, wa_result *r)
{
    wa_log(WA_LOG_ERR, x->request_id,
           "WA0263: the bridge refused a call: status %d", x->answer.status);
    return wa_fail(r, WA_E_INTERNAL, NULL);
}

/* --- states ----------------------------------------------------------------
 */

static const char *copy_str(apr_pool_t *p, const json_t *j, const char *name)
{
    const char *s = wa_json_str(j, name);

    return s ? apr_pstrdup(p, s) : NULL;
}

static apr_time_t read_time(const json_t *j, const char *name)
{
    const char *s = wa_json_str(j, name);
    apr_time_t t = 0;

    return s && wa_time_parse(s, &t) == APR_SUCCESS ? t : 0;
}

void wa_bridge_state_read(apr_pool_t *p, const json_t *j, wa_bridge_state *s)
{
    memset(s, 0, sizeof(*s));
    s->status = copy_str(p, j, "status");
    s->reason = copy_str(p, j, "reason");
    s->restricted = json_is_true(json_object_get(j, "restricted"));
    s->phone_number = copy_str(p, j, "phone_number");
    s->push_name = copy_str(p, j, "push_name");
    s->qr_code = copy_str(p, j, "qr_code");
    s->qr_expires_at = read_time(j, "qr_expires_at");
    s->pairing_code = copy_str(p, j, "pairing_code");
    s->pairing_code_expires_at = read_time(j, "pairing_code_expires_at");
    s->connected_at = read_time(j, "connected_at");
    s->last_active_at = read_time(j, "last_active_at");
}

/* What is not a send: no harm in a repeat, so every way of not getting an
 * answer is the same. */
static wa_code check(const exchange *x, wa_result *r)
{
    int status = x->answer.status;
    wa_code code;

    if (x->rv != APR_SUCCESS || status == 401) {
        return unavailable(x, WA_E_BRIDGE_UNAVAILABLE, r);
    }
    if (status >= 200 && status < 300 && x->json) {
        return WA_OK;
    }
    if (WA_OK != (code = shared_code(problem_code(x)))) {
        return fail_shared(x, code, r);
    }
    if (!strcmp(problem_code(x), "session_not_found")) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    if (status >= 400 && status < 500) {
        return fail_refused(x, r);
    }
    return unavailable(x, WA_E_BRIDGE_UNAVAILABLE, r);
}

static wa_code state_call(exchange *x, const char *method, const char *path,
                          json_t *body, wa_bridge_state *state, wa_result *r)
{
    wa_code code;

    call(x, method, path, body);
    code = check(x, r);
    if (code != WA_OK) {
        return code;
    }
    wa_bridge_state_read(x->p, x->json, state);
    if (!state->status) {
        return unavailable(x, WA_E_BRIDGE_UNAVAILABLE, r);
    }
    return WA_OK;
}

wa_code wa_bridge_session_start(const wa_bridge *b, apr_pool_t *p,
                                const char *request_id,
                                const wa_bridge_start *start,
                                wa_bridge_state *state, wa_result *r)
{
    exchange x = { b, p, request_id, CALL_TIMEOUT };
    json_t *body = json_object();

    if (start->engine) {
        wa_json_set_str(body, "engine", start->engine);
    }
    if (start->phone_number) {
        wa_json_set_str(body, "phone_number", start->phone_number);
    }
    return state_call(&x, "PUT", session_path(&x, start->session, ""), body,
                      state, r);
}

wa_code wa_bridge_session_get(const wa_bridge *b, apr_pool_t *p,
                              const char *request_id, const char *session,
                              wa_bridge_state *state, wa_result *r)
{
    exchange x = { b, p, request_id, CALL_TIMEOUT };

    return state_call(&x, "GET", session_path(&x, session, ""), NULL, state, r);
}

wa_code wa_bridge_session_disconnect(const wa_bridge *b, apr_pool_t *p,
                                     const char *request_id,
                                     const char *session,
                                     wa_bridge_state *state, wa_result *r)
{
    exchange x = { b, p, request_id, CALL_TIMEOUT };

    return state_call(&x, "POST", session_path(&x, session, "/disconnect"),
                      NULL, state, r);
}

wa_code wa_bridge_session_idle(const wa_bridge *b, apr_pool_t *p,
                               const char *request_id, const char *session,
                               apr_int64_t seconds, wa_bridge_state *state,
                               wa_result *r)
{
    exchange x = { b, p, request_id, CALL_TIMEOUT };
    json_t *body = json_object();

    wa_json_set_int(body, "seconds", seconds);
    return state_call(&x, "POST", session_path(&x, session, "/idle"), body,
                      state, r);
}

wa_code wa_bridge_session_logout(const wa_bridge *b, apr_pool_t *p,
                                 const char *request_id, const char *session,
                                 wa_bridge_state *state, wa_result *r)
{
    exchange x = { b, p, request_id, LOGOUT_TIMEOUT };

    return state_call(&x, "POST", session_path(&x, session, "/logout"), NULL,
                      state, r);
}

wa_code wa_bridge_session_delete(const wa_bridge *b, apr_pool_t *p,
                                 const char *request_id, const char *session,
                                 wa_result *r)
{
    exchange x = { b, p, request_id, LOGOUT_TIMEOUT };

    call(&x, "DELETE", session_path(&x, session, ""), NULL);
    if (x.rv == APR_SUCCESS && x.answer.status == 204) {
        return WA_OK;
    }
    return check(&x, r);
}

wa_code wa_bridge_engines(const wa_bridge *b, apr_pool_t *p,
                          const char *request_id, json_t **engines,
                          wa_result *r)
{
    exchange x = { b, p, request_id, CALL_TIMEOUT };
    json_t *list;
    wa_code code;

    call(&x, "GET", "/v1/engines", NULL);
    code = check(&x, r);
    if (code != WA_OK) {
        return code;
    }
    list = json_object_get(x.json, "engines");
    if (!json_is_array(list)) {
        return unavailable(&x, WA_E_BRIDGE_UNAVAILABLE, r);
    }
    *engines = json_incref(list);
    return WA_OK;
}

wa_code wa_bridge_health(const wa_bridge *b, apr_pool_t *p,
                         const char *request_id, apr_interval_time_t *latency,
                         const char **mode, wa_result *r)
{
    exchange x = { b, p, request_id, HEALTH_TIMEOUT };
    apr_time_t start = apr_time_now();
    wa_code code;

    call(&x, "GET", "/v1/health", NULL);
    *latency = apr_time_now() - start;
    *mode = NULL;
    code = check(&x, r);
    if (code == WA_OK) {
        *mode = copy_str(p, x.json, "mode");
    }
    return code;
}

/* --- sending ---------------------------------------------------------------
 */

/* What of a file's description is the bridge's business. */
static json_t *media_body(const char *text, wa_result *ignored)
{
    static const char *const names[] = { "id", "mime_type", "size", "sha256",
                                         "file_name" };
    json_t *all, *j = json_object();
    apr_size_t i;

    if (wa_json_parse(&all, text, strlen(text), ignored) == WA_OK) {
        for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            json_t *value = json_object_get(all, names[i]);

            if (value && !json_is_null(value)) {
                json_object_set(j, names[i], value);
            }
        }
    }
    return j;
}

static json_t *send_body(apr_pool_t *p, const wa_bridge_send *send)
{
    json_t *j = json_object();

    wa_json_set_str(j, "id", send->whatsapp_id);
    wa_json_set_str(j, "to", send->to);
    wa_json_set_str(j, "type", send->type ? send->type : "text");
    if (send->text) {
        wa_json_set_str(j, "text", send->text);
    }
    if (send->media) {
        wa_json_set(j, "media", media_body(send->media, wa_result_make(p)));
    }
    wa_json_set_int(j, "timeout_ms", apr_time_as_msec(send->wait));
    return j;
}

static wa_send_outcome temporary(const exchange *x, wa_code code, wa_result *r)
{
    unavailable(x, code, r);
    return WA_SEND_TEMPORARY;
}

static wa_send_outcome unknown(const exchange *x, wa_result *r)
{
    int left = !strcmp(problem_code(x), "outcome_unknown");

    wa_fail_retry(r, left ? WA_E_OUTCOME_UNKNOWN : WA_E_ACK_TIMEOUT,
                  x->answer.retry_after, NULL);
    return WA_SEND_UNKNOWN;
}

/* A 4xx: the bridge looked at it and did not send. */
static wa_send_outcome refused(const exchange *x, wa_result *r)
{
    const char *name = problem_code(x);
    wa_code code = shared_code(name);

    if (!strcmp(name, "session_not_found")) {
        wa_fail(r, WA_E_NOT_LINKED, NULL);
        return WA_SEND_PERMANENT;
    }
    if (code != WA_OK && wa_code_status(code) < 500) {
        fail_shared(x, code, r);
        return WA_SEND_PERMANENT;
    }
    switch (x->answer.status) {
    case 400:
    case 413:
    case 415:
    case 422:
        fail_refused(x, r);
        return WA_SEND_PERMANENT;
    default:
        /* Wrong secret, wrong server behind the URL: an operator mends it
         * and the message can go. */
        return temporary(x, WA_E_BRIDGE_UNAVAILABLE, r);
    }
}

static wa_send_outcome acknowledged(const exchange *x, apr_time_t *sent_at,
                                    wa_result *r)
{
    const char *status = wa_json_str(x->json, "status");

    if (!status || strcmp(status, "sent") != 0) {
        return unknown(x, r);
    }
    *sent_at = read_time(x->json, "sent_at");
    if (!*sent_at) {
        *sent_at = apr_time_now();
    }
    return WA_SEND_SENT;
}

static wa_send_outcome outcome(const exchange *x, apr_time_t *sent_at,
                               wa_result *r)
{
    wa_code code = shared_code(problem_code(x));
    int status = x->answer.status;

    if (status == 200) {
        return acknowledged(x, sent_at, r);
    }
    if (status >= 400 && status < 500) {
        return refused(x, r);
    }
    if (status == 501 && code == WA_E_NOT_SUPPORTED) {
        fail_shared(x, code, r);
        return WA_SEND_PERMANENT;
    }
    if (status == 503) {
        return temporary(
            x,
            code == WA_E_SESSION_UNAVAILABLE ? code : WA_E_BRIDGE_UNAVAILABLE,
            r);
    }
    return unknown(x, r);
}

wa_send_outcome wa_bridge_message_send(const wa_bridge *b, apr_pool_t *p,
                                       const char *request_id,
                                       const wa_bridge_send *send,
                                       apr_time_t *sent_at, wa_result *r)
{
    exchange x = { b, p, request_id, send->wait + SEND_MARGIN };

    *sent_at = 0;
    call(&x, "POST", session_path(&x, send->session, "/messages"),
         send_body(p, send));
    if (x.rv == APR_SUCCESS) {
        return outcome(&x, sent_at, r);
    }
    if (!x.answer.maybe_sent) {
        return temporary(&x, WA_E_BRIDGE_UNAVAILABLE, r);
    }
    return unknown(&x, r);
}
