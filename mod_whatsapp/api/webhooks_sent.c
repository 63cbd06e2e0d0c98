/* SPDX-License-Identifier: Apache-2.0 */
/* What was posted to a webhook, and posting it once more. */
#include "api.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_time.h"
#include "../core/wa_webhooks.h"
#include "page.h"

#define LIST "webhook-deliveries"

const wa_field wa_api_webhook_replay_fields[] = {
    { "since", WA_F_STRING, 0, 20, 40, NULL },
    { "after", WA_F_INT, 0, 0, APR_INT64_MAX, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

static json_t *attempt_json(const wa_webhook_attempt *a)
{
    json_t *j = json_object();

    wa_json_set_int(j, "number", a->number);
    wa_json_set_time(j, "at", a->at);
    wa_json_set_int(j, "duration_ms", a->took_ms);
    if (a->status) {
        wa_json_set_int(j, "status", a->status);
    }
    else {
        wa_json_set(j, "status", json_null());
    }
    wa_json_set_str(j, "error", a->error);
    wa_json_set_str(j, "response", a->response);
    return j;
}

static json_t *delivery_json(const wa_webhook_delivery *d)
{
    json_t *j = json_object(), *attempts = json_array();
    int i;

    wa_json_set_str(j, "id", d->id);
    wa_json_set_str(j, "event_id", d->event_id);
    if (d->sequence) {
        wa_json_set_int(j, "seq", d->sequence);
    }
    else {
        wa_json_set(j, "seq", json_null());
    }
    wa_json_set_str(j, "type", d->type);
    wa_json_set_str(j, "state", d->state);
    wa_json_set_int(j, "attempt_count", d->attempts);
    wa_json_set_time(j, "next_attempt_at", d->next_attempt_at);
    wa_json_set_time(j, "created_at", d->created_at);
    wa_json_set_time(j, "ended_at", d->ended_at);
    for (i = 0; i < d->tries->nelts; i++) {
        json_array_append_new(attempts, attempt_json(&APR_ARRAY_IDX(
                                            d->tries, i, wa_webhook_attempt)));
    }
    wa_json_set(j, "attempts", attempts);
    return j;
}

static wa_code read_state(wa_req *req, const char **state, wa_result *r)
{
    wa_code code = wa_req_query(req, "state", state, r);

    if (code == WA_OK && *state && strcmp(*state, "pending")
        && strcmp(*state, "delivered") && strcmp(*state, "failed")) {
        return wa_fail(r, WA_E_BAD_PARAMETER,
                       "state is pending, delivered or failed");
    }
    return code;
}

WA_API_HANDLER(wa_api_webhook_deliveries)
{
    apr_array_header_t *list = NULL;
    wa_webhook_query q;
    wa_page page;
    json_t *data;
    int i, shown;
    wa_code code;

    memset(&q, 0, sizeof(q));
    code = read_state(req, &q.state, r);
    if (code == WA_OK) {
        code = wa_page_read(app, req, LIST, &page, r);
    }
    if (code != WA_OK) {
        return code;
    }
    q.after = page.after_time;
    q.after_id = page.after_id;
    q.limit = page.limit + 1; /* one more tells whether there is a next page */
    code = wa_webhook_deliveries(app, req, req->params[0], &q, &list, r);
    if (code != WA_OK) {
        return code;
    }
    shown = list->nelts > page.limit ? page.limit : list->nelts;
    data = json_array();
    for (i = 0; i < shown; i++) {
        json_array_append_new(
            data, delivery_json(&APR_ARRAY_IDX(list, i, wa_webhook_delivery)));
    }
    if (list->nelts > page.limit) {
        const wa_webhook_delivery *last = &APR_ARRAY_IDX(list, shown - 1,
                                                         wa_webhook_delivery);

        page.next = wa_page_cursor_time(app, req->pool, LIST, last->created_at,
                                        last->id);
    }
    wa_page_answer(req, resp, &page, data);
    return WA_OK;
}

static wa_code accepted(const wa_req *req, wa_resp *resp, wa_code code,
                        const wa_webhook_delivery *d)
{
    if (code == WA_OK) {
        wa_resp_json(resp, req->pool, 202, delivery_json(d));
    }
    return code;
}

WA_API_HANDLER(wa_api_webhook_test)
{
    wa_webhook_delivery *d = NULL;
    wa_code code = wa_webhook_test(app, req, req->params[0], &d, r);

    return accepted(req, resp, code, d);
}

WA_API_HANDLER(wa_api_webhook_resend)
{
    wa_webhook_delivery *d = NULL;
    wa_code code = wa_webhook_resend(app, req, req->params[0], req->params[1],
                                     &d, r);

    return accepted(req, resp, code, d);
}

/* From where: a time or a number of the feed. */
static wa_code read_from(const wa_req *req, apr_time_t *since,
                         apr_int64_t *after, wa_result *r)
{
    const char *text = wa_json_str(req->json, "since");
    int numbered = json_is_integer(json_object_get(req->json, "after"));

    *since = 0;
    *after = wa_json_int(req->json, "after", 0);
    if (!text && !numbered) {
        return wa_fail_field(r, "/since", "required",
                             "since or after says from where");
    }
    if (text && numbered) {
        return wa_fail_field(r, "/after", "value", "can't stand beside since");
    }
    if (text && (wa_time_parse(text, since) != APR_SUCCESS || *since <= 0)) {
        return wa_fail_field(r, "/since", "format",
                             "must be a time as 2026-01-02T03:04:05Z");
    }
    return r->code;
}

WA_API_HANDLER(wa_api_webhook_replay)
{
    apr_time_t since;
    apr_int64_t after, last = 0;
    int count = 0;
    json_t *j;
    wa_code code = read_from(req, &since, &after, r);

    if (code == WA_OK) {
        code = wa_webhook_replay(app, req, req->params[0], since, after, &count,
                                 &last, r);
    }
    if (code != WA_OK) {
        return code;
    }
    j = json_object();
    wa_json_set_int(j, "count", count);
    if (count) {
        wa_json_set_int(j, "last_seq", last);
    }
    else {
        wa_json_set(j, "last_seq", json_null());
    }
    wa_json_set_bool(j, "more", count == WA_WEBHOOK_REPLAY_MAX);
    wa_resp_json(resp, req->pool, 202, j);
    return WA_OK;
}
