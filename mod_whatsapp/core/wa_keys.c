/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_keys.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_id.h"
#include "wa_audit.h"
#include "wa_key_format.h"
#include "wa_tx.h"

static wa_key *key_from_row(apr_pool_t *p, const wa_db_rows *rows, int row)
{
    wa_key *k = apr_pcalloc(p, sizeof(*k));

    k->id = apr_pstrdup(p, wa_db_str(rows, row, 0));
    k->user_id = apr_pstrdup(p, wa_db_str(rows, row, 1));
    k->name = apr_pstrdup(p, wa_db_str(rows, row, 2));
    k->hint = apr_pstrdup(p, wa_db_str(rows, row, 3));
    k->scopes = wa_scopes_from_sql(wa_db_str(rows, row, 4));
    k->networks = apr_pstrdup(p, wa_db_str(rows, row, 5));
    k->created_at = wa_db_time(rows, row, 6);
    k->expires_at = wa_db_time(rows, row, 7);
    k->revoked_at = wa_db_time(rows, row, 8);
    k->last_used_at = wa_db_time(rows, row, 9);
    k->last_used_ip = apr_pstrdup(p, wa_db_str(rows, row, 10));
    k->rotated_to = apr_pstrdup(p, wa_db_str(rows, row, 11));
    return k;
}

/* "a b" as PostgreSQL's array literal. */
static const char *networks_sql(apr_pool_t *p, const char *networks)
{
    char *copy = apr_pstrdup(p, networks), *c;

    for (c = copy; *c; c++) {
        if (*c == ' ') {
            *c = ',';
        }
    }
    return apr_pstrcat(p, "{", copy, "}", NULL);
}

/* What the functions below hand to their transaction. */
typedef struct key_job {
    const wa_req *req;
    const char *id, *user_id, *name;
    int overlap;
    wa_key *key; /* result, or what is to be made */
} key_job;

/* Nothing was inserted: there is no such user, or he may not have that. */
static void no_such_owner(wa_db *db, const char *user_id, const wa_key *key,
                          wa_result *r)
{
    wa_db_rows *rows;

    if ((key->scopes & WA_SCOPE_ADMIN)
        && WA_DB_RUN(db, WA_SQL_USER_BY_ID, &rows, user_id) == APR_SUCCESS
        && wa_db_count(rows)) {
        wa_fail_field(r, "/scopes", "value",
                      "the scope admin is for admins' keys");
        return;
    }
    wa_fail(r, WA_E_NOT_FOUND, NULL);
}

static apr_status_t insert_key(wa_app *app, wa_db *db, const wa_req *req,
                               const char *user_id, wa_key *key, wa_result *r)
{
    apr_pool_t *p = req->pool;
    wa_db_rows *rows;
    const char *secret = wa_key_mint(p);
    const char *hint = apr_pstrmemdup(p, secret, WA_KEY_HINT_LEN);
    apr_status_t rv;

    rv = WA_DB_RUN(db, WA_SQL_KEY_INSERT, &rows, wa_id_uuid(p), user_id,
                   key->name, wa_key_hash(p, app->secrets->key[0], secret),
                   hint, wa_db_p_time(p, key->expires_at),
                   wa_scopes_sql(p, key->scopes),
                   networks_sql(p, key->networks));
    if (rv == APR_SUCCESS && !wa_db_count(rows)) {
        no_such_owner(db, user_id, key, r);
    }
    else if (rv == APR_SUCCESS) {
        *key = *key_from_row(p, rows, 0);
        key->key = secret;
    }
    return rv;
}

static apr_status_t audit_key(wa_app *app, wa_db *db, const wa_req *req,
                              const char *action, const wa_key *key)
{
    json_t *detail = wa_json_own(
        req->pool, json_pack("{s:s, s:s, s:s}", "user_id", key->user_id, "name",
                             key->name, "hint", key->hint));
    wa_audit_entry e = wa_audit_of(req, action, "key", key->id, detail);

    return wa_audit_append(app, req->pool, db, &e);
}

static apr_status_t do_create(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    key_job *job = baton;
    apr_status_t rv = insert_key(app, db, job->req, job->user_id, job->key, r);

    if (rv == APR_SUCCESS && r->code == WA_OK) {
        rv = audit_key(app, db, job->req, "key.create", job->key);
    }
    return rv;
}

