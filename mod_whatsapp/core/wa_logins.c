/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_logins.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "../base/wa_crypto.h"
#include "../base/wa_id.h"
#include "../base/wa_jwt.h"
#include "../base/wa_log.h"
#include "wa_audit.h"
#include "wa_hashing.h"
#include "wa_tx.h"

#define SECRET_BYTES 32
#define USER_AGENT_MAX 200

/* A fresh refresh token or cookie, recognisable by its beginning. */
static const char *mint(apr_pool_t *p, const char *kind)
{
    unsigned char bytes[SECRET_BYTES];

    wa_random(bytes, sizeof(bytes));
    return apr_pstrcat(p, *kind == 't' ? "war_" : "wac_",
                       wa_base64url(p, bytes, sizeof(bytes)), NULL);
}

static wa_login *login_from_row(apr_pool_t *p, const wa_db_rows *rows, int row)
{
    wa_login *l = apr_pcalloc(p, sizeof(*l));

    l->id = apr_pstrdup(p, wa_db_str(rows, row, 0));
    l->user_id = apr_pstrdup(p, wa_db_str(rows, row, 1));
    l->kind = apr_pstrdup(p, wa_db_str(rows, row, 2));
    l->address = apr_pstrdup(p, wa_db_str(rows, row, 3));
    l->user_agent = apr_pstrdup(p, wa_db_str(rows, row, 4));
    l->created_at = wa_db_time(rows, row, 5);
    l->last_used_at = wa_db_time(rows, row, 6);
    l->expires_at = wa_db_time(rows, row, 7);
    return l;
}

static const char *user_agent(const wa_req *req)
{
    const char *ua = req->header(req, "User-Agent");

    if (!ua || !wa_utf8_valid(ua, strlen(ua))) {
        return NULL;
    }
    return apr_pstrndup(req->pool, ua, USER_AGENT_MAX);
}

static const char *lower(apr_pool_t *p, const char *s)
{
    char *copy = apr_pstrdup(p, s), *c;

    for (c = copy; *c; c++) {
        *c = (char)apr_tolower(*c);
    }
    return copy;
}

/* Count this try as failed, unless it has to wait. */
static wa_code guard_enter(wa_app *app, const wa_req *req, const char *account,
                           wa_result *r)
{
    wa_db *db;
    wa_db_rows *rows;
    int wait = 0;
    apr_status_t rv;
    wa_code code = wa_db_open_or_fail(&db, req->pool, &app->db, req->request_id,
                                      r);

    if (code != WA_OK) {
        return code;
    }
    rv = WA_DB_RUN(db, WA_SQL_GUARD_WAIT, &rows, account, req->peer);
    if (rv == APR_SUCCESS) {
        wait = (int)wa_db_int(rows, 0, 0, 0);
        if (!wait) {
            rv = WA_DB_RUN(db, WA_SQL_GUARD_COUNT, NULL, account, req->peer);
        }
    }
    if (rv != APR_SUCCESS) {
        code = wa_db_fail(db, rv, req->request_id, r);
    }
    wa_db_close(db);
    if (code == WA_OK && wait) {
        return wa_fail_retry(r, WA_E_LOGIN_DELAYED, wait,
                             "Too many failed logins from this address; try"
                             " again in %d s",
                             wait);
    }
    return code;
}

/* What was counted as failed before it was known: GUARD_FORGET when it was
 * right after all, GUARD_TAKE_BACK when nobody could tell. */
static void guard_undo(wa_app *app, const wa_req *req, wa_sql_id statement,
                       const char *account)
{
    wa_db *db = NULL;

    if (wa_db_open(&db, req->pool, &app->db) != APR_SUCCESS
        || WA_DB_RUN(db, statement, NULL, account, req->peer) != APR_SUCCESS) {
        wa_log(WA_LOG_NOTICE, req->request_id,
               "WA0162: a try that did not fail still counts as failed");
    }
    wa_db_close(db);
}

static void note(wa_app *app, const wa_req *req, const char *action,
                 const char *user_id, const char *name, const char *why)
{
    wa_audit_entry e = wa_audit_of(req, action, "user", user_id, NULL);

    e.actor_id = user_id;
    e.actor = name;
    if (why) {
        e.detail = wa_json_own(req->pool, json_pack("{s:s}", "reason", why));
    }
    wa_audit_note(app, req->pool, &e);
}

typedef struct open_job {
    const wa_req *req;
    const char *account;
    const char *kind;
    const wa_user *user;
    wa_login *login;
} open_job;

