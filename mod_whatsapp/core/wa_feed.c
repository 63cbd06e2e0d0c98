/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_feed.h"

#include <signal.h>
#include <string.h>

#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>

#include "../base/wa_log.h"

#define USER_SIZE 37 /* a UUID */
/* How long the thread sleeps at most before it sees that there is a new reader,
 * or that it should end. */
#define SLICE apr_time_from_msec(50)
/* It looks at least so often. */
#define LOOK_EVERY apr_time_from_sec(1)
/* So often it says that there are readers, which PostgreSQL takes note of for
 * longer than half a minute. */
#define WATCH_EVERY apr_time_from_sec(10)
/* Between two looks, so that a flood of events is told in batches. */
#define BREATHE apr_time_from_msec(5)
/* How long the connection is kept without readers. */
#define KEEP apr_time_from_sec(60)

struct wa_feed_reader {
    wa_feed_reader *next;
    struct wa_feed *feed;
    apr_thread_cond_t *grown;
    apr_int64_t newest; /* of its feed, as far as the thread knows */
    char user_id[USER_SIZE];
};

typedef struct wa_feed {
    wa_app *app;
    int (*stopping)(void);
    apr_thread_t *thread;
    apr_thread_mutex_t *lock;
    apr_thread_cond_t *joined; /* or closed */
    /* under the lock */
    wa_feed_reader *readers;
    int count;
    int fresh;  /* a reader has joined since the last look */
    int closed; /* the thread is to end */
    int ending; /* the process is to end */
    /* the thread's own */
    apr_pool_t *pool; /* of a connection */
    apr_pool_t *look; /* of a look */
    apr_time_t busy;  /* when there last was a reader */
    apr_time_t told;  /* when PostgreSQL was last told of readers */
    int deaf;         /* since it was said that listening fails */
} wa_feed;

/* --- readers ---------------------------------------------------------------*/

static apr_status_t leave(void *data)
{
    wa_feed_reader *reader = data, **at;
    wa_feed *feed = reader->feed;

    apr_thread_mutex_lock(feed->lock);
    for (at = &feed->readers; *at != reader; at = &(*at)->next) {
        ;
    }
    *at = reader->next;
    feed->count--;
    apr_thread_mutex_unlock(feed->lock);
    wa_place_give(feed->app);
    wa_gate_leave(&feed->app->reading);
    return APR_SUCCESS;
}

static int take_place(wa_app *app)
{
    apr_uint32_t most = ((apr_uint32_t)app->settings->waiting_places + 1) / 2;

    if (!wa_gate_enter(&app->reading, most)) {
        return 0;
    }
    if (!wa_place_take(app)) {
        wa_gate_leave(&app->reading);
        return 0;
    }
    return 1;
}

wa_feed_reader *wa_feed_join(wa_app *app, apr_pool_t *p, const char *user_id)
{
    wa_feed *feed = app->feed;
    wa_feed_reader *reader = apr_pcalloc(p, sizeof(*reader));

    if (!feed || apr_thread_cond_create(&reader->grown, p) != APR_SUCCESS
        || !take_place(app)) {
        return NULL;
    }
    reader->feed = feed;
    apr_cpystrn(reader->user_id, user_id, USER_SIZE);
    apr_thread_mutex_lock(feed->lock);
    reader->next = feed->readers;
    feed->readers = reader;
    feed->count++;
    feed->fresh = 1;
    apr_thread_cond_signal(feed->joined);
    apr_thread_mutex_unlock(feed->lock);
    /* Before the condition goes, which was registered earlier. */
    apr_pool_cleanup_register(p, reader, leave, apr_pool_cleanup_null);
    return reader;
}

apr_status_t wa_feed_wait(wa_feed_reader *reader, apr_int64_t seen,
                          apr_interval_time_t wait)
{
    apr_time_t until = apr_time_now() + wait;
    wa_feed *feed = reader->feed;
    apr_status_t rv = APR_SUCCESS;

    apr_thread_mutex_lock(feed->lock);
    while (reader->newest <= seen && !feed->ending && rv == APR_SUCCESS) {
        apr_interval_time_t left = until - apr_time_now();

        rv = left <= 0
                 ? APR_TIMEUP
                 : apr_thread_cond_timedwait(reader->grown, feed->lock, left);
    }
    if (feed->ending) {
        rv = APR_EOF;
    }
    else if (reader->newest > seen) {
        rv = APR_SUCCESS;
    }
    apr_thread_mutex_unlock(feed->lock);
    return APR_STATUS_IS_TIMEUP(rv) ? APR_TIMEUP : rv;
}

