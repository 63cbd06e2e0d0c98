/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_webhooks.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_id.h"
#include "../gateway/wa_fetch.h"
#include "wa_audit.h"
#include "wa_events.h"
#include "wa_principal.h"
#include "wa_tx.h"
#include "wa_webhook_secret.h"
#include "wa_webhooks_private.h"

/* Is it a type of events, or "message.*" and the like? */
static int known(const char *name)
{
    const char *const *type;
    apr_size_t len = strlen(name);
    int all = len > 2 && !strcmp(name + len - 2, ".*");

    for (type = wa_event_types; *type; type++) {
        const char *dot = strchr(*type, '.');

        if (all ? dot && (apr_size_t)(dot - *type) == len - 2
                      && !strncmp(*type, name, len - 2)
                : !strcmp(*type, name)) {
            return 1;
        }
    }
    return 0;
}

wa_code wa_webhook_events_read(const json_t *list, const char **events,
                               wa_result *r)
{
    const json_t *j;
    size_t i;

    *events = "";
    json_array_foreach(list, i, j)
    {
        const char *type = json_string_value(j);

        if (!type || !known(type)) {
            wa_fail_field(r, apr_psprintf(r->p, "/events/%d", (int)i), "value",
                          "is not a type of events");
            continue;
        }
        *events = apr_pstrcat(r->p, *events, **events ? " " : "", type, NULL);
    }
    return r->code;
}

wa_code wa_webhook_url_check(const wa_app *app, const char *url, wa_result *r)
{
    const char *wrong = wa_fetch_url_wrong(
        r->p, url, app->settings->webhook_plain, app->settings->fetch_allow);

    return wrong
               ? wa_fail_field(r, "/url", "value", "can't be called: %s", wrong)
               : r->code;
}

/* "a b" as PostgreSQL's array literal; types need no quotes. */
static const char *events_sql(apr_pool_t *p, const char *events)
{
    char *copy, *c;

    if (!events) {
        return NULL;
    }
    copy = apr_pstrdup(p, events);
    for (c = copy; *c; c++) {
        *c = (char)(*c == ' ' ? ',' : *c);
    }
    return apr_pstrcat(p, "{", copy, "}", NULL);
}

static wa_webhook *from_row(apr_pool_t *p, const wa_db_rows *rows, int row)
{
    wa_webhook *w = apr_pcalloc(p, sizeof(*w));

    w->id = apr_pstrdup(p, wa_db_str(rows, row, 0));
    w->user_id = apr_pstrdup(p, wa_db_str(rows, row, 1));
    w->url = apr_pstrdup(p, wa_db_str(rows, row, 2));
    w->events = apr_pstrdup(p, wa_db_str(rows, row, 3));
    w->description = apr_pstrdup(p, wa_db_str(rows, row, 4));
    w->is_active = wa_db_bool(rows, row, 5);
    w->disabled_reason = apr_pstrdup(p, wa_db_str(rows, row, 6));
    w->version = wa_db_int(rows, row, 7, 1);
    w->failing_since = wa_db_time(rows, row, 8);
    w->previous_until = wa_db_time(rows, row, 9);
    w->created_at = wa_db_time(rows, row, 10);
    w->updated_at = wa_db_time(rows, row, 11);
    return w;
}

/* The URL's query may have a secret of the receiver's in it. */
static const char *without_query(apr_pool_t *p, const char *url)
{
    return apr_pstrmemdup(p, url, strcspn(url, "?#"));
}

static apr_status_t audit(wa_app *app, wa_db *db, const wa_req *req,
                          const char *action, const wa_webhook *w)
{
    json_t *detail = wa_json_own(
        req->pool, json_pack("{s:s, s:s}", "user_id", w->user_id, "url",
                             without_query(req->pool, w->url)));
    wa_audit_entry e = wa_audit_of(req, action, "webhook", w->id, detail);

    return wa_audit_append(app, req->pool, db, &e);
}