/* The login's row and its audit. */
static apr_status_t do_open(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    open_job *job = baton;
    const wa_req *req = job->req;
    const char *secret = mint(req->pool, job->kind);
    wa_audit_entry e = wa_audit_of(req, "login.ok", "user", job->user->id,
                                   NULL);
    wa_db_rows *rows;
    apr_status_t rv;

    e.actor_id = job->user->id;
    e.actor = job->user->username;
    rv = WA_DB_RUN(db, WA_SQL_GUARD_FORGET, NULL, job->account, req->peer);
    if (rv == APR_SUCCESS) {
        rv = WA_DB_RUN(db, WA_SQL_LOGIN_INSERT, &rows, wa_id_uuid(req->pool),
                       job->user->id, job->kind,
                       wa_auth_secret_hash(app, req->pool, secret), req->peer,
                       user_agent(req), APR_STRINGIFY(WA_LOGIN_SECONDS));
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    job->login = login_from_row(req->pool, rows, 0);
    job->login->secret = secret;
    return wa_audit_append(app, req->pool, db, &e);
}

/* Check a password; who has failed too often has to wait first. */
static wa_code check_password(wa_app *app, const wa_req *req,
                              const char *username, const char *account,
                              const char *password, wa_user **user,
                              wa_result *r)
{
    wa_code code = wa_hashing_enter(app, r);

    if (code != WA_OK) {
        return code;
    }
    code = guard_enter(app, req, account, r);
    if (code == WA_OK) {
        code = wa_user_login(app, req->pool, req->request_id, username,
                             password, user, r);
        if (code != WA_OK && code != WA_E_BAD_LOGIN) {
            guard_undo(app, req, WA_SQL_GUARD_TAKE_BACK, account);
        }
    }
    wa_hashing_leave(app);
    return code;
}

wa_code wa_login_start(wa_app *app, const wa_req *req, const char *username,
                       const char *password, const char *kind, wa_user **user,
                       wa_login **login, wa_result *r)
{
    const char *account = lower(req->pool, username);
    wa_code code = check_password(app, req, username, account, password, user,
                                  r);

    if (code == WA_E_BAD_LOGIN) {
        note(app, req, "login.failed", NULL, username, NULL);
    }
    if (code == WA_OK) {
        open_job job = { req, account, kind, *user, NULL };

        code = wa_tx_run(app, req->pool, req->request_id, do_open, &job, r);
        *login = job.login;
    }
    return code;
}

/* A used-up token: end its login and say so where it is looked at. */
static void reused(wa_app *app, const wa_req *req, const char *hash)
{
    wa_db *db = NULL;
    wa_db_rows *rows;

    if (wa_db_open(&db, req->pool, &app->db) == APR_SUCCESS
        && WA_DB_RUN(db, WA_SQL_LOGIN_REUSED, &rows, hash) == APR_SUCCESS
        && wa_db_count(rows)) {
        const wa_login *l = login_from_row(req->pool, rows, 0);
        const char *name = apr_pstrdup(req->pool, wa_db_str(rows, 0, 8));

        wa_db_close(db);
        wa_auth_changed(app, req->pool, req->request_id);
        wa_log(WA_LOG_WARNING, req->request_id,
               "WA0161: a refresh token was used twice; its login is ended");
        note(app, req, "login.reuse", l->user_id, name,
             "a refresh token was used twice");
        return;
    }
    wa_db_close(db);
}

wa_code wa_login_refresh(wa_app *app, const wa_req *req, const char *token,
                         wa_user **user, wa_login **login, wa_result *r)
{
    const char *hash = wa_auth_secret_hash(app, req->pool, token);
    const char *next = mint(req->pool, "token");
    wa_db_rows *rows;
    wa_code code = WA_TX_QUERY(
        app, req->pool, req->request_id, WA_SQL_LOGIN_REFRESH, &rows, r, hash,
        wa_auth_secret_hash(app, req->pool, next), req->peer);

    if (code != WA_OK) {
        return code;
    }
    if (!wa_db_count(rows)) {
        reused(app, req, hash);
        return wa_fail(r, WA_E_BAD_REFRESH, NULL);
    }
    *login = login_from_row(req->pool, rows, 0);
    (*login)->secret = next;
    return wa_user_get(app, req->pool, req->request_id, (*login)->user_id, user,
                       r);
}

typedef struct end_job {
    const wa_req *req;
    const char *id;
    const char *user_id;
} end_job;

static apr_status_t do_end(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    end_job *job = baton;
    wa_audit_entry e = wa_audit_of(job->req, "login.end", "login", job->id,
                                   NULL);
    wa_db_rows *rows;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_LOGIN_END, &rows, job->id,
                                job->user_id, "ended");

    if (strcmp(job->user_id, job->req->principal->user_id)) {
        e.detail = wa_json_own(job->req->pool,
                               json_pack("{s:s}", "user_id", job->user_id));
    }
    if (rv == APR_SUCCESS && !wa_db_affected(rows)) {
        wa_fail(r, WA_E_NOT_FOUND, NULL);
        return APR_SUCCESS;
    }
    return rv == APR_SUCCESS ? wa_audit_append(app, job->req->pool, db, &e)
                             : rv;
}

