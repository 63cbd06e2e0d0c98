/* SPDX-License-Identifier: Apache-2.0 */
#include "wad.h"

#include <apr_thread_proc.h>

#include "../base/wa_log.h"

/* How soon a pausing job notices that the daemon ends. */
#define NAP apr_time_from_msec(100)

static const wad_job jobs[] = {
    { "heartbeat", wad_heartbeat_run, wad_heartbeat_start },
    { "outbox", wad_outbox_run, wad_outbox_start, wad_outbox_end },
    { "erasures", wad_erasures_run, NULL },
    { "sessions", wad_sessions_run, NULL },
    { "usage", wad_usage_run, NULL },
    { "media_fetch", wad_media_fetch_run, wad_media_fetch_start },
    { "media", wad_media_run, NULL },
    { "cleanup", wad_cleanup_run, NULL },
    { "configuration", wad_configuration_run, NULL },
    { "webhooks", wad_webhooks_run, wad_webhooks_start, wad_webhooks_end },
    { "webhooks_failing", wad_webhooks_run, wad_webhooks_failing_start,
      wad_webhooks_end },
};

#define JOBS (sizeof(jobs) / sizeof(jobs[0]))

typedef struct running {
    const wad_job *job;
    wa_app *app;
    apr_pool_t *pool; /* the thread's own */
    void *state;
} running;

static void pause_for(apr_interval_time_t wait)
{
    apr_time_t until = apr_time_now() + wait;

    while (!wad_stopping() && apr_time_now() < until) {
        apr_interval_time_t left = until - apr_time_now();

        apr_sleep(left < NAP ? left : NAP);
    }
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *data)
{
    running *me = data;
    apr_pool_t *scratch;
    void *state = me->state;

    apr_pool_create(&scratch, me->pool);
    while (!wad_stopping()) {
        apr_interval_time_t wait = me->job->run(me->app, state, scratch);

        apr_pool_clear(scratch);
        pause_for(wait);
    }
    if (me->job->end) {
        me->job->end(me->app, state);
    }
    apr_thread_exit(thread, APR_SUCCESS);
    return NULL;
}

apr_status_t wad_jobs_run(wa_app *app, apr_pool_t *p)
{
    apr_thread_t *threads[JOBS];
    running all[JOBS];
    apr_status_t rv = APR_SUCCESS, ended;
    apr_size_t n, i;

    for (n = 0; n < JOBS; n++) {
        all[n].job = &jobs[n];
        all[n].app = app;
        apr_pool_create(&all[n].pool, p);
        all[n].state = jobs[n].start ? jobs[n].start(app, all[n].pool) : NULL;
    }
    for (n = 0; n < JOBS; n++) {
        rv = apr_thread_create(&threads[n], NULL, run, &all[n], p);
        if (rv != APR_SUCCESS) {
            wa_log(WA_LOG_ERR, NULL, "WA0401: job %s can't be started",
                   jobs[n].name);
            break;
        }
    }
    for (i = 0; i < n; i++) {
        apr_thread_join(&ended, threads[i]);
    }
    return rv;
}
