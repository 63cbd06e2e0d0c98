/* SPDX-License-Identifier: Apache-2.0 */
/* POST /messages/bulk: many messages by one request. */
#include "api.h"

#include <string.h>

#include <apr_strings.h>

#include "../core/wa_bulk.h"
#include "../core/wa_sessions.h"

#define ITEMS_MAX 1000

const wa_field wa_api_bulk_fields[] = {
    { "messages", WA_F_ARRAY, 1, 1, ITEMS_MAX, NULL },
    { "session", WA_F_STRING, 0, 1, 64, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

static const wa_field item_fields[] = {
    { "recipient", WA_F_STRING, 1, 1, 64, NULL },
    { "text", WA_F_STRING, 1, 1, WA_TEXT_MAX, NULL },
    { "client_ref", WA_F_STRING, 0, 1, 255, NULL },
    { "scheduled_at", WA_F_STRING, 0, 1, 64, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

/* Pointers are into the whole body. */
static void point_into(wa_result *r, int index)
{
    int i;

    for (i = 0; r->errors && i < r->errors->nelts; i++) {
        wa_field_error *e = &APR_ARRAY_IDX(r->errors, i, wa_field_error);

        e->pointer = apr_psprintf(r->p, "/messages/%d%s", index, e->pointer);
    }
}

static wa_message *read_message(wa_req *req, const json_t *j,
                                const char *session, wa_result *r)
{
    wa_message_order order;

    if (!json_is_object(j)) {
        wa_fail_field(r, "", "type", "must be an object");
        return NULL;
    }
    memset(&order, 0, sizeof(order));
    order.session = session;
    order.type = "text";
    order.recipient = wa_json_str(j, "recipient");
    order.text = wa_json_str(j, "text");
    order.client_ref = wa_json_str(j, "client_ref");
    if (wa_json_check(j, item_fields, r) != WA_OK
        || wa_message_read_schedule(wa_json_str(j, "scheduled_at"),
                                    "/scheduled_at", &order.scheduled_at, r)
               != WA_OK) {
        return NULL;
    }
    return wa_message_make(req, &order, r);
}

static int read_items(wa_req *req, const char *session, wa_bulk_item **items)
{
    const json_t *list = json_object_get(req->json, "messages");
    json_t *j;
    size_t i;

    *items = apr_pcalloc(req->pool,
                         json_array_size(list) * sizeof(wa_bulk_item));
    json_array_foreach(list, i, j)
    {
        wa_bulk_item *item = &(*items)[i];

        item->r = wa_result_make(req->pool);
        item->message = read_message(req, j, session, item->r);
        point_into(item->r, (int)i);
    }
    return (int)json_array_size(list);
}

/* {"data": [{index, status, id, client_ref} or {index, status, problem}]} */
static void make_answer(const wa_req *req, wa_resp *answer,
                        const wa_bulk_item *items, int n)
{
    json_t *body = json_object(), *data = json_array();
    int refused = 0, i;

    for (i = 0; i < n; i++) {
        const wa_message *m = items[i].message;
        json_t *j = json_object();

        wa_json_set_int(j, "index", i);
        wa_json_set_str(j, "status", m ? m->status : "refused");
        if (m) {
            wa_json_set_str(j, "id", m->id);
            wa_json_set_str(j, "client_ref", m->client_ref);
        }
        else {
            wa_json_set(j, "problem", wa_problem_json(req, items[i].r));
            refused++;
        }
        json_array_append_new(data, j);
    }
    wa_json_set(body, "data", data);
    wa_resp_json(answer, req->pool, refused ? 207 : 202, body);
}

static wa_code send_items(wa_app *app, wa_req *req, wa_resp *resp,
                          const char *session, wa_result *r)
{
    wa_bulk_item *items;
    wa_idem_found *found = NULL;
    wa_resp *answer = wa_resp_make(req->pool);
    int n = read_items(req, session, &items), charged = 0;
    wa_code code = wa_bulk_charge(app, req, items, n, &charged, r);

    if (code != WA_OK) {
        return code;
    }
    make_answer(req, answer, items, n);
    code = wa_bulk_store(app, req, session, items, n, answer, &found, r);
    if (charged && (code != WA_OK || found)) {
        wa_limits_refund(app, req->pool, req->principal, charged, req->limits);
    }
    if (code == WA_OK && found) {
        wa_idem_replay(req, resp, found);
    }
    else if (code == WA_OK) {
        resp->status = answer->status;
        resp->content_type = answer->content_type;
        resp->body = answer->body;
        resp->body_len = answer->body_len;
    }
    return code;
}

WA_API_HANDLER(wa_api_bulk)
{
    wa_idem_found *found = NULL;
    const char *session = wa_json_str(req->json, "session");
    wa_code code = wa_session_name(&session, r);

    if (code == WA_OK && req->idem) {
        /* Before anything is charged: a repeat costs nothing. */
        code = wa_idem_find(app, req, req->idem, &found, r);
    }
    if (code != WA_OK) {
        return code;
    }
    if (found) {
        wa_idem_replay(req, resp, found);
        return WA_OK;
    }
    return send_items(app, req, resp, session, r);
}
