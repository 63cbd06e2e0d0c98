/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_webhook_work.h"

#include <string.h>

#include <apr_general.h>
#include <apr_lib.h>
#include <apr_strings.h>

#include "../base/wa_crypto.h"
#include "../base/wa_json.h"
#include "../base/wa_log.h"
#include "../base/wa_time.h"
#include "../base/wa_trace.h"
#include "wa_audit.h"
#include "wa_tx.h"
#include "wa_webhook_secret.h"

#define SPREAD_WEBHOOKS 100
#define SPREAD_EVENTS 500
/* A webhook with so much due lags: then more than one goes at a time. */
#define LAGS "32"
#define HOUR 3600

static const int pauses[WA_WEBHOOK_TRIES] = { 0,         5,         300,
                                              1800,      2 * HOUR,  5 * HOUR,
                                              10 * HOUR, 14 * HOUR, 20 * HOUR,
                                              24 * HOUR };

apr_interval_time_t wa_webhook_pause(int tries, int retry_after)
{
    int last = WA_WEBHOOK_TRIES - 1;
    apr_interval_time_t pause, asked;
    apr_uint32_t dice;

    pause = apr_time_from_sec(pauses[tries < 1      ? 1
                                     : tries < last ? tries
                                                    : last]);
    wa_random(&dice, sizeof(dice));
    pause = pause - pause / 5
            + (apr_interval_time_t)(dice % 1000) * pause / 2500;
    asked = apr_time_from_sec(retry_after < HOUR ? retry_after : HOUR);
    return pause < asked ? asked : pause;
}

apr_status_t wa_webhooks_spread(wa_app *app, apr_pool_t *p, int *more)
{
    wa_db_rows *rows;
    wa_db *db = NULL;
    apr_status_t rv = wa_db_open(&db, p, &app->db);

    *more = 0;
    if (rv == APR_SUCCESS) {
        rv = WA_DB_RUN(db, WA_SQL_WEBHOOKS_SPREAD, &rows,
                       APR_STRINGIFY(SPREAD_WEBHOOKS),
                       APR_STRINGIFY(SPREAD_EVENTS));
    }
    if (rv == APR_SUCCESS) {
        *more = wa_db_int(rows, 0, 0, 0) >= SPREAD_WEBHOOKS;
    }
    wa_db_close(db);
    return rv;
}

/* --- taking ----------------------------------------------------------------
 */

static void read_out(apr_pool_t *p, const wa_db_rows *rows, int i,
                     wa_webhook_out *o)
{
    o->id = apr_pstrdup(p, wa_db_str(rows, i, 0));
    o->webhook_id = apr_pstrdup(p, wa_db_str(rows, i, 1));
    o->url = apr_pstrdup(p, wa_db_str(rows, i, 2));
    o->event_id = apr_pstrdup(p, wa_db_str(rows, i, 3));
    o->type = apr_pstrdup(p, wa_db_str(rows, i, 4));
    o->sequence = wa_db_int(rows, i, 5, 0);
    o->attempts = (int)wa_db_int(rows, i, 6, 1);
    o->tries = (int)wa_db_int(rows, i, 7, 1);
    o->failing = wa_db_bool(rows, i, 8);
    o->data = apr_pstrdup(p, wa_db_str(rows, i, 9));
    o->occurred_at = wa_db_time(rows, i, 10);
    o->secret = apr_pstrdup(p, wa_db_str(rows, i, 11));
    o->previous_secret = apr_pstrdup(p, wa_db_str(rows, i, 12));
    o->request_id = apr_pstrdup(p, wa_db_str(rows, i, 13));
    o->trace = apr_pstrdup(p, wa_db_str(rows, i, 14));
}

/* The webhooks are locked by the first statement, so that the second one,
 * whose snapshot is younger, sees what others have taken of them. */
static apr_status_t claim(wa_app *app, apr_pool_t *p, wa_db *db, int failing,
                          int max, const char *answering,
                          apr_array_header_t *found)
{
    apr_array_header_t *ids = apr_array_make(p, max, sizeof(const char *));
    wa_db_rows *rows;
    apr_status_t rv;
    int i;

    rv = WA_DB_RUN(db, WA_SQL_WEBHOOKS_DUE, &rows, wa_db_p_bool(failing),
                   wa_db_p_int(p, max), APR_STRINGIFY(WA_WEBHOOK_AT_ONCE), LAGS,
                   answering);
    if (rv != APR_SUCCESS || !wa_db_count(rows)) {
        return rv;
    }
    for (i = 0; i < wa_db_count(rows); i++) {
        APR_ARRAY_PUSH(ids, const char *) = wa_db_str(rows, i, 0);
    }
    rv = WA_DB_RUN(db, WA_SQL_WEBHOOKS_CLAIM, &rows, app->instance,
                   wa_db_p_array(p, (const char *const *)ids->elts, ids->nelts),
                   APR_STRINGIFY(WA_WEBHOOK_LEASE),
                   APR_STRINGIFY(WA_WEBHOOK_AT_ONCE), LAGS, answering);
    for (i = 0; rv == APR_SUCCESS && i < wa_db_count(rows); i++) {
        read_out(p, rows, i, apr_array_push(found));
    }
    return rv;
}

