/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_flow.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_multipart.h"
#include "../core/wa_auth.h"
#include "../core/wa_idempotency.h"
#include "../core/wa_limits.h"
#include "../core/wa_session_peek.h"
#include "../core/wa_usage.h"
#include "wa_body.h"
#include "wa_cors.h"

/* One step of the line; all have this form so that they stand in a table. */
typedef wa_code stage_fn(wa_app *app, wa_req *req, wa_resp *resp, wa_result *r);

/* What may only look at sessions, and names none, looks at the user's own:
 * Redis may have its state, and is asked anyway. */
static int looks_at_session(const wa_req *req)
{
    return req->route->scope == WA_SCOPE_SESSIONS_READ && !req->query;
}

/* Where nobody has to be known it is the address that counts. */
static wa_code count_public(wa_app *app, wa_req *req, wa_result *r)
{
    if (req->route->uncounted) {
        return WA_OK;
    }
    req->limits = apr_pcalloc(req->pool, sizeof(*req->limits));
    wa_limits_count_address(app, req, 1, req->limits);
    return wa_limits_judge_address(req->limits, r);
}

static wa_code authenticate(wa_app *app, wa_req *req, wa_resp *resp,
                            wa_result *r)
{
    switch (req->route->caller) {
    case WA_CALLER_PUBLIC:
        return count_public(app, req, r);
    case WA_CALLER_INTERNAL:
        return wa_auth_internal(app, req, r);
    default:
        req->limits = apr_pcalloc(req->pool, sizeof(*req->limits));
        if (looks_at_session(req)) {
            req->peek = apr_pcalloc(req->pool, sizeof(*req->peek));
        }
        return wa_auth_request(app, req, &req->principal, req->limits, r);
    }
}

static wa_code authorise(wa_app *app, wa_req *req, wa_resp *resp, wa_result *r)
{
    const wa_principal *who = req->principal;
    unsigned scope = req->route->scope;

    if (!who) {
        return WA_OK; /* public or internal: nothing more is asked */
    }
    if (req->route->caller == WA_CALLER_ADMIN && strcmp(who->role, "admin")) {
        return wa_fail(r, WA_E_FORBIDDEN, "Only an admin may do that");
    }
    if ((who->scopes & scope) != scope) {
        return wa_fail(r, WA_E_SCOPE, "The API key lacks the scope %s",
                       wa_scope_name((wa_scope)scope));
    }
    return WA_OK;
}

static wa_code read_body(wa_app *app, wa_req *req, wa_resp *resp, wa_result *r)
{
    if (!req->route->body_max
        || (req->route->form && wa_multipart_is_form(req))) {
        return WA_OK;
    }
    return wa_body_read_json(req, req->route->body_max, req->route->schema, r);
}

/* A send stores its key with its message, in one transaction; for all else that
 * is posted the key is claimed here. */
static wa_code handle_once(wa_app *app, wa_req *req, wa_resp *resp,
                           wa_result *r)
{
    wa_idem_found *found = NULL;
    wa_code code = WA_OK;

    if (req->principal && !strcmp(req->method, "POST")) {
        code = wa_idem_read(req, &req->idem, r);
    }
    if (code == WA_OK && req->idem
        && !(req->route->scope & WA_SCOPE_MESSAGES_SEND)) {
        code = wa_idem_claim(app, req, req->idem, &found, r);
    }
    if (code != WA_OK) {
        return code;
    }
    if (found) {
        wa_idem_replay(req, resp, found);
        return WA_OK;
    }
    return req->route->handler(app, req, resp, r);
}

static stage_fn *const stages[] = { authenticate, authorise, read_body,
                                    handle_once };

/* What no endpoint is there for counts as any other request: for the user whose
 * credential it shows, else for its address. In the log it is nobody's. */
static wa_code count_stray(wa_app *app, wa_req *req, wa_code code, wa_result *r)
{
    wa_result *late = wa_result_make(req->pool);
    wa_principal *who = NULL;

    req->limits = apr_pcalloc(req->pool, sizeof(*req->limits));
    if (wa_auth_request(app, req, &who, req->limits, late)
        != WA_E_RATE_LIMITED) {
        return code;
    }
    *r = *late;
    return WA_E_RATE_LIMITED;
}

void wa_flow_run(wa_app *app, const wa_route *table, wa_req *req, wa_resp *resp)
{
    wa_result *r = wa_result_make(req->pool);
    wa_code code = wa_route_find(table, req, r);
    int stray = code != WA_OK && table == wa_routes_api;
    apr_size_t i;

    for (i = 0; code == WA_OK && i < sizeof(stages) / sizeof(stages[0]); i++) {
        code = stages[i](app, req, resp, r);
    }
    if (stray && code == WA_E_METHOD
        && wa_cors_preflight(app, req, resp, r->allow)) {
        code = WA_OK; /* shows no credential, and is asked for one that does */
    }
    else if (stray) {
        code = count_stray(app, req, code, r);
    }
    if (code != WA_OK) {
        r->code = code;
        wa_resp_problem(resp, req, r);
    }
    if (req->idem && req->idem->open) {
        wa_idem_answered(app, req, resp);
    }
    if (req->limits) {
        wa_limits_headers(req->pool, req->limits, resp->headers);
    }
    apr_table_setn(resp->headers, "X-Request-ID", req->request_id);
    if (!apr_table_get(resp->headers, "Cache-Control")) {
        apr_table_setn(resp->headers, "Cache-Control", "no-store");
    }
    apr_table_setn(resp->headers, "X-Content-Type-Options", "nosniff");
    if (table == wa_routes_api) {
        wa_cors_headers(app, req, resp);
    }
}

void wa_flow_log(wa_app *app, const wa_req *req, const wa_resp *resp,
                 const char *method, apr_off_t bytes)
{
    const wa_principal *who = req->principal;
    wa_usage_row row;

    row.at = req->received;
    row.duration = apr_time_now() - req->received;
    row.bytes_in = req->body.taken;
    row.bytes_out = bytes;
    row.endpoint = req->route ? req->route->path : NULL;
    row.status = resp->status;
    WA_USAGE_TEXT(row.user_id, who ? who->user_id : NULL);
    WA_USAGE_TEXT(row.key_id, who ? who->key_id : NULL);
    WA_USAGE_TEXT(row.method, method);
    WA_USAGE_TEXT(row.address, req->peer);
    WA_USAGE_TEXT(row.request_id, req->request_id);
    wa_usage_note(app, &row);
}
