/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_idempotency.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_crypto.h"
#include "../base/wa_gather.h"
#include "../base/wa_log.h"
#include "wa_auth.h"
#include "wa_tx.h"

#define KEY_MAX 255
#define PURPOSE "idempotency answers"
/* Answers in one statement. */
#define MOST 64

/* The header's text without the quotes of a structured field's string. */
static const char *unquoted(apr_pool_t *p, const char *text)
{
    apr_size_t len = strlen(text);

    if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
        return apr_pstrndup(p, text + 1, len - 2);
    }
    return text;
}

static int is_key(const char *key)
{
    apr_size_t i;

    for (i = 0; key[i]; i++) {
        if (key[i] < 0x21 || key[i] > 0x7e || key[i] == '"' || key[i] == '\\') {
            return 0;
        }
    }
    return i >= 1 && i <= KEY_MAX;
}

static const char *fingerprint(const wa_req *req)
{
    unsigned char parts[2][32], out[32];
    const char *head = apr_pstrcat(req->pool, req->method, " ", req->path, "?",
                                   req->query ? req->query : "", NULL);

    wa_sha256(parts[0], head, strlen(head));
    wa_sha256(parts[1], req->text ? req->text : "", req->text_len);
    wa_sha256(out, parts, sizeof(parts));
    return wa_hex(req->pool, out, sizeof(out));
}

wa_code wa_idem_read(const wa_req *req, wa_idem **idem, wa_result *r)
{
    const char *text = req->header(req, "Idempotency-Key");

    *idem = NULL;
    if (!text) {
        return WA_OK;
    }
    text = unquoted(req->pool, text);
    if (!is_key(text)) {
        return wa_fail(r, WA_E_BAD_IDEMPOTENCY,
                       "Idempotency-Key has 1 to 255 printable ASCII"
                       " characters, no space, quote or backslash");
    }
    *idem = apr_pcalloc(req->pool, sizeof(**idem));
    (*idem)->key = text;
    (*idem)->fingerprint = fingerprint(req);
    return WA_OK;
}

/* Answers are bound to their user and key. */
static const char *context(const wa_req *req, const wa_idem *idem)
{
    return apr_pstrcat(req->pool, req->principal->user_id, " ", idem->key,
                       NULL);
}

static wa_code read_found(wa_app *app, const wa_req *req, const wa_idem *idem,
                          const wa_db_rows *rows, wa_idem_found **found,
                          wa_result *r)
{
    wa_idem_found *f = apr_pcalloc(req->pool, sizeof(*f));
    const char *sealed = wa_db_str(rows, 0, 3);

    if (!wa_db_bool(rows, 0, 0)) {
        return wa_fail(r, WA_E_KEY_REUSED,
                       "This Idempotency-Key was used for a request with"
                       " another path or body");
    }
    f->status = (int)wa_db_int(rows, 0, 1, 0);
    f->location = apr_pstrdup(req->pool, wa_db_str(rows, 0, 2));
    f->message_id = apr_pstrdup(req->pool, wa_db_str(rows, 0, 4));
    if (!f->status && wa_db_bool(rows, 0, 5)) {
        return wa_fail_retry(r, WA_E_IN_PROGRESS, 1, NULL);
    }
    if (sealed && *sealed) {
        f->answer = wa_unseal(req->pool, app->secrets->key[0], PURPOSE,
                              context(req, idem), sealed, &f->answer_len);
        if (!f->answer) {
            return wa_fail(r, WA_E_IN_PROGRESS,
                           "The request was carried out, but its answer can't"
                           " be read any more");
        }
    }
    *found = f;
    return WA_OK;
}

wa_code wa_idem_find(wa_app *app, const wa_req *req, const wa_idem *idem,
                     wa_idem_found **found, wa_result *r)
{
    wa_db_rows *rows;
    wa_code code = WA_TX_QUERY(
        app, req->pool, req->request_id, WA_SQL_IDEM_FIND, &rows, r,
        req->principal->user_id, idem->key, idem->fingerprint);

    *found = NULL;
    if (code != WA_OK || !wa_db_count(rows)) {
        return code;
    }
    return read_found(app, req, idem, rows, found, r);
}

wa_code wa_idem_claim(wa_app *app, const wa_req *req, wa_idem *idem,
                      wa_idem_found **found, wa_result *r)
{
    wa_db_rows *rows;
    wa_code code = WA_TX_QUERY(
        app, req->pool, req->request_id, WA_SQL_IDEM_CLAIM, &rows, r,
        req->principal->user_id, idem->key, idem->fingerprint,
        APR_STRINGIFY(WA_IDEM_LEASE_SECONDS));

    *found = NULL;
    if (code != WA_OK) {
        return code;
    }
    if (wa_db_count(rows)) {
        idem->open = 1;
        return WA_OK;
    }
    code = wa_idem_find(app, req, idem, found, r);
    if (code == WA_OK && (!*found || !(*found)->status)) {
        /* Released or left this very moment: the next try will tell. */
        return wa_fail_retry(r, WA_E_IN_PROGRESS, 1, NULL);
    }
    return code;
}

