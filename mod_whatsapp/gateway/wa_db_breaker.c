/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_db_breaker.c @brief Spares everybody the wait for a hung
 * database that one request has already waited for. */
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>

#include "../base/wa_log.h"
#include "wa_db_private.h"

#define OPEN_FOR apr_time_from_sec(1)
/* How long after its beginning a probe may still bring good news to those who
 * came meanwhile. A process that was asked for nothing since the outage learns
 * by its next request that all is well; who comes beside that one waits for
 * what it learns, and is not refused on old news. With a database that hangs
 * on it is this much of each try, not of each request. */
#define NEWS_WITHIN apr_time_from_msec(500)

struct wa_db_breaker {
    apr_thread_mutex_t *lock;
    apr_thread_cond_t *news;
    apr_time_t open_until; /* 0: closed */
    apr_time_t probed_at;  /* when the one who tries began */
    int probing;           /* somebody tries at this moment */
};

wa_db_breaker *wa_db_breaker_make(apr_pool_t *p)
{
    wa_db_breaker *b = apr_pcalloc(p, sizeof(*b));

    if (APR_SUCCESS
            != apr_thread_mutex_create(&b->lock, APR_THREAD_MUTEX_DEFAULT, p)
        || APR_SUCCESS != apr_thread_cond_create(&b->news, p)) {
        return NULL;
    }
    return b;
}

static void await_news(wa_db_breaker *b)
{
    apr_interval_time_t left;

    while (b->open_until && b->probing) {
        left = b->probed_at + NEWS_WITHIN - apr_time_now();
        if (left <= 0
            || APR_SUCCESS
                   != apr_thread_cond_timedwait(b->news, b->lock, left)) {
            return;
        }
    }
}

int wa_db_breaker_enter(wa_db_breaker *b, int *probe)
{
    int may = 1;

    *probe = 0;
    if (!b) {
        return 1;
    }
    apr_thread_mutex_lock(b->lock);
    await_news(b);
    if (b->open_until) {
        apr_time_t now = apr_time_now();

        may = !b->probing && now >= b->open_until;
        *probe = may;
        if (may) {
            b->probing = 1;
            b->probed_at = now;
        }
    }
    apr_thread_mutex_unlock(b->lock);
    return may;
}

void wa_db_breaker_ok(wa_db_breaker *b)
{
    if (!b) {
        return;
    }
    apr_thread_mutex_lock(b->lock);
    b->open_until = 0;
    b->probing = 0;
    apr_thread_cond_broadcast(b->news);
    apr_thread_mutex_unlock(b->lock);
    wa_log(WA_LOG_NOTICE, NULL, "WA0201: the database answers again");
}

void wa_db_breaker_trip(wa_db_breaker *b)
{
    int first;

    if (!b) {
        return;
    }
    apr_thread_mutex_lock(b->lock);
    first = b->open_until == 0;
    b->open_until = apr_time_now() + OPEN_FOR;
    b->probing = 0;
    apr_thread_cond_broadcast(b->news);
    apr_thread_mutex_unlock(b->lock);
    if (first) {
        wa_log(WA_LOG_ERR, NULL,
               "WA0202: the database does not answer in time; it is "
               "spared but for one try a second");
    }
}

void wa_db_breaker_release(wa_db_breaker *b)
{
    if (!b) {
        return;
    }
    apr_thread_mutex_lock(b->lock);
    b->probing = 0;
    apr_thread_cond_signal(b->news); /* one of them is the next who tries */
    apr_thread_mutex_unlock(b->lock);
}
