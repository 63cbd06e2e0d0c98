/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_usage.h"

#include <signal.h>
#include <string.h>

#include <apr_atomic.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>

#include "../base/wa_log.h"

#define ROWS 8192
#define BATCH 500
/* How long a row may wait for company. With the time a batch takes this stays
 * below the second that a killed child may lose. */
#define LONGEST apr_time_from_msec(500)
#define RETRY apr_time_from_msec(500)
#define STOP_WAIT apr_time_from_sec(3)
#define TELL_EVERY APR_USEC_PER_SEC
#define LATELY_SECONDS 60

typedef struct wa_usage {
    wa_usage_ring *ring;
    apr_thread_t *thread;
    apr_pool_t *pool;        /* the thread's own, of a batch */
    int batch;               /* rows to be written at once */
    int failing;             /* since it was said that writing fails */
    apr_time_t stop_at;      /* the end of patience once the ring is closed */
    apr_time_t told_at;      /* when drops were last told */
    apr_int64_t told;        /* drops told so far */
    apr_int64_t refused;     /* rows PostgreSQL would not take */
    apr_uint32_t lately;     /* drops until then; atomic */
    apr_uint32_t lately_sec; /* when some were last told; atomic */
} wa_usage;

/* --- a batch as arrays -----------------------------------------------------*/

typedef const char *column_fn(apr_pool_t *p, const wa_usage_row *row);

static const char *text_or_null(const char *text)
{
    return *text ? text : NULL;
}

static const char *col_at(apr_pool_t *p, const wa_usage_row *row)
{
    return wa_db_p_time(p, row->at);
}

static const char *col_user(apr_pool_t *p, const wa_usage_row *row)
{
    return text_or_null(row->user_id);
}

static const char *col_key(apr_pool_t *p, const wa_usage_row *row)
{
    return text_or_null(row->key_id);
}

static const char *col_method(apr_pool_t *p, const wa_usage_row *row)
{
    return row->method;
}

static const char *col_endpoint(apr_pool_t *p, const wa_usage_row *row)
{
    return row->endpoint;
}

static const char *col_status(apr_pool_t *p, const wa_usage_row *row)
{
    return apr_itoa(p, row->status);
}

static const char *col_duration(apr_pool_t *p, const wa_usage_row *row)
{
    apr_interval_time_t us = row->duration;

    return wa_db_p_int(p, us < 0 ? 0 : us > APR_INT32_MAX ? APR_INT32_MAX : us);
}

static const char *col_bytes_in(apr_pool_t *p, const wa_usage_row *row)
{
    return wa_db_p_int(p, row->bytes_in);
}

static const char *col_bytes_out(apr_pool_t *p, const wa_usage_row *row)
{
    return wa_db_p_int(p, row->bytes_out);
}

static const char *col_address(apr_pool_t *p, const wa_usage_row *row)
{
    return text_or_null(row->address);
}

static const char *col_request(apr_pool_t *p, const wa_usage_row *row)
{
    return row->request_id;
}

