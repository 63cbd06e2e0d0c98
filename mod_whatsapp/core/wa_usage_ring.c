/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_usage_ring.h"

#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>

struct wa_usage_ring {
    apr_thread_mutex_t *lock;
    apr_thread_cond_t *changed; /* enough rows, or closed */
    wa_usage_row *rows;
    int size;
    int first; /* the oldest row; only the taker moves it */
    int count;
    int enough;          /* what the taker waits for; 0: it doesn't */
    apr_time_t since;    /* when the oldest row was put in */
    apr_int64_t dropped; /* since the start */
    int closed;
};

wa_usage_ring *wa_usage_ring_make(apr_pool_t *p, int size)
{
    wa_usage_ring *ring = apr_pcalloc(p, sizeof(*ring));

    ring->size = size;
    ring->rows = apr_palloc(p, sizeof(*ring->rows) * (apr_size_t)size);
    if (apr_thread_mutex_create(&ring->lock, APR_THREAD_MUTEX_DEFAULT, p)
            != APR_SUCCESS
        || apr_thread_cond_create(&ring->changed, p) != APR_SUCCESS) {
        return NULL;
    }
    return ring;
}

int wa_usage_ring_put(wa_usage_ring *ring, const wa_usage_row *row)
{
    int fits;

    apr_thread_mutex_lock(ring->lock);
    fits = ring->count < ring->size;
    if (fits) {
        ring->rows[(ring->first + ring->count) % ring->size] = *row;
        if (!ring->count++) {
            ring->since = apr_time_now();
        }
        /* The first one starts the taker's clock. */
        if (ring->enough && (ring->count == 1 || ring->count == ring->enough)) {
            apr_thread_cond_signal(ring->changed);
        }
    }
    else {
        ring->dropped++;
    }
    apr_thread_mutex_unlock(ring->lock);
    return fits;
}

int wa_usage_ring_wait(wa_usage_ring *ring, int enough,
                       apr_interval_time_t longest)
{
    int there;

    apr_thread_mutex_lock(ring->lock);
    ring->enough = enough;
    while (ring->count < enough && !ring->closed) {
        apr_interval_time_t left = ring->since + longest - apr_time_now();

        if (!ring->count) {
            apr_thread_cond_wait(ring->changed, ring->lock);
        }
        else if (left <= 0) {
            break;
        }
        else {
            /* A clock that was set back must not make this wait longer. */
            apr_thread_cond_timedwait(ring->changed, ring->lock,
                                      left < longest ? left : longest);
        }
    }
    ring->enough = 0;
    there = ring->count;
    apr_thread_mutex_unlock(ring->lock);
    return there;
}

void wa_usage_ring_pause(wa_usage_ring *ring, apr_interval_time_t wait)
{
    apr_time_t until = apr_time_now() + wait;

    apr_thread_mutex_lock(ring->lock);
    while (!ring->closed) {
        apr_interval_time_t left = until - apr_time_now();

        if (left <= 0 || left > wait) {
            break;
        }
        apr_thread_cond_timedwait(ring->changed, ring->lock, left);
    }
    apr_thread_mutex_unlock(ring->lock);
}

const wa_usage_row *wa_usage_ring_at(const wa_usage_ring *ring, int i)
{
    return &ring->rows[(ring->first + i) % ring->size];
}

void wa_usage_ring_done(wa_usage_ring *ring, int count)
{
    apr_thread_mutex_lock(ring->lock);
    ring->first = (ring->first + count) % ring->size;
    ring->count -= count;
    /* Those left came while the batch was written: about now. */
    ring->since = apr_time_now();
    apr_thread_mutex_unlock(ring->lock);
}

void wa_usage_ring_close(wa_usage_ring *ring)
{
    apr_thread_mutex_lock(ring->lock);
    ring->closed = 1;
    apr_thread_cond_broadcast(ring->changed);
    apr_thread_mutex_unlock(ring->lock);
}

int wa_usage_ring_closed(wa_usage_ring *ring)
{
    int closed;

    apr_thread_mutex_lock(ring->lock);
    closed = ring->closed;
    apr_thread_mutex_unlock(ring->lock);
    return closed;
}

void wa_usage_ring_counts(wa_usage_ring *ring, int *waiting,
                          apr_int64_t *dropped)
{
    apr_thread_mutex_lock(ring->lock);
    *waiting = ring->count;
    *dropped = ring->dropped;
    apr_thread_mutex_unlock(ring->lock);
}