apr_status_t wa_idem_store(wa_app *app, wa_db *db, const wa_req *req,
                           const wa_resp *answer, int *ours)
{
    const wa_idem *idem = req->idem;
    wa_db_rows *rows;
    apr_status_t rv = WA_DB_RUN(
        db, WA_SQL_IDEM_STORE, &rows, req->principal->user_id, idem->key,
        idem->fingerprint, apr_itoa(req->pool, answer->status),
        wa_seal(req->pool, app->secrets->key[0], PURPOSE, context(req, idem),
                answer->body, answer->body_len),
        apr_table_get(answer->headers, "Location"));

    *ours = rv == APR_SUCCESS && wa_db_count(rows) > 0;
    return rv;
}

/* An answer on its way into the database. */
typedef struct answering {
    const wa_req *req;
    const char *status, *location, *sealed;
    wa_code code;
} answering;

static void store_one(wa_app *app, answering *a)
{
    const wa_req *req = a->req;
    wa_db_rows *rows;

    a->code = WA_TX_QUERY(
        app, req->pool, req->request_id, WA_SQL_IDEM_ANSWER, &rows,
        wa_result_make(req->pool), req->principal->user_id, req->idem->key,
        req->idem->fingerprint, a->status, a->location, a->sealed);
}

static void store_many(wa_app *app, void *const *items, int count)
{
    const wa_req *first = ((const answering *)items[0])->req;
    apr_pool_t *p = first->pool;
    const char *columns[6][MOST], *args[6];
    wa_db_rows *rows;
    wa_code code;
    int i;

    for (i = 0; i < count; i++) {
        const answering *a = items[i];

        columns[0][i] = a->req->principal->user_id;
        columns[1][i] = a->req->idem->key;
        columns[2][i] = a->req->idem->fingerprint;
        columns[3][i] = a->status;
        columns[4][i] = a->location;
        columns[5][i] = a->sealed;
    }
    for (i = 0; i < 6; i++) {
        args[i] = wa_db_p_array(p, columns[i], count);
    }
    code = wa_tx_query(app, p, first->request_id, WA_SQL_IDEM_ANSWERS, args, 6,
                       &rows, wa_result_make(p));
    for (i = 0; i < count; i++) {
        ((answering *)items[i])->code = code;
    }
}

static void store(void *baton, void *const *items, int count)
{
    if (count == 1) {
        store_one(baton, items[0]);
    }
    else {
        store_many(baton, items, count);
    }
}

static apr_size_t sealed_bytes(const void *item)
{
    return strlen(((const answering *)item)->sealed);
}

static int fits(void *baton, void *const *items, int count, const void *item)
{
    return wa_gather_has_room(sealed_bytes, items, count, item);
}

apr_status_t wa_idem_start(wa_app *app)
{
    app->answers = wa_gather_make(app->pool, 1, MOST, WA_GATHER_PATIENCE, store,
                                  fits, app);
    return app->answers ? APR_SUCCESS : APR_ENOLOCK;
}

static wa_code release(wa_app *app, const wa_req *req)
{
    wa_db_rows *rows;

    return WA_TX_QUERY(app, req->pool, req->request_id, WA_SQL_IDEM_RELEASE,
                       &rows, wa_result_make(req->pool),
                       req->principal->user_id, req->idem->key,
                       req->idem->fingerprint);
}

void wa_idem_answered(wa_app *app, const wa_req *req, const wa_resp *resp)
{
    answering a = { .req = req, .code = WA_OK };

    if (resp->status >= 500 || resp->status == 408 || resp->status == 429) {
        a.code = release(app, req);
    }
    if (a.code == WA_OK) {
        /* A message that was made keeps its key whatever the answer. */
        a.status = apr_itoa(req->pool, resp->status);
        a.location = apr_table_get(resp->headers, "Location");
        a.sealed = wa_seal(
            req->pool, app->secrets->key[0], PURPOSE, context(req, req->idem),
            resp->body ? resp->body : "", resp->body ? resp->body_len : 0);
        if (!req->idem->with_message || !app->answers
            || wa_gather_do(app->answers, req->pool, &a) != APR_SUCCESS) {
            store_one(app, &a);
        }
    }
    if (a.code != WA_OK) {
        wa_log(WA_LOG_WARNING, req->request_id,
               "WA0320: the answer to a request with an Idempotency-Key could"
               " not be stored (%s)",
               wa_code_name(a.code));
    }
}

void wa_idem_replay(const wa_req *req, wa_resp *resp,
                    const wa_idem_found *found)
{
    resp->status = found->status;
    if (found->answer_len) {
        resp->content_type = found->status >= 400 ? "application/problem+json"
                                                  : "application/json";
        resp->body = found->answer;
        resp->body_len = found->answer_len;
    }
    if (found->location) {
        apr_table_setn(resp->headers, "Location", found->location);
    }
    apr_table_setn(resp->headers, "Idempotency-Replayed", "true");
}
