/* SPDX-License-Identifier: Apache-2.0 */
#include "api.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "../core/wa_chats.h"
#include "../core/wa_media.h"
#include "../core/wa_messages.h"
#include "../core/wa_recipient.h"
#include "../core/wa_sessions.h"

/* Bytes that one takes, as a rule. */
#define MESSAGE_ROOM 1024

const wa_field wa_api_send_text_fields[] = {
    { "recipient", WA_F_STRING, 1, 1, 64, NULL },
    { "text", WA_F_STRING, 1, 1, WA_TEXT_MAX, NULL },
    { "session", WA_F_STRING, 0, 1, 64, NULL },
    { "client_ref", WA_F_STRING, 0, 1, 255, NULL },
    { "scheduled_at", WA_F_STRING, 0, 1, 64, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

/* It came as text of the database. */
static json_t *media_json(const char *text)
{
    json_t *j = text ? json_loads(text, 0, NULL) : NULL;

    return j ? j : json_null();
}

void wa_api_message_open(wa_json_text *t, const char *name, const wa_message *m)
{
    wa_json_text_open(t, name, '{');
    wa_json_text_str(t, "id", m->id);
    wa_json_text_str(t, "direction", m->direction);
    wa_json_text_str(t, "type", m->type);
    wa_json_text_str(t, "status", m->status);
    wa_json_text_str(t, "recipient", m->recipient);
    wa_json_text_str(t, "sender", m->sender);
    wa_json_text_str(t, "chat", m->chat);
    wa_json_text_str(t, "content", m->content);
    wa_json_text_str(t, "whatsapp_id", m->whatsapp_id);
    wa_json_text_int(t, "attempts", m->attempts);
    wa_json_text_time(t, "created_at", m->created_at);
    wa_json_text_time(t, "sent_at", m->sent_at);
    wa_json_text_time(t, "delivered_at", m->delivered_at);
    wa_json_text_time(t, "read_at", m->read_at);
    wa_json_text_time(t, "played_at", m->played_at);
    wa_json_text_time(t, "scheduled_at", m->scheduled_at);
    wa_json_text_str(t, "client_ref", m->client_ref);
    wa_json_text_str(t, "quoted_id", m->quoted_id);
    wa_json_text_time(t, "edited_at", m->edited_at);
    wa_json_text_time(t, "deleted_at", m->deleted_at);
    wa_json_text_json(t, "media", media_json(m->media));
    wa_json_text_str(t, "error_code", m->error_code);
    wa_json_text_str(t, "error_message", m->error_message);
}

/* Answer with it. */
static void answer_message(const wa_req *req, wa_resp *resp, int status,
                           const wa_message *m)
{
    wa_json_text *t = wa_json_text_make(req->pool, MESSAGE_ROOM);

    wa_api_message_open(t, NULL, m);
    wa_json_text_end(t, '}');
    wa_resp_json_text(resp, status, t);
}

/* Prefer: respond-async, wait=N (RFC 7240); what can't be read is ignored, as
 * the RFC says of preferences. */
static void read_preference(const wa_app *app, const wa_req *req,
                            wa_message_order *order, wa_resp *resp)
{
    const char *prefer = req->header(req, "Prefer");
    char *copy, *state, *word;

    order->wait = app->settings->send_wait;
    if (!prefer) {
        return;
    }
    copy = apr_pstrdup(req->pool, prefer);
    for (word = apr_strtok(copy, ", ;\t", &state); word;
         word = apr_strtok(NULL, ", ;\t", &state)) {
        if (!strcasecmp(word, "respond-async")) {
            order->async = 1;
            apr_table_setn(resp->headers, "Preference-Applied",
                           "respond-async");
        }
        else if (!strncasecmp(word, "wait=", 5)) {
            apr_int64_t seconds = apr_atoi64(word + 5);

            if (seconds > 0 && apr_time_from_sec(seconds) < order->wait) {
                order->wait = apr_time_from_sec(seconds);
                apr_table_setn(
                    resp->headers, "Preference-Applied",
                    apr_psprintf(req->pool, "wait=%d", (int)seconds));
            }
        }
    }
}

void wa_api_order_read(const wa_app *app, const wa_req *req,
                       wa_message_order *order, wa_resp *resp)
{
    memset(order, 0, sizeof(*order));
    order->session = wa_json_str(req->json, "session");
    order->recipient = wa_json_str(req->json, "recipient");
    order->client_ref = wa_json_str(req->json, "client_ref");
    read_preference(app, req, order, resp);
}

/* The chat of a recipient without a number, if the session has it. */
static wa_code find_chat(wa_app *app, const wa_req *req,
                         wa_message_order *order, wa_result *r)
{
    apr_array_header_t *one;
    apr_hash_t *known;
    wa_code code;

    if (!wa_recipient_is_hidden(order->recipient)) {
        return WA_OK;
    }
    one = apr_array_make(req->pool, 1, sizeof(const char *));
    APR_ARRAY_PUSH(one, const char *) = order->recipient;
    code = wa_chats_known(app, req, order->session, one, &known, r);
    if (code == WA_OK) {
        order->chat = apr_hash_get(known, order->recipient,
                                   APR_HASH_KEY_STRING);
    }
    return code;
}

/* 202 while what became of it is not known. */
static void answer_accepted(const wa_req *req, wa_resp *resp,
                            const wa_message *m)
{
    int waits = !strcmp(m->status, "pending") || !strcmp(m->status, "scheduled")
                || !strcmp(m->status, "unknown");

    answer_message(req, resp, waits ? 202 : 200, m);
}

static void put_location(const wa_req *req, wa_resp *resp, const wa_message *m)
{
    apr_table_setn(resp->headers, "Location",
                   apr_pstrcat(req->pool, "/api/messages/", m->id, NULL));
}

static void answer_repeat(const wa_req *req, wa_resp *resp,
                          const wa_idem_found *found, wa_message *m)
{
    wa_idem_replay(req, resp, found);
    if (!found->answer) {
        if (found->status && !strcmp(m->type, "text")) {
            /* It may have been edited or deleted since. */
            m->content = wa_json_str(req->json, "text");
        }
        put_location(req, resp, m);
        answer_accepted(req, resp, m);
    }
}

wa_code wa_api_order_repeated(wa_app *app, const wa_req *req, wa_resp *resp,
                              wa_result *r)
{
    wa_result *why = wa_result_make(req->pool);
    wa_message *m = NULL;
    wa_idem_found *found = NULL;
    wa_code code = wa_message_repeated(app, req, &m, &found, why);

    if (code == WA_OK) {
        answer_repeat(req, resp, found, m);
    }
    else if (code != WA_E_NOT_FOUND) {
        *r = *why;
    }
    return code;
}

wa_code wa_api_order_send(wa_app *app, wa_req *req, wa_resp *resp,
                          wa_message_order *order, wa_result *r)
{
    wa_message *m = NULL;
    wa_idem_found *found = NULL;
    wa_code code = wa_session_name(&order->session, r);

    if (code == WA_OK) {
        code = wa_message_read_schedule(wa_json_str(req->json, "scheduled_at"),
                                        "/scheduled_at", &order->scheduled_at,
                                        r);
        /* It may be in the past by now, of a request that was made before. */
        if (code != WA_OK
            && wa_api_order_repeated(app, req, resp, wa_result_make(req->pool))
                   == WA_OK) {
            return WA_OK;
        }
    }
    if (code == WA_OK) {
        code = find_chat(app, req, order, r);
    }
    if (code == WA_OK) {
        code = wa_message_send(app, req, order, &m, &found, r);
    }
    if (found) {
        answer_repeat(req, resp, found, m);
        return WA_OK;
    }
    if (!m) {
        return code;
    }
    order->sent = 1;
    /* Also when it failed for good: it is there to be looked at. */
    put_location(req, resp, m);
    if (code == WA_OK) {
        answer_accepted(req, resp, m);
    }
    return code;
}

WA_API_HANDLER(wa_api_send_text)
{
    wa_message_order order;

    wa_api_order_read(app, req, &order, resp);
    order.type = "text";
    order.text = wa_json_str(req->json, "text");
    return wa_api_order_send(app, req, resp, &order, r);
}

/* [{status, at, …}]: what became of it, in order. A message that failed and
 * was proven sent after all is no longer one that failed. */
static json_t *history_json(const wa_message *m)
{
    const struct {
        const char *status;
        apr_time_t at;
    } steps[] = {
        { !strcmp(m->direction, "in") ? "received"
          : m->scheduled_at           ? "scheduled"
                                      : "pending",
          m->created_at },
        { "unknown", m->unknown_at },
        { "failed", m->failed_at },
        { "sent", strcmp(m->direction, "in") ? m->sent_at : 0 },
        { "delivered", m->delivered_at },
        { "read", m->read_at },
        { "played", m->played_at },
        { "cancelled", m->cancelled_at },
        { "edited", m->edited_at },
        { "deleted", m->deleted_at },
    };
    json_t *history = json_array();
    apr_size_t i;

    for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (steps[i].at) {
            json_t *j = json_object();

            wa_json_set_str(j, "status", steps[i].status);
            wa_json_set_time(j, "at", steps[i].at);
            if (!strcmp(steps[i].status, "failed")) {
                wa_json_set_str(j, "error_code", m->error_code);
                wa_json_set_str(j, "error_message", m->error_message);
            }
            json_array_append_new(history, j);
        }
    }
    return history;
}

static json_t *reactions_json(const apr_array_header_t *reactions)
{
    json_t *list = json_array();
    int i;

    for (i = 0; i < reactions->nelts; i++) {
        const wa_reaction *x = &APR_ARRAY_IDX(reactions, i, wa_reaction);
        json_t *j = json_object();

        wa_json_set_str(j, "sender", x->sender);
        wa_json_set_str(j, "emoji", x->emoji);
        wa_json_set_time(j, "at", x->at);
        json_array_append_new(list, j);
    }
    return list;
}

WA_API_HANDLER(wa_api_message_cancel)
{
    wa_message *m;
    wa_code code = wa_message_cancel(app, req->pool, req->request_id,
                                     req->principal->user_id, req->params[0],
                                     &m, r);

    if (code == WA_OK) {
        answer_message(req, resp, 200, m);
    }
    return code;
}

WA_API_HANDLER(wa_api_message_get)
{
    apr_array_header_t *reactions;
    wa_json_text *t;
    wa_message *m;
    wa_code code = wa_message_get(app, req->pool, req->request_id,
                                  req->principal->user_id, req->params[0], &m,
                                  r);

    if (code == WA_OK) {
        code = wa_message_reactions(app, req->pool, req->request_id, m,
                                    &reactions, r);
    }
    if (code == WA_OK) {
        t = wa_json_text_make(req->pool, MESSAGE_ROOM);
        wa_api_message_open(t, NULL, m);
        wa_json_text_json(t, "history", history_json(m));
        wa_json_text_json(t, "reactions", reactions_json(reactions));
        wa_json_text_end(t, '}');
        wa_resp_json_text(resp, 200, t);
    }
    return code;
}