/* --- looking ---------------------------------------------------------------*/

/* The users of all readers as an array's text, NULL without any.
 * @param fresh is one of the readers new? */
static const char *users_of(wa_feed *feed, int *fresh)
{
    const char **users;
    wa_feed_reader *reader;
    int n = 0;

    apr_thread_mutex_lock(feed->lock);
    users = apr_palloc(feed->look,
                       sizeof(*users) * (apr_size_t)(feed->count + 1));
    for (reader = feed->readers; reader; reader = reader->next) {
        users[n++] = apr_pstrdup(feed->look, reader->user_id);
    }
    *fresh = feed->fresh;
    feed->fresh = 0;
    apr_thread_mutex_unlock(feed->lock);
    return n ? wa_db_p_array(feed->look, users, n) : NULL;
}

/* Have PostgreSQL notify of these users' events. What was written before is
 * seen by the look that follows. */
static apr_status_t watch(wa_feed *feed, wa_db *db, const char *users,
                          int fresh)
{
    apr_time_t now = apr_time_now();
    apr_status_t rv;

    if (!fresh && now - feed->told < WATCH_EVERY) {
        return APR_SUCCESS;
    }
    rv = WA_DB_RUN(db, WA_SQL_EVENTS_WATCH, NULL, users);
    feed->told = rv == APR_SUCCESS ? now : 0;
    return rv;
}

static void tell(wa_feed *feed, const char *user, apr_int64_t newest)
{
    wa_feed_reader *reader;

    for (reader = feed->readers; reader; reader = reader->next) {
        if (reader->newest < newest && !strcmp(reader->user_id, user)) {
            reader->newest = newest;
            apr_thread_cond_signal(reader->grown);
        }
    }
}

/* See how far the feeds are. What fails is tried again a second later. */
static void look(wa_feed *feed)
{
    const char *users;
    wa_db_rows *rows;
    wa_db *db = NULL;
    int fresh, i;

    apr_pool_clear(feed->look);
    users = users_of(feed, &fresh);
    if (!users) {
        return;
    }
    if (wa_db_open(&db, feed->look, &feed->app->db) != APR_SUCCESS) {
        feed->told = 0;
        return;
    }
    if (watch(feed, db, users, fresh) == APR_SUCCESS
        && WA_DB_RUN(db, WA_SQL_EVENTS_NEWEST, &rows, users) == APR_SUCCESS) {
        apr_thread_mutex_lock(feed->lock);
        for (i = 0; i < wa_db_count(rows); i++) {
            tell(feed, wa_db_str(rows, i, 0), wa_db_int(rows, i, 1, 0));
        }
        apr_thread_mutex_unlock(feed->lock);
    }
    wa_db_close(db);
}

/* --- the thread ------------------------------------------------------------*/

static void end_waits(wa_feed *feed)
{
    wa_feed_reader *reader;

    feed->ending = 1;
    for (reader = feed->readers; reader; reader = reader->next) {
        apr_thread_cond_signal(reader->grown);
    }
}

/* @param fresh is there a reader that was not looked for yet?
 * @return 0 when the thread is to end */
static int go_on(wa_feed *feed, int *fresh)
{
    int ending = feed->stopping && feed->stopping(), closed;

    apr_thread_mutex_lock(feed->lock);
    if (ending && !feed->ending) {
        end_waits(feed);
    }
    if (feed->readers) {
        feed->busy = apr_time_now();
    }
    closed = feed->closed;
    *fresh = feed->fresh;
    apr_thread_mutex_unlock(feed->lock);
    return !closed;
}

/* Sleep until there is a reader. @return 0 when the thread is to end */
static int await_readers(wa_feed *feed)
{
    int closed;

    apr_thread_mutex_lock(feed->lock);
    while (!feed->readers && !feed->closed) {
        apr_thread_cond_wait(feed->joined, feed->lock);
    }
    closed = feed->closed;
    apr_thread_mutex_unlock(feed->lock);
    return !closed;
}

/* A connection of its own to the same database, which listens.
 * @param own where it comes from; must live as long */
