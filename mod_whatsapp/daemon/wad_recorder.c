/* SPDX-License-Identifier: Apache-2.0 */
#include "wad_recorder.h"

#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>

#include "../core/wa_sent.h"
#include "wad.h"

#define RETRY_DB apr_time_from_msec(500)
/* Before the lease ends, so that nobody else attempts it meanwhile. */
#define MARGIN apr_time_from_sec(5)

struct wad_recorder {
    wa_app *app;
    void (*done)(void *baton, int n);
    void *baton;
    apr_thread_t *thread;
    apr_thread_mutex_t *lock; /* of what follows */
    apr_thread_cond_t *came;
    wad_attempt *first, **last;
    int ending;
};

/* All that is there, in their order.
 * @param again some are left: then no longer than a pause
 * @return NULL when there are none, and will be none */
static wad_attempt *take(wad_recorder *rec, int again, int *ending)
{
    wad_attempt *all;

    apr_thread_mutex_lock(rec->lock);
    while (!rec->first && !rec->ending && !again) {
        apr_thread_cond_wait(rec->came, rec->lock);
    }
    if (!rec->first && !rec->ending) {
        apr_thread_cond_timedwait(rec->came, rec->lock, RETRY_DB);
    }
    all = rec->first;
    rec->first = NULL;
    rec->last = &rec->first;
    *ending = rec->ending;
    apr_thread_mutex_unlock(rec->lock);
    return all;
}

/* Those that were sent, in one transaction.
 * @return how many there are of them */
static int write_sent(apr_pool_t *p, wa_db *db, wad_attempt *const *all, int n,
                      apr_status_t *rvs)
{
    wa_sent list[WA_SENT_MOST];
    apr_status_t rv;
    int i, m = 0;

    for (i = 0; i < n; i++) {
        if (all[i]->outcome.d == WA_DELIVERY_SENT) {
            list[m].message_id = all[i]->message.message_id;
            list[m].session_id = all[i]->message.session_id;
            list[m].user_id = list[m].key = NULL;
            list[m++].at = all[i]->outcome.sent_at;
        }
    }
    rv = wa_sent_store(p, db, list, m);
    for (i = m = 0; i < n; i++) {
        if (all[i]->outcome.d == WA_DELIVERY_SENT) {
            rvs[i] = list[m++].stored ? APR_SUCCESS : rv;
        }
    }
    return m;
}

static void write_down(wa_app *app, apr_pool_t *p, wa_db *db,
                       wad_attempt *const *all, int n, apr_status_t *rvs)
{
    int i;

    if (write_sent(p, db, all, n, rvs) == n) {
        return;
    }
    for (i = 0; i < n; i++) {
        if (all[i]->outcome.d != WA_DELIVERY_SENT) {
            rvs[i] = wa_delivery_record(app, p, db, &all[i]->message,
                                        &all[i]->outcome, all[i]->r);
        }
    }
}

/* Of what was tried: what is over ends, the rest comes to those that are left.
 */
static void settle(wad_recorder *rec, apr_pool_t *p, wa_db *db,
                   wad_attempt *const *all, const apr_status_t *rvs, int n,
                   wad_attempt ***left)
{
    apr_time_t now = apr_time_now();
    int i, over = 0;

    for (i = 0; i < n; i++) {
        wad_attempt *a = all[i];

        if (rvs[i] != APR_SUCCESS && a->lease_until - MARGIN > now
            && !wad_stopping()) {
            a->next = NULL;
            **left = a;
            *left = &a->next;
            continue;
        }
        if (rvs[i] != APR_SUCCESS) {
            wa_delivery_unrecorded(db, p, rvs[i], a->message.message_id,
                                   &a->message);
        }
        apr_pool_destroy(a->pool);
        over++;
    }
    rec->done(rec->baton, over);
}

/* @return those that could not be written and are to be tried again */
static wad_attempt *write_all(wad_recorder *rec, apr_pool_t *p,
                              wad_attempt *list)
{
    wad_attempt *left = NULL, **end = &left;

    while (list) {
        wad_attempt *all[WA_SENT_MOST];
        apr_status_t rvs[WA_SENT_MOST], rv;
        wa_db *db = NULL;
        int n = 0, i;

        for (; list && n < WA_SENT_MOST; list = list->next) {
            all[n++] = list;
        }
        rv = wa_db_open(&db, p, &rec->app->db);
        if (rv == APR_SUCCESS) {
            write_down(rec->app, p, db, all, n, rvs);
        }
        for (i = 0; rv != APR_SUCCESS && i < n; i++) {
            rvs[i] = rv;
        }
        settle(rec, p, db, all, rvs, n, &end);
        wa_db_close(db);
        apr_pool_clear(p);
    }
    return left;
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *data)
{
    wad_recorder *rec = data;
    wad_attempt *left = NULL, **end;
    apr_pool_t *p;
    int ending = 0;

    if (apr_pool_create(&p, NULL) != APR_SUCCESS) {
        return NULL;
    }
    while (!ending) {
        wad_attempt *came = take(rec, left != NULL, &ending);

        for (end = &left; *end; end = &(*end)->next) {
        }
        *end = came;
        left = write_all(rec, p, left);
    }
    apr_pool_destroy(p);
    return NULL;
}

wad_recorder *wad_recorder_make(wa_app *app, apr_pool_t *p,
                                void (*done)(void *baton, int n), void *baton)
{
    wad_recorder *rec = apr_pcalloc(p, sizeof(*rec));
    apr_status_t rv;

    rec->app = app;
    rec->done = done;
    rec->baton = baton;
    rec->last = &rec->first;
    rv = apr_thread_mutex_create(&rec->lock, APR_THREAD_MUTEX_DEFAULT, p);
    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&rec->came, p);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_thread_create(&rec->thread, NULL, run, rec, p);
    }
    return rv == APR_SUCCESS ? rec : NULL;
}

void wad_recorder_put(wad_recorder *rec, wad_attempt *a)
{
    a->next = NULL;
    apr_thread_mutex_lock(rec->lock);
    *rec->last = a;
    rec->last = &a->next;
    apr_thread_cond_signal(rec->came);
    apr_thread_mutex_unlock(rec->lock);
}

void wad_recorder_end(wad_recorder *rec)
{
    apr_status_t rv;

    apr_thread_mutex_lock(rec->lock);
    rec->ending = 1;
    apr_thread_cond_signal(rec->came);
    apr_thread_mutex_unlock(rec->lock);
    apr_thread_join(&rv, rec->thread);
}
