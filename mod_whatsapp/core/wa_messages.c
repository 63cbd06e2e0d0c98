/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_messages.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_id.h"
#include "wa_delivery.h"
#include "wa_recipient.h"
#include "wa_sessions.h"
#include "wa_tx.h"

static wa_message *message_from_row(apr_pool_t *p, const wa_db_rows *rows)
{
    wa_message *m = apr_pcalloc(p, sizeof(*m));

    m->id = apr_pstrdup(p, wa_db_str(rows, 0, 0));
    m->session_id = apr_pstrdup(p, wa_db_str(rows, 0, 1));
    m->direction = apr_pstrdup(p, wa_db_str(rows, 0, 2));
    m->type = apr_pstrdup(p, wa_db_str(rows, 0, 3));
    m->status = apr_pstrdup(p, wa_db_str(rows, 0, 4));
    m->recipient = apr_pstrdup(p, wa_db_str(rows, 0, 5));
    m->sender = apr_pstrdup(p, wa_db_str(rows, 0, 6));
    m->chat = apr_pstrdup(p, wa_db_str(rows, 0, 7));
    m->content = apr_pstrdup(p, wa_db_str(rows, 0, 8));
    m->whatsapp_id = apr_pstrdup(p, wa_db_str(rows, 0, 9));
    m->created_at = wa_db_time(rows, 0, 10);
    m->sent_at = wa_db_time(rows, 0, 11);
    m->delivered_at = wa_db_time(rows, 0, 12);
    m->read_at = wa_db_time(rows, 0, 13);
    m->attempts = (int)wa_db_int(rows, 0, 14, 0);
    m->error_code = apr_pstrdup(p, wa_db_str(rows, 0, 15));
    m->error_message = apr_pstrdup(p, wa_db_str(rows, 0, 16));
    return m;
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
    *message = message_from_row(p, rows);
    return WA_OK;
}

/* Say why no linked session took the message. */
static wa_code why_not_linked(wa_app *app, apr_pool_t *p,
                              const char *request_id, const char *user_id,
                              const char *name, wa_result *r)
{
    wa_session *s;
    wa_code code = wa_session_find(app, p, request_id, user_id, name, &s, r);

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
                   name);
}

/* Store message and outbox row in one transaction.
 * @param leased we are to make the first attempt */
static wa_code accept_message(wa_app *app, apr_pool_t *p,
                              const char *request_id, const wa_principal *who,
                              const char *session, int inline_wanted,
                              wa_message *m, int *leased, wa_result *r)
{
    wa_db *db;
    wa_db_rows *rows;
    apr_status_t rv;
    wa_code code = wa_db_open_or_fail(&db, p, &app->db, request_id, r);

    if (code != WA_OK) {
        return code;
    }
    rv = WA_DB_RUN(
        db, WA_SQL_MESSAGE_ACCEPT, &rows, m->id, who->user_id, session, m->type,
        m->recipient, m->chat, m->content, m->whatsapp_id, request_id,
        inline_wanted ? app->instance : NULL, APR_STRINGIFY(WA_LEASE_SECONDS),
        wa_db_p_int(p, apr_time_sec(app->settings->message_ttl)));
    if (rv != APR_SUCCESS) {
        code = wa_db_fail(db, rv, request_id, r);
    }
    else if (!wa_db_count(rows)) {
        wa_db_close(db);
        return why_not_linked(app, p, request_id, who->user_id, session, r);
    }
    else {
        m->session_id = apr_pstrdup(p, wa_db_str(rows, 0, 0));
        *leased = wa_db_bool(rows, 0, 1);
        m->created_at = wa_db_time(rows, 0, 2);
    }
    wa_db_close(db);
    return code;
}

/* The first attempt, inline. Its failure to be sent now is no failure of the
 * request: the message is accepted. */
static wa_code attempt(wa_app *app, apr_pool_t *p, const char *request_id,
                       apr_interval_time_t wait, wa_message *m, wa_result *r)
{
    wa_outgoing o;
    wa_result *why = wa_result_make(p);

    memset(&o, 0, sizeof(o));
    o.message_id = m->id;
    o.session_id = m->session_id;
    o.whatsapp_id = m->whatsapp_id;
    o.chat = m->chat;
    o.type = m->type;
    o.content = m->content;
    o.attempts = 1;
    m->attempts = 1;
    switch (
        wa_delivery_attempt(app, p, request_id, &o, wait, &m->sent_at, why)) {
    case WA_DELIVERY_SENT:
        m->status = "sent";
        return WA_OK;
    case WA_DELIVERY_FAILED:
        m->status = "failed";
        m->error_code = wa_code_name(why->code);
        m->error_message = why->detail ? why->detail : wa_code_title(why->code);
        return wa_fail(r, why->code, "%s", m->error_message);
    default:
        m->error_code = wa_code_name(why->code);
        m->error_message = why->detail ? why->detail : wa_code_title(why->code);
        return WA_OK;
    }
}

wa_code wa_message_send_text(wa_app *app, apr_pool_t *p, const char *request_id,
                             const wa_principal *who,
                             const wa_message_order *order,
                             wa_limit_state *limits, wa_message **message,
                             wa_result *r)
{
    wa_message *m = apr_pcalloc(p, sizeof(*m));
    int place, leased = 0;
    wa_code code;

    *message = NULL;
    code = wa_recipient_read(order->recipient, &m->recipient, &m->chat, r);
    if (code == WA_OK) {
        code = wa_limits_charge(app, p, request_id, who, 1, limits, r);
    }
    if (code != WA_OK) {
        return code;
    }
    m->id = wa_id_uuid(p);
    m->whatsapp_id = wa_id_whatsapp(p);
    m->direction = "out";
    m->type = "text";
    m->status = "pending";
    m->content = order->text;

    place = !order->async && wa_place_take(app);
    code = accept_message(app, p, request_id, who, order->session, place, m,
                          &leased, r);
    if (code != WA_OK) {
        wa_limits_refund(app, p, who, 1, limits);
    }
    else {
        *message = m;
        if (leased) {
            code = attempt(app, p, request_id, order->wait, m, r);
        }
    }
    if (place) {
        wa_place_give(app);
    }
    return code;
}
