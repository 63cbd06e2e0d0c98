/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_delivery.h"

#include <string.h>

#include <apr_strings.h>
#include <apr_tables.h>

#include "../base/wa_crypto.h"
#include "../base/wa_gather.h"
#include "../base/wa_log.h"
#include "wa_sent.h"

#define PAUSE_MAX_SECONDS 60
#define LIVE_MESSAGES 20  /* a minute */
#define LIVE_NEW_CHATS 50 /* a day */
/* Threads of a process that write down what was sent. */
#define SENT_LEADERS 1

static int pace(const wa_app *app, int set, int live)
{
    return set ? set : strcmp(app->settings->mode, "live") ? -1 : live;
}

const char *wa_delivery_pace_pause(const wa_app *app, apr_pool_t *p)
{
    int most = pace(app, app->settings->pace_messages, LIVE_MESSAGES);

    if (most > 0) {
        return wa_db_p_int(p, 60000 / most);
    }
    /* Turns are taken where chats are counted, too. */
    return wa_delivery_pace_chats(app, p) ? "0" : NULL;
}

const char *wa_delivery_pace_chats(const wa_app *app, apr_pool_t *p)
{
    int most = pace(app, app->settings->pace_new_chats, LIVE_NEW_CHATS);

    return most > 0 ? wa_db_p_int(p, most) : NULL;
}

apr_interval_time_t wa_delivery_pause(int attempts,
                                      apr_interval_time_t at_least)
{
    int doublings = attempts < 1 ? 0 : attempts - 1;
    apr_interval_time_t pause;
    apr_uint32_t dice;

    pause = doublings >= 6 ? PAUSE_MAX_SECONDS : (apr_int64_t)1 << doublings;
    pause = apr_time_from_sec(pause < PAUSE_MAX_SECONDS ? pause
                                                        : PAUSE_MAX_SECONDS);
    if (pause < at_least) {
        pause = at_least;
    }
    wa_random(&dice, sizeof(dice));
    return pause - pause / 5
           + (apr_interval_time_t)(dice % 1000) * pause / 2500;
}

apr_status_t wa_delivery_claim(wa_app *app, apr_pool_t *p, wa_db *db, int max,
                               apr_array_header_t **found)
{
    const char *pause = wa_delivery_pace_pause(app, p);
    wa_db_rows *rows;
    apr_status_t rv;
    int i;

    rv = pause
             ? WA_DB_RUN(db, WA_SQL_OUTBOX_CLAIM_PACED, &rows, app->instance,
                         wa_db_p_int(p, max), APR_STRINGIFY(WA_LEASE_SECONDS),
                         pause, wa_delivery_pace_chats(app, p))
             : WA_DB_RUN(db, WA_SQL_OUTBOX_CLAIM, &rows, app->instance,
                         wa_db_p_int(p, max), APR_STRINGIFY(WA_LEASE_SECONDS));
    if (rv != APR_SUCCESS) {
        return rv;
    }
    *found = apr_array_make(p, max, sizeof(wa_outgoing));
    for (i = 0; i < wa_db_count(rows); i++) {
        wa_outgoing *o = apr_array_push(*found);

        o->message_id = apr_pstrdup(p, wa_db_str(rows, i, 0));
        o->session_id = apr_pstrdup(p, wa_db_str(rows, i, 1));
        o->whatsapp_id = apr_pstrdup(p, wa_db_str(rows, i, 2));
        o->chat = apr_pstrdup(p, wa_db_str(rows, i, 3));
        o->type = apr_pstrdup(p, wa_db_str(rows, i, 4));
        o->content = apr_pstrdup(p, wa_db_str(rows, i, 5));
        o->attempts = (int)wa_db_int(rows, i, 6, 1);
        o->expired = wa_db_bool(rows, i, 7);
        o->maybe_sent = wa_db_bool(rows, i, 8);
        o->media = apr_pstrdup(p, wa_db_str(rows, i, 9));
        o->request_id = apr_pstrdup(p, wa_db_str(rows, i, 10));
        o->trace = apr_pstrdup(p, wa_db_str(rows, i, 11));
        o->user_id = o->key = NULL;
    }
    return APR_SUCCESS;
}

apr_status_t wa_delivery_record(wa_app *app, apr_pool_t *p, wa_db *db,
                                const wa_outgoing *o, const wa_outcome *out,
                                const wa_result *r)
{
    wa_sent sent = { .message_id = o->message_id,
                     .session_id = o->session_id,
                     .user_id = o->user_id,
                     .key = o->key,
                     .at = out->sent_at };
    const char *attempts = wa_db_p_int(p, o->attempts);
    const char *text = r->detail ? r->detail : wa_code_title(r->code);
    apr_interval_time_t pause;

    if (out->d == WA_DELIVERY_SENT) {
        return wa_sent_store(p, db, &sent, 1);
    }
    if (out->ends) {
        return WA_DB_RUN(db,
                         out->d == WA_DELIVERY_FAILED ? WA_SQL_OUTBOX_FAILED
                                                      : WA_SQL_OUTBOX_UNKNOWN,
                         NULL, o->message_id, app->instance, attempts,
                         wa_code_name(r->code), text);
    }
    pause = wa_delivery_pause(o->attempts, apr_time_from_sec(r->retry_after));
    return WA_DB_RUN(
        db, WA_SQL_OUTBOX_RETRY, NULL, o->message_id, app->instance, attempts,
        wa_db_p_int(p, apr_time_as_msec(pause)), wa_code_name(r->code), text,
        wa_db_p_bool(out->maybe), wa_db_p_bool(out->d == WA_DELIVERY_UNKNOWN));
}

