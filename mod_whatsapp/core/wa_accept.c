/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_accept.h"

#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "../base/wa_gather.h"
#include "../base/wa_trace.h"
#include "wa_auth.h"
#include "wa_delivery.h"
#include "wa_idempotency.h"
#include "wa_tx.h"

/* Threads of a process: with two, one statement would run while the other waits
 * for the disk, but each would be of half as many, and costs more by that. */
#define LEADERS 1
#define MOST 64

typedef struct accepting {
    const wa_req *req;
    const wa_message_order *order;
    wa_message *m;
    const char *trace; /* of its thread, to be kept */
    int inline_wanted;
    int leased;
    int tell;  /* whatsappd is to be told, by this thread */
    int alone; /* it is not stored: its own thread shall try */
    wa_code code;
    wa_result *r;
} accepting;

static apr_size_t content_bytes(const void *item)
{
    const accepting *a = item;

    return a->m->content ? strlen(a->m->content) : 0;
}

/* Can these two not be in one statement? */
static int collide(const accepting *a, const accepting *b, int paced)
{
    const wa_idem *x = a->req->idem, *y = b->req->idem;

    if (strcmp(a->req->principal->user_id, b->req->principal->user_id) != 0) {
        return 0;
    }
    if (x && y && !strcmp(x->key, y->key)) {
        return 1;
    }
    return paced && !strcmp(a->order->session, b->order->session);
}

static int fits(void *baton, void *const *items, int count, const void *item)
{
    wa_app *app = baton;
    const accepting *a = item;
    int paced = wa_delivery_pace_pause(app, a->req->pool) != NULL, i;

    for (i = 0; i < count; i++) {
        if (collide(a, items[i], paced)) {
            return 0;
        }
    }
    return wa_gather_has_room(content_bytes, items, count, item);
}

/* Columns from first on: session id, lease given, created_at, held back. */
static void stored(accepting *a, const wa_db_rows *rows, int row, int first)
{
    wa_message *m = a->m;

    m->session_id = apr_pstrdup(a->req->pool, wa_db_str(rows, row, first));
    a->leased = wa_db_bool(rows, row, first + 1);
    m->created_at = wa_db_time(rows, row, first + 2);
    if (wa_db_bool(rows, row, first + 3)) {
        m->error_code = wa_code_name(WA_E_PACED);
        m->error_message = wa_code_title(WA_E_PACED);
    }
}

static int to_be_told(const accepting *a)
{
    return a->m->session_id && !a->leased && !a->m->scheduled_at;
}

static void accept_one(wa_app *app, accepting *a)
{
    const wa_req *req = a->req;
    const wa_message *m = a->m;
    const wa_idem *idem = req->idem;
    apr_pool_t *p = req->pool;
    wa_db_rows *rows;

    a->code = WA_TX_QUERY(
        app, p, req->request_id, WA_SQL_MESSAGE_ACCEPT, &rows, a->r, m->id,
        req->principal->user_id, a->order->session, m->type, m->recipient,
        m->chat, m->content, m->whatsapp_id, req->request_id,
        a->inline_wanted ? app->instance : NULL,
        APR_STRINGIFY(WA_LEASE_SECONDS),
        wa_db_p_int(p, apr_time_sec(app->settings->message_ttl)), m->client_ref,
        wa_db_p_time(p, m->scheduled_at), m->media_id, idem ? idem->key : NULL,
        idem ? idem->fingerprint : NULL, APR_STRINGIFY(WA_IDEM_LEASE_SECONDS),
        wa_delivery_pace_pause(app, p), wa_delivery_pace_chats(app, p),
        a->trace);
    if (a->code == WA_OK && wa_db_count(rows)) {
        stored(a, rows, 0, 0);
    }
}

/* The columns of what is stored, in the statement's order. */
enum {
    COL_ID,
    COL_USER,
    COL_SESSION,
    COL_TYPE,
    COL_RECIPIENT,
    COL_CHAT,
    COL_CONTENT,
    COL_WHATSAPP_ID,
    COL_REQUEST,
    COL_WANTED,
    COL_REF,
    COL_SCHEDULED,
    COL_MEDIA,
    COL_KEY,
    COL_FINGERPRINT,
    COL_TRACE,
    COLUMNS
};

static void put_row(const char **values[COLUMNS], int i, const accepting *a)
{
    const wa_req *req = a->req;
    const wa_message *m = a->m;

    values[COL_ID][i] = m->id;
    values[COL_USER][i] = req->principal->user_id;
    values[COL_SESSION][i] = a->order->session;
    values[COL_TYPE][i] = m->type;
    values[COL_RECIPIENT][i] = m->recipient;
    values[COL_CHAT][i] = m->chat;
    values[COL_CONTENT][i] = m->content;
    values[COL_WHATSAPP_ID][i] = m->whatsapp_id;
    values[COL_REQUEST][i] = req->request_id;
    values[COL_WANTED][i] = wa_db_p_bool(a->inline_wanted);
    values[COL_REF][i] = m->client_ref;
    values[COL_SCHEDULED][i] = wa_db_p_time(req->pool, m->scheduled_at);
    values[COL_MEDIA][i] = m->media_id;
    values[COL_KEY][i] = req->idem ? req->idem->key : NULL;
    values[COL_FINGERPRINT][i] = req->idem ? req->idem->fingerprint : NULL;
    values[COL_TRACE][i] = a->trace;
}