apr_status_t wa_webhooks_claim(wa_app *app, apr_pool_t *p, int failing, int max,
                               const char *answering,
                               apr_array_header_t **found)
{
    wa_db *db = NULL;
    apr_status_t rv = wa_db_open(&db, p, &app->db);

    *found = apr_array_make(p, 8, sizeof(wa_webhook_out));
    if (rv == APR_SUCCESS) {
        rv = wa_db_begin(db);
    }
    if (rv == APR_SUCCESS) {
        rv = claim(app, p, db, failing, max, answering, *found);
    }
    if (rv == APR_SUCCESS) {
        rv = wa_db_commit(db);
    }
    wa_db_close(db);
    if (rv != APR_SUCCESS) {
        apr_array_clear(*found);
    }
    return rv;
}

/* --- the request -----------------------------------------------------------
 */

static const char *body_of(apr_pool_t *p, const wa_webhook_out *o,
                           apr_size_t *len, wa_result *r)
{
    json_t *j = json_object(), *data = NULL;

    wa_json_own(p, j);
    if (wa_json_parse(&data, o->data, strlen(o->data), r) != WA_OK) {
        return NULL;
    }
    wa_json_set_str(j, "id", o->event_id);
    wa_json_set_str(j, "type", o->type);
    wa_json_set_time(j, "timestamp", o->occurred_at);
    if (o->sequence) {
        wa_json_set_int(j, "seq", o->sequence);
    }
    if (o->request_id) {
        wa_json_set_str(j, "request_id", o->request_id);
    }
    wa_json_set(j, "data", json_incref(data));
    return wa_json_dump(p, j, len);
}

static const char *signatures(const wa_app *app, apr_pool_t *p,
                              const wa_webhook_out *o, const char *timestamp,
                              const wa_fetch *f)
{
    const char *const sealed[] = { o->secret, o->previous_secret };
    const char *all = "";
    int i;

    for (i = 0; i < 2 && sealed[i]; i++) {
        const unsigned char *secret = wa_webhook_secret_open(
            app, p, o->webhook_id, sealed[i]);

        if (secret) {
            all = apr_pstrcat(
                p, all, *all ? " " : "",
                wa_webhook_sign(p, secret, o->event_id, timestamp, f->body),
                NULL);
        }
    }
    return all;
}

static apr_status_t unmade(wa_fetch *f, apr_status_t rv, const char *error)
{
    f->rv = rv;
    f->error = error;
    return rv;
}

apr_status_t wa_webhook_request(const wa_app *app, apr_pool_t *p,
                                const wa_webhook_out *o, wa_fetch *f)
{
    apr_table_t *headers = apr_table_make(p, 5);
    const char *timestamp, *signature;

    memset(f, 0, sizeof(*f));
    f->method = "POST";
    f->url = o->url;
    f->headers = headers;
    f->allow = app->settings->fetch_allow;
    f->plain = app->settings->webhook_plain;
    f->keep = WA_WEBHOOK_KEEP;
    if (!o->data) {
        return unmade(f, APR_ENOENT, "the event is kept no longer");
    }
    f->body = body_of(p, o, &f->body_len, wa_result_make(p));
    if (!f->body) {
        return unmade(f, APR_ENOENT, "the event can't be read");
    }
    timestamp = apr_psprintf(p, "%" APR_TIME_T_FMT,
                             apr_time_sec(apr_time_now()));
    signature = signatures(app, p, o, timestamp, f);
    if (!*signature) {
        wa_log(WA_LOG_ERR, o->id,
               "WA0461: the secret of webhook %s was sealed under a line that"
               " WhatsAppKeySecretFile no longer has",
               o->webhook_id);
        return unmade(f, APR_EINVAL, "its secret can't be read by the server");
    }
    apr_table_setn(headers, "Content-Type", "application/json");
    apr_table_setn(headers, "webhook-id", o->event_id);
    apr_table_setn(headers, "webhook-timestamp", timestamp);
    apr_table_setn(headers, "webhook-signature", signature);
    apr_table_setn(headers, "traceparent",
                   wa_trace_header(p, wa_trace_find(p, o->trace, o->request_id,
                                                    o->event_id)));
    return APR_SUCCESS;
}

/* --- what came of it -------------------------------------------------------
 */

