/* SPDX-License-Identifier: Apache-2.0 */
/* The request log's ring; with WA_TEST_DB also its way into PostgreSQL. */
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <apr_thread_proc.h>

#include "base/wa_crypto.h"
#include "base/wa_id.h"
#include "base/wa_log.h"
#include "core/wa_request_log.h"
#include "core/wa_usage.h"
#include "core/wa_usage_report.h"

#define SHORT apr_time_from_msec(30)
#define LONG apr_time_from_sec(30)
#define THREADS 8
#define TIMES 4000

static wa_usage_row row_of(int status)
{
    wa_usage_row row;

    memset(&row, 0, sizeof(row));
    row.at = apr_time_now();
    row.status = status;
    row.endpoint = "/x";
    WA_USAGE_TEXT(row.method, "GET");
    WA_USAGE_TEXT(row.address, "192.0.2.1");
    WA_USAGE_TEXT(row.request_id, "r");
    return row;
}

static int put(wa_usage_ring *ring, int status)
{
    wa_usage_row row = row_of(status);

    return wa_usage_ring_put(ring, &row);
}

static void test_order(apr_pool_t *p)
{
    wa_usage_ring *ring = wa_usage_ring_make(p, 4);
    apr_int64_t dropped;
    int i, waiting;

    for (i = 1; i <= 4; i++) {
        ok(put(ring, i), "row %d fits", i);
    }
    ok(!put(ring, 5), "a fifth does not");
    is_int(wa_usage_ring_wait(ring, 4, LONG), 4, "four are there");
    is_int(wa_usage_ring_at(ring, 0)->status, 1, "the oldest first");
    is_int(wa_usage_ring_at(ring, 3)->status, 4, "the newest last");
    wa_usage_ring_done(ring, 3);
    put(ring, 6);
    put(ring, 7);
    is_int(wa_usage_ring_at(ring, 0)->status, 4, "what is left stays");
    is_int(wa_usage_ring_at(ring, 2)->status, 7, "over the ring's end");
    wa_usage_ring_counts(ring, &waiting, &dropped);
    is_int(waiting, 3, "three wait");
    is_int(dropped, 1, "one was dropped");
}

static void test_texts(void)
{
    wa_usage_row row = row_of(200);
    char longer[200];

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    WA_USAGE_TEXT(row.method, longer);
    is_int((apr_int64_t)strlen(row.method), WA_USAGE_METHOD_SIZE - 1,
           "a long method is cut");
    WA_USAGE_TEXT(row.user_id, NULL);
    is_str(row.user_id, "", "NULL is an empty text");
}

static void test_wait(apr_pool_t *p)
{
    wa_usage_ring *ring = wa_usage_ring_make(p, 10);
    apr_time_t start;

    put(ring, 1);
    start = apr_time_now();
    is_int(wa_usage_ring_wait(ring, 5, SHORT), 1,
           "a lonely row is not kept for long");
    ok(apr_time_now() - start < APR_USEC_PER_SEC, "but soon given");
    put(ring, 2);
    put(ring, 3);
    is_int(wa_usage_ring_wait(ring, 3, LONG), 3, "enough are given at once");
    wa_usage_ring_close(ring);
    ok(wa_usage_ring_closed(ring), "closed");
    put(ring, 4);
    is_int(wa_usage_ring_wait(ring, 9, LONG), 4, "closed: what is there");
    wa_usage_ring_done(ring, 4);
    is_int(wa_usage_ring_wait(ring, 9, LONG), 0, "closed and empty: nothing");
}

static void *APR_THREAD_FUNC closer(apr_thread_t *thread, void *ring)
{
    apr_sleep(SHORT);
    wa_usage_ring_close(ring);
    return NULL;
}

static void test_close_wakes(apr_pool_t *p)
{
    wa_usage_ring *ring = wa_usage_ring_make(p, 10);
    apr_thread_t *thread;
    apr_status_t ended;

    apr_thread_create(&thread, NULL, closer, ring, p);
    is_int(wa_usage_ring_wait(ring, 5, LONG), 0, "who waits is woken");
    apr_thread_join(&ended, thread);
}

static void *APR_THREAD_FUNC putter(apr_thread_t *thread, void *data)
{
    int i;

    for (i = 0; i < TIMES; i++) {
        put(data, i);
    }
    return NULL;
}