/* All in one statement, in the pool of the first. */
static wa_code accept_many(wa_app *app, void *const *items, int count,
                           wa_db_rows **rows, wa_result *r)
{
    const wa_req *req = ((const accepting *)items[0])->req;
    apr_pool_t *p = req->pool;
    const char **values[COLUMNS], *args[COLUMNS];
    int i, c;

    for (c = 0; c < COLUMNS; c++) {
        values[c] = apr_palloc(p, (apr_size_t)count * sizeof(*values[c]));
    }
    for (i = 0; i < count; i++) {
        put_row(values, i, items[i]);
    }
    for (c = 0; c < COLUMNS; c++) {
        args[c] = wa_db_p_array(p, values[c], count);
    }
    return WA_TX_QUERY(
        app, p, req->request_id, WA_SQL_MESSAGES_GATHERED, rows, r,
        args[COL_ID], args[COL_USER], args[COL_SESSION], args[COL_TYPE],
        args[COL_RECIPIENT], args[COL_CHAT], args[COL_CONTENT],
        args[COL_WHATSAPP_ID], args[COL_REQUEST], args[COL_WANTED],
        args[COL_REF], args[COL_SCHEDULED], args[COL_MEDIA], args[COL_KEY],
        args[COL_FINGERPRINT], args[COL_TRACE], app->instance,
        APR_STRINGIFY(WA_LEASE_SECONDS),
        wa_db_p_int(p, apr_time_sec(app->settings->message_ttl)),
        APR_STRINGIFY(WA_IDEM_LEASE_SECONDS), wa_delivery_pace_pause(app, p),
        wa_delivery_pace_chats(app, p));
}

static void hand_out(apr_pool_t *p, void *const *items, int count,
                     const wa_db_rows *rows)
{
    apr_hash_t *by_id = apr_hash_make(p);
    int i;

    for (i = 0; i < count; i++) {
        accepting *a = items[i];

        a->code = WA_OK;
        apr_hash_set(by_id, a->m->id, APR_HASH_KEY_STRING, a);
    }
    for (i = 0; i < wa_db_count(rows); i++) {
        accepting *a = apr_hash_get(by_id, wa_db_str(rows, i, 0),
                                    APR_HASH_KEY_STRING);

        if (a) {
            stored(a, rows, i, 1);
        }
    }
}

/* Each is told what one was. */
static void fail_all(void *const *items, int count, const wa_result *why)
{
    int i;

    for (i = 0; i < count; i++) {
        accepting *a = items[i];

        a->code = wa_fail_retry(a->r, why->code, why->retry_after,
                                why->detail ? "%s" : NULL, why->detail);
    }
}

static void work(void *baton, void *const *items, int count)
{
    wa_app *app = baton;
    accepting *first = items[0];
    wa_result *why = wa_result_make(first->req->pool);
    wa_db_rows *rows = NULL;
    wa_code code;
    int i;

    if (count == 1) {
        accept_one(app, first);
    }
    else {
        code = accept_many(app, items, count, &rows, why);
        if (code == WA_OK) {
            hand_out(first->req->pool, items, count, rows);
        }
        else if (code == WA_E_INTERNAL) {
            /* What one of them is at fault for shall not harm the others: its
             * user has just been erased, say. Nor shall they wait for each
             * other. */
            for (i = 0; i < count; i++) {
                ((accepting *)items[i])->alone = 1;
            }
        }
        else {
            fail_all(items, count, why);
        }
    }
    for (i = 0; i < count; i++) {
        first->tell |= to_be_told(items[i]);
    }
}

apr_status_t wa_accept_start(wa_app *app)
{
    app->accepting = wa_gather_make(app->pool, LEADERS, MOST,
                                    WA_GATHER_PATIENCE, work, fits, app);
    return app->accepting ? APR_SUCCESS : APR_ENOLOCK;
}

/* Not told, the daemon looks by itself within a second. */
static void tell_daemon(wa_app *app, const wa_req *req)
{
    wa_db_rows *rows;

    (void)wa_tx_query(app, req->pool, req->request_id, WA_SQL_OUTBOX_TELL, NULL,
                      0, &rows, wa_result_make(req->pool));
}

wa_code wa_accept(wa_app *app, const wa_req *req, const wa_message_order *order,
                  int inline_wanted, wa_message *m, int *leased, wa_result *r)
{
    accepting a = { .req = req,
                    .order = order,
                    .m = m,
                    .trace = wa_trace_keep(req->pool, req->request_id),
                    .inline_wanted = inline_wanted,
                    .code = WA_OK,
                    .r = r };
    void *self = &a;

    if (!app->accepting
        || wa_gather_do(app->accepting, req->pool, &a) != APR_SUCCESS) {
        work(app, &self, 1);
    }
    if (a.alone) {
        accept_one(app, &a);
        a.tell |= to_be_told(&a);
    }
    if (a.tell) {
        tell_daemon(app, req);
    }
    *leased = a.leased;
    return a.code;
}