void wa_delivery_unrecorded(const wa_db *db, apr_pool_t *p, apr_status_t rv,
                            const char *request_id, const wa_outgoing *o)
{
    wa_result *ignored = wa_result_make(p);

    wa_db_fail(db, rv, request_id, ignored);
    wa_log(WA_LOG_WARNING, request_id,
           "WA0131: the outcome of an attempt on message %s could not be"
           " stored; it will be attempted again under its id",
           o->message_id);
}

/* That a message was sent, on its way into the database. */
typedef struct sent_item {
    apr_pool_t *pool;
    const char *request_id;
    const wa_outgoing *o;
    wa_outcome *out;
} sent_item;

static void record_sent(void *baton, void *const *items, int count)
{
    wa_app *app = baton;
    apr_pool_t *p = ((const sent_item *)items[0])->pool;
    wa_sent *list = apr_pcalloc(p, (apr_size_t)count * sizeof(*list));
    wa_db *db = NULL;
    apr_status_t rv = wa_db_open(&db, p, &app->db);
    int i;

    for (i = 0; i < count; i++) {
        const sent_item *s = items[i];

        list[i].message_id = s->o->message_id;
        list[i].session_id = s->o->session_id;
        list[i].user_id = s->o->user_id;
        list[i].key = s->o->key;
        list[i].at = s->out->sent_at;
    }
    if (rv == APR_SUCCESS) {
        rv = wa_sent_store(p, db, list, count);
    }
    for (i = 0; i < count; i++) {
        const sent_item *s = items[i];

        s->out->sent_at = list[i].at;
        s->out->answered = list[i].answered;
        if (!list[i].stored) {
            wa_delivery_unrecorded(db, p, rv, s->request_id, s->o);
        }
    }
    wa_db_close(db);
}

apr_status_t wa_delivery_start(wa_app *app)
{
    app->sent = wa_gather_make(app->pool, SENT_LEADERS, WA_SENT_MOST,
                               WA_GATHER_PATIENCE, record_sent, NULL, app);
    return app->sent ? APR_SUCCESS : APR_ENOLOCK;
}

static void record(wa_app *app, apr_pool_t *p, const char *request_id,
                   const wa_outgoing *o, wa_outcome *out, wa_result *r)
{
    sent_item s = { p, request_id, o, out };
    wa_db *db = NULL;
    apr_status_t rv;

    if (out->d == WA_DELIVERY_SENT && app->sent
        && wa_gather_do(app->sent, p, &s) == APR_SUCCESS) {
        return;
    }
    rv = wa_db_open(&db, p, &app->db);
    if (rv == APR_SUCCESS) {
        rv = wa_delivery_record(app, p, db, o, out, r);
    }
    if (rv != APR_SUCCESS) {
        wa_delivery_unrecorded(db, p, rv, request_id, o);
    }
    wa_db_close(db);
}

static void send_it(wa_app *app, apr_pool_t *p, const char *request_id,
                    const wa_outgoing *o, apr_interval_time_t wait,
                    wa_outcome *out, wa_result *r)
{
    wa_bridge_send send;

    send.session = o->session_id;
    send.whatsapp_id = o->whatsapp_id;
    send.to = o->chat;
    send.text = o->content;
    send.type = o->type;
    send.media = o->media;
    send.wait = wait;
    switch (wa_bridge_message_send(&app->bridge, p, request_id, &send,
                                   &out->sent_at, r)) {
    case WA_SEND_SENT:
        out->d = WA_DELIVERY_SENT;
        break;
    case WA_SEND_PERMANENT:
        out->d = WA_DELIVERY_FAILED;
        out->ends = 1;
        break;
    case WA_SEND_UNKNOWN:
        /* The repeat carries the same WhatsApp id, which the phones show once;
         * where the engine can't do that the bridge only tells what it knows.
         */
        out->d = r->code == WA_E_OUTCOME_UNKNOWN ? WA_DELIVERY_UNKNOWN
                                                 : WA_DELIVERY_LATER;
        out->maybe = 1;
        break;
    default:
        out->d = WA_DELIVERY_LATER;
        break;
    }
    if (out->d == WA_DELIVERY_FAILED && o->maybe_sent
        && r->code == WA_E_NOT_LINKED) {
        /* That says nothing of the attempt before. */
        out->d = WA_DELIVERY_UNKNOWN;
    }
}

void wa_delivery_send(wa_app *app, apr_pool_t *p, const char *request_id,
                      const wa_outgoing *o, apr_interval_time_t wait,
                      wa_outcome *out, wa_result *r)
{
    memset(out, 0, sizeof(*out));
    if (!o->expired) {
        send_it(app, p, request_id, o, wait, out, r);
        return;
    }
    out->d = o->maybe_sent ? WA_DELIVERY_UNKNOWN : WA_DELIVERY_FAILED;
    out->ends = 1;
    wa_fail(r, o->maybe_sent ? WA_E_OUTCOME_UNKNOWN : WA_E_SESSION_UNAVAILABLE,
            o->maybe_sent ? "It may have been sent; its time to live ended"
                            " before that was known"
                          : "The message could not be sent before its time"
                            " to live ended");
}

void wa_delivery_attempt(wa_app *app, apr_pool_t *p, const char *request_id,
                         const wa_outgoing *o, apr_interval_time_t wait,
                         wa_outcome *out, wa_result *r)
{
    wa_delivery_send(app, p, request_id, o, wait, out, r);
    if (out->d != WA_DELIVERY_SENT) {
        wa_log(WA_LOG_INFO, request_id, "WA0132: message %s is not sent%s: %s",
               o->message_id, out->ends ? "" : " yet", wa_code_name(r->code));
    }
    record(app, p, request_id, o, out, r);
}
