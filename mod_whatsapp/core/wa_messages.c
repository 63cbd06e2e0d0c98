/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_messages.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_id.h"
#include "../base/wa_time.h"
#include "wa_accept.h"
#include "wa_delivery.h"
#include "wa_media.h"
#include "wa_recipient.h"
#include "wa_sessions.h"
#include "wa_tx.h"

#define SCHEDULE_MAX ((apr_time_t)apr_time_from_sec(366 * 86400))

const char *const wa_message_statuses[] = { "scheduled", "pending",   "unknown",
                                            "failed",    "cancelled", "sent",
                                            "delivered", "read",      "played",
                                            "received",  NULL };

/* The columns that a list shows. The values are the rows' own, which live as
 * long as the pool that the message is in. */
static void read_shown(const wa_db_rows *rows, int row, wa_message *m)
{
    memset(m, 0, sizeof(*m));
    m->id = wa_db_str(rows, row, 0);
    m->direction = wa_db_str(rows, row, 1);
    m->type = wa_db_str(rows, row, 2);
    m->status = wa_db_str(rows, row, 3);
    m->recipient = wa_db_str(rows, row, 4);
    m->sender = wa_db_str(rows, row, 5);
    m->chat = wa_db_str(rows, row, 6);
    m->content = wa_db_str(rows, row, 7);
    m->whatsapp_id = wa_db_str(rows, row, 8);
    m->attempts = (int)wa_db_int(rows, row, 9, 0);
    m->error_code = wa_db_str(rows, row, 10);
    m->error_message = wa_db_str(rows, row, 11);
    m->client_ref = wa_db_str(rows, row, 12);
    m->quoted_id = wa_db_str(rows, row, 13);
    m->created_at = wa_db_time(rows, row, 14);
    m->sent_at = wa_db_time(rows, row, 15);
    m->delivered_at = wa_db_time(rows, row, 16);
    m->read_at = wa_db_time(rows, row, 17);
    m->played_at = wa_db_time(rows, row, 18);
    m->scheduled_at = wa_db_time(rows, row, 19);
    m->edited_at = wa_db_time(rows, row, 20);
    m->deleted_at = wa_db_time(rows, row, 21);
    m->media = wa_db_str(rows, row, 22);
}

static void read_row(const wa_db_rows *rows, int row, wa_message *m)
{
    read_shown(rows, row, m);
    m->session_id = wa_db_str(rows, row, 23);
    m->media_id = wa_db_str(rows, row, 24);
    m->target_id = wa_db_str(rows, row, 25);
    m->failed_at = wa_db_time(rows, row, 26);
    m->cancelled_at = wa_db_time(rows, row, 27);
    m->unknown_at = wa_db_time(rows, row, 28);
}

static apr_array_header_t *read_rows(apr_pool_t *p, const wa_db_rows *rows)
{
    apr_array_header_t *all = apr_array_make(p, wa_db_count(rows) + 1,
                                             sizeof(wa_message));
    int i;

    for (i = 0; i < wa_db_count(rows); i++) {
        read_shown(rows, i, apr_array_push(all));
    }
    return all;
}

/* Behind every message: nothing is bounded by that. */
#define LAST_TIME "infinity"
#define FIRST_TIME "-infinity"
#define LAST_ID "ffffffff-ffff-ffff-ffff-ffffffffffff"

/* The statement whose index finds what is asked for: the fewer messages have
 * it, the more that matters. */
static wa_sql_id page_statement(const wa_message_query *q)
{
    if (q->client_ref) {
        return WA_SQL_MESSAGES_PAGE_REF;
    }
    if (q->chat) {
        return WA_SQL_MESSAGES_PAGE_CHAT;
    }
    return q->status || q->type || q->direction || q->session_id
               ? WA_SQL_MESSAGES_PAGE_KIND
               : WA_SQL_MESSAGES_PAGE;
}

