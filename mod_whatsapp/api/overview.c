/* SPDX-License-Identifier: Apache-2.0 */
/* All at a glance, for admins: figures of now and of yesterday, and series for
 * charts. */
#include "api.h"

#include "../core/wa_health.h"
#include "../core/wa_usage_report.h"
#include "usage_json.h"

#define WEEK 7

static json_t *figure(apr_int64_t today, apr_int64_t yesterday)
{
    json_t *j = json_object();

    wa_json_set_int(j, "today", today);
    wa_json_set_int(j, "yesterday", yesterday);
    return j;
}

static json_t *users_json(const wa_overview *o)
{
    json_t *j = json_object();

    wa_json_set(j, "total", figure(o->users, o->users_yesterday));
    wa_json_set(j, "active",
                figure(o->active_users, o->active_users_yesterday));
    return j;
}

static json_t *sessions_json(const wa_overview *o)
{
    static const char *const all[] = { "connected",    "connecting",
                                       "qr_pending",   "passkey_required",
                                       "disconnected", "failed" };
    json_t *j = json_object(), *by = json_object();
    apr_int64_t total = 0;
    apr_size_t k;
    int i;

    for (k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
        wa_json_set_int(by, all[k], 0);
    }
    for (i = 0; i < o->sessions->nelts; i++) {
        const wa_named_count *c = &APR_ARRAY_IDX(o->sessions, i,
                                                 wa_named_count);

        wa_json_set_int(by, c->name, c->today);
        total += c->today;
    }
    wa_json_set_int(j, "total", total);
    wa_json_set(j, "by_status", by);
    return j;
}

/* Two days of one array of spans; there are always 30. */
static const wa_counts *day_counts(const wa_overview *o, int days_ago)
{
    int i = o->days->nelts - 1 - days_ago;

    return &APR_ARRAY_IDX(o->days, i, wa_usage_span).counts;
}

static json_t *messages_json(const wa_overview *o)
{
    const wa_counts *today = day_counts(o, 0), *before = day_counts(o, 1);
    json_t *j = json_object(), *by = json_object();
    int i;

    for (i = 0; i < o->messages->nelts; i++) {
        const wa_named_count *c = &APR_ARRAY_IDX(o->messages, i,
                                                 wa_named_count);

        if (c->today || c->yesterday) {
            wa_json_set(by, c->name, figure(c->today, c->yesterday));
        }
    }
    wa_json_set(j, "sent", figure(today->messages_sent, before->messages_sent));
    wa_json_set(j, "failed",
                figure(today->messages_failed, before->messages_failed));
    wa_json_set(j, "received",
                figure(today->messages_received, before->messages_received));
    wa_json_set(j, "media_sent", figure(today->media_sent, before->media_sent));
    wa_json_set(j, "by_status", by);
    return j;
}

static json_t *queue_json(const wa_req *req, const wa_overview *o)
{
    json_t *j = json_object();
    apr_time_t age = req->received - o->oldest_queued;

    wa_json_set_int(j, "depth", o->queued);
    wa_json_set(j, "oldest_seconds",
                o->oldest_queued ? json_integer(age > 0 ? apr_time_sec(age) : 0)
                                 : json_null());
    return j;
}

static json_t *health_json(wa_app *app, const wa_req *req)
{
    static const char *const names[] = { "ok", "degraded", "unavailable" };
    json_t *j = json_object(), *checks = json_object();
    wa_health h;
    int i;

    wa_health_look(app, req->pool, req->request_id, &h);
    wa_json_set_str(j, "status", names[h.status]);
    for (i = 0; i < WA_HEALTH_CHECKS; i++) {
        wa_json_set_str(checks, h.checks[i].name,
                        h.checks[i].ok ? "ok" : "unavailable");
    }
    wa_json_set(j, "checks", checks);
    return j;
}

/* The last of the spans. */
static json_t *series(const apr_array_header_t *spans, int last)
{
    json_t *list = json_array();
    int i = spans->nelts > last ? spans->nelts - last : 0;

    for (; i < spans->nelts; i++) {
        json_array_append_new(
            list, wa_api_span_json(&APR_ARRAY_IDX(spans, i, wa_usage_span)));
    }
    return list;
}

WA_API_HANDLER(wa_api_overview)
{
    wa_overview o;
    json_t *j, *all;
    wa_code code = wa_overview_read(app, req->pool, req->request_id, &o, r);

    if (code != WA_OK) {
        return code;
    }
    j = json_object();
    wa_json_set_time(j, "at", req->received);
    wa_json_set(j, "users", users_json(&o));
    wa_json_set(j, "sessions", sessions_json(&o));
    wa_json_set(j, "messages", messages_json(&o));
    wa_json_set(j, "api_requests",
                figure(day_counts(&o, 0)->api_requests,
                       day_counts(&o, 1)->api_requests));
    wa_json_set(j, "queue", queue_json(req, &o));
    wa_json_set(j, "health", health_json(app, req));
    all = json_object();
    wa_json_set(all, "hours_24", series(o.hours, o.hours->nelts));
    wa_json_set(all, "days_7", series(o.days, WEEK));
    wa_json_set(all, "days_30", series(o.days, o.days->nelts));
    wa_json_set(j, "series", all);
    wa_resp_json(resp, req->pool, 200, j);
    return WA_OK;
}
