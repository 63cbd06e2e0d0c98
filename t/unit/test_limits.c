/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <malloc.h>
#include <string.h>

#include <apr_strings.h>
#include <apr_thread_proc.h>

#include "core/wa_limits.h"
#include "core/wa_limits_local.h"

#define MINUTE_START apr_time_from_sec(1800000000) /* divides by 60 */
#define THREADS 8
#define TIMES 2000
#define MANY 65536

static void test_local(apr_pool_t *p)
{
    wa_local_limits *l = wa_local_limits_make(p);
    int reset = 0;

    is_int(wa_local_limits_count(l, "r:a", 1, MINUTE_START, &reset), 1,
           "the first of a minute");
    is_int(reset, 60, "sixty seconds are left at its start");
    is_int(wa_local_limits_count(l, "r:a", 1,
                                 MINUTE_START + apr_time_from_sec(59), &reset),
           2, "the second, at its end");
    is_int(reset, 1, "one second is left then");
    is_int(wa_local_limits_count(l, "r:b", 1, MINUTE_START, &reset), 1,
           "another user counts for itself");
    is_int(wa_local_limits_count(l, "m:a", 5, MINUTE_START, &reset), 5,
           "messages count beside requests");
    is_int(wa_local_limits_count(l, "m:a", -5, MINUTE_START, &reset), 0,
           "and can be given back");
    is_int(wa_local_limits_count(l, "r:a", 1,
                                 MINUTE_START + apr_time_from_sec(60), &reset),
           1, "the next minute begins anew");
    is_int(wa_local_limits_count(l, "r:b", 1,
                                 MINUTE_START + apr_time_from_sec(60), &reset),
           1, "for all");
}

/* However many addresses there are, they count, and take no room. */
static void test_addresses(apr_pool_t *p)
{
    wa_local_limits *l = wa_local_limits_make(p);
    apr_int64_t most = 0;
    apr_size_t before, i;
    int reset;

    is_int(wa_local_limits_address(l, "192.0.2.1", 2, MINUTE_START, &reset), 2,
           "an address");
    is_int(reset, 60, "and the seconds that are left");
    is_int(wa_local_limits_address(l, "192.0.2.1", 0, MINUTE_START, &reset), 2,
           "looked at, it stays");
    is_int(wa_local_limits_count(l, "r:192.0.2.1", 1, MINUTE_START, &reset), 1,
           "it is no user");
    is_int(wa_local_limits_address(
               l, "192.0.2.1", 1, MINUTE_START + apr_time_from_sec(60), &reset),
           1, "the next minute begins anew");
    before = mallinfo2().uordblks;
    for (i = 0; i < MANY; i++) {
        char name[32];
        apr_int64_t n;

        apr_snprintf(name, sizeof(name), "2001:db8:0:%x::/64", (unsigned)i);
        n = wa_local_limits_address(
            l, name, 1, MINUTE_START + apr_time_from_sec(60), &reset);
        most = n > most ? n : most;
    }
    ok(mallinfo2().uordblks < before + 65536, "many of them take no memory");
    ok(most > 1 && most < 40, "few share a counter, at most %d of 65,536",
       (int)most);
}

/* What counts must not keep the names it was given. */
static void test_names(apr_pool_t *p)
{
    wa_local_limits *l = wa_local_limits_make(p);
    char name[] = "r:x";
    int reset;

    wa_local_limits_count(l, name, 1, MINUTE_START, &reset);
    name[2] = 'y';
    is_int(wa_local_limits_count(l, "r:x", 1, MINUTE_START, &reset), 2,
           "the name was copied");
    is_int(wa_local_limits_count(l, "r:y", 1, MINUTE_START, &reset), 1,
           "and did not become another's");
}

static void *APR_THREAD_FUNC count_many(apr_thread_t *thread, void *data)
{
    int i, reset;

    for (i = 0; i < TIMES; i++) {
        wa_local_limits_count(data, i % 2 ? "r:odd" : "r:even", 1, MINUTE_START,
                              &reset);
    }
    apr_thread_exit(thread, APR_SUCCESS);
    return NULL;
}

static void test_threads(apr_pool_t *p)
{
    wa_local_limits *l = wa_local_limits_make(p);
    apr_thread_t *threads[THREADS];
    apr_status_t rv;
    int i, reset;

    for (i = 0; i < THREADS; i++) {
        apr_thread_create(&threads[i], NULL, count_many, l, p);
    }
    for (i = 0; i < THREADS; i++) {
        apr_thread_join(&rv, threads[i]);
    }
    is_int(wa_local_limits_count(l, "r:odd", 0, MINUTE_START, &reset),
           THREADS * TIMES / 2, "eight threads lose no count");
    is_int(wa_local_limits_count(l, "r:even", 0, MINUTE_START, &reset),
           THREADS * TIMES / 2, "of neither name");
}

static const char *get(apr_pool_t *p, const wa_limit_state *state,
                       const char *name)
{
    apr_table_t *headers = apr_table_make(p, 5);

    wa_limits_headers(p, state, headers);
    return apr_table_get(headers, name);
}

static void test_headers(apr_pool_t *p)
{
    wa_limit_state s;

    memset(&s, 0, sizeof(s));
    is_str(get(p, &s, "RateLimit"), NULL, "nothing was counted: no header");
    is_str(get(p, &s, "X-RateLimit-Limit"), NULL, "none of the old ones");

    s.requests.limit = 600;
    s.requests.used = 1;
    s.requests.reset = 42;
    is_str(get(p, &s, "RateLimit-Policy"), "\"requests\";q=600;w=60",
           "the policy of requests");
    is_str(get(p, &s, "RateLimit"), "\"requests\";r=599;t=42",
           "the state of requests");
    is_str(get(p, &s, "X-RateLimit-Limit"), "600", "their limit");
    is_str(get(p, &s, "X-RateLimit-Remaining"), "599", "what is left");
    is_str(get(p, &s, "X-RateLimit-Reset"), "42", "until when");

    s.anonymous = 1;
    is_str(get(p, &s, "RateLimit-Policy"), "\"anonymous\";q=600;w=60",
           "those of an address go by another name");
    s.anonymous = 0;

    s.minute.limit = 20;
    s.minute.used = 18;
    s.minute.reset = 7;
    s.day.limit = 1000;
    s.day.used = 10;
    s.day.reset = 86400;
    is_str(get(p, &s, "RateLimit"),
           "\"requests\";r=599;t=42, \"messages-minute\";r=2;t=7,"
           " \"messages-day\";r=990;t=86400",
           "all three windows");
    is_str(get(p, &s, "X-RateLimit-Limit"), "20", "the tightest one's limit");
    is_str(get(p, &s, "X-RateLimit-Reset"), "7", "and its end");

    s.day.used = 1001;
    is_str(get(p, &s, "X-RateLimit-Remaining"), "0", "never less than nothing");
    is_str(get(p, &s, "X-RateLimit-Limit"), "1000", "the day is tighter now");
}

int main(void)
{
    apr_pool_t *p = tap_start();

    test_local(p);
    test_addresses(p);
    test_names(p);
    test_threads(p);
    test_headers(p);
    return tap_done();
}
