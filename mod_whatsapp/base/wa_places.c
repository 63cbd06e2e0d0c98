/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_places.h"

#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>

/* Who has waited so long is passed no more. */
#define PATIENCE apr_time_from_msec(100)

/* A thread that waits; on the stack of its own. */
typedef struct waiter {
    apr_thread_cond_t *woken;
    apr_time_t since;
    int inside; /* a place was handed to it */
    struct waiter *next;
} waiter;

struct wa_places {
    apr_thread_mutex_t *lock;
    waiter *first, **end;
    int free;
};

wa_places *wa_places_make(apr_pool_t *p, int count)
{
    wa_places *g = apr_pcalloc(p, sizeof(*g));

    if (apr_thread_mutex_create(&g->lock, APR_THREAD_MUTEX_DEFAULT, p)
        != APR_SUCCESS) {
        return NULL;
    }
    g->end = &g->first;
    g->free = count;
    return g;
}

static void forget(wa_places *g, waiter *w)
{
    waiter **at = &g->first;

    while (*at != w) {
        at = &(*at)->next;
    }
    *at = w->next;
    if (!w->next) {
        g->end = at;
    }
}

/* One place is free, and who waits longest may take it. */
static void tell(const wa_places *g)
{
    if (g->free && g->first) {
        apr_thread_cond_signal(g->first->woken);
    }
}

static void await(wa_places *g, waiter *w, apr_time_t deadline)
{
    apr_interval_time_t left = deadline - w->since;

    *g->end = w;
    g->end = &w->next;
    while (!w->inside && !g->free && left > 0) {
        apr_thread_cond_timedwait(w->woken, g->lock, left);
        left = deadline - apr_time_now();
    }
    if (!w->inside) {
        forget(g, w);
        if (g->free) {
            g->free--;
            w->inside = 1;
        }
    }
    tell(g); /* it may have been told to us, of two */
}

apr_status_t wa_places_enter(wa_places *g, apr_pool_t *p, apr_time_t deadline)
{
    waiter self = { .since = apr_time_now() };
    apr_status_t rv = APR_SUCCESS;

    apr_thread_mutex_lock(g->lock);
    if (g->free) {
        g->free--;
        self.inside = 1;
    }
    else if (deadline > self.since) {
        rv = apr_thread_cond_create(&self.woken, p);
        if (rv == APR_SUCCESS) {
            await(g, &self, deadline);
        }
    }
    apr_thread_mutex_unlock(g->lock);
    return rv != APR_SUCCESS ? rv : self.inside ? APR_SUCCESS : APR_TIMEUP;
}

void wa_places_leave(wa_places *g)
{
    waiter *w;

    apr_thread_mutex_lock(g->lock);
    w = g->first;
    if (w && apr_time_now() - w->since >= PATIENCE) {
        forget(g, w);
        w->inside = 1;
        apr_thread_cond_signal(w->woken);
    }
    else {
        g->free++;
        tell(g);
    }
    apr_thread_mutex_unlock(g->lock);
}
