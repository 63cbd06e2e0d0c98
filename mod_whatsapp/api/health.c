/* SPDX-License-Identifier: Apache-2.0 */
#include "api.h"

#include <apr_strings.h>

#include "../core/wa_health.h"

WA_API_HANDLER(wa_api_health_live)
{
    json_t *j = json_object();

    wa_json_set_str(j, "status", "ok");
    wa_resp_json(resp, req->pool, 200, j);
    return WA_OK;
}

static json_t *check_json(const wa_health_check *c)
{
    json_t *j = json_object();

    wa_json_set_str(j, "status", c->ok ? "ok" : "unavailable");
    if (c->latency >= 0) {
        wa_json_set(j, "latency_ms", json_real((double)c->latency / 1000.0));
    }
    if (c->reason) {
        wa_json_set_str(j, "reason", c->reason);
    }
    return j;
}

/* There only when something is wrong with it: this process' own log. */
static void add_log(const wa_req *req, json_t *checks, const wa_health *h)
{
    wa_health_check c = { "request_log", 0, -1, NULL };

    if (h->unlogged) {
        c.reason = apr_psprintf(req->pool,
                                "%" APR_INT64_T_FMT " requests are missing",
                                h->unlogged);
        wa_json_set(checks, c.name, check_json(&c));
    }
}

/* 503 only without PostgreSQL: without the others requests are answered and
 * messages accepted, so a load balancer must not turn away. */
WA_API_HANDLER(wa_api_health_ready)
{
    static const char *const names[] = { "ok", "degraded", "unavailable" };
    json_t *j = json_object(), *checks = json_object();
    wa_health h;
    int i;

    wa_health_look(app, req->pool, req->request_id, &h);
    wa_json_set_str(j, "status", names[h.status]);
    wa_json_set_str(j, "mode", app->settings->mode);
    for (i = 0; i < WA_HEALTH_CHECKS; i++) {
        wa_json_set(checks, h.checks[i].name, check_json(&h.checks[i]));
    }
    add_log(req, checks, &h);
    wa_json_set(j, "checks", checks);
    wa_resp_json(resp, req->pool, h.status == WA_HEALTH_UNAVAILABLE ? 503 : 200,
                 j);
    return WA_OK;
}
