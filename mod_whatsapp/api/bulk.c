/* SPDX-License-Identifier: Apache-2.0 */
/* POST /messages/bulk: many messages by one request. */
#include "api.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "../core/wa_bulk.h"
#include "../core/wa_chats.h"
#include "../core/wa_media.h"
#include "../core/wa_recipient.h"
#include "../core/wa_sessions.h"

#define ITEMS_MAX 1000

/* A file to send, for all that have no text and say nothing else. */
#define FILE_FIELDS                                                            \
    { "media_id", WA_F_STRING, 0, 36, 36, NULL },                              \
        { "caption", WA_F_STRING, 0, 1, WA_CAPTION_MAX, NULL },                \
    {                                                                          \
        "type", WA_F_STRING, 0, 1, 16, wa_media_send_types                     \
    }

const wa_field wa_api_bulk_fields[] = {
    { "messages", WA_F_ARRAY, 1, 1, ITEMS_MAX, NULL },
    { "session", WA_F_STRING, 0, 1, 64, NULL },
    FILE_FIELDS,
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

static const wa_field item_fields[] = {
    { "recipient", WA_F_STRING, 1, 1, 64, NULL },
    { "text", WA_F_STRING, 0, 1, WA_TEXT_MAX, NULL },
    FILE_FIELDS,
    { "client_ref", WA_F_STRING, 0, 1, 255, NULL },
    { "scheduled_at", WA_F_STRING, 0, 1, 64, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

typedef struct reading {
    wa_req *req;
    const char *session;
    apr_hash_t *media; /* those that any of them names, by id */
    apr_hash_t *chats; /* the recipients without a number that are known */
} reading;

/* Pointers are into the whole body. */
static void point_into(wa_result *r, int index)
{
    int i;

    for (i = 0; r->errors && i < r->errors->nelts; i++) {
        wa_field_error *e = &APR_ARRAY_IDX(r->errors, i, wa_field_error);

        e->pointer = apr_psprintf(r->p, "/messages/%d%s", index, e->pointer);
    }
}

/* An item's own, or the one for all. */
static const char *of_file(const reading *all, const json_t *j,
                           const char *name)
{
    const char *own = wa_json_str(j, name);

    return own ? own : wa_json_str(all->req->json, name);
}

/* An id as the database writes it. */
static const char *small_letters(apr_pool_t *p, const char *id)
{
    char *copy = apr_pstrdup(p, id), *c;

    for (c = copy; *c; c++) {
        *c = (char)apr_tolower(*c);
    }
    return copy;
}

/* It has a file, as it has no text. */
static wa_code read_file(const reading *all, const json_t *j,
                         wa_message_order *order, wa_result *r)
{
    const char *id = of_file(all, j, "media_id");
    wa_code code;

    if (!id) {
        return wa_fail_field(r, "/text", "required",
                             "A text or a media_id is needed");
    }
    order->media = apr_hash_get(all->media, small_letters(r->p, id),
                                APR_HASH_KEY_STRING);
    order->text = of_file(all, j, "caption");
    code = wa_media_check_there(order->media, id, r);
    return code == WA_OK
               ? wa_media_send_type(order->media, of_file(all, j, "type"),
                                    order->text, &order->type, r)
               : code;
}

/* What belongs to a file has no business with a text. */
static wa_code check_text(const json_t *j, wa_result *r)
{
    static const char *const names[] = { "media_id", "caption", "type" };
    apr_size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (wa_json_str(j, names[i])) {
            wa_fail_field(r, apr_pstrcat(r->p, "/", names[i], NULL), "unknown",
                          "A message with a text has no file");
        }
    }
    return r->code;
}

static wa_code read_content(const reading *all, const json_t *j,
                            wa_message_order *order, wa_result *r)
{
    order->type = "text";
    order->text = wa_json_str(j, "text");
    return order->text ? check_text(j, r) : read_file(all, j, order, r);
}

static wa_message *read_message(const reading *all, const json_t *j,
                                wa_result *r)
{
    wa_message_order order;

    if (!json_is_object(j)) {
        wa_fail_field(r, "", "type", "must be an object");
        return NULL;
    }
    memset(&order, 0, sizeof(order));
    order.session = all->session;
    order.recipient = wa_json_str(j, "recipient");
    if (order.recipient) {
        order.chat = apr_hash_get(all->chats, order.recipient,
                                  APR_HASH_KEY_STRING);
    }
    order.client_ref = wa_json_str(j, "client_ref");
    if (wa_json_check(j, item_fields, r) != WA_OK
        || read_content(all, j, &order, r) != WA_OK
        || wa_message_read_schedule(wa_json_str(j, "scheduled_at"),
                                    "/scheduled_at", &order.scheduled_at, r)
               != WA_OK) {
        return NULL;
    }
    return wa_message_make(all->req, &order, r);
}

/* All files that are named, by one question. */
static wa_code find_media(wa_app *app, reading *all, const json_t *list,
                          wa_result *r)
{
    apr_array_header_t *ids = apr_array_make(all->req->pool, 8,
                                             sizeof(const char *));
    const char *last = wa_json_str(all->req->json, "media_id");
    json_t *j;
    size_t i;

    if (last) {
        APR_ARRAY_PUSH(ids, const char *) = last;
    }
    json_array_foreach(list, i, j)
    {
        const char *id = wa_json_str(j, "media_id");

        if (id && (!last || strcmp(id, last))) {
            APR_ARRAY_PUSH(ids, const char *) = id;
            last = id;
        }
    }
    return wa_media_get_many(app, all->req, ids, &all->media, r);
}

/* All recipients without a number, by one question. */
static wa_code find_chats(wa_app *app, reading *all, const json_t *list,
                          wa_result *r)
{
    apr_array_header_t *found = apr_array_make(all->req->pool, 8,
                                               sizeof(const char *));
    json_t *j;
    size_t i;

    json_array_foreach(list, i, j)
    {
        const char *recipient = wa_json_str(j, "recipient");

        if (recipient && wa_recipient_is_hidden(recipient)) {
            APR_ARRAY_PUSH(found, const char *) = recipient;
        }
    }
    return wa_chats_known(app, all->req, all->session, found, &all->chats, r);
}

static wa_code read_items(wa_app *app, wa_req *req, const char *session,
                          wa_bulk_item **items, wa_result *r)
{
    const json_t *list = json_object_get(req->json, "messages");
    reading all = { req, session, NULL, NULL };
    json_t *j;
    size_t i;
    wa_code code = find_media(app, &all, list, r);

    if (code == WA_OK) {
        code = find_chats(app, &all, list, r);
    }
    if (code != WA_OK) {
        return code;
    }
    *items = apr_pcalloc(req->pool,
                         json_array_size(list) * sizeof(wa_bulk_item));
    json_array_foreach(list, i, j)
    {
        wa_bulk_item *item = &(*items)[i];

        item->r = wa_result_make(req->pool);
        item->message = read_message(&all, j, item->r);
        point_into(item->r, (int)i);
    }
    return WA_OK;
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
    int n = (int)json_array_size(json_object_get(req->json, "messages"));
    int charged = 0;
    wa_code code = read_items(app, req, session, &items, r);

    if (code == WA_OK) {
        code = wa_bulk_charge(app, req, items, n, &charged, r);
    }
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
