/* SPDX-License-Identifier: Apache-2.0 */
/* The feed as server-sent events, for as long as the client listens. */
#include <string.h>

#include <apr_strings.h>

#include "../core/wa_auth.h"
#include "../core/wa_feed.h"
#include "api.h"
#include "events.h"

/* A comment when there was nothing else to say, so that neither the client nor
 * what stands between takes the connection for dead. */
#define BEAT apr_time_from_sec(15)
/* How often is looked whether the client is there and may still listen. */
#define CHECK apr_time_from_sec(1)
#define BATCH 200
#define HELLO "retry: 2000\n\n"
#define COMMENT ":\n\n"

typedef struct stream {
    wa_app *app;
    wa_event_query q;
    wa_feed_reader *reader;
    apr_pool_t *pool; /* of a round */
    apr_time_t spoke; /* when something was last sent */
    int ended;        /* by one of the reasons for a clean end */
} stream;

static apr_status_t say(stream *s, wa_sink *sink, const char *text)
{
    apr_status_t rv = sink->write(sink, text, strlen(text));

    s->spoke = apr_time_now();
    return rv == APR_SUCCESS ? sink->flush(sink) : rv;
}

static apr_status_t write_event(const stream *s, wa_sink *sink,
                                const wa_event *e)
{
    json_t *j = wa_event_json(e);
    const char *json = wa_json_dump(s->pool, j, NULL), *text;

    json_decref(j);
    if (!json) {
        return APR_ENOMEM;
    }
    text = apr_pstrcat(s->pool, "id: ",
                       wa_events_cursor(s->app, s->pool, s->q.user_id, e->seq),
                       "\nevent: ", e->type, "\ndata: ", json, "\n\n", NULL);
    return sink->write(sink, text, strlen(text));
}

static apr_status_t write_page(stream *s, wa_sink *sink,
                               const wa_event_page *page)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i < page->events->nelts && rv == APR_SUCCESS; i++) {
        rv = write_event(s, sink, &APR_ARRAY_IDX(page->events, i, wa_event));
    }
    if (i && rv == APR_SUCCESS) {
        s->spoke = apr_time_now();
        rv = sink->flush(sink);
    }
    return rv;
}

/* The place that was reached is told too: where the filter lets nothing pass a
 * client that comes back need not start over. */
static apr_status_t beat(stream *s, wa_sink *sink)
{
    if (apr_time_now() - s->spoke < BEAT) {
        return APR_SUCCESS;
    }
    if (s->q.after < 0) {
        return say(s, sink, COMMENT);
    }
    return say(
        s, sink,
        apr_pstrcat(s->pool, COMMENT "id: ",
                    wa_events_cursor(s->app, s->pool, s->q.user_id, s->q.after),
                    "\n\n", NULL));
}

/* May the client still listen? While PostgreSQL is away nobody can tell, and
 * there is nothing to send either. */
static int may_listen(stream *s, const wa_req *req, int *sure)
{
    wa_result *r = wa_result_make(s->pool);
    wa_code code = wa_auth_holds(s->app, s->pool, req, r);

    *sure = code == WA_OK;
    return code == WA_OK || wa_code_status(code) >= 500;
}

/* Send all there is. Nothing goes out to who may not listen any more.
 * @param seen the newest number when all was sent; -1 when it could not be read
 */
static apr_status_t send_all(stream *s, const wa_req *req, wa_sink *sink,
                             apr_int64_t *seen)
{
    apr_status_t rv = APR_SUCCESS;
    wa_event_page page;

    *seen = -1;
    do {
        wa_result *r;
        wa_code code;
        int sure;

        apr_pool_clear(s->pool);
        r = wa_result_make(s->pool);
        code = wa_events_read(s->app, s->pool, req->request_id, &s->q, &page,
                              r);
        if (code != WA_OK) {
            /* Away: once more in a second. Else the user is gone, or what the
             * client was to read next. */
            s->ended = wa_code_status(code) < 500;
            return APR_SUCCESS;
        }
        s->ended = !may_listen(s, req, &sure);
        if (s->ended || !sure) {
            return APR_SUCCESS;
        }
        rv = write_page(s, sink, &page);
        s->q.after = page.next;
    } while (rv == APR_SUCCESS && page.next < page.newest
             && !sink->stopping(sink));
    *seen = page.newest;
    return rv;
}

/* The client's going and the loss of its rights are seen within a second,
 * whether or not there are events. */
static apr_status_t produce(const wa_req *req, wa_sink *sink, void *baton)
{
    stream *s = baton;
    apr_status_t woken, rv = say(s, sink, HELLO);
    apr_int64_t seen = -1;
    int sure;

    if (rv == APR_SUCCESS) {
        rv = send_all(s, req, sink, &seen);
    }
    while (rv == APR_SUCCESS && !s->ended) {
        /* What could not be read is read again after a second. */
        woken = wa_feed_wait(s->reader, seen < 0 ? APR_INT64_MAX : seen, CHECK);
        apr_pool_clear(s->pool);
        if (woken == APR_EOF || sink->gone(sink)) {
            break;
        }
        if (woken == APR_SUCCESS || seen < 0) {
            rv = send_all(s, req, sink, &seen);
        }
        else {
            s->ended = !may_listen(s, req, &sure);
        }
        if (rv == APR_SUCCESS && !s->ended) {
            rv = beat(s, sink);
        }
    }
    return rv;
}

WA_API_HANDLER(wa_api_events_stream)
{
    stream *s = apr_pcalloc(req->pool, sizeof(*s));
    const char *last = req->header(req, "Last-Event-ID");
    wa_event_page page;
    wa_code code = wa_events_query_read(app, req, req->principal->user_id,
                                        last && *last ? last : NULL, &s->q, r);

    if (code != WA_OK) {
        return code;
    }
    s->app = app;
    s->q.limit = BATCH;
    s->reader = wa_feed_join(app, req->pool, s->q.user_id);
    if (!s->reader) {
        return wa_events_full(r);
    }
    /* A place that can't be read from is told while there still is a status to
     * tell it by. */
    apr_pool_create(&s->pool, req->pool);
    code = wa_events_read(app, s->pool, req->request_id, &s->q, &page, r);
    if (code != WA_OK) {
        return code;
    }
    if (s->q.after == WA_EVENTS_LATEST) {
        s->q.after = page.next; /* from now on, not from the second read on */
    }
    /* Proxies that gather an answer would keep events back. */
    apr_table_setn(resp->headers, "X-Accel-Buffering", "no");
    wa_resp_stream(resp, "text/event-stream", produce, s);
    return WA_OK;
}
