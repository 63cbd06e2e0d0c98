/* SPDX-License-Identifier: Apache-2.0 */
/* What was posted to a webhook, and posting it once more. */
#include <string.h>

#include <apr_strings.h>

#include "../base/wa_id.h"
#include "../base/wa_time.h"
#include "../base/wa_trace.h"
#include "wa_principal.h"
#include "wa_webhooks_private.h"

static wa_webhook_delivery delivery_of(apr_pool_t *p, const wa_db_rows *rows,
                                       int row)
{
    wa_webhook_delivery d;

    d.id = apr_pstrdup(p, wa_db_str(rows, row, 0));
    d.event_id = apr_pstrdup(p, wa_db_str(rows, row, 1));
    d.sequence = wa_db_int(rows, row, 2, 0);
    d.type = apr_pstrdup(p, wa_db_str(rows, row, 3));
    d.state = apr_pstrdup(p, wa_db_str(rows, row, 4));
    d.attempts = (int)wa_db_int(rows, row, 5, 0);
    d.next_attempt_at = wa_db_time(rows, row, 6);
    d.created_at = wa_db_time(rows, row, 7);
    d.ended_at = wa_db_time(rows, row, 8);
    d.tries = apr_array_make(p, 1, sizeof(wa_webhook_attempt));
    return d;
}

typedef struct sent_job {
    const wa_req *req;
    const char *id, *delivery_id;
    const wa_webhook_query *query;
    apr_time_t since;
    apr_int64_t after;
    wa_webhook *w;
    apr_array_header_t *deliveries;
    wa_webhook_delivery *delivery;
    int count;
    apr_int64_t last;
} sent_job;

/* The caller's webhook, locked, and switched on. */
static apr_status_t lock_active(wa_db *db, sent_job *job, wa_result *r)
{
    const char *const own[] = { job->id, job->req->principal->user_id };
    apr_status_t rv = wa_webhook_one(db, WA_SQL_WEBHOOK_LOCK, own, 2,
                                     job->req->pool, &job->w, r);

    if (rv == APR_SUCCESS && r->code == WA_OK && !job->w->is_active) {
        wa_fail(r, WA_E_CONFLICT, "The webhook is switched off");
    }
    return rv;
}

/* --- the list --------------------------------------------------------------
 */

static apr_status_t add_attempts(wa_db *db, sent_job *job)
{
    apr_pool_t *p = job->req->pool;
    wa_webhook_delivery *list = (wa_webhook_delivery *)job->deliveries->elts;
    const char **ids = apr_palloc(
        p, sizeof(char *) * (size_t)(job->deliveries->nelts + 1));
    wa_db_rows *rows;
    apr_status_t rv;
    int i, at = 0;

    for (i = 0; i < job->deliveries->nelts; i++) {
        ids[i] = list[i].id;
    }
    rv = WA_DB_RUN(db, WA_SQL_WEBHOOK_ATTEMPTS, &rows,
                   wa_db_p_array(p, ids, job->deliveries->nelts));
    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; i < wa_db_count(rows); i++) {
        wa_webhook_attempt *a;

        while (strcmp(list[at].id, wa_db_str(rows, i, 0))) {
            at++; /* they come in the order of the deliveries */
        }
        a = apr_array_push(list[at].tries);
        a->number = (int)wa_db_int(rows, i, 1, 0);
        a->at = wa_db_time(rows, i, 2);
        a->took_ms = (int)wa_db_int(rows, i, 3, 0);
        a->status = (int)wa_db_int(rows, i, 4, 0);
        a->error = apr_pstrdup(p, wa_db_str(rows, i, 5));
        a->response = apr_pstrdup(p, wa_db_str(rows, i, 6));
    }
    return APR_SUCCESS;
}

static apr_status_t do_list(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    sent_job *job = baton;
    const wa_webhook_query *q = job->query;
    apr_pool_t *p = job->req->pool;
    const char *const own[] = { job->id, job->req->principal->user_id };
    wa_db_rows *rows;
    int i;
    apr_status_t rv = wa_webhook_one(db, WA_SQL_WEBHOOK_BY_ID, own, 2, p,
                                     &job->w, r);

    if (rv != APR_SUCCESS || r->code != WA_OK) {
        return rv;
    }
    rv = WA_DB_RUN(db, WA_SQL_WEBHOOK_DELIVERIES, &rows, job->id, q->state,
                   wa_db_p_time(p, q->after), q->after ? q->after_id : NULL,
                   wa_db_p_int(p, q->limit));
    if (rv != APR_SUCCESS) {
        return rv;
    }
    job->deliveries = apr_array_make(p, q->limit, sizeof(wa_webhook_delivery));
    for (i = 0; i < wa_db_count(rows); i++) {
        APR_ARRAY_PUSH(job->deliveries,
                       wa_webhook_delivery) = delivery_of(p, rows, i);
    }
    return add_attempts(db, job);
}

