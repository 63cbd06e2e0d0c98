/* SPDX-License-Identifier: Apache-2.0 */
#include "api.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "../core/wa_messages.h"
#include "../core/wa_sessions.h"

const wa_field wa_api_send_text_fields[] = {
    { "recipient", WA_F_STRING, 1, 1, 64, NULL },
    { "text", WA_F_STRING, 1, 1, WA_TEXT_MAX, NULL },
    { "session", WA_F_STRING, 0, 1, 64, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

static json_t *message_json(const wa_message *m)
{
    json_t *j = json_object();

    wa_json_set_str(j, "id", m->id);
    wa_json_set_str(j, "direction", m->direction);
    wa_json_set_str(j, "type", m->type);
    wa_json_set_str(j, "status", m->status);
    wa_json_set_str(j, "recipient", m->recipient);
    wa_json_set_str(j, "sender", m->sender);
    wa_json_set_str(j, "chat", m->chat);
    wa_json_set_str(j, "content", m->content);
    wa_json_set_str(j, "whatsapp_id", m->whatsapp_id);
    wa_json_set_int(j, "attempts", m->attempts);
    wa_json_set_time(j, "created_at", m->created_at);
    wa_json_set_time(j, "sent_at", m->sent_at);
    wa_json_set_time(j, "delivered_at", m->delivered_at);
    wa_json_set_time(j, "read_at", m->read_at);
    wa_json_set_str(j, "error_code", m->error_code);
    wa_json_set_str(j, "error_message", m->error_message);
    return j;
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

WA_API_HANDLER(wa_api_send_text)
{
    wa_message_order order;
    wa_message *m = NULL;
    wa_code code;

    memset(&order, 0, sizeof(order));
    order.session = wa_json_str(req->json, "session");
    order.recipient = wa_json_str(req->json, "recipient");
    order.text = wa_json_str(req->json, "text");
    read_preference(app, req, &order, resp);
    code = wa_session_name(&order.session, r);
    if (code == WA_OK) {
        code = wa_message_send_text(app, req->pool, req->request_id,
                                    req->principal, &order, req->limits, &m, r);
    }
    if (!m) {
        return code;
    }
    /* Also when it failed for good: it is there to be looked at. */
    apr_table_setn(resp->headers, "Location",
                   apr_pstrcat(req->pool, "/api/messages/", m->id, NULL));
    if (code == WA_OK) {
        wa_resp_json(resp, req->pool, strcmp(m->status, "pending") ? 200 : 202,
                     message_json(m));
    }
    return code;
}

WA_API_HANDLER(wa_api_message_get)
{
    wa_message *m;
    wa_code code = wa_message_get(app, req->pool, req->request_id,
                                  req->principal->user_id, req->params[0], &m,
                                  r);

    if (code == WA_OK) {
        wa_resp_json(resp, req->pool, 200, message_json(m));
    }
    return code;
}
