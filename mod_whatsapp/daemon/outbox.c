/* SPDX-License-Identifier: Apache-2.0 */
/* Sends what waits in the outbox: claims what is due, attempts each in a
 * thread of its own pool, sleeps until something is due or is announced.
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
#include "../core/wa_delivery.h"

#define THREADS 16
#define BATCH 32
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
    int busy;        /* attempts under way */
    wa_db *listener; /* hears of new messages, NULL while there is none */
    apr_pool_t *listener_pool;
} outbox;

typedef struct task {
    outbox *box;
    wa_app *app;
    apr_pool_t *pool;
    wa_outgoing message;
} task;

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
    if (rv != APR_SUCCESS) {
        wa_log(WA_LOG_ERR, NULL, "WA0421: the outbox's threads can't be made");
        return NULL;
    }
    return box;
}

static void *APR_THREAD_FUNC attempt(apr_thread_t *thread, void *data)
{
    task *t = data;
    outbox *box = t->box;
    apr_pool_t *pool = t->pool;
    wa_result *r = wa_result_make(pool);
    apr_time_t sent_at = 0;

    wa_delivery_attempt(t->app, pool, t->message.message_id, &t->message,
                        t->message.media ? MEDIA_WAIT
                                         : t->app->settings->send_wait,
                        &sent_at, r);
    apr_pool_destroy(pool);

    apr_thread_mutex_lock(box->lock);
    box->busy--;
    apr_thread_cond_signal(box->done);
    apr_thread_mutex_unlock(box->lock);
    return NULL;
}

/* Tasks outlive the claim's pool, so each has one of its own without a
 * parent: pools of one parent may not be made by two threads at a time. */
static void start_task(wa_app *app, outbox *box, const wa_outgoing *o)
{
    apr_pool_t *pool;
    task *t;

    if (apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return; /* the lease runs out and the message is claimed again */
    }
    t = apr_pcalloc(pool, sizeof(*t));
    t->box = box;
    t->app = app;
    t->pool = pool;
    t->message = *o;
    t->message.message_id = apr_pstrdup(pool, o->message_id);
    t->message.session_id = apr_pstrdup(pool, o->session_id);
    t->message.whatsapp_id = apr_pstrdup(pool, o->whatsapp_id);
    t->message.chat = apr_pstrdup(pool, o->chat);
    t->message.type = apr_pstrdup(pool, o->type);
    t->message.content = apr_pstrdup(pool, o->content);
    t->message.media = apr_pstrdup(pool, o->media);

    apr_thread_mutex_lock(box->lock);
    box->busy++;
    apr_thread_mutex_unlock(box->lock);
    if (apr_thread_pool_push(box->threads, attempt, t,
                             APR_THREAD_TASK_PRIORITY_NORMAL, box)
        != APR_SUCCESS) {
        apr_thread_mutex_lock(box->lock);
        box->busy--;
        apr_thread_mutex_unlock(box->lock);
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
    int i;

    if (rv == APR_SUCCESS) {
        rv = WA_DB_RUN(
            db, WA_SQL_OUTBOX_PROMOTE, NULL, PROMOTE,
            wa_db_p_int(p, apr_time_sec(app->settings->message_ttl)));
    }
    if (rv == APR_SUCCESS) {
        rv = wa_delivery_claim(app, p, db, max < BATCH ? max : BATCH, &found);
    }
    if (rv == APR_SUCCESS) {
        for (i = 0; i < found->nelts; i++) {
            start_task(app, box, &APR_ARRAY_IDX(found, i, wa_outgoing));
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
