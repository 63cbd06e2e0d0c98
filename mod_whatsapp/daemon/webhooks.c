/* SPDX-License-Identifier: Apache-2.0 */
/* Posts events to users' webhooks. One thread has all attempts under way at a
 * time, by libcurl's multi interface, so that a receiver that hangs takes a
 * socket and no thread: it holds up nobody else.
 *
 * Webhooks that failed the last time get no more than half of the places, so
 * that however many of them hang there is room for those that answer. */
#include "wad.h"

#include <string.h>

#include <apr_strings.h>
#include <apr_tables.h>

#include "../base/wa_log.h"
#include "../core/wa_webhook_work.h"

/* Attempts under way at a time. */
#define PLACES 256
#define PLACES_FAILING 128
/* Webhooks that one claim takes from. */
#define BATCH 32
/* NOTIFY may be lost with its connection; this is the longest that costs. */
#define POLL_MAX apr_time_from_sec(1)
#define RETRY_DB apr_time_from_msec(500)
/* What is not answered when the daemon has been told to end for so long is
 * broken off. */
#define DRAIN apr_time_from_sec(3)
#define DRAIN_STEP apr_time_from_msec(200)

typedef struct hooks {
    wa_fetcher *fetcher;
    int failing;     /* of the attempts under way, to webhooks that fail */
    int heard;       /* of new events, or there may be more of them */
    apr_time_t look; /* when to look for some though nothing was heard */
    wa_db *listener; /* hears of new events, NULL while there is none */
    apr_pool_t *listener_pool;
} hooks;

typedef struct task {
    apr_pool_t *pool; /* its own, without a parent */
    wa_webhook_out out;
    wa_fetch fetch;
} task;

void *wad_webhooks_start(wa_app *app, apr_pool_t *p)
{
    hooks *h = apr_pcalloc(p, sizeof(*h));

    h->fetcher = wa_fetcher_make(p);
    if (!h->fetcher || apr_pool_create(&h->listener_pool, p) != APR_SUCCESS) {
        wa_log(WA_LOG_ERR, NULL, "WA0471: webhooks can't be posted to");
        return NULL;
    }
    return h;
}

/* --- attempts --------------------------------------------------------------
 */

static void finish(wa_app *app, task *t)
{
    wa_webhook_record(app, t->pool, &t->out, &t->fetch);
    apr_pool_destroy(t->pool);
}

static void copy_out(apr_pool_t *p, wa_webhook_out *to, const wa_webhook_out *o)
{
    *to = *o;
    to->id = apr_pstrdup(p, o->id);
    to->webhook_id = apr_pstrdup(p, o->webhook_id);
    to->url = apr_pstrdup(p, o->url);
    to->event_id = apr_pstrdup(p, o->event_id);
    to->type = apr_pstrdup(p, o->type);
    to->data = apr_pstrdup(p, o->data);
    to->secret = apr_pstrdup(p, o->secret);
    to->previous_secret = apr_pstrdup(p, o->previous_secret);
}

static void start_task(wa_app *app, hooks *h, const wa_webhook_out *o)
{
    apr_pool_t *pool;
    task *t;

    if (apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return; /* the lease runs out and it is claimed again */
    }
    t = apr_pcalloc(pool, sizeof(*t));
    t->pool = pool;
    copy_out(pool, &t->out, o);
    if (wa_webhook_request(app, pool, &t->out, &t->fetch) != APR_SUCCESS) {
        finish(app, t);
        return;
    }
    t->fetch.baton = t;
    if (wa_fetcher_add(h->fetcher, pool, &t->fetch) != APR_SUCCESS) {
        finish(app, t);
        return;
    }
    h->failing += o->failing;
}

static int harvest(wa_app *app, hooks *h)
{
    wa_fetch *f;
    int n = 0;

    while ((f = wa_fetcher_next(h->fetcher)) != NULL) {
        task *t = f->baton;

        h->failing -= t->out.failing;
        finish(app, t);
        n++;
    }
    return n;
}