/* An answer's bytes as text of the database. */
static const char *as_text(apr_pool_t *p, const wa_fetch *f)
{
    apr_size_t len = f->head_len, i;
    char *copy;

    /* A character may have been cut at the end. */
    for (i = 0; i < 4 && len && !wa_utf8_valid(f->head, len); i++) {
        len--;
    }
    if (!wa_utf8_valid(f->head, len)) {
        len = f->head_len;
        copy = apr_pstrmemdup(p, f->head, len);
        for (i = 0; i < len; i++) {
            copy[i] = (char)(apr_isascii(copy[i]) && copy[i] ? copy[i] : '?');
        }
        return copy;
    }
    return len ? apr_pstrmemdup(p, f->head, len) : NULL;
}

/* A receiver that has answered has answered, whatever was wrong with the rest
 * of its body. */
static int answered(const wa_fetch *f)
{
    return f->rv == APR_SUCCESS || (APR_STATUS_IS_ENOSPC(f->rv) && f->status);
}

int wa_webhook_taken(const wa_fetch *f)
{
    return answered(f) && f->status >= 200 && f->status <= 299;
}

static const char *error_of(apr_pool_t *p, const wa_fetch *f)
{
    if (!answered(f)) {
        return f->error ? f->error : "it failed";
    }
    if (wa_webhook_taken(f)) {
        return NULL;
    }
    return apr_psprintf(p,
                        f->status >= 300 && f->status <= 399
                            ? "it answered %d; redirects are not followed"
                            : "it answered %d",
                        f->status);
}

typedef struct record_job {
    const wa_webhook_out *o;
    const wa_fetch *f;
    const char *state;
    const char *error;
    int gone;
} record_job;

static record_job judged(apr_pool_t *p, const wa_webhook_out *o,
                         const wa_fetch *f)
{
    record_job job = { .o = o, .f = f };

    job.error = error_of(p, f);
    job.gone = f->rv == APR_SUCCESS && f->status == 410;
    job.state = !job.error ? "delivered"
                : job.gone || !o->data || o->tries >= WA_WEBHOOK_TRIES
                    ? "failed"
                    : "pending";
    return job;
}

static apr_interval_time_t pause_of(const record_job *job)
{
    const wa_fetch *f = job->f;

    return wa_webhook_pause(job->o->tries, f->status == 429 || f->status == 503
                                               ? f->retry_after
                                               : 0);
}

static apr_status_t write_down(wa_app *app, apr_pool_t *p, wa_db *db,
                               const record_job *job)
{
    const wa_fetch *f = job->f;
    const wa_webhook_out *o = job->o;
    apr_interval_time_t pause = pause_of(job);

    return WA_DB_RUN(db, WA_SQL_WEBHOOK_RECORD, NULL, o->webhook_id, o->id,
                     app->instance, wa_db_p_int(p, o->attempts), job->state,
                     wa_db_p_int(p, apr_time_as_msec(pause)),
                     wa_db_p_time(p, apr_time_now() - f->took),
                     wa_db_p_int(p, apr_time_as_msec(f->took)),
                     f->status ? wa_db_p_int(p, f->status) : NULL, job->error,
                     as_text(p, f));
}

/* Tell: by an event in the user's feed, in the audit, in the log. */
static apr_status_t tell_disabled(wa_app *app, apr_pool_t *p, wa_db *db,
                                  const wa_db_rows *rows, const char *id)
{
    const char *user_id = wa_db_str(rows, 0, 0);
    const char *reason = wa_db_str(rows, 0, 2);
    wa_audit_entry e;
    json_t *data;
    apr_status_t rv;

    data = wa_json_own(p, json_pack("{s:s, s:s, s:s}", "webhook_id", id, "url",
                                    wa_db_str(rows, 0, 1), "reason", reason));
    memset(&e, 0, sizeof(e));
    e.actor = "whatsappd";
    e.action = "webhook.disable";
    e.target_type = "webhook";
    e.target_id = id;
    e.detail = wa_json_own(
        p, json_pack("{s:s, s:s}", "user_id", user_id, "reason", reason));
    wa_log(WA_LOG_NOTICE, NULL, "WA0462: webhook %s is switched off: %s", id,
           reason);
    rv = wa_audit_append(app, p, db, &e);
    if (rv == APR_SUCCESS) {
        rv = WA_DB_RUN(db, WA_SQL_EVENT_WRITE, NULL, user_id,
                       "webhook.disabled", wa_json_dump(p, data, NULL));
    }
    return rv;
}

static apr_status_t do_record(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    const record_job *job = baton;
    wa_db_rows *rows;
    apr_status_t rv = write_down(app, r->p, db, job);

    if (rv == APR_SUCCESS && job->error) {
        rv = WA_DB_RUN(db, WA_SQL_WEBHOOK_DISABLE, &rows, job->o->webhook_id,
                       wa_db_p_bool(job->gone),
                       APR_STRINGIFY(WA_WEBHOOK_PATIENCE));
        if (rv == APR_SUCCESS && wa_db_count(rows)) {
            rv = tell_disabled(app, r->p, db, rows, job->o->webhook_id);
        }
    }
    return rv;
}

