/* SPDX-License-Identifier: Apache-2.0 */
/* Sends what waits in the outbox: claims what is due, attempts each in a
 * thread of its own pool, has what came of it written down by one more,
 * sleeps until something is due or is announced.
 *
 * The claim takes only the first message of each chat, so that order is kept
 * however many threads and daemons there are. */
#include "wad.h"

#include <apr_strings.h>
#include <apr_tables.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_pool.h>

#include "../base/wa_log.h"
#include "../base/wa_trace.h"
#include "wad_recorder.h"

/* Attempts at a time: each waits for WhatsApp most of its time. */
#define THREADS 64
/* NOTIFY may be lost with its connection; this is the longest that costs. */
#define POLL_MAX apr_time_from_sec(1)
/* A file takes its time to be encrypted and uploaded; less than a lease. */
#define MEDIA_WAIT apr_time_from_sec(45)
#define RETRY_DB apr_time_from_msec(500)
#define PROMOTE "500" /* scheduled messages that become due, at a time */

typedef struct outbox {
    apr_thread_pool_t *threads;
    apr_thread_mutex_t *lock;
    apr_thread_cond_t *done;
    int busy; /* attempts under way, or to be written down */
    wad_recorder *recorder;
    wa_db *listener; /* hears of new messages, NULL while there is none */
    apr_pool_t *listener_pool;
} outbox;

typedef struct task {
    outbox *box;
    wa_app *app;
    wad_attempt attempt;
} task;

static void done(void *baton, int n)
{
    outbox *box = baton;

    apr_thread_mutex_lock(box->lock);
    box->busy -= n;
    apr_thread_cond_signal(box->done);
    apr_thread_mutex_unlock(box->lock);
}

void *wad_outbox_start(wa_app *app, apr_pool_t *p)
{
    outbox *box = apr_pcalloc(p, sizeof(*box));
    apr_status_t rv;

    rv = apr_thread_mutex_create(&box->lock, APR_THREAD_MUTEX_DEFAULT, p);
    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&box->done, p);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_thread_pool_create(&box->threads, 0, THREADS, p);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_pool_create(&box->listener_pool, p);
    }
    if (rv == APR_SUCCESS) {
        box->recorder = wad_recorder_make(app, p, done, box);
    }
    if (!box->recorder) {
        wa_log(WA_LOG_ERR, NULL, "WA0421: the outbox's threads can't be made");
        return NULL;
    }
    return box;
}

static void *APR_THREAD_FUNC attempt(apr_thread_t *thread, void *data)
{
    task *t = data;
    wad_attempt *a = &t->attempt;

    a->r = wa_result_make(a->pool);
    wa_trace_set(wa_trace_find(a->pool, a->message.trace, a->message.request_id,
                               a->message.message_id));
    wa_delivery_send(t->app, a->pool, a->message.message_id, &a->message,
                     a->message.media ? MEDIA_WAIT
                                      : t->app->settings->send_wait,
                     &a->outcome, a->r);
    wa_trace_set(NULL);
    wad_recorder_put(t->box->recorder, a);
    return NULL;
}

static void copy_message(apr_pool_t *pool, wa_outgoing *to,
                         const wa_outgoing *o)
{
    *to = *o;
    to->message_id = apr_pstrdup(pool, o->message_id);
    to->session_id = apr_pstrdup(pool, o->session_id);
    to->whatsapp_id = apr_pstrdup(pool, o->whatsapp_id);
    to->chat = apr_pstrdup(pool, o->chat);
    to->type = apr_pstrdup(pool, o->type);
    to->content = apr_pstrdup(pool, o->content);
    to->media = apr_pstrdup(pool, o->media);
    to->request_id = apr_pstrdup(pool, o->request_id);
    to->trace = apr_pstrdup(pool, o->trace);
}

/* Tasks outlive the claim's pool, so each has one of its own without a
 * parent: pools of one parent may not be made by two threads at a time. */
static void start_task(wa_app *app, outbox *box, const wa_outgoing *o,
                       apr_time_t lease_until)
{
    apr_pool_t *pool;
    task *t;

    if (apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return; /* the lease runs out and the message is claimed again */
    }
    t = apr_pcalloc(pool, sizeof(*t));
    t->box = box;
    t->app = app;
    t->attempt.pool = pool;
    t->attempt.lease_until = lease_until;
    copy_message(pool, &t->attempt.message, o);

    apr_thread_mutex_lock(box->lock);
    box->busy++;
    apr_thread_mutex_unlock(box->lock);
    if (apr_thread_pool_push(box->threads, attempt, t,
                             APR_THREAD_TASK_PRIORITY_NORMAL, box)
        != APR_SUCCESS) {
        done(box, 1);
        apr_pool_destroy(pool);
    }
}

