/* SPDX-License-Identifier: Apache-2.0 */
/* What admins do with users: list, change, delete. */
#include "wa_users.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_http_msg.h"
#include "../base/wa_id.h"
#include "../base/wa_log.h"
#include "wa_audit.h"
#include "wa_auth.h"
#include "wa_sessions.h"
#include "wa_tx.h"

typedef struct list_job {
    const wa_req *req;
    const wa_user_query *query;
    apr_array_header_t *rows;
} list_job;

static wa_user_row row_of(apr_pool_t *p, const wa_db_rows *rows, int i)
{
    wa_user_row row;
    int c = WA_USER_COLUMNS;

    memset(&row, 0, sizeof(row));
    row.user = *wa_user_from_row(p, rows, i);
    row.last_active_at = wa_db_time(rows, i, c);
    row.session_status = apr_pstrdup(p, wa_db_str(rows, i, c + 1));
    row.phone_number = apr_pstrdup(p, wa_db_str(rows, i, c + 2));
    row.messages_today = wa_db_int(rows, i, c + 3, 0);
    row.messages_total = wa_db_int(rows, i, c + 4, 0);
    row.keys = wa_db_int(rows, i, c + 5, 0);
    row.sort_key = apr_pstrdup(p, wa_db_str(rows, i, c + 6));
    return row;
}

static apr_status_t do_list(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    list_job *job = baton;
    const wa_user_query *q = job->query;
    apr_pool_t *p = job->req->pool;
    wa_db_rows *rows;
    int i;
    apr_status_t rv;

    rv = WA_DB_RUN(db, WA_SQL_USERS_PAGE, &rows, q->sort,
                   wa_db_p_bool(q->descending), q->after_key, q->after_id,
                   wa_db_p_int(p, q->limit), q->search, q->active, q->role,
                   q->session_status);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    job->rows = apr_array_make(p, q->limit, sizeof(wa_user_row));
    for (i = 0; i < wa_db_count(rows); i++) {
        APR_ARRAY_PUSH(job->rows, wa_user_row) = row_of(p, rows, i);
    }
    return rv;
}

wa_code wa_user_list(wa_app *app, const wa_req *req, const wa_user_query *query,
                     apr_array_header_t **rows, wa_result *r)
{
    list_job job = { req, query, NULL };
    wa_code code = wa_tx_read(app, req->pool, req->request_id, do_list, &job,
                              r);

    *rows = job.rows;
    return code;
}

typedef struct user_job {
    const wa_req *req;
    const char *id;
    apr_int64_t version;
    const wa_user_change *change;
    const char *confirm;
    wa_user *user;
    apr_array_header_t *sessions; /* of const char *, to be erased */
} user_job;

static const char *limit_param(apr_pool_t *p, apr_int64_t n)
{
    return n ? wa_db_p_int(p, n) : NULL;
}

static apr_status_t load(wa_db *db, user_job *job, wa_result *r)
{
    wa_db_rows *rows;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_USER_BY_ID, &rows, job->id);

    if (rv == APR_SUCCESS && !wa_db_count(rows)) {
        wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    else if (rv == APR_SUCCESS) {
        job->user = wa_user_from_row(job->req->pool, rows, 0);
    }
    return rv;
}

/* After this an active admin other than this user is there, and stays until
 * the transaction ends. */
static apr_status_t keep_an_admin(wa_db *db, const user_job *job, wa_result *r)
{
    wa_db_rows *rows;
    int i, others = 0;
    apr_status_t rv = wa_db_run(db, WA_SQL_ADMINS_LOCK, NULL, 0, &rows);

    for (i = 0; rv == APR_SUCCESS && i < wa_db_count(rows); i++) {
        others += strcasecmp(wa_db_str(rows, i, 0), job->id) != 0;
    }
    if (rv == APR_SUCCESS && !others) {
        wa_fail(r, WA_E_LAST_ADMIN,
                "Make another user an admin first; somebody must be able to"
                " rule this server");
    }
    return rv;
}

/* Does the change take an admin away? */
static int takes_admin(const wa_user *u, const wa_user_change *c)
{
    return !strcmp(u->role, "admin") && u->is_active
           && ((c->role && strcmp(c->role, "admin"))
               || (c->active && *c->active == 'f'));
}

static apr_status_t audit_user(wa_app *app, wa_db *db, const wa_req *req,
                               const char *action, const wa_user *u)
{
    json_t *detail = json_object();
    wa_audit_entry e;

    wa_json_set_str(detail, "username", u->username);
    wa_json_set_str(detail, "role", u->role);
    wa_json_set_bool(detail, "is_active", u->is_active);
    wa_json_set_int(detail, "max_messages_per_minute",
                    u->max_messages_per_minute);
    wa_json_set_int(detail, "max_messages_per_day", u->max_messages_per_day);
    wa_json_set_int(detail, "max_requests_per_minute",
                    u->max_requests_per_minute);
    wa_json_set_int(detail, "max_sessions", u->max_sessions);
    e = wa_audit_of(req, action, "user", u->id, wa_json_own(req->pool, detail));
    return wa_audit_append(app, req->pool, db, &e);
}