/* Whatever was put is either taken or counted as dropped. */
static void test_threads(apr_pool_t *p)
{
    wa_usage_ring *ring = wa_usage_ring_make(p, 1000);
    apr_thread_t *threads[THREADS];
    apr_int64_t taken = 0, dropped = 0;
    apr_status_t ended;
    int i, n, waiting;

    for (i = 0; i < THREADS; i++) {
        apr_thread_create(&threads[i], NULL, putter, ring, p);
    }
    while (taken + dropped < THREADS * TIMES
           && (n = wa_usage_ring_wait(ring, 100, SHORT)) > 0) {
        n = n < 100 ? n : 100;
        wa_usage_ring_done(ring, n);
        taken += n;
        wa_usage_ring_counts(ring, &waiting, &dropped);
    }
    for (i = 0; i < THREADS; i++) {
        apr_thread_join(&ended, threads[i]);
    }
    is_int(taken + dropped, THREADS * TIMES, "every row is accounted for");
    ok(taken >= 1000, "%d of them were taken", (int)taken);
}

/* --- with PostgreSQL -------------------------------------------------------*/

static wa_app *make_app(apr_pool_t *p, const char *conninfo)
{
    static const char *const lines[] = { "a secret of the tests, long enough",
                                         NULL };
    static wa_secrets secrets;
    wa_settings *s = wa_settings_make(p);
    const char *why = "";
    wa_app *app;

    secrets.bridge = secrets.internal = lines[0];
    secrets.key = secrets.jwt = lines;
    s->db_conninfo = conninfo;
    if (wa_app_make(&app, p, s, &secrets, NULL, &why) != APR_SUCCESS) {
        diag("%s", why);
        return NULL;
    }
    return app;
}

static void to_tap(void *baton, wa_log_level level, const char *request_id,
                   const char *message)
{
    diag("%s", message);
}

static int count_logged(wa_app *app, apr_pool_t *p, const char *user)
{
    apr_array_header_t *rows;
    wa_log_query q;

    memset(&q, 0, sizeof(q));
    q.user_id = user;
    q.limit = 100000;
    if (wa_request_log_page(app, p, NULL, &q, &rows, wa_result_make(p))
        != WA_OK) {
        return -1;
    }
    return rows->nelts;
}

static void test_written(apr_pool_t *p, wa_app *app)
{
    const char *user = wa_id_uuid(p);
    apr_array_header_t *days = NULL;
    wa_usage_row row = row_of(200);
    char day[11];
    apr_time_exp_t x;
    apr_size_t len;
    int i;

    is_int(wa_usage_start(app), APR_SUCCESS, "the thread starts");
    WA_USAGE_TEXT(row.user_id, user);
    for (i = 0; i < 1234; i++) {
        wa_usage_note(app, &row);
    }
    WA_USAGE_TEXT(row.user_id, "no id");
    wa_usage_note(app, &row);
    WA_USAGE_TEXT(row.user_id, user);
    for (i = 0; i < 99; i++) {
        wa_usage_note(app, &row);
    }
    wa_usage_stop(app);
    ok(!app->usage, "it has ended");
    wa_usage_note(app, &row);
    is_int(count_logged(app, p, user), 1234 + 99,
           "all rows are there but the one that PostgreSQL refuses");

    apr_time_exp_gmt(&x, row.at);
    apr_strftime(day, &len, sizeof(day), "%Y-%m-%d", &x);
    wa_usage_days(app, p, NULL, user, day, day, &days, wa_result_make(p));
    is_int(days && days->nelts == 1
               ? APR_ARRAY_IDX(days, 0, wa_usage_span).counts.api_requests
               : -1,
           1234 + 99, "and the usage says the same");
}

static void test_away(apr_pool_t *p)
{
    wa_app *app = make_app(p, "host=/nonexistent dbname=x");
    wa_usage_row row = row_of(200);
    apr_time_t start;
    int i;

    wa_usage_start(app);
    start = apr_time_now();
    for (i = 0; i < 20000; i++) {
        wa_usage_note(app, &row);
    }
    ok(apr_time_now() - start < APR_USEC_PER_SEC,
       "without PostgreSQL nobody waits, however many there are");
    apr_sleep(apr_time_from_msec(1200));
    wa_usage_note(app, &row);
    apr_sleep(apr_time_from_msec(1200));
    ok(wa_usage_dropped_lately(app) > 10000, "what did not fit is told");
    start = apr_time_now();
    wa_usage_stop(app);
    ok(apr_time_now() - start < apr_time_from_sec(5),
       "and the end does not wait for ever");
}

int main(void)
{
    const char *conninfo = getenv("WA_TEST_DB");
    apr_pool_t *p = tap_start();
    wa_app *app;

    wa_crypto_init();
    wa_log_set(to_tap, NULL, WA_LOG_DEBUG);
    test_order(p);
    test_texts();
    test_wait(p);
    test_close_wakes(p);
    test_threads(p);
    test_away(p);
    app = conninfo ? make_app(p, conninfo) : NULL;
    if (app) {
        test_written(p, app);
    }
    return tap_done();
}
