/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_delivery.h"

#include <string.h>

#include <apr_strings.h>
#include <apr_tables.h>

#include "../base/wa_crypto.h"
#include "../base/wa_log.h"

#define PAUSE_MAX_SECONDS 60

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
    wa_db_rows *rows;
    apr_status_t rv;
    int i;

    rv = WA_DB_RUN(db, WA_SQL_OUTBOX_CLAIM, &rows, app->instance,
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
        o->media = apr_pstrdup(p, wa_db_str(rows, i, 8));
    }
    return APR_SUCCESS;
}

/* When the outcome can't be written down the row keeps its lease; it runs out
 * and the message is attempted again under the same WhatsApp id. */
static void record(wa_app *app, apr_pool_t *p, const char *request_id,
                   const wa_outgoing *o, wa_delivery d, apr_time_t sent_at,
                   wa_result *r)
{
    const char *attempts = wa_db_p_int(p, o->attempts);
    const char *text = r->detail ? r->detail : wa_code_title(r->code);
    apr_interval_time_t pause;
    wa_db *db = NULL;
    apr_status_t rv = wa_db_open(&db, p, &app->db);

    if (rv == APR_SUCCESS) {
        switch (d) {
        case WA_DELIVERY_SENT:
            rv = WA_DB_RUN(db, WA_SQL_OUTBOX_SENT, NULL, o->message_id,
                           wa_db_p_time(p, sent_at));
            if (rv == APR_SUCCESS) {
                /* A statement of its own: with the session's row locked
                 * beside the message's it would meet the bridge's events,
                 * which lock them in another order. */
                rv = WA_DB_RUN(db, WA_SQL_SESSION_ACTIVE, NULL, o->session_id,
                               wa_db_p_time(p, sent_at));
            }
            break;
        case WA_DELIVERY_FAILED:
            rv = WA_DB_RUN(db, WA_SQL_OUTBOX_FAILED, NULL, o->message_id,
                           app->instance, attempts, wa_code_name(r->code),
                           text);
            break;
        default:
            pause = wa_delivery_pause(o->attempts,
                                      apr_time_from_sec(r->retry_after));
            rv = WA_DB_RUN(db, WA_SQL_OUTBOX_RETRY, NULL, o->message_id,
                           app->instance, attempts,
                           wa_db_p_int(p, apr_time_as_msec(pause)),
                           wa_code_name(r->code), text);
            break;
        }
    }
    if (rv != APR_SUCCESS) {
        wa_result *ignored = wa_result_make(p);

        wa_db_fail(db, rv, request_id, ignored);
        wa_log(WA_LOG_WARNING, request_id,
               "WA0131: the outcome of an attempt on message %s could not be"
               " stored; it will be attempted again under its id",
               o->message_id);
    }
    wa_db_close(db);
}

wa_delivery wa_delivery_attempt(wa_app *app, apr_pool_t *p,
                                const char *request_id, const wa_outgoing *o,
                                apr_interval_time_t wait, apr_time_t *sent_at,
                                wa_result *r)
{
    wa_bridge_send send;
    wa_delivery d;

    if (o->expired) {
        wa_fail(r, WA_E_SESSION_UNAVAILABLE,
                "The message could not be sent before its time to live ended");
        record(app, p, request_id, o, WA_DELIVERY_FAILED, 0, r);
        return WA_DELIVERY_FAILED;
    }
    send.session = o->session_id;
    send.whatsapp_id = o->whatsapp_id;
    send.to = o->chat;
    send.text = o->content;
    send.type = o->type;
    send.media = o->media;
    send.wait = wait;
    switch (wa_bridge_message_send(&app->bridge, p, request_id, &send, sent_at,
                                   r)) {
    case WA_SEND_SENT:
        d = WA_DELIVERY_SENT;
        break;
    case WA_SEND_PERMANENT:
        d = WA_DELIVERY_FAILED;
        break;
    default:
        /* Also an unknown outcome: the repeat carries the same WhatsApp id,
         * which the phones show once. */
        d = WA_DELIVERY_LATER;
        break;
    }
    record(app, p, request_id, o, d, *sent_at, r);
    return d;
}
