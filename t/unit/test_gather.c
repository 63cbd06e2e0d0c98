/* SPDX-License-Identifier: Apache-2.0 */
/* Work of many threads that one does for all. */
#include "tap.h"

#include <string.h>

#include <apr_atomic.h>
#include <apr_thread_proc.h>
#include <apr_time.h>

#include "base/wa_gather.h"

#define THREADS 16
#define TIMES 500
#define MOST 6
#define KINDS 5

typedef struct item {
    int kind;
    int done;
    int alone;
} item;

/* What was seen by those that worked. */
typedef struct seen {
    wa_gather *g;
    apr_uint32_t working, most_working, batches, most_items, collided, started;
    apr_uint32_t ready; /* threads that are about to come */
    apr_uint32_t wait_for;
    apr_uint32_t alone; /* items that were done by themselves */
} seen;

static void at_least(apr_uint32_t *mem, apr_uint32_t value)
{
    apr_uint32_t now;

    while ((now = apr_atomic_read32(mem)) < value) {
        apr_atomic_cas32(mem, value, now);
    }
}

static void work(void *baton, void *const *items, int count)
{
    seen *s = baton;
    int i, j;

    at_least(&s->most_working, apr_atomic_inc32(&s->working) + 1);
    at_least(&s->most_items, (apr_uint32_t)count);
    apr_atomic_inc32(&s->batches);
    apr_atomic_add32(&s->alone, count == 1);
    ((item *)items[0])->alone = count == 1;
    /* The first keeps the others waiting until all are there. */
    if (!apr_atomic_inc32(&s->started)) {
        while (apr_atomic_read32(&s->ready) < s->wait_for) {
            apr_sleep(1000);
        }
        if (s->wait_for) {
            apr_sleep(100000);
        }
    }
    for (i = 0; i < count; i++) {
        item *a = items[i];

        a->done++;
        for (j = 0; j < i; j++) {
            if (((item *)items[j])->kind == a->kind) {
                apr_atomic_inc32(&s->collided);
            }
        }
    }
    apr_thread_yield();
    apr_atomic_dec32(&s->working);
}

static int fits(void *baton, void *const *items, int count, const void *one)
{
    int i;

    for (i = 0; i < count; i++) {
        if (((const item *)items[i])->kind == ((const item *)one)->kind) {
            return 0;
        }
    }
    return 1;
}

static apr_uint32_t wrong; /* items that were not done once */

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *data)
{
    seen *s = data;
    apr_pool_t *p;
    apr_uint32_t self = apr_atomic_inc32(&s->ready);
    int i;

    if (apr_pool_create(&p, NULL) != APR_SUCCESS) {
        apr_atomic_inc32(&wrong);
        return NULL;
    }
    for (i = 0; i < TIMES; i++) {
        item one = { .kind = (int)(self + (apr_uint32_t)i) % KINDS };

        if (wa_gather_do(s->g, p, &one) != APR_SUCCESS || one.done != 1) {
            apr_atomic_inc32(&wrong);
        }
        apr_pool_clear(p);
    }
    apr_pool_destroy(p);
    return NULL;
}

/* Who had company comes a second time. */
static void *APR_THREAD_FUNC run_again(apr_thread_t *thread, void *data)
{
    seen *s = data;
    apr_pool_t *p;
    item one = { 0, 0, 0 };

    if (apr_pool_create(&p, NULL) != APR_SUCCESS) {
        return NULL;
    }
    apr_atomic_inc32(&s->ready);
    wa_gather_do(s->g, p, &one);
    if (!one.alone) {
        wa_gather_do(s->g, p, &one);
    }
    apr_pool_destroy(p);
    return NULL;
}

/* One is alone, and the rest come while it works; these come again, when
 * nobody works. */
static void test_company(apr_pool_t *p)
{
    apr_thread_t *threads[MOST + 1];
    apr_status_t rv;
    seen s;
    int i, made = 0;

    memset(&s, 0, sizeof(s));
    s.wait_for = MOST + 1;
    s.g = wa_gather_make(p, 1, MOST, apr_time_from_sec(20), work, NULL, &s);
    for (i = 0; i <= MOST; i++) {
        made += apr_thread_create(&threads[i], NULL, run_again, &s, p)
                == APR_SUCCESS;
    }
    is_int(made, MOST + 1, "threads");
    for (i = 0; i <= MOST && made == MOST + 1; i++) {
        apr_thread_join(&rv, threads[i]);
    }
    is_int(s.alone, 1, "after company the first who comes waits for as many");
    is_int(s.batches, 3, "and all are done together again");
}

static void run_all(apr_pool_t *p, seen *s)
{
    apr_thread_t *threads[THREADS];
    apr_status_t rv;
    int i;

    wrong = 0;
    for (i = 0; i < THREADS; i++) {
        if (apr_thread_create(&threads[i], NULL, run, s, p) != APR_SUCCESS) {
            threads[i] = NULL;
            apr_atomic_inc32(&wrong);
        }
    }
    for (i = 0; i < THREADS; i++) {
        if (threads[i]) {
            apr_thread_join(&rv, threads[i]);
        }
    }
    is_int(wrong, 0, "each of %d items was done once", THREADS * TIMES);
}

static apr_size_t bytes_of(const void *size)
{
    return *(const apr_size_t *)size;
}

static void test_bytes(void)
{
    apr_size_t half = WA_GATHER_BYTES / 2, one = 1, all = WA_GATHER_BYTES;
    void *halves[] = { &half, &half };

    ok(wa_gather_has_room(bytes_of, halves, 1, &half), "two halves fit");
    ok(!wa_gather_has_room(bytes_of, halves, 2, &one), "no byte more");
    ok(!wa_gather_has_room(bytes_of, halves, 1, &all), "nor what is large");
    ok(wa_gather_has_room(bytes_of, halves, 0, &all), "but by itself");
}

int main(void)
{
    apr_pool_t *p = tap_start();
    seen s;
    item one = { 0, 0, 0 };

    memset(&s, 0, sizeof(s));
    s.g = wa_gather_make(p, 1, MOST, apr_time_from_sec(3600), work, NULL, &s);
    wa_gather_do(s.g, p, &one);
    wa_gather_do(s.g, p, &one);
    is_int(one.done, 2, "alone: done at once");
    is_int(s.batches, 2, "and by itself");

    memset(&s, 0, sizeof(s));
    s.wait_for = THREADS;
    s.g = wa_gather_make(p, 1, MOST, 0, work, NULL, &s);
    run_all(p, &s);
    is_int(s.most_working, 1, "one works at a time");
    is_int(s.most_items, MOST, "those that waited were done together");
    ok(s.batches < THREADS * TIMES, "by fewer than there were items");

    memset(&s, 0, sizeof(s));
    s.wait_for = THREADS;
    s.g = wa_gather_make(p, 3, MOST, 0, work, fits, &s);
    run_all(p, &s);
    ok(s.most_working <= 3, "no more than three work at a time");
    ok(s.most_working > 1, "more than one does");
    is_int(s.collided, 0, "what doesn't fit is not done together");
    ok(s.most_items > 1 && s.most_items <= KINDS, "what fits is");

    memset(&s, 0, sizeof(s));
    s.wait_for = THREADS;
    s.g = wa_gather_make(p, 3, MOST, 1000, work, fits, &s);
    run_all(p, &s);
    ok(s.most_working <= 3, "three work where who works waits for company");
    is_int(s.collided, 0, "what doesn't fit is not done together");

    test_company(p);
    test_bytes();
    return tap_done();
}