wa_code wa_message_page(wa_app *app, apr_pool_t *p, const char *request_id,
                        const wa_message_query *q, apr_array_header_t **found,
                        wa_result *r)
{
    const wa_sql_id id = page_statement(q);
    const char *const args[] = {
        q->user_id,
        q->after_at ? wa_db_p_time(p, q->after_at) : LAST_TIME,
        q->after_at ? q->after_id : LAST_ID,
        q->from ? wa_db_p_time(p, q->from) : FIRST_TIME,
        q->until ? wa_db_p_time(p, q->until) : LAST_TIME,
        wa_db_p_int(p, q->limit),
        q->status,
        q->type,
        q->direction,
        q->session_id,
        q->client_ref ? q->client_ref : q->chat,
        q->chat,
    };
    const int count = id == WA_SQL_MESSAGES_PAGE        ? 6
                      : id == WA_SQL_MESSAGES_PAGE_KIND ? 10
                      : id == WA_SQL_MESSAGES_PAGE_CHAT ? 11
                                                        : 12;
    wa_db_rows *rows;
    wa_code code = wa_tx_query(app, p, request_id, id, args, count, &rows, r);

    *found = code == WA_OK ? read_rows(p, rows) : NULL;
    return code;
}

wa_code wa_message_chats(wa_app *app, apr_pool_t *p, const char *request_id,
                         const wa_message_query *q, apr_array_header_t **found,
                         wa_result *r)
{
    wa_db_rows *rows;
    wa_code code = WA_TX_QUERY(app, p, request_id, WA_SQL_CHATS_PAGE, &rows, r,
                               q->user_id, q->session_id,
                               wa_db_p_time(p, q->after_at), q->after_id,
                               wa_db_p_int(p, q->limit));

    *found = code == WA_OK ? read_rows(p, rows) : NULL;
    return code;
}