static void not_stored(const char *id)
{
    wa_log(WA_LOG_WARNING, id,
           "WA0463: the outcome of an attempt could not be stored; it will"
           " be repeated under its event id");
}

static void record_one(wa_app *app, apr_pool_t *p, record_job *job)
{
    wa_result *r = wa_result_make(p);
    const char *id = job->o->id;

    /* A success is one statement and needs no transaction around it. */
    if (WA_OK
        != (job->error ? wa_tx_run(app, p, id, do_record, job, r)
                       : wa_tx_read(app, p, id, do_record, job, r))) {
        not_stored(id);
    }
}

/* The columns of WEBHOOKS_RECORD. */
enum {
    HOOK,
    DELIVERY,
    ATTEMPT,
    STATE,
    PAUSE,
    AT,
    TOOK,
    STATUS,
    ERROR,
    ANSWER
};
#define COLUMNS (ANSWER + 1)

static void put_row(apr_pool_t *p, const char **columns[COLUMNS], int i,
                    const record_job *job)
{
    const wa_fetch *f = job->f;

    columns[HOOK][i] = job->o->webhook_id;
    columns[DELIVERY][i] = job->o->id;
    columns[ATTEMPT][i] = wa_db_p_int(p, job->o->attempts);
    columns[STATE][i] = job->state;
    columns[PAUSE][i] = wa_db_p_int(p, apr_time_as_msec(pause_of(job)));
    columns[AT][i] = wa_db_p_time(p, apr_time_now() - f->took);
    columns[TOOK][i] = wa_db_p_int(p, apr_time_as_msec(f->took));
    columns[STATUS][i] = f->status ? wa_db_p_int(p, f->status) : NULL;
    columns[ERROR][i] = job->error;
    columns[ANSWER][i] = as_text(p, f);
}

static apr_status_t record_many(wa_app *app, apr_pool_t *p, wa_db *db,
                                const record_job *jobs, int n,
                                wa_db_rows **rows)
{
    const char **columns[COLUMNS];
    const char *args[2 + COLUMNS];
    int i, m = 0;

    for (i = 0; i < COLUMNS; i++) {
        columns[i] = apr_palloc(p, sizeof(char *) * (apr_size_t)n);
    }
    for (i = 0; i < n; i++) {
        if (!jobs[i].gone) {
            put_row(p, columns, m++, &jobs[i]);
        }
    }
    args[0] = app->instance;
    args[1] = APR_STRINGIFY(WA_WEBHOOK_PATIENCE);
    for (i = 0; i < COLUMNS; i++) {
        args[2 + i] = wa_db_p_array(p, columns[i], m);
    }
    return wa_db_run(db, WA_SQL_WEBHOOKS_RECORD, args, 2 + COLUMNS, rows);
}

static int is_among(const wa_db_rows *rows, const char *id)
{
    int i;

    for (i = 0; i < wa_db_count(rows); i++) {
        if (!strcmp(wa_db_str(rows, i, 0), id)) {
            return 1;
        }
    }
    return 0;
}

void wa_webhooks_record(wa_app *app, apr_pool_t *p, const wa_webhook_done *list,
                        int n)
{
    record_job jobs[WA_WEBHOOK_RECORDS];
    wa_db_rows *rows = NULL;
    wa_db *db = NULL;
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i < n; i++) {
        jobs[i] = judged(p, list[i].o, list[i].f);
    }
    if (n > 1) {
        rv = wa_db_open(&db, p, &app->db);
        if (rv == APR_SUCCESS) {
            rv = record_many(app, p, db, jobs, n, &rows);
        }
        wa_db_close(db);
    }
    for (i = 0; i < n; i++) {
        if (rows && is_among(rows, jobs[i].o->id)) {
            continue;
        }
        /* Without a database one is as good as all of them. */
        if (rv == APR_SUCCESS || rv == APR_EGENERAL) {
            record_one(app, p, &jobs[i]);
        }
        else {
            not_stored(jobs[i].o->id);
        }
    }
}

void wa_webhooks_give_back(wa_app *app, apr_pool_t *p)
{
    wa_db *db = NULL;

    if (APR_SUCCESS != wa_db_open(&db, p, &app->db)
        || APR_SUCCESS
               != WA_DB_RUN(db, WA_SQL_WEBHOOKS_GIVE_BACK, NULL,
                            app->instance)) {
        wa_log(WA_LOG_WARNING, NULL,
               "WA0464: attempts that were broken off wait until their leases"
               " run out");
    }
    wa_db_close(db);
}