/* @param claimed grows */
static apr_status_t claim(wa_app *app, hooks *h, apr_pool_t *p, int failing,
                          int *claimed)
{
    /* Of each as many as go to one that lags. */
    int places = PLACES - wa_fetcher_count(h->fetcher);
    apr_array_header_t *found;
    apr_status_t rv;
    int i, max;

    if (failing && places > PLACES_FAILING - h->failing) {
        places = PLACES_FAILING - h->failing;
    }
    max = failing ? places : places / WA_WEBHOOK_AT_ONCE;
    if (max <= 0) {
        return APR_SUCCESS;
    }
    rv = wa_webhooks_claim(app, p, failing, max < BATCH ? max : BATCH, &found);
    for (i = 0; i < found->nelts; i++) {
        start_task(app, h, &APR_ARRAY_IDX(found, i, wa_webhook_out));
    }
    *claimed += found->nelts;
    return rv;
}

/* --- waiting ---------------------------------------------------------------
 */

static void stop_listening(hooks *h)
{
    wa_db_close(h->listener);
    h->listener = NULL;
    apr_pool_clear(h->listener_pool);
}

static void listen_again(wa_app *app, hooks *h)
{
    apr_status_t rv = wa_db_open(&h->listener, h->listener_pool, &app->db);

    if (rv == APR_SUCCESS) {
        rv = wa_db_listen(h->listener, WA_SQL_EVENTS_LISTEN);
    }
    if (rv != APR_SUCCESS) {
        stop_listening(h);
    }
}

/* Sleep until an attempt is over or an event is announced. */
static void wait_for_work(hooks *h, apr_interval_time_t wait)
{
    int fd = h->listener ? wa_db_socket(h->listener) : -1;
    apr_status_t rv;

    wa_fetcher_run(h->fetcher, fd, wait);
    if (h->listener) {
        rv = wa_db_wait_notify(h->listener, 0);
        if (rv == APR_SUCCESS) {
            h->heard = 1;
        }
        else if (!APR_STATUS_IS_TIMEUP(rv)) {
            stop_listening(h);
        }
    }
}

/* An attempt that is over makes room for the next one of its webhook; new
 * events, and webhooks that fail, are looked at when something was heard, or
 * once a second. */
static apr_status_t find_work(wa_app *app, hooks *h, apr_pool_t *p,
                              int *claimed)
{
    int look = h->heard || apr_time_now() >= h->look;
    apr_status_t rv = APR_SUCCESS;

    if (look) {
        h->look = apr_time_now() + POLL_MAX;
        rv = wa_webhooks_spread(app, p, &h->heard);
    }
    if (rv == APR_SUCCESS) {
        rv = claim(app, h, p, 0, claimed);
    }
    if (rv == APR_SUCCESS && look) {
        int before = *claimed;

        rv = claim(app, h, p, 1, claimed);
        if (*claimed - before == BATCH) {
            h->look = 0; /* there may be more of them */
        }
    }
    return rv;
}

apr_interval_time_t wad_webhooks_run(wa_app *app, void *state, apr_pool_t *p)
{
    hooks *h = state;
    int claimed = 0;
    apr_status_t rv;

    if (!h) {
        return POLL_MAX;
    }
    if (!h->listener) {
        listen_again(app, h);
    }
    harvest(app, h);
    rv = find_work(app, h, p, &claimed);
    if (rv != APR_SUCCESS) {
        wa_log(WA_LOG_WARNING, NULL,
               "WA0472: what is to be posted to webhooks can't be read at the"
               " moment");
        h->look = 0;
        wait_for_work(h, RETRY_DB);
        return wa_fetcher_count(h->fetcher) ? 0 : RETRY_DB;
    }
    wait_for_work(h, claimed || h->heard ? 0 : POLL_MAX);
    return 0;
}

void wad_webhooks_end(wa_app *app, void *state)
{
    hooks *h = state;
    apr_time_t until = apr_time_now() + DRAIN;

    if (!h) {
        return;
    }
    while (wa_fetcher_count(h->fetcher) && apr_time_now() < until) {
        wa_fetcher_run(h->fetcher, -1, DRAIN_STEP);
        harvest(app, h);
    }
    stop_listening(h);
    if (wa_fetcher_count(h->fetcher)) {
        wa_webhooks_give_back(app, h->listener_pool);
    }
}