/* Threads that are free; waits for one when all are busy. */
static int free_threads(outbox *box)
{
    int n;

    apr_thread_mutex_lock(box->lock);
    if (box->busy >= THREADS) {
        apr_thread_cond_timedwait(box->done, box->lock, POLL_MAX);
    }
    n = THREADS - box->busy;
    apr_thread_mutex_unlock(box->lock);
    return n;
}

static apr_status_t claim(wa_app *app, outbox *box, apr_pool_t *p, int max,
                          int *claimed, apr_interval_time_t *next)
{
    apr_array_header_t *found;
    wa_db_rows *rows;
    wa_db *db = NULL;
    apr_status_t rv = wa_db_open(&db, p, &app->db);
    apr_time_t lease_until = 0;
    int i;

    if (rv == APR_SUCCESS) {
        rv = WA_DB_RUN(
            db, WA_SQL_OUTBOX_PROMOTE, NULL, PROMOTE,
            wa_db_p_int(p, apr_time_sec(app->settings->message_ttl)));
    }
    if (rv == APR_SUCCESS) {
        lease_until = apr_time_now() + apr_time_from_sec(WA_LEASE_SECONDS);
        rv = wa_delivery_claim(app, p, db, max, &found);
    }
    if (rv == APR_SUCCESS) {
        for (i = 0; i < found->nelts; i++) {
            start_task(app, box, &APR_ARRAY_IDX(found, i, wa_outgoing),
                       lease_until);
        }
        *claimed = found->nelts;
        rv = WA_DB_RUN(db, WA_SQL_OUTBOX_NEXT_DUE, &rows,
                       wa_db_p_bool(wa_delivery_pace_pause(app, p) != NULL));
    }
    if (rv == APR_SUCCESS) {
        *next = apr_time_from_msec(wa_db_int(rows, 0, 0, 60000));
    }
    wa_db_close(db);
    return rv;
}

static void listen_again(wa_app *app, outbox *box)
{
    apr_status_t rv;

    wa_db_close(box->listener);
    box->listener = NULL;
    apr_pool_clear(box->listener_pool);
    rv = wa_db_open(&box->listener, box->listener_pool, &app->db);
    if (rv == APR_SUCCESS) {
        rv = wa_db_listen(box->listener, WA_SQL_LISTEN_OUTBOX);
    }
    if (rv != APR_SUCCESS) {
        wa_db_close(box->listener);
        box->listener = NULL;
    }
}

/* Sleep until a message is announced or the next one is due. */
static void wait_for_work(wa_app *app, outbox *box, apr_interval_time_t next)
{
    /* Something that is due but was not claimed waits behind another message
     * of its chat; whoever finishes that one announces it. */
    apr_interval_time_t wait = next > 0 && next < POLL_MAX ? next : POLL_MAX;
    apr_status_t rv;

    if (!box->listener) {
        listen_again(app, box);
    }
    if (!box->listener) {
        apr_sleep(RETRY_DB);
        return;
    }
    rv = wa_db_wait_notify(box->listener, wait);
    if (rv != APR_SUCCESS && !APR_STATUS_IS_TIMEUP(rv)) {
        wa_db_close(box->listener);
        box->listener = NULL;
    }
}

apr_interval_time_t wad_outbox_run(wa_app *app, void *state, apr_pool_t *p)
{
    outbox *box = state;
    apr_interval_time_t next = POLL_MAX;
    int claimed = 0, max;
    apr_status_t rv;

    if (!box) {
        return POLL_MAX;
    }
    max = free_threads(box);
    if (max <= 0) {
        return 0;
    }
    rv = claim(app, box, p, max, &claimed, &next);
    if (rv != APR_SUCCESS) {
        wa_log(WA_LOG_WARNING, NULL,
               "WA0422: the outbox can't be read at the moment");
        return RETRY_DB;
    }
    if (!claimed) {
        wait_for_work(app, box, next);
    }
    return 0;
}

void wad_outbox_end(wa_app *app, void *state)
{
    outbox *box = state;

    if (!box) {
        return;
    }
    apr_thread_mutex_lock(box->lock);
    while (box->busy) {
        apr_thread_cond_wait(box->done, box->lock);
    }
    apr_thread_mutex_unlock(box->lock);
    wad_recorder_end(box->recorder);
}