wa_code wa_message_get(wa_app *app, apr_pool_t *p, const char *request_id,
                       const char *user_id, const char *id,
                       wa_message **message, wa_result *r)
{
    wa_db_rows *rows;
    wa_code code;

    if (!wa_id_is_uuid(id)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    code = WA_TX_QUERY(app, p, request_id, WA_SQL_MESSAGE_BY_ID, &rows, r,
                       user_id, id);
    if (code != WA_OK) {
        return code;
    }
    if (!wa_db_count(rows)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    *message = apr_palloc(p, sizeof(**message));
    read_row(rows, 0, *message);
    return WA_OK;
}

/* Why it was not: it may have come into the outbox this very moment.
 * @return WA_OK when it is worth another try */
static wa_code why_not_cancelled(const wa_message *m, wa_result *r)
{
    if (!strcmp(m->direction, "in")) {
        return wa_fail(r, WA_E_NOT_CANCELLABLE,
                       "A message that was received can't be cancelled");
    }
    if (!strcmp(m->status, "pending")) {
        return wa_fail_retry(r, WA_E_NOT_CANCELLABLE, 1,
                             "It is being sent at this moment, or may have been"
                             " sent");
    }
    return wa_fail(r, WA_E_NOT_CANCELLABLE, "Its status is %s", m->status);
}

wa_code wa_message_cancel(wa_app *app, apr_pool_t *p, const char *request_id,
                          const char *user_id, const char *id,
                          wa_message **message, wa_result *r)
{
    wa_db_rows *rows;
    wa_code code;

    if (!wa_id_is_uuid(id)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    code = WA_TX_QUERY(app, p, request_id, WA_SQL_MESSAGE_CANCEL, &rows, r,
                       user_id, id);
    if (code != WA_OK) {
        return code;
    }
    if (wa_db_count(rows)) {
        *message = apr_palloc(p, sizeof(**message));
        read_row(rows, 0, *message);
        return WA_OK;
    }
    code = wa_message_get(app, p, request_id, user_id, id, message, r);
    if (code != WA_OK || !strcmp((*message)->status, "cancelled")) {
        return code;
    }
    return why_not_cancelled(*message, r);
}

wa_code wa_message_reactions(wa_app *app, apr_pool_t *p, const char *request_id,
                             const wa_message *m, apr_array_header_t **found,
                             wa_result *r)
{
    wa_db_rows *rows;
    int i;
    wa_code code = WA_TX_QUERY(app, p, request_id, WA_SQL_REACTIONS_OF, &rows,
                               r, m->session_id, m->whatsapp_id, m->chat);

    if (code != WA_OK) {
        return code;
    }
    *found = apr_array_make(p, 4, sizeof(wa_reaction));
    for (i = 0; i < wa_db_count(rows); i++) {
        wa_reaction *reaction = apr_array_push(*found);

        reaction->sender = apr_pstrdup(p, wa_db_str(rows, i, 0));
        reaction->emoji = apr_pstrdup(p, wa_db_str(rows, i, 1));
        reaction->at = wa_db_time(rows, i, 2);
    }
    return WA_OK;
}

wa_code wa_message_read_schedule(const char *text, const char *pointer,
                                 apr_time_t *at, wa_result *r)
{
    apr_time_t now = apr_time_now();

    *at = 0;
    if (!text) {
        return WA_OK;
    }
    if (wa_time_parse(text, at) != APR_SUCCESS) {
        return wa_fail_field(r, pointer, "format",
                             "must be an RFC 3339 time such as"
                             " 2026-01-02T03:04:05Z");
    }
    if (*at <= now) {
        return wa_fail_field(r, pointer, "range", "must not be in the past");
    }
    if (*at > now + SCHEDULE_MAX) {
        return wa_fail_field(r, pointer, "range",
                             "must be at most a year ahead");
    }
    return WA_OK;
}

wa_code wa_message_not_linked(wa_app *app, const wa_req *req,
                              const char *session, wa_result *r)
{
    wa_session *s;
    wa_code code = wa_session_find(app, req->pool, req->request_id,
                                   req->principal->user_id, session, &s, r);

    if (code != WA_OK) {
        return code;
    }
    if (s && s->linked && !s->wanted) {
        return wa_fail(r, WA_E_NOT_LINKED,
                       "The session was disconnected by its user; POST"
                       " /api/session/init connects it again");
    }
    return wa_fail(r, WA_E_NOT_LINKED,
                   "No phone is linked to session \"%s\"; POST"
                   " /api/session/init and scan the QR code",
                   session);
}

/* As it was when its request was answered, at once or when it was sent: what a
 * repeat of that request is told. */
static void as_answered(wa_message *m, int status)
{
    if (status == 200) {
        m->status = "sent";
        m->attempts = 1;
    }
    else {
        m->status = m->scheduled_at ? "scheduled" : "pending";
        m->attempts = 0;
        m->sent_at = 0;
    }
    m->error_code = m->error_message = NULL;
    m->delivered_at = m->read_at = m->played_at = 0;
    m->edited_at = m->deleted_at = m->failed_at = 0;
    m->cancelled_at = m->unknown_at = 0;
}

wa_code wa_message_repeated(wa_app *app, const wa_req *req,
                            wa_message **message, wa_idem_found **found,
                            wa_result *r)
{
    wa_idem_found *f = NULL;
    wa_code code = req->idem ? wa_idem_find(app, req, req->idem, &f, r) : WA_OK;

    *message = NULL;
    if (code != WA_OK || !f || !(f->answer || f->message_id)) {
        return code == WA_OK ? WA_E_NOT_FOUND : code;
    }
    if (!f->answer) {
        code = wa_message_get(app, req->pool, req->request_id,
                              req->principal->user_id, f->message_id, message,
                              r);
        if (code == WA_OK && *message && f->status) {
            as_answered(*message, f->status);
        }
        if (code == WA_E_NOT_FOUND) {
            /* That code would say that no such request is known. */
            code = wa_fail(r, WA_E_IN_PROGRESS,
                           "The request was carried out, but its message has"
                           " been deleted since");
        }
    }
    *found = code == WA_OK ? f : NULL;
    return code;
}

/* The first attempt, inline. Its failure to be sent now is no failure of the
 * request: the message is accepted. */
static wa_code attempt(wa_app *app, wa_req *req, apr_interval_time_t wait,
                       wa_message *m, wa_result *r)
{
    wa_outgoing o;
    wa_outcome out;
    wa_result *why = wa_result_make(req->pool);

    memset(&o, 0, sizeof(o));
    o.message_id = m->id;
    o.session_id = m->session_id;
    o.whatsapp_id = m->whatsapp_id;
    o.chat = m->chat;
    o.type = m->type;
    o.content = m->content;
    o.media = m->media;
    o.attempts = 1;
    if (req->idem && !m->media_id) {
        /* What is told of a file may be another thing by then. */
        o.user_id = req->principal->user_id;
        o.key = req->idem->key;
    }
    m->attempts = 1;
    wa_delivery_attempt(app, req->pool, req->request_id, &o, wait, &out, why);
    if (req->idem && out.answered) {
        req->idem->open = 0;
    }
    m->sent_at = out.sent_at;
    switch (out.d) {
    case WA_DELIVERY_SENT:
        m->status = "sent";
        return WA_OK;
    case WA_DELIVERY_FAILED:
        m->status = "failed";
        m->error_code = wa_code_name(why->code);
        m->error_message = why->detail ? why->detail : wa_code_title(why->code);
        return wa_fail(r, why->code, "%s", m->error_message);
    case WA_DELIVERY_UNKNOWN:
        m->status = "unknown";
        m->unknown_at = apr_time_now();
        m->error_code = wa_code_name(why->code);
        m->error_message = why->detail ? why->detail : wa_code_title(why->code);
        return WA_OK;
    default:
        m->error_code = wa_code_name(why->code);
        m->error_message = why->detail ? why->detail : wa_code_title(why->code);
        return WA_OK;
    }
}

/* Store it and make the first attempt, if that is ours to make. */
static wa_code store_and_attempt(wa_app *app, wa_req *req,
                                 const wa_message_order *order, wa_message *m,
                                 int place, wa_result *r)
{
    int leased = 0;
    wa_code code = wa_accept(app, req, order, place, m, &leased, r);

    if (code != WA_OK || !m->session_id) {
        wa_limits_refund(app, req->pool, req->principal, 1, req->limits);
        return code;
    }
    if (leased) {
        if (req->idem) {
            req->idem->open = req->idem->with_message = 1;
        }
        code = attempt(app, req, order->wait, m, r);
    }
    return code;
}

wa_message *wa_message_make(wa_req *req, const wa_message_order *order,
                            wa_result *r)
{
    wa_message *m = apr_pcalloc(req->pool, sizeof(*m));

    if (order->chat) {
        m->recipient = m->chat = order->chat;
    }
    else if (wa_recipient_read(order->recipient, &m->recipient, &m->chat, r)
             != WA_OK) {
        return NULL;
    }
    m->id = wa_id_uuid(req->pool);
    m->whatsapp_id = wa_id_whatsapp(req->pool);
    m->direction = "out";
    m->type = order->type;
    m->status = order->scheduled_at ? "scheduled" : "pending";
    m->content = order->text;
    if (order->media) {
        m->media_id = order->media->id;
        m->media = wa_json_dump(
            req->pool,
            wa_json_own(req->pool, wa_media_summary(req->pool, order->media)),
            NULL);
    }
    m->client_ref = order->client_ref;
    m->scheduled_at = order->scheduled_at;
    return m;
}

wa_code wa_message_send(wa_app *app, wa_req *req, const wa_message_order *order,
                        wa_message **message, wa_idem_found **found,
                        wa_result *r)
{
    wa_message *m = wa_message_make(req, order, r);
    wa_result *why = wa_result_make(req->pool);
    int place;
    wa_code code, known;

    *message = NULL;
    *found = NULL;
    if (!m) {
        return r->code;
    }
    code = wa_limits_charge(app, req->pool, req->request_id, req->principal, 1,
                            req->limits, r);
    if (code != WA_OK) {
        /* Who repeats a request for want of its answer gets that. */
        known = wa_message_repeated(app, req, message, found, why);
        return known == WA_OK ? WA_OK : code;
    }
    place = !order->async && wa_place_take(app);
    code = store_and_attempt(app, req, order, m, place, r);
    if (place) {
        wa_place_give(app);
    }
    if (m->session_id) {
        *message = m;
        return code;
    }
    if (code == WA_OK) {
        code = wa_message_repeated(app, req, message, found, r);
    }
    if (code == WA_E_NOT_FOUND) {
        code = wa_message_not_linked(app, req, order->session, r);
    }
    return code;
}