wa_code wa_login_end(wa_app *app, const wa_req *req, const char *id,
                     const char *user_id, wa_result *r)
{
    end_job job = { req, id, user_id };
    wa_code code;

    if (!wa_id_is_uuid(id) || !wa_id_is_uuid(user_id)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    code = wa_tx_run(app, req->pool, req->request_id, do_end, &job, r);
    if (code == WA_OK) {
        wa_auth_changed(app, req->pool, req->request_id);
    }
    return code;
}

wa_code wa_login_list(wa_app *app, const wa_req *req, const char *user_id,
                      apr_array_header_t **logins, wa_result *r)
{
    wa_db_rows *rows;
    int i;
    wa_code code = WA_TX_QUERY(app, req->pool, req->request_id,
                               WA_SQL_LOGINS_OF_USER, &rows, r, user_id);

    if (code != WA_OK) {
        return code;
    }
    *logins = apr_array_make(req->pool, 8, sizeof(wa_login));
    for (i = 0; i < wa_db_count(rows); i++) {
        APR_ARRAY_PUSH(*logins, wa_login) = *login_from_row(req->pool, rows, i);
    }
    return WA_OK;
}

typedef struct password_job {
    const wa_req *req;
    const char *user_id, *username;
    const char *email; /* or NULL */
    const char *keep;  /* a login that goes on, or NULL */
    const char *action;
    const char *hash;
} password_job;

/* Write the password down and end the logins that knew the old one. */
static apr_status_t do_set_password(wa_app *app, wa_db *db, void *baton,
                                    wa_result *r)
{
    password_job *job = baton;
    wa_audit_entry e = wa_audit_of(job->req, job->action, "user", job->user_id,
                                   NULL);
    wa_db_rows *rows;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_PASSWORD_SET, &rows, job->user_id,
                                job->hash);

    if (rv == APR_SUCCESS && !wa_db_affected(rows)) {
        wa_fail(r, WA_E_NOT_FOUND, NULL);
        return APR_SUCCESS;
    }
    if (rv == APR_SUCCESS) {
        rv = WA_DB_RUN(db, WA_SQL_LOGINS_END_ALL, NULL, job->user_id, job->keep,
                       "password");
    }
    return rv == APR_SUCCESS ? wa_audit_append(app, job->req->pool, db, &e)
                             : rv;
}

static wa_code set_password(wa_app *app, password_job *job, const char *next,
                            wa_result *r)
{
    apr_pool_t *p = job->req->pool;
    const char *request_id = job->req->request_id;
    wa_code code = wa_user_hash_password(app, p, "/new_password", job->username,
                                         job->email, next, &job->hash, r);

    if (code == WA_OK) {
        code = wa_tx_run(app, p, request_id, do_set_password, job, r);
    }
    if (code == WA_OK) {
        wa_auth_changed(app, p, request_id);
    }
    return code;
}

wa_code wa_password_change(wa_app *app, const wa_req *req, const char *present,
                           const char *next, wa_result *r)
{
    const wa_principal *who = req->principal;
    const char *account = lower(req->pool, who->username);
    password_job job = { req,           who->user_id,      who->username, NULL,
                         who->login_id, "password.change", NULL };
    wa_user *user;
    wa_code code = check_password(app, req, who->username, account, present,
                                  &user, r);

    if (code != WA_OK) {
        return code;
    }
    guard_undo(app, req, WA_SQL_GUARD_FORGET, account);
    job.email = user->email;
    return set_password(app, &job, next, r);
}

wa_code wa_password_reset(wa_app *app, const wa_req *req, const char *user_id,
                          const char *next, wa_result *r)
{
    password_job job = {
        req, user_id, NULL, NULL, NULL, "password.reset", NULL
    };
    wa_user *user;
    wa_code code = wa_user_get(app, req->pool, req->request_id, user_id, &user,
                               r);

    if (code != WA_OK) {
        return code;
    }
    job.username = user->username;
    job.email = user->email;
    return set_password(app, &job, next, r);
}

const char *wa_login_token(wa_app *app, const wa_req *req, const wa_user *user,
                           const wa_login *login)
{
    wa_jwt_claims claims;

    memset(&claims, 0, sizeof(claims));
    claims.subject = user->id;
    claims.role = user->role;
    claims.id = wa_id_uuid(req->pool);
    claims.login = login->id;
    claims.issued_at = req->received;
    claims.expires_at = req->received + app->settings->token_life;
    return wa_jwt_sign(req->pool, &claims, app->secrets->jwt[0]);
}
