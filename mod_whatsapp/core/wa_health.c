/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_health.h"

#include <string.h>

#include <apr_strings.h>

#include "wa_usage.h"

/* whatsappd reports every 5 s; two missed reports and it counts as away. */
#define WORKER_SILENT_SECONDS 15
#define CACHE_TIME APR_USEC_PER_SEC

static void set(wa_health_check *c, const char *name, int ok,
                apr_interval_time_t latency, const char *reason)
{
    c->name = name;
    c->ok = ok;
    c->latency = latency;
    c->reason = ok ? NULL : reason;
}

/* PostgreSQL, and in the same visit when a whatsappd last reported. */
static void look_at_database(wa_app *app, apr_pool_t *p,
                             wa_health_check *postgresql,
                             wa_health_check *whatsappd)
{
    wa_db_pool pool = app->db;
    apr_time_t start = apr_time_now();
    apr_int64_t age = -1;
    wa_db_rows *rows;
    wa_db *db = NULL;
    apr_status_t rv;

    pool.borrow_wait = apr_time_from_msec(250);
    pool.statement_wait = apr_time_from_msec(250);
    rv = wa_db_open(&db, p, &pool);
    if (rv == APR_SUCCESS) {
        rv = wa_db_run(db, WA_SQL_WORKERS_AGE, NULL, 0, &rows);
    }
    if (rv == APR_SUCCESS) {
        age = wa_db_int(rows, 0, 0, -1);
    }
    set(postgresql, "postgresql", rv == APR_SUCCESS, apr_time_now() - start,
        rv == APR_TIMEUP ? "no answer in time" : "can't be reached");
    if (rv != APR_SUCCESS) {
        set(whatsappd, "whatsappd", 0, -1, "unknown without PostgreSQL");
    }
    else {
        /* Its reports are in the database: asking for them took as long. */
        set(whatsappd, "whatsappd", age >= 0 && age <= WORKER_SILENT_SECONDS,
            postgresql->latency,
            age < 0 ? "never reported" : "has not reported for a while");
    }
    wa_db_close(db);
}

static void look_at_bridge(wa_app *app, apr_pool_t *p, const char *request_id,
                           wa_health_check *check)
{
    wa_result *r = wa_result_make(p);
    apr_interval_time_t latency = -1;
    const char *mode = NULL;
    wa_code code = wa_bridge_health(&app->bridge, p, request_id, &latency,
                                    &mode, r);

    if (code == WA_OK && mode && strcmp(mode, app->settings->mode)) {
        set(check, "bridge", 0, latency,
            "runs in another mode than this server");
        return;
    }
    set(check, "bridge", code == WA_OK, latency, "can't be reached");
}

static void look(wa_app *app, apr_pool_t *p, const char *request_id,
                 wa_health *h)
{
    apr_interval_time_t latency = -1;
    apr_status_t rv;
    int i;

    look_at_database(app, p, &h->checks[0], &h->checks[3]);
    rv = wa_redis_ping(app->redis, p, &latency);
    set(&h->checks[1], "redis", rv == APR_SUCCESS, latency,
        rv == APR_TIMEUP ? "no answer in time; limits are counted by each"
                           " process alone"
                         : "can't be reached; limits are counted by each"
                           " process alone");
    look_at_bridge(app, p, request_id, &h->checks[2]);

    h->status = WA_HEALTH_OK;
    for (i = 0; i < WA_HEALTH_CHECKS; i++) {
        if (!h->checks[i].ok) {
            h->status = WA_HEALTH_DEGRADED;
        }
    }
    if (!h->checks[0].ok) {
        h->status = WA_HEALTH_UNAVAILABLE;
    }
}

void wa_health_look(wa_app *app, apr_pool_t *p, const char *request_id,
                    wa_health *health)
{
    wa_health_cache *c = app->health;

    /* Who comes while another looks waits for that look: one at a time. */
    apr_thread_mutex_lock(c->lock);
    if (apr_time_now() - c->at > CACHE_TIME) {
        look(app, p, request_id, &c->health);
        c->at = apr_time_now();
    }
    *health = c->health;
    apr_thread_mutex_unlock(c->lock);
    health->unlogged = wa_usage_dropped_lately(app);
    if (health->unlogged && health->status == WA_HEALTH_OK) {
        health->status = WA_HEALTH_DEGRADED;
    }
}