/* In the order of USAGE_FLUSH's parameters. */
static column_fn *const columns[] = {
    col_at,        col_user,    col_key,      col_method,
    col_endpoint,  col_status,  col_duration, col_bytes_in,
    col_bytes_out, col_address, col_request,
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static apr_status_t write_batch(wa_db *db, apr_pool_t *p,
                                const wa_usage_ring *ring, int n)
{
    const char **values = apr_palloc(p, sizeof(*values) * (apr_size_t)n);
    const char *args[COLUMNS];
    apr_size_t c;
    int i;

    for (c = 0; c < COLUMNS; c++) {
        for (i = 0; i < n; i++) {
            values[i] = columns[c](p, wa_usage_ring_at(ring, i));
        }
        args[c] = wa_db_p_array(p, values, n);
    }
    return wa_db_run(db, WA_SQL_USAGE_FLUSH, args, COLUMNS, NULL);
}

/* --- the thread ------------------------------------------------------------*/

/* Would these rows be refused for ever, however often they are sent? */
static int is_refusal(const wa_db *db)
{
    const char *state = db ? wa_db_sqlstate(db) : "";

    return !strncmp(state, "22", 2) || !strncmp(state, "23", 2);
}

/* What no batch may hold is found by halving, and thrown away alone. */
static void refused(wa_usage *u, int n)
{
    if (n > 1) {
        u->batch = n / 2;
        return;
    }
    u->refused++;
    wa_log(WA_LOG_ERR, wa_usage_ring_at(u->ring, 0)->request_id,
           "WA0301: PostgreSQL does not take this request into the log");
    wa_usage_ring_done(u->ring, 1);
}

/* @return 1 when rows left the ring, 0 to try again later */
static int flush(wa_app *app, wa_usage *u, int there)
{
    int n = there < u->batch ? there : u->batch, rid = 0;
    wa_db *db = NULL;
    apr_status_t rv = wa_db_open(&db, u->pool, &app->db);

    if (rv == APR_SUCCESS) {
        rv = write_batch(db, u->pool, u->ring, n);
    }
    if (rv == APR_SUCCESS) {
        wa_usage_ring_done(u->ring, n);
        u->batch = BATCH;
        u->failing = 0;
        rid = 1;
    }
    else if (rv == APR_EGENERAL && is_refusal(db)) {
        refused(u, n);
        rid = 1;
    }
    else if (!u->failing) {
        u->failing = 1;
        wa_log(WA_LOG_WARNING, NULL,
               "WA0302: the request log can't be written at the moment (%s);"
               " %d rows wait, of %d that fit",
               db ? wa_db_sqlstate(db) : "no connection", there, ROWS);
    }
    wa_db_close(db);
    apr_pool_clear(u->pool);
    return rid;
}

/* Drops that were told, until a minute after the last one. */
static apr_int64_t dropped_lately(wa_usage *u)
{
    apr_int64_t since = apr_time_sec(apr_time_now())
                        - (apr_int64_t)apr_atomic_read32(&u->lately_sec);

    return since < LATELY_SECONDS ? apr_atomic_read32(&u->lately) : 0;
}

/* Drops are told once a second at most. */
static void tell_drops(wa_usage *u)
{
    apr_time_t now = apr_time_now();
    apr_int64_t dropped, lately;
    int waiting;

    wa_usage_ring_counts(u->ring, &waiting, &dropped);
    dropped += u->refused;
    if (dropped == u->told || now - u->told_at < TELL_EVERY) {
        return;
    }
    wa_log(WA_LOG_ERR, NULL,
           "WA0303: %" APR_INT64_T_FMT " requests are missing in the log, for"
           " its buffer was full or PostgreSQL refused them",
           dropped - u->told);
    lately = dropped_lately(u) + dropped - u->told;
    apr_atomic_set32(&u->lately, (apr_uint32_t)lately);
    apr_atomic_set32(&u->lately_sec, (apr_uint32_t)apr_time_sec(now));
    u->told = dropped;
    u->told_at = now;
}

/* httpd's signals are for its own threads. */
static void block_signals(void)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
}

/* Writing failed. @return 0 when the process can't wait any more */
static int try_again_later(wa_usage *u)
{
    if (!wa_usage_ring_closed(u->ring)) {
        wa_usage_ring_pause(u->ring, RETRY);
        return 1;
    }
    apr_sleep(STOP_WAIT / 20);
    return apr_time_now() < u->stop_at;
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *data)
{
    wa_app *app = data;
    wa_usage *u = app->usage;
    int there;

    block_signals();
    while ((there = wa_usage_ring_wait(u->ring, BATCH, LONGEST)) > 0) {
        int rid = flush(app, u, there);

        tell_drops(u);
        if (!rid && !try_again_later(u)) {
            wa_log(WA_LOG_ERR, NULL,
                   "WA0304: %d requests are missing in the log, for PostgreSQL"
                   " was away when this process ended",
                   there);
            break;
        }
    }
    return NULL;
}

/* --- what others call ------------------------------------------------------*/

apr_status_t wa_usage_start(wa_app *app)
{
    wa_usage *u = apr_pcalloc(app->pool, sizeof(*u));
    apr_status_t rv;

    u->batch = BATCH;
    u->ring = wa_usage_ring_make(app->pool, ROWS);
    if (!u->ring) {
        return APR_ENOLOCK;
    }
    /* Without a parent: a parent's pools belong to its own threads. */
    rv = apr_pool_create(&u->pool, NULL);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    app->usage = u;
    rv = apr_thread_create(&u->thread, NULL, run, app, app->pool);
    if (rv != APR_SUCCESS) {
        app->usage = NULL;
    }
    return rv;
}

void wa_usage_stop(wa_app *app)
{
    wa_usage *u = app->usage;
    apr_status_t ended;

    if (!u) {
        return;
    }
    u->stop_at = apr_time_now() + STOP_WAIT;
    wa_usage_ring_close(u->ring);
    apr_thread_join(&ended, u->thread);
    apr_pool_destroy(u->pool);
    app->usage = NULL;
}

void wa_usage_note(wa_app *app, const wa_usage_row *row)
{
    if (app->usage) {
        wa_usage_ring_put(app->usage->ring, row);
    }
}

void wa_usage_text(char *member, apr_size_t size, const char *text)
{
    apr_cpystrn(member, text ? text : "", size);
}

apr_int64_t wa_usage_dropped_lately(wa_app *app)
{
    return app->usage ? dropped_lately(app->usage) : 0;
}
