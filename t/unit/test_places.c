/* SPDX-License-Identifier: Apache-2.0 */
/* wa_places: bounded waits, and nobody passed for ever. */
#include "tap.h"

#include <apr_atomic.h>
#include <apr_thread_proc.h>

#include "base/wa_places.h"

#define SOON (apr_time_now() + apr_time_from_sec(60))
#define THREADS 8
#define TURNS 2000

static wa_places *places;
static apr_uint32_t inside, most, waits;

static void *APR_THREAD_FUNC wait_for_one(apr_thread_t *thread, void *data)
{
    apr_status_t rv;

    (void)data;
    apr_atomic_inc32(&waits);
    rv = wa_places_enter(places, apr_thread_pool_get(thread), SOON);
    apr_thread_exit(thread, rv);
    return NULL;
}

/* In and out, and how many were inside at a time. */
static void *APR_THREAD_FUNC come_and_go(apr_thread_t *thread, void *data)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    (void)data;
    for (i = 0; i < TURNS && rv == APR_SUCCESS; i++) {
        apr_uint32_t now, seen;

        rv = wa_places_enter(places, apr_thread_pool_get(thread), SOON);
        now = apr_atomic_inc32(&inside) + 1;
        do {
            seen = apr_atomic_read32(&most);
        } while (now > seen && apr_atomic_cas32(&most, now, seen) != seen);
        if (i % 16 == 0) {
            apr_thread_yield();
        }
        apr_atomic_dec32(&inside);
        wa_places_leave(places);
    }
    apr_thread_exit(thread, rv);
    return NULL;
}

static void test_bounds(apr_pool_t *p)
{
    places = wa_places_make(p, 2);
    is_int(wa_places_enter(places, p, 0), APR_SUCCESS, "one");
    is_int(wa_places_enter(places, p, 0), APR_SUCCESS, "two");
    is_int(wa_places_enter(places, p, 0), APR_TIMEUP, "no third one");
    is_int(wa_places_enter(places, p, apr_time_now() + apr_time_from_msec(20)),
           APR_TIMEUP, "nor a little later");
    wa_places_leave(places);
    is_int(wa_places_enter(places, p, 0), APR_SUCCESS, "after one has gone");
}

/* The place goes to who has waited long, not to who comes just then. */
static void test_not_passed(apr_pool_t *p)
{
    apr_thread_t *thread;
    apr_status_t rv;

    places = wa_places_make(p, 1);
    is_int(wa_places_enter(places, p, 0), APR_SUCCESS, "the only place");
    apr_thread_create(&thread, NULL, wait_for_one, NULL, p);
    while (!apr_atomic_read32(&waits)) {
        apr_sleep(apr_time_from_msec(10));
    }
    apr_sleep(apr_time_from_msec(500));
    wa_places_leave(places);
    is_int(wa_places_enter(places, p, 0), APR_TIMEUP,
           "who comes now is not the next");
    apr_thread_join(&rv, thread);
    is_int(rv, APR_SUCCESS, "who has waited is");
    wa_places_leave(places);
    is_int(wa_places_enter(places, p, 0), APR_SUCCESS, "and then who comes");
}

static void test_many(apr_pool_t *p)
{
    apr_thread_t *threads[THREADS];
    apr_status_t rv, worst = APR_SUCCESS;
    int i;

    places = wa_places_make(p, 3);
    for (i = 0; i < THREADS; i++) {
        apr_thread_create(&threads[i], NULL, come_and_go, NULL, p);
    }
    for (i = 0; i < THREADS; i++) {
        apr_thread_join(&rv, threads[i]);
        worst = rv ? rv : worst;
    }
    is_int(worst, APR_SUCCESS, "all of many come through");
    ok(most >= 1 && most <= 3, "never more than three inside: %u", most);
    for (i = 0; i < 3; i++) {
        is_int(wa_places_enter(places, p, 0), APR_SUCCESS, "place %d is left",
               i + 1);
    }
    is_int(wa_places_enter(places, p, 0), APR_TIMEUP, "and no other");
}

int main(void)
{
    apr_pool_t *p = tap_start();

    test_bounds(p);
    test_not_passed(p);
    test_many(p);
    return tap_done();
}
