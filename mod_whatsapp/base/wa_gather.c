/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_gather.h"

#include <errno.h>
#include <semaphore.h>

#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>

/* A thread that waits; on the stack of its own. It is woken by a semaphore,
 * which APR hasn't: with a condition each of those woken would first wait for
 * the lock, one after the other. */
typedef struct waiter {
    void *item;
    struct waiter *next;
    sem_t woken;
    int leads; /* its turn to work; else, once woken, it is done */
} waiter;

struct wa_gather {
    apr_thread_mutex_t *lock;
    waiter *first, **end; /* who waits and isn't in work */
    int waiting;          /* how many they are */
    int hopes;            /* one leads, and waits for company */
    apr_thread_cond_t *company;
    int usual; /* how many were together of late */
    apr_interval_time_t patience;
    int working;
    int leaders, most;
    wa_gather_work *work;
    wa_gather_fits *fits;
    void *baton;
};

wa_gather *wa_gather_make(apr_pool_t *p, int leaders, int most,
                          apr_interval_time_t patience, wa_gather_work *work,
                          wa_gather_fits *fits, void *baton)
{
    wa_gather *g = apr_pcalloc(p, sizeof(*g));

    if (apr_thread_mutex_create(&g->lock, APR_THREAD_MUTEX_DEFAULT, p)
            != APR_SUCCESS
        || apr_thread_cond_create(&g->company, p) != APR_SUCCESS) {
        return NULL;
    }
    g->end = &g->first;
    g->leaders = leaders;
    g->most = most;
    g->usual = 1;
    g->patience = patience;
    g->work = work;
    g->fits = fits;
    g->baton = baton;
    return g;
}

int wa_gather_has_room(wa_gather_bytes *bytes, void *const *items, int count,
                       const void *item)
{
    apr_size_t all = bytes(item);
    int i;

    for (i = 0; i < count; i++) {
        all += bytes(items[i]);
    }
    return all <= WA_GATHER_BYTES;
}

static void join(wa_gather *g, waiter *w)
{
    *g->end = w;
    g->end = &w->next;
    g->waiting++;
    if (g->hopes && g->waiting + 1 >= g->usual) {
        apr_thread_cond_signal(g->company);
    }
}

/* Take out the waiter that *at leads to. */
static waiter *leave(wa_gather *g, waiter **at)
{
    waiter *w = *at;

    *at = w->next;
    if (!w->next) {
        g->end = at;
    }
    w->next = NULL;
    g->waiting--;
    return w;
}

/* We lead; where many came together of late, wait a little for as many. */
static void hope(wa_gather *g)
{
    apr_time_t until;
    apr_interval_time_t left = g->patience;

    if (g->hopes || left <= 0 || g->waiting + 1 >= g->usual) {
        return;
    }
    until = apr_time_now() + left;
    g->hopes = 1;
    while (left > 0 && g->waiting + 1 < g->usual) {
        apr_thread_cond_timedwait(g->company, g->lock, left);
        left = until - apr_time_now();
    }
    g->hopes = 0;
}

/* Those that are done together with us, who lead: as a list from us on, and
 * their items. */
static int take(wa_gather *g, waiter *self, void **items)
{
    waiter **at = &g->first, *last = self;
    int count = 0;

    items[count++] = self->item;
    while (*at && count < g->most) {
        if (g->fits && !g->fits(g->baton, items, count, (*at)->item)) {
            at = &(*at)->next;
            continue;
        }
        last->next = leave(g, at);
        last = last->next;
        items[count++] = last->item;
    }
    /* Fewer than usual may be chance: it is unlearnt by halves. */
    g->usual = count >= g->usual ? count : (g->usual + count) / 2;
    return count;
}

/* Who is to work next, of those who wait, if one may. It must be woken once the
 * lock is free. */
static waiter *next_leader(wa_gather *g)
{
    waiter *w = NULL;

    if (g->first && g->working < g->leaders && !g->hopes) {
        g->working++;
        w = leave(g, &g->first);
        w->leads = 1;
    }
    return w;
}

static void wake(waiter *w)
{
    if (w) {
        sem_post(&w->woken);
    }
}

/* Work for us and others. */
static void lead(wa_gather *g, waiter *self, void **items)
{
    waiter *w, *next;
    int count;

    apr_thread_mutex_lock(g->lock);
    hope(g);
    count = take(g, self, items);
    next = next_leader(g);
    apr_thread_mutex_unlock(g->lock);
    wake(next);

    g->work(g->baton, items, count);

    apr_thread_mutex_lock(g->lock);
    g->working--;
    next = next_leader(g);
    apr_thread_mutex_unlock(g->lock);
    wake(next);
    for (w = self->next; w; w = next) {
        next = w->next; /* it is gone once it is woken */
        wake(w);
    }
}

apr_status_t wa_gather_do(wa_gather *g, apr_pool_t *p, void *item)
{
    waiter self = { .item = item };
    void **items = apr_palloc(p, (apr_size_t)g->most * sizeof(void *));
    int wait = 0;

    if (sem_init(&self.woken, 0, 0) != 0) {
        return errno;
    }
    apr_thread_mutex_lock(g->lock);
    if (g->working < g->leaders && !g->hopes) {
        g->working++;
        self.leads = 1;
    }
    else {
        join(g, &self);
        wait = 1;
    }
    apr_thread_mutex_unlock(g->lock);
    while (wait && sem_wait(&self.woken) != 0 && errno == EINTR) {
        ;
    }
    if (self.leads) {
        lead(g, &self, items);
    }
    sem_destroy(&self.woken);
    return APR_SUCCESS;
}
