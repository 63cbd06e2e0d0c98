/* SPDX-License-Identifier: Apache-2.0 */
/* Posts events to users' webhooks. One thread has all attempts under way at a
 * time, by libcurl's multi interface, so that a receiver that hangs takes a
 * socket and no thread: it holds up nobody else.
 *
 * Webhooks that failed the last time have a thread and places of their own, so
 * that neither their sockets nor what is written down of them are in the way
 * of those that answer. One that hangs for the first time is not known yet:
 * its attempt counts against the places of the others for a second only. */
#include "wad.h"

#include <string.h>

#include <apr_strings.h>
#include <apr_tables.h>
#include <apr_uuid.h>

#include "../base/wa_log.h"
#include "../core/wa_webhook_work.h"

/* Attempts under way at a time: that are young, to webhooks that don't fail;
 * all of these; to those that fail. Sockets, of which a process has 1024. */
#define PLACES 256
#define PLACES_ALL 640
#define PLACES_FAILING 128
/* So old an attempt hangs. */
#define HANGS apr_time_from_sec(1)
/* Webhooks that answered lately, of which more than one attempt may go. */
#define ANSWERING 64
/* Webhooks that one claim takes from. */
#define BATCH 32
/* NOTIFY may be lost with its connection; this is the longest that costs. */
#define POLL_MAX apr_time_from_sec(1)
#define RETRY_DB apr_time_from_msec(500)
/* What is not answered when the daemon has been told to end for so long is
 * broken off. */
#define DRAIN apr_time_from_sec(3)
#define DRAIN_STEP apr_time_from_msec(200)

typedef struct task {
    apr_pool_t *pool; /* its own, without a parent */
    wa_webhook_out out;
    wa_fetch fetch;
    apr_time_t from;
    struct task *next, **link; /* of those under way */
} task;

typedef struct hooks {
    wa_fetcher *fetcher;
    int failing;         /* those that fail are ours, or those that don't */
    struct hooks *other; /* the answering ones', of the failing ones' */
    task *under_way;
    char answering[ANSWERING][APR_UUID_FORMATTED_LENGTH + 1];
    unsigned answers;
    int heard;       /* of new events, or there may be more of them */
    apr_time_t look; /* when to look for some though nothing was heard */
    wa_db *listener; /* hears of new events, NULL while there is none */
    apr_pool_t *listener_pool;
} hooks;

static hooks *make(apr_pool_t *p, int failing, hooks *other)
{
    hooks *h = apr_pcalloc(p, sizeof(*h));

    h->failing = failing;
    h->other = other;
    h->fetcher = wa_fetcher_make(p);
    if (!h->fetcher || apr_pool_create(&h->listener_pool, p) != APR_SUCCESS) {
        wa_log(WA_LOG_ERR, NULL, "WA0471: webhooks can't be posted to");
        return NULL;
    }
    return h;
}

/* Jobs are started one after the other. */
static hooks *the_answering;

void *wad_webhooks_start(wa_app *app, apr_pool_t *p)
{
    the_answering = make(p, 0, NULL);
    return the_answering;
}

void *wad_webhooks_failing_start(wa_app *app, apr_pool_t *p)
{
    return make(p, 1, the_answering);
}

/* --- attempts --------------------------------------------------------------
 */

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
    to->request_id = apr_pstrdup(p, o->request_id);
    to->trace = apr_pstrdup(p, o->trace);
}

static void unlink_task(task *t)
{
    *t->link = t->next;
    if (t->next) {
        t->next->link = t->link;
    }
}

static void link_task(hooks *h, task *t)
{
    t->from = apr_time_now();
    t->next = h->under_way;
    t->link = &h->under_way;
    if (t->next) {
        t->next->link = &t->next;
    }
    h->under_way = t;
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
    if (wa_webhook_request(app, pool, &t->out, &t->fetch) == APR_SUCCESS) {
        t->fetch.baton = t;
        if (wa_fetcher_add(h->fetcher, pool, &t->fetch) == APR_SUCCESS) {
            link_task(h, t);
            return;
        }
    }
    wa_webhooks_record(app, pool, &(wa_webhook_done){ &t->out, &t->fetch }, 1);
    apr_pool_destroy(pool);
}

/* Write down what is over, all of it together. */
static int harvest(wa_app *app, hooks *h, apr_pool_t *p)
{
    wa_webhook_done list[WA_WEBHOOK_RECORDS];
    task *over[WA_WEBHOOK_RECORDS];
    wa_fetch *f;
    int n = 0, taken = 0, i;

    while (n < WA_WEBHOOK_RECORDS
           && (f = wa_fetcher_next(h->fetcher)) != NULL) {
        task *t = f->baton;

        unlink_task(t);
        over[n] = t;
        list[n].o = &t->out;
        list[n++].f = f;
        if (wa_webhook_taken(f)) {
            taken++;
            apr_cpystrn(h->answering[h->answers++ % ANSWERING],
                        t->out.webhook_id, sizeof(h->answering[0]));
        }
    }
    if (n) {
        wa_webhooks_record(app, p, list, n);
    }
    if (taken && h->other) {
        wa_fetcher_wake(h->other->fetcher); /* it has them from now on */
    }
    for (i = 0; i < n; i++) {
        apr_pool_destroy(over[i]->pool);
    }
    return n;
}

static const char *answering(const hooks *h, apr_pool_t *p)
{
    const char *ids[ANSWERING];
    int n = h->answers < ANSWERING ? (int)h->answers : ANSWERING, i;

    for (i = 0; i < n; i++) {
        ids[i] = h->answering[i];
    }
    return wa_db_p_array(p, ids, n);
}

/* @return how many webhooks may have an attempt more */
static int room(const hooks *h)
{
    apr_time_t before = apr_time_now() - HANGS;
    int count = wa_fetcher_count(h->fetcher), young = 0, places;
    const task *t;

    if (h->failing) {
        return PLACES_FAILING - count;
    }
    /* The youngest ones come first. */
    for (t = h->under_way; t && t->from > before; t = t->next) {
        young++;
    }
    places = PLACES - young < PLACES_ALL - count ? PLACES - young
                                                 : PLACES_ALL - count;
    /* Of each as many as go to one that lags. */
    return places / WA_WEBHOOK_AT_ONCE;
}

/* @param claimed grows */
static apr_status_t claim(wa_app *app, hooks *h, apr_pool_t *p, int *claimed)
{
    apr_array_header_t *found;
    apr_status_t rv;
    int i, max = room(h);

    if (max <= 0) {
        return APR_SUCCESS;
    }
    rv = wa_webhooks_claim(app, p, h->failing, max < BATCH ? max : BATCH,
                           answering(h, p), &found);
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
    }
    if (h->failing) {
        rv = look ? claim(app, h, p, claimed) : APR_SUCCESS;
        h->heard = *claimed == BATCH; /* there may be more of them */
        return rv;
    }
    if (look) {
        rv = wa_webhooks_spread(app, p, &h->heard);
    }
    return rv == APR_SUCCESS ? claim(app, h, p, claimed) : rv;
}

apr_interval_time_t wad_webhooks_run(wa_app *app, void *state, apr_pool_t *p)
{
    hooks *h = state;
    int claimed = 0;
    apr_status_t rv;

    if (!h) {
        return POLL_MAX;
    }
    if (!h->listener && !h->failing) {
        listen_again(app, h);
    }
    harvest(app, h, p);
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
        harvest(app, h, h->listener_pool);
    }
    stop_listening(h);
    if (wa_fetcher_count(h->fetcher)) {
        wa_webhooks_give_back(app, h->listener_pool);
    }
}