static apr_status_t write_change(wa_db *db, user_job *job, wa_result *r)
{
    const wa_user_change *c = job->change;
    apr_pool_t *p = job->req->pool;
    wa_db_rows *rows;
    apr_status_t rv;

    rv = WA_DB_RUN(db, WA_SQL_USER_UPDATE, &rows, job->id,
                   limit_param(p, job->version), c->username, c->email, c->role,
                   c->active, limit_param(p, c->max_messages_per_minute),
                   limit_param(p, c->max_messages_per_day),
                   limit_param(p, c->max_requests_per_minute),
                   limit_param(p, c->max_sessions));
    if (rv != APR_SUCCESS) {
        wa_user_write_failed(db, rv, job->req->request_id, r);
    }
    else if (!wa_db_count(rows)) {
        wa_fail(r, WA_E_PRECONDITION,
                "Somebody changed the user after you read it; read it again");
    }
    else {
        job->user = wa_user_from_row(p, rows, 0);
    }
    return rv;
}

static const char *action_of(const wa_user_change *c)
{
    if (c->active) {
        return *c->active == 't' ? "user.activate" : "user.suspend";
    }
    return "user.update";
}

static apr_status_t do_update(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    user_job *job = baton;
    apr_status_t rv = load(db, job, r);

    if (rv == APR_SUCCESS && r->code == WA_OK
        && takes_admin(job->user, job->change)) {
        rv = keep_an_admin(db, job, r);
    }
    if (rv == APR_SUCCESS && r->code == WA_OK) {
        rv = write_change(db, job, r);
    }
    if (rv == APR_SUCCESS && r->code == WA_OK) {
        rv = audit_user(app, db, job->req, action_of(job->change), job->user);
    }
    return rv;
}

wa_code wa_user_update(wa_app *app, const wa_req *req, const char *id,
                       apr_int64_t version, const wa_user_change *change,
                       wa_user **user, wa_result *r)
{
    user_job job = { req, id, version, change, NULL, NULL, NULL };
    wa_code code;

    if (!wa_id_is_uuid(id)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    if (change->username) {
        wa_user_check_username(change->username, r);
    }
    if (change->email) {
        wa_user_check_email(change->email, r);
    }
    if (r->code != WA_OK) {
        return r->code;
    }
    code = wa_tx_run(app, req->pool, req->request_id, do_update, &job, r);
    if (code == WA_OK) {
        wa_auth_changed(app, req->pool, req->request_id);
        *user = job.user;
    }
    return code;
}

static apr_status_t do_silence(wa_app *app, wa_db *db, void *baton,
                               wa_result *r)
{
    user_job *job = baton;
    wa_db_rows *rows;
    int i;
    apr_status_t rv = load(db, job, r);

    if (rv != APR_SUCCESS || r->code != WA_OK) {
        return rv;
    }
    if (!job->confirm || strcmp(job->confirm, job->user->username)) {
        wa_fail(r, WA_E_CONFIRM, "Repeat the user's name: ?confirm=%s",
                job->user->username);
        return APR_SUCCESS;
    }
    if (!strcmp(job->user->role, "admin") && job->user->is_active) {
        rv = keep_an_admin(db, job, r);
    }
    if (rv == APR_SUCCESS && r->code == WA_OK) {
        rv = WA_DB_RUN(db, WA_SQL_USER_SILENCE, &rows, job->id);
    }
    if (rv != APR_SUCCESS || r->code != WA_OK) {
        return rv;
    }
    job->sessions = apr_array_make(job->req->pool, 1, sizeof(const char *));
    for (i = 0; i < wa_db_count(rows); i++) {
        APR_ARRAY_PUSH(job->sessions, const char *) = apr_pstrdup(
            job->req->pool, wa_db_str(rows, i, 0));
    }
    return audit_user(app, db, job->req, "user.delete", job->user);
}

static apr_status_t do_delete(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    user_job *job = baton;

    return WA_DB_RUN(db, WA_SQL_USER_DELETE, NULL, job->id);
}

/* Silence first, in a transaction of its own: whatever happens afterwards,
 * nothing of the user is sent any more. */
wa_code wa_user_delete(wa_app *app, const wa_req *req, const char *id,
                       const char *confirm, wa_result *r)
{
    user_job job = { req, id, 0, NULL, confirm, NULL, NULL };
    wa_code code;
    int i;

    if (!wa_id_is_uuid(id)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    code = wa_tx_run(app, req->pool, req->request_id, do_silence, &job, r);
    if (code != WA_OK) {
        return code;
    }
    wa_auth_changed(app, req->pool, req->request_id);
    for (i = 0; i < job.sessions->nelts; i++) {
        wa_session_erase(app, req->pool, req->request_id,
                         APR_ARRAY_IDX(job.sessions, i, const char *));
    }
    return wa_tx_run(app, req->pool, req->request_id, do_delete, &job, r);
}
