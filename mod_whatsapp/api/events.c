/* SPDX-License-Identifier: Apache-2.0 */
/* The feed as pages, with or without waiting for what is still to come. */
#include "events.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "../base/wa_id.h"
#include "../core/wa_auth.h"
#include "../core/wa_feed.h"
#include "api.h"
#include "filter.h"
#include "page.h"

#define WAIT_MAX 30 /* seconds */
/* Statements at most until something is found that passes the filter. */
#define ROUNDS 20
#define NUMBER_MAX 18 /* digits, so that it fits */

/* Its cursors are the user's alone. */
static const char *list_of(apr_pool_t *p, const char *user_id)
{
    return apr_pstrcat(p, "events:", user_id, NULL);
}

const char *wa_events_cursor(const wa_app *app, apr_pool_t *p,
                             const char *user_id, apr_int64_t seq)
{
    return wa_page_cursor(app, p, list_of(p, user_id), wa_db_p_int(p, seq), "");
}

static wa_code read_after(wa_app *app, const char *user_id, const char *text,
                          apr_int64_t *after, wa_result *r)
{
    apr_size_t digits = strspn(text, "0123456789");
    wa_page page;

    if (!strcmp(text, "latest")) {
        *after = WA_EVENTS_LATEST;
        return WA_OK;
    }
    if (digits && !text[digits] && digits <= NUMBER_MAX) {
        *after = apr_atoi64(text);
        return WA_OK;
    }
    if (wa_page_cursor_read(app, list_of(r->p, user_id), text, &page, r)
        != WA_OK) {
        return wa_fail(r, WA_E_BAD_PARAMETER,
                       "after is a next_cursor of this feed, the number of an"
                       " event, or latest");
    }
    *after = apr_atoi64(page.after_key);
    return WA_OK;
}

wa_code wa_events_query_read(wa_app *app, wa_req *req, const char *user_id,
                             const char *last, wa_event_query *q, wa_result *r)
{
    apr_array_header_t *types;
    const char *text;
    wa_page page;
    wa_code code = wa_page_read(app, req, "events", &page, r);

    memset(q, 0, sizeof(*q));
    q->user_id = user_id;
    q->after = WA_EVENTS_OLDEST;
    q->limit = page.limit;
    if (code == WA_OK) {
        code = wa_filter_text(req, "session", 64, &q->session, r);
    }
    if (code == WA_OK) {
        code = wa_req_query(req, "types", &text, r);
    }
    if (code == WA_OK && text) {
        code = wa_event_types_read(text, &types, r);
        q->types = types;
    }
    if (code == WA_OK) {
        code = wa_req_query(req, "after", &text, r);
    }
    if (last) {
        text = last;
    }
    return code == WA_OK && text ? read_after(app, user_id, text, &q->after, r)
                                 : code;
}

json_t *wa_event_json(const wa_event *e)
{
    json_t *j = json_object();

    wa_json_set_str(j, "id", e->id);
    wa_json_set_int(j, "seq", e->seq);
    wa_json_set_str(j, "type", e->type);
    wa_json_set_time(j, "occurred_at", e->occurred_at);
    if (e->request_id) {
        wa_json_set_str(j, "request_id", e->request_id);
    }
    /* PostgreSQL has checked it. */
    wa_json_set(j, "data", json_loads(e->data, 0, NULL));
    return j;
}

wa_code wa_events_full(wa_result *r)
{
    return wa_fail_retry(r, WA_E_NOT_READY, 5,
                         "Too many readers wait for events here");
}

/* --- a page ----------------------------------------------------------------*/

/* One page that somebody asked for, and where it has got to. */
typedef struct ask {
    wa_app *app;
    wa_req *req;
    wa_event_query q;
    wa_event_page page;
    apr_pool_t *pool; /* of a round */
} ask;

static wa_code read_wait(const wa_req *req, apr_interval_time_t *wait,
                         wa_result *r)
{
    const char *text;
    wa_code code = wa_req_query(req, "wait", &text, r);

    *wait = 0;
    if (code != WA_OK || !text) {
        return code;
    }
    if (!apr_isdigit(*text) || text[strspn(text, "0123456789")]
        || strlen(text) > 2 || apr_atoi64(text) > WAIT_MAX) {
        return wa_fail(r, WA_E_BAD_PARAMETER, "wait is 0 to %d seconds",
                       WAIT_MAX);
    }
    *wait = apr_time_from_sec(apr_atoi64(text));
    return WA_OK;
}

/* Read on until something passes the filter or all has been seen. */
static wa_code read_on(ask *a, wa_result *r)
{
    int round = 0;
    wa_code code;

    do {
        apr_pool_clear(a->pool);
        code = wa_events_read(a->app, a->pool, a->req->request_id, &a->q,
                              &a->page, r);
        if (code == WA_OK) {
            a->q.after = a->page.next;
        }
    } while (code == WA_OK && !a->page.events->nelts
             && a->page.next < a->page.newest && ++round < ROUNDS);
    return code;
}

/* Nothing was there: wait for something. Whoever lost his rights meanwhile is
 * told nothing. */
static wa_code wait_for_some(ask *a, apr_interval_time_t wait, wa_result *r)
{
    wa_feed_reader *reader = wa_feed_join(a->app, a->req->pool, a->q.user_id);
    apr_time_t until = apr_time_now() + wait;
    apr_status_t rv = APR_SUCCESS;
    wa_code code;

    if (!reader) {
        return wa_events_full(r);
    }
    code = read_on(a, r);
    while (code == WA_OK && !a->page.events->nelts) {
        rv = wa_feed_wait(reader, a->page.newest, until - apr_time_now());
        if (rv != APR_SUCCESS) {
            return WA_OK;
        }
        code = read_on(a, r);
    }
    return code == WA_OK ? wa_auth_holds(a->app, a->req->pool, a->req, r)
                         : code;
}

static void answer(const ask *a, wa_resp *resp)
{
    json_t *data = json_array();
    json_t *j = json_object();
    int i;

    for (i = 0; i < a->page.events->nelts; i++) {
        json_array_append_new(
            data, wa_event_json(&APR_ARRAY_IDX(a->page.events, i, wa_event)));
    }
    wa_json_set(j, "data", data);
    wa_json_set_str(
        j, "next_cursor",
        wa_events_cursor(a->app, a->req->pool, a->q.user_id, a->page.next));
    wa_resp_json(resp, a->req->pool, 200, j);
}

static wa_code events_of(wa_app *app, wa_req *req, wa_resp *resp,
                         const char *user_id, wa_result *r)
{
    ask a = { app, req, { 0 }, { 0 }, NULL };
    apr_interval_time_t wait;
    wa_code code = wa_events_query_read(app, req, user_id, NULL, &a.q, r);

    if (code == WA_OK) {
        code = read_wait(req, &wait, r);
    }
    if (code != WA_OK) {
        return code;
    }
    apr_pool_create(&a.pool, req->pool);
    code = read_on(&a, r);
    if (code == WA_OK && wait && !a.page.events->nelts) {
        code = wait_for_some(&a, wait, r);
    }
    if (code == WA_OK) {
        answer(&a, resp);
    }
    return code;
}

WA_API_HANDLER(wa_api_events)
{
    return events_of(app, req, resp, req->principal->user_id, r);
}

WA_API_HANDLER(wa_api_events_of_user)
{
    const char *user_id = req->params[0];

    return wa_id_is_uuid(user_id) ? events_of(app, req, resp, user_id, r)
                                  : wa_fail(r, WA_E_NOT_FOUND, NULL);
}
