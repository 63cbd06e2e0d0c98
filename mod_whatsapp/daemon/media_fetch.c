/* SPDX-License-Identifier: Apache-2.0 */
/* Fetches files: those that clients gave by URL, and those that came in with
 * messages. A few at a time, each in a thread: a slow one holds up few. */
#include "wad.h"

#include <apr_tables.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_pool.h>

#include "../base/wa_log.h"
#include "../core/wa_media_fetch.h"

#define THREADS 8
#define INTERVAL apr_time_from_msec(500)

typedef struct fetcher {
    apr_thread_pool_t *threads;
    apr_thread_mutex_t *lock;
    int busy;
} fetcher;

typedef struct task {
    fetcher *owner;
    wa_app *app;
    apr_pool_t *pool;
    wa_media media;
} task;

void *wad_media_fetch_start(wa_app *app, apr_pool_t *p)
{
    fetcher *f = apr_pcalloc(p, sizeof(*f));

    if (apr_thread_mutex_create(&f->lock, APR_THREAD_MUTEX_DEFAULT, p)
            != APR_SUCCESS
        || apr_thread_pool_create(&f->threads, 0, THREADS, p) != APR_SUCCESS) {
        wa_log(WA_LOG_ERR, NULL,
               "WA0622: the threads that fetch files can't be made");
        return NULL;
    }
    return f;
}

static int is_stopping(void *baton)
{
    return wad_stopping();
}

static void add_busy(fetcher *f, int n)
{
    apr_thread_mutex_lock(f->lock);
    f->busy += n;
    apr_thread_mutex_unlock(f->lock);
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *data)
{
    task *t = data;
    fetcher *owner = t->owner;
    apr_pool_t *pool = t->pool;

    wa_media_fetch(t->app, pool, &t->media, is_stopping);
    apr_pool_destroy(pool);
    add_busy(owner, -1);
    return NULL;
}

/* Tasks outlive the claim's pool, and pools of one parent may not be made by
 * two threads at a time: so each has one of its own, without a parent. */
static void start_task(wa_app *app, fetcher *f, const wa_media *media)
{
    apr_pool_t *pool;
    task *t;

    if (apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return; /* the lease runs out and it is claimed again */
    }
    t = apr_pcalloc(pool, sizeof(*t));
    t->owner = f;
    t->app = app;
    t->pool = pool;
    wa_media_copy(pool, media, &t->media);
    add_busy(f, 1);
    if (apr_thread_pool_push(f->threads, run, t,
                             APR_THREAD_TASK_PRIORITY_NORMAL, f)
        != APR_SUCCESS) {
        add_busy(f, -1);
        apr_pool_destroy(pool);
    }
}

apr_interval_time_t wad_media_fetch_run(wa_app *app, void *state, apr_pool_t *p)
{
    fetcher *f = state;
    apr_array_header_t *found;
    int i, free_threads;

    if (!f) {
        return INTERVAL;
    }
    apr_thread_mutex_lock(f->lock);
    free_threads = THREADS - f->busy;
    apr_thread_mutex_unlock(f->lock);
    if (free_threads > 0
        && wa_media_fetch_claim(app, p, free_threads, &found) == APR_SUCCESS) {
        for (i = 0; i < found->nelts; i++) {
            start_task(app, f, &APR_ARRAY_IDX(found, i, wa_media));
        }
    }
    return INTERVAL;
}