wa_code wa_key_create(wa_app *app, const wa_req *req, const char *user_id,
                      wa_key *key, wa_result *r)
{
    key_job job = { req, NULL, user_id, NULL, 0, key };

    if (!wa_id_is_uuid(user_id)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    return wa_tx_run(app, req->pool, req->request_id, do_create, &job, r);
}

/* Run a statement on one key that returns its row. */
static apr_status_t one_key(wa_db *db, wa_sql_id statement, key_job *job,
                            wa_result *r)
{
    const char *args[3] = { job->id, job->user_id, job->name };
    wa_db_rows *rows;
    apr_status_t rv = wa_db_run(db, statement, args, job->name ? 3 : 2, &rows);

    if (rv == APR_SUCCESS && !wa_db_count(rows)) {
        wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    else if (rv == APR_SUCCESS) {
        job->key = key_from_row(job->req->pool, rows, 0);
    }
    return rv;
}

static apr_status_t do_get(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    return one_key(db, WA_SQL_KEY_BY_ID, baton, r);
}

static apr_status_t do_rename(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    key_job *job = baton;
    apr_status_t rv = one_key(db, WA_SQL_KEY_RENAME, job, r);

    if (rv == APR_SUCCESS && r->code == WA_OK) {
        rv = audit_key(app, db, job->req, "key.rename", job->key);
    }
    return rv;
}

static apr_status_t do_revoke(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    key_job *job = baton;
    apr_status_t rv = one_key(db, WA_SQL_KEY_REVOKE, job, r);

    if (rv == APR_SUCCESS && r->code == WA_OK) {
        rv = audit_key(app, db, job->req, "key.revoke", job->key);
    }
    return rv;
}

static apr_status_t do_rotate(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    key_job *job = baton;
    apr_pool_t *p = job->req->pool;
    wa_key *old, *next;
    wa_db_rows *rows = NULL;
    apr_status_t rv = one_key(db, WA_SQL_KEY_BY_ID, job, r);

    if (rv != APR_SUCCESS || r->code != WA_OK) {
        return rv;
    }
    old = job->key;
    if (old->revoked_at
        || (old->expires_at && old->expires_at <= job->req->received)) {
        wa_fail(r, WA_E_CONFLICT, "The key is revoked or has expired");
        return APR_SUCCESS;
    }
    if (old->scopes & ~job->req->principal->scopes) {
        wa_fail(r, WA_E_SCOPE, "The key may do more than you may");
        return APR_SUCCESS;
    }
    next = apr_pmemdup(p, old, sizeof(*old));
    rv = insert_key(app, db, job->req, old->user_id, next, r);
    if (rv == APR_SUCCESS && r->code == WA_OK) {
        rv = WA_DB_RUN(db, WA_SQL_KEY_ROTATED, &rows, old->id, next->id,
                       apr_itoa(p, job->overlap));
    }
    if (rv == APR_SUCCESS && r->code == WA_OK && !wa_db_affected(rows)) {
        wa_fail(r, WA_E_CONFLICT, "The key was rotated already");
    }
    if (r->code != WA_OK) {
        return rv;
    }
    if (rv == APR_SUCCESS) {
        rv = audit_key(app, db, job->req, "key.rotate", old);
    }
    job->key = next;
    return rv;
}

/* Run a change of one key by its id; principals are told afterwards. */
static wa_code change(wa_app *app, wa_tx_fn *fn, key_job *job, wa_key **key,
                      wa_result *r)
{
    const wa_req *req = job->req;
    wa_code code;

    if (!wa_id_is_uuid(job->id)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    code = fn == do_get
               ? wa_tx_read(app, req->pool, req->request_id, fn, job, r)
               : wa_tx_run(app, req->pool, req->request_id, fn, job, r);
    if (code == WA_OK) {
        *key = job->key;
    }
    if (code == WA_OK && (fn == do_revoke || fn == do_rotate)) {
        wa_auth_changed(app, req->pool, req->request_id);
    }
    return code;
}

wa_code wa_key_get(wa_app *app, const wa_req *req, const char *id,
                   const char *user_id, wa_key **key, wa_result *r)
{
    key_job job = { req, id, user_id, NULL, 0, NULL };

    return change(app, do_get, &job, key, r);
}

wa_code wa_key_rename(wa_app *app, const wa_req *req, const char *id,
                      const char *user_id, const char *name, wa_key **key,
                      wa_result *r)
{
    key_job job = { req, id, user_id, name, 0, NULL };

    return change(app, do_rename, &job, key, r);
}

wa_code wa_key_revoke(wa_app *app, const wa_req *req, const char *id,
                      const char *user_id, wa_key **key, wa_result *r)
{
    key_job job = { req, id, user_id, NULL, 0, NULL };

    return change(app, do_revoke, &job, key, r);
}

wa_code wa_key_rotate(wa_app *app, const wa_req *req, const char *id,
                      const char *user_id, int overlap, wa_key **key,
                      wa_result *r)
{
    key_job job = { req, id, user_id, NULL, overlap, NULL };

    return change(app, do_rotate, &job, key, r);
}

typedef struct list_job {
    const wa_req *req;
    const char *user_id;
    apr_array_header_t *keys;
} list_job;

static apr_status_t do_list(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    list_job *job = baton;
    wa_db_rows *rows;
    int i;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_KEYS_OF_USER, &rows, job->user_id);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    job->keys = apr_array_make(job->req->pool, 8, sizeof(wa_key));
    for (i = 0; i < wa_db_count(rows); i++) {
        APR_ARRAY_PUSH(job->keys, wa_key) = *key_from_row(job->req->pool, rows,
                                                          i);
    }
    return rv;
}

wa_code wa_key_list(wa_app *app, const wa_req *req, const char *user_id,
                    apr_array_header_t **keys, wa_result *r)
{
    list_job job = { req, user_id, NULL };
    wa_code code;

    if (!wa_id_is_uuid(user_id)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    code = wa_tx_read(app, req->pool, req->request_id, do_list, &job, r);
    *keys = job.keys;
    return code;
}
