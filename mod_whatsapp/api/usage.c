/* SPDX-License-Identifier: Apache-2.0 */
/* What a user did by day, and what is left of its limits. */
#include "api.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_id.h"
#include "../base/wa_time.h"
#include "../core/wa_usage_report.h"
#include "usage_json.h"

#define DAYS_DEFAULT 30
#define DAYS_MAX 366
#define DAY APR_INT64_C(86400)

/* A parameter as "2026-01-31"; dflt, in days since 1970, when absent. */
static wa_code read_day(const wa_req *req, const char *name, apr_int64_t dflt,
                        apr_int64_t *day, wa_result *r)
{
    const char *text;
    apr_time_t t = 0;
    wa_code code = wa_req_query(req, name, &text, r);

    *day = dflt;
    if (code != WA_OK || !text) {
        return code;
    }
    if (strlen(text) != 10
        || wa_time_parse(apr_pstrcat(req->pool, text, "T12:00:00Z", NULL), &t)
               != APR_SUCCESS
        || t <= 0) {
        return wa_fail(r, WA_E_BAD_PARAMETER, "%s is a day as 2026-01-31",
                       name);
    }
    *day = apr_time_sec(t) / DAY;
    return WA_OK;
}

static const char *day_text(apr_pool_t *p, apr_int64_t day)
{
    return apr_pstrndup(p, wa_time_rfc3339(p, apr_time_from_sec(day * DAY)),
                        10);
}

static wa_code read_range(const wa_req *req, const char **from, const char **to,
                          wa_result *r)
{
    apr_int64_t first, last;
    wa_code code = read_day(req, "to", apr_time_sec(req->received) / DAY, &last,
                            r);

    if (code == WA_OK) {
        code = read_day(req, "from", last - (DAYS_DEFAULT - 1), &first, r);
    }
    if (code != WA_OK) {
        return code;
    }
    if (first > last || last - first >= DAYS_MAX) {
        return wa_fail(r, WA_E_BAD_PARAMETER,
                       "from is not after to, and the days are at most %d",
                       DAYS_MAX);
    }
    *from = day_text(req->pool, first);
    *to = day_text(req->pool, last);
    return WA_OK;
}

static json_t *window_json(const wa_window *w)
{
    json_t *j = json_object();
    apr_int64_t left = w->used < w->limit ? w->limit - w->used : 0;

    wa_json_set_int(j, "limit", w->limit);
    wa_json_set_int(j, "used", w->used);
    wa_json_set_int(j, "remaining", left);
    wa_json_set_int(j, "reset_seconds", w->reset);
    return j;
}

static json_t *limits_json(const wa_limit_state *state)
{
    json_t *j = json_object();

    wa_json_set(j, "requests_per_minute", window_json(&state->requests));
    wa_json_set(j, "messages_per_minute", window_json(&state->minute));
    wa_json_set(j, "messages_per_day", window_json(&state->day));
    return j;
}

static json_t *days_json(const apr_array_header_t *days, wa_counts *sum)
{
    json_t *list = json_array();
    int i;

    memset(sum, 0, sizeof(*sum));
    for (i = 0; i < days->nelts; i++) {
        const wa_usage_span *s = &APR_ARRAY_IDX(days, i, wa_usage_span);

        wa_counts_add(sum, &s->counts);
        json_array_append_new(list, wa_api_span_json(s));
    }
    return list;
}

static wa_code answer(wa_app *app, wa_req *req, wa_resp *resp,
                      const char *user_id, wa_result *r)
{
    const char *from = NULL, *to = NULL;
    apr_array_header_t *days = NULL;
    wa_limit_state limits;
    wa_counts sum;
    json_t *j, *list;
    wa_code code = read_range(req, &from, &to, r);

    if (code == WA_OK) {
        code = wa_usage_limits(app, req->pool, req->request_id, user_id,
                               &limits, r);
    }
    if (code == WA_OK) {
        code = wa_usage_days(app, req->pool, req->request_id, user_id, from, to,
                             &days, r);
    }
    if (code != WA_OK) {
        return code;
    }
    j = json_object();
    wa_json_set_str(j, "user_id", user_id);
    wa_json_set_str(j, "from", from);
    wa_json_set_str(j, "to", to);
    list = days_json(days, &sum);
    wa_json_set(j, "totals", wa_api_counts_json(&sum));
    wa_json_set(j, "days", list);
    wa_json_set(j, "limits", limits_json(&limits));
    wa_resp_json(resp, req->pool, 200, j);
    return WA_OK;
}

WA_API_HANDLER(wa_api_usage)
{
    return answer(app, req, resp, req->principal->user_id, r);
}

WA_API_HANDLER(wa_api_usage_of_user)
{
    if (!wa_id_is_uuid(req->params[0])) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    return answer(app, req, resp, req->params[0], r);
}