wa_code wa_webhook_deliveries(wa_app *app, const wa_req *req, const char *id,
                              const wa_webhook_query *query,
                              apr_array_header_t **deliveries, wa_result *r)
{
    sent_job job = { .req = req, .id = id, .query = query };
    wa_code code;

    if (!wa_id_is_uuid(id)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    code = wa_tx_read(app, req->pool, req->request_id, do_list, &job, r);
    *deliveries = job.deliveries;
    return code;
}

/* --- once more -------------------------------------------------------------
 */

/* Run a statement that returns one delivery, and wake whatsappd. */
static apr_status_t one_delivery(wa_db *db, wa_sql_id statement,
                                 const char *const *args, int count,
                                 sent_job *job, wa_result *r)
{
    wa_db_rows *rows;
    apr_status_t rv = wa_db_run(db, statement, args, count, &rows);

    if (rv == APR_SUCCESS && !wa_db_count(rows)) {
        wa_fail(r, WA_E_NOT_FOUND, NULL);
        return rv;
    }
    if (rv == APR_SUCCESS) {
        job->delivery = apr_palloc(job->req->pool, sizeof(*job->delivery));
        *job->delivery = delivery_of(job->req->pool, rows, 0);
        rv = wa_db_run(db, WA_SQL_WEBHOOK_WAKE, NULL, 0, NULL);
    }
    return rv;
}

static apr_status_t do_test(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    sent_job *job = baton;
    apr_pool_t *p = job->req->pool;
    const char *request_id = job->req->request_id;
    apr_status_t rv = lock_active(db, job, r);
    json_t *data;

    if (rv != APR_SUCCESS || r->code != WA_OK) {
        return rv;
    }
    data = wa_json_own(p, json_pack("{s:s}", "webhook_id", job->w->id));
    return one_delivery(
        db, WA_SQL_WEBHOOK_DELIVERY_INSERT,
        (const char *const[]){ job->w->id, wa_id_uuid(p), "webhook.test",
                               wa_json_dump(p, data, NULL), request_id,
                               wa_trace_keep(p, request_id) },
        6, job, r);
}

wa_code wa_webhook_test(wa_app *app, const wa_req *req, const char *id,
                        wa_webhook_delivery **d, wa_result *r)
{
    sent_job job = { .req = req, .id = id };
    wa_code code = wa_webhook_tx(app, req, id, do_test, &job, r);

    *d = job.delivery;
    return code;
}

static apr_status_t do_resend(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    sent_job *job = baton;
    apr_status_t rv = lock_active(db, job, r);

    if (rv != APR_SUCCESS || r->code != WA_OK) {
        return rv;
    }
    return one_delivery(db, WA_SQL_WEBHOOK_RESEND,
                        (const char *const[]){ job->id, job->delivery_id }, 2,
                        job, r);
}

wa_code wa_webhook_resend(wa_app *app, const wa_req *req, const char *id,
                          const char *delivery_id, wa_webhook_delivery **d,
                          wa_result *r)
{
    sent_job job = { .req = req, .id = id, .delivery_id = delivery_id };
    wa_code code;

    if (!wa_id_is_uuid(delivery_id)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    code = wa_webhook_tx(app, req, id, do_resend, &job, r);
    *d = job.delivery;
    return code;
}

static apr_status_t do_replay(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    sent_job *job = baton;
    apr_pool_t *p = job->req->pool;
    wa_db_rows *rows;
    apr_status_t rv = lock_active(db, job, r);

    if (rv != APR_SUCCESS || r->code != WA_OK) {
        return rv;
    }
    rv = WA_DB_RUN(db, WA_SQL_WEBHOOK_REPLAY, &rows, job->id,
                   wa_db_p_time(p, job->since), wa_db_p_int(p, job->after),
                   APR_STRINGIFY(WA_WEBHOOK_REPLAY_MAX));
    if (rv == APR_SUCCESS) {
        job->count = (int)wa_db_int(rows, 0, 0, 0);
        job->last = wa_db_int(rows, 0, 1, 0);
        rv = wa_db_run(db, WA_SQL_WEBHOOK_WAKE, NULL, 0, NULL);
    }
    return rv;
}

wa_code wa_webhook_replay(wa_app *app, const wa_req *req, const char *id,
                          apr_time_t since, apr_int64_t after, int *count,
                          apr_int64_t *last, wa_result *r)
{
    sent_job job = { .req = req, .id = id, .since = since, .after = after };
    wa_code code = wa_webhook_tx(app, req, id, do_replay, &job, r);

    *count = job.count;
    *last = job.last;
    return code;
}