apr_status_t wa_webhook_one(wa_db *db, wa_sql_id statement,
                            const char *const *args, int count, apr_pool_t *p,
                            wa_webhook **w, wa_result *r)
{
    wa_db_rows *rows;
    apr_status_t rv = wa_db_run(db, statement, args, count, &rows);

    if (rv == APR_SUCCESS && !wa_db_count(rows)) {
        wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    else if (rv == APR_SUCCESS) {
        *w = from_row(p, rows, 0);
    }
    return rv;
}

wa_code wa_webhook_tx(wa_app *app, const wa_req *req, const char *id,
                      wa_tx_fn *fn, void *baton, wa_result *r)
{
    if (!wa_id_is_uuid(id)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    return wa_tx_run(app, req->pool, req->request_id, fn, baton, r);
}

/* --- creation --------------------------------------------------------------
 */

typedef struct create_job {
    const wa_req *req;
    wa_webhook *w;
} create_job;

static apr_status_t do_create(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    create_job *job = baton;
    apr_pool_t *p = job->req->pool;
    const char *user_id = job->req->principal->user_id;
    const char *id = wa_id_uuid(p), *sealed, *secret;
    wa_webhook *made = NULL;
    wa_db_rows *rows;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_WEBHOOKS_LOCK, NULL, user_id);

    if (rv == APR_SUCCESS) {
        rv = WA_DB_RUN(db, WA_SQL_WEBHOOKS_COUNT, &rows, user_id);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (wa_db_int(rows, 0, 0, 0) >= WA_WEBHOOKS_MAX) {
        wa_fail(r, WA_E_WEBHOOK_LIMIT, "There are %d webhooks at most",
                WA_WEBHOOKS_MAX);
        return APR_SUCCESS;
    }
    secret = wa_webhook_secret_make(app, p, id, &sealed);
    rv = wa_webhook_one(db, WA_SQL_WEBHOOK_INSERT,
                        (const char *const[]){ id, user_id, job->w->url,
                                               events_sql(p, job->w->events),
                                               job->w->description, sealed },
                        6, p, &made, r);
    if (rv == APR_SUCCESS && made) {
        *job->w = *made;
        job->w->secret = secret;
        rv = audit(app, db, job->req, "webhook.create", made);
    }
    return rv;
}

wa_code wa_webhook_create(wa_app *app, const wa_req *req, wa_webhook *w,
                          wa_result *r)
{
    create_job job = { req, w };

    return wa_tx_run(app, req->pool, req->request_id, do_create, &job, r);
}

/* --- reading ---------------------------------------------------------------
 */

wa_code wa_webhook_list(wa_app *app, const wa_req *req,
                        apr_array_header_t **webhooks, wa_result *r)
{
    wa_db_rows *rows;
    int i;
    wa_code code = WA_TX_QUERY(app, req->pool, req->request_id,
                               WA_SQL_WEBHOOKS_OF_USER, &rows, r,
                               req->principal->user_id);

    if (code != WA_OK) {
        return code;
    }
    *webhooks = apr_array_make(req->pool, 4, sizeof(wa_webhook));
    for (i = 0; i < wa_db_count(rows); i++) {
        APR_ARRAY_PUSH(*webhooks, wa_webhook) = *from_row(req->pool, rows, i);
    }
    return WA_OK;
}

wa_code wa_webhook_get(wa_app *app, const wa_req *req, const char *id,
                       wa_webhook **w, wa_result *r)
{
    wa_db_rows *rows;
    wa_code code;

    if (!wa_id_is_uuid(id)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    code = WA_TX_QUERY(app, req->pool, req->request_id, WA_SQL_WEBHOOK_BY_ID,
                       &rows, r, id, req->principal->user_id);
    if (code == WA_OK && !wa_db_count(rows)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    if (code == WA_OK) {
        *w = from_row(req->pool, rows, 0);
    }
    return code;
}

/* --- changes ---------------------------------------------------------------
 */

typedef struct change_job {
    const wa_req *req;
    const char *id;
    apr_int64_t version;
    const wa_webhook_change *change;
    int overlap;
    wa_webhook *w;
} change_job;

static apr_status_t lock(wa_db *db, change_job *job, wa_result *r)
{
    const char *const own[] = { job->id, job->req->principal->user_id };

    return wa_webhook_one(db, WA_SQL_WEBHOOK_LOCK, own, 2, job->req->pool,
                          &job->w, r);
}

static apr_status_t do_update(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    change_job *job = baton;
    const wa_webhook_change *c = job->change;
    apr_pool_t *p = job->req->pool;
    apr_status_t rv = lock(db, job, r);

    if (rv != APR_SUCCESS || r->code != WA_OK) {
        return rv;
    }
    if (job->version && job->version != job->w->version) {
        wa_fail(r, WA_E_PRECONDITION,
                "Somebody changed the webhook after you read it; read it"
                " again");
        return APR_SUCCESS;
    }
    rv = wa_webhook_one(db, WA_SQL_WEBHOOK_UPDATE,
                        (const char *const[]){ job->id, job->w->user_id, c->url,
                                               events_sql(p, c->events),
                                               c->description, c->active },
                        6, p, &job->w, r);
    if (rv == APR_SUCCESS && r->code == WA_OK) {
        rv = audit(app, db, job->req, "webhook.update", job->w);
    }
    return rv;
}

wa_code wa_webhook_update(wa_app *app, const wa_req *req, const char *id,
                          apr_int64_t version, const wa_webhook_change *change,
                          wa_webhook **w, wa_result *r)
{
    change_job job = { req, id, version, change, 0, NULL };
    wa_code code = wa_webhook_tx(app, req, id, do_update, &job, r);

    *w = job.w;
    return code;
}

static apr_status_t do_delete(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    change_job *job = baton;
    const char *const own[] = { job->id, job->req->principal->user_id };
    apr_status_t rv = wa_webhook_one(db, WA_SQL_WEBHOOK_DELETE, own, 2,
                                     job->req->pool, &job->w, r);

    if (rv == APR_SUCCESS && r->code == WA_OK) {
        rv = audit(app, db, job->req, "webhook.delete", job->w);
    }
    return rv;
}

wa_code wa_webhook_delete(wa_app *app, const wa_req *req, const char *id,
                          wa_result *r)
{
    change_job job = { req, id, 0, NULL, 0, NULL };

    return wa_webhook_tx(app, req, id, do_delete, &job, r);
}

static apr_status_t do_rotate(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    change_job *job = baton;
    apr_pool_t *p = job->req->pool;
    const char *sealed, *secret;
    apr_status_t rv;

    secret = wa_webhook_secret_make(app, p, job->id, &sealed);
    rv = wa_webhook_one(
        db, WA_SQL_WEBHOOK_ROTATE,
        (const char *const[]){ job->id, job->req->principal->user_id, sealed,
                               wa_db_p_int(p, job->overlap) },
        4, p, &job->w, r);
    if (rv == APR_SUCCESS && r->code == WA_OK) {
        job->w->secret = secret;
        rv = audit(app, db, job->req, "webhook.rotate", job->w);
    }
    return rv;
}

wa_code wa_webhook_rotate(wa_app *app, const wa_req *req, const char *id,
                          int overlap, wa_webhook **w, wa_result *r)
{
    change_job job = { req, id, 0, NULL, overlap, NULL };
    wa_code code = wa_webhook_tx(app, req, id, do_rotate, &job, r);

    *w = job.w;
    return code;
}