static wa_db *start_listening(wa_feed *feed, wa_db_pool *own)
{
    const char *conninfo = NULL;
    apr_status_t rv;
    wa_db *db = NULL;

    *own = feed->app->db;
    rv = wa_db_open(&db, feed->pool, &feed->app->db);
    if (rv == APR_SUCCESS) {
        conninfo = wa_db_conninfo(db, feed->pool);
        wa_db_close(db);
        rv = conninfo ? wa_db_source_make(&own->source, feed->pool, conninfo, 1)
                      : APR_EGENERAL;
        db = NULL;
    }
    if (rv == APR_SUCCESS) {
        rv = wa_db_open(&db, feed->pool, own);
    }
    if (rv == APR_SUCCESS) {
        rv = wa_db_listen(db, WA_SQL_EVENTS_LISTEN);
    }
    if (rv == APR_SUCCESS) {
        feed->deaf = 0;
        return db;
    }
    if (!feed->deaf) {
        feed->deaf = 1;
        wa_log(WA_LOG_WARNING, NULL,
               "WA0181: there is no connection to listen for events; readers"
               " are woken once a second");
    }
    wa_db_close(db);
    return NULL;
}

/* Wait for a notification, or that long; *db becomes NULL when it is lost.
 * @return 1 when one came */
static int hear(wa_db **db, apr_interval_time_t wait)
{
    apr_status_t rv;

    if (!*db) {
        apr_sleep(wait);
        return 0;
    }
    rv = wa_db_wait_notify(*db, wait);
    if (rv != APR_SUCCESS && rv != APR_TIMEUP) {
        wa_db_close(*db);
        *db = NULL;
    }
    return rv == APR_SUCCESS;
}

/* Until a notification or a reader comes, or it is time to look in any case.
 * @return 0 when the thread is to end */
static int await_change(wa_feed *feed, wa_db **db)
{
    apr_time_t until = apr_time_now() + LOOK_EVERY;
    int more, fresh;

    do {
        more = go_on(feed, &fresh);
    } while (more && !fresh && apr_time_now() < until && !hear(db, SLICE));
    return more;
}

/* Serve readers while there are some, and a while longer. Without a connection
 * to listen on it comes back after a second, to try for one again. */
static void serve(wa_feed *feed)
{
    wa_db_pool own;
    wa_db *db;
    int more;

    apr_pool_clear(feed->pool);
    db = start_listening(feed, &own);
    do {
        look(feed);
        apr_sleep(BREATHE);
        more = await_change(feed, &db);
    } while (more && db && apr_time_now() - feed->busy < KEEP);
    wa_db_close(db);
}

/* httpd's signals are for its own threads. */
static void block_signals(void)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *data)
{
    wa_feed *feed = data;

    block_signals();
    while (await_readers(feed)) {
        feed->busy = apr_time_now();
        serve(feed);
    }
    return NULL;
}

/* --- what others call ------------------------------------------------------*/

apr_status_t wa_feed_start(wa_app *app, int (*stopping)(void))
{
    wa_feed *feed = apr_pcalloc(app->pool, sizeof(*feed));
    apr_status_t rv;

    feed->app = app;
    feed->stopping = stopping;
    rv = apr_thread_mutex_create(&feed->lock, APR_THREAD_MUTEX_DEFAULT,
                                 app->pool);
    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&feed->joined, app->pool);
    }
    /* Without a parent: a parent's pools belong to its own threads. */
    if (rv == APR_SUCCESS) {
        rv = apr_pool_create(&feed->pool, NULL);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_pool_create(&feed->look, NULL);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_thread_create(&feed->thread, NULL, run, feed, app->pool);
    }
    if (rv == APR_SUCCESS) {
        app->feed = feed;
    }
    return rv;
}

void wa_feed_stop(wa_app *app)
{
    wa_feed *feed = app->feed;
    apr_status_t ended;

    if (!feed) {
        return;
    }
    apr_thread_mutex_lock(feed->lock);
    feed->closed = 1;
    end_waits(feed);
    apr_thread_cond_signal(feed->joined);
    apr_thread_mutex_unlock(feed->lock);
    apr_thread_join(&ended, feed->thread);
    apr_pool_destroy(feed->look);
    apr_pool_destroy(feed->pool);
}
