/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_users.h"

#include <string.h>

#include <apr_strings.h>
#include <apr_tables.h>

#include "../base/wa_id.h"
#include "../base/wa_json.h"
#include "../base/wa_log.h"
#include "../gateway/wa_zxcvbn.h"
#include "wa_audit.h"
#include "wa_hashing.h"
#include "wa_tx.h"

#define USERNAME_MIN 3
#define USERNAME_MAX 64
#define EMAIL_MAX 254 /* RFC 5321 */

/* So many guesses, as a power of two, no password may be found in. Above all
 * lists of common ones; who tries over the API needs years for them. */
#define GUESSES_MIN 24

wa_user *wa_user_from_row(apr_pool_t *p, const wa_db_rows *rows, int row)
{
    wa_user *u = apr_pcalloc(p, sizeof(*u));

    u->id = apr_pstrdup(p, wa_db_str(rows, row, 0));
    u->username = apr_pstrdup(p, wa_db_str(rows, row, 1));
    u->email = apr_pstrdup(p, wa_db_str(rows, row, 2));
    u->role = apr_pstrdup(p, wa_db_str(rows, row, 3));
    u->is_active = wa_db_bool(rows, row, 4);
    u->max_messages_per_minute = wa_db_int(rows, row, 5, 0);
    u->max_messages_per_day = wa_db_int(rows, row, 6, 0);
    u->max_requests_per_minute = wa_db_int(rows, row, 7, 0);
    u->max_sessions = wa_db_int(rows, row, 8, 0);
    u->created_at = wa_db_time(rows, row, 9);
    u->updated_at = wa_db_time(rows, row, 10);
    u->version = wa_db_int(rows, row, 11, 1);
    return u;
}

/* Letters, digits, '.', '_', '-': what needs no escaping anywhere we use it. */
wa_code wa_user_check_username(const char *s, wa_result *r)
{
    apr_size_t len = strlen(s);

    if (len < USERNAME_MIN || len > USERNAME_MAX) {
        wa_fail_field(r, "/username", "length", "must have %d to %d characters",
                      USERNAME_MIN, USERNAME_MAX);
        return r->code;
    }
    if (strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                  "0123456789._-")
        != len) {
        wa_fail_field(r, "/username", "format",
                      "may hold letters, digits, '.', '_' and '-' only");
    }
    return r->code;
}

/* Only the shape: whether mail arrives there, mail alone can tell. */
wa_code wa_user_check_email(const char *s, wa_result *r)
{
    const char *at = strrchr(s, '@');
    const char *c;
    int good = at && at > s && at - s <= 64 && strchr(at, '.') && at[1] != '.'
               && s[strlen(s) - 1] != '.' && strlen(s) <= EMAIL_MAX
               && strchr(s, '@') == at;

    for (c = s; good && *c; c++) {
        good = (unsigned char)*c > ' ' && (unsigned char)*c < 0x7f
               && !strchr("<>()[],;:\\\"", *c);
    }
    if (!good) {
        wa_fail_field(r, "/email", "format", "must be an e-mail address");
    }
    return r->code;
}

static void check_limit(const char *pointer, apr_int64_t *limit,
                        apr_int64_t dflt, wa_result *r)
{
    if (!*limit) {
        *limit = dflt;
    }
    if (*limit < 1 || *limit > WA_LIMIT_MAX) {
        wa_fail_field(r, pointer, "range", "must be from 1 to %d",
                      WA_LIMIT_MAX);
    }
}

/* Only where one is set: a login tells nothing of a password but whether it
 * fits. */
static wa_code check_password(const char *pointer, const char *username,
                              const char *email, const char *password,
                              wa_result *r)
{
    const char *const words[] = { "whatsapp", username, email, NULL };

    if (wa_utf8_length(password) < WA_PASSWORD_MIN
        || strlen(password) > WA_PASSWORD_MAX) {
        wa_fail_field(r, pointer, "length",
                      "must have at least %d characters and at most %d bytes",
                      WA_PASSWORD_MIN, WA_PASSWORD_MAX);
    }
    else if (wa_zxcvbn_bits(password, words) < GUESSES_MIN) {
        wa_fail_field(r, pointer, "guessable",
                      "is among the first that are guessed: common passwords,"
                      " the user's name, words, dates, rows of keys and"
                      " repetitions count little; take some words that have"
                      " nothing to do with each other");
    }
    return r->code;
}

static wa_code check_user(wa_user *u, const char *password, wa_result *r)
{
    wa_user_check_username(u->username, r);
    wa_user_check_email(u->email, r);
    if (password) {
        check_password("/password", u->username, u->email, password, r);
    }
    if (strcmp(u->role, "admin") && strcmp(u->role, "user")) {
        wa_fail_field(r, "/role", "value", "must be admin or user");
    }
    check_limit("/max_messages_per_minute", &u->max_messages_per_minute,
                WA_DEFAULT_MESSAGES_PER_MINUTE, r);
    check_limit("/max_messages_per_day", &u->max_messages_per_day,
                WA_DEFAULT_MESSAGES_PER_DAY, r);
    check_limit("/max_requests_per_minute", &u->max_requests_per_minute,
                WA_DEFAULT_REQUESTS_PER_MINUTE, r);
    check_limit("/max_sessions", &u->max_sessions, 1, r);
    return r->code;
}

wa_code wa_user_write_failed(const wa_db *db, apr_status_t rv,
                             const char *request_id, wa_result *r)
{
    const char *constraint = wa_db_constraint(db);

    if (constraint && !strcmp(constraint, "users_username_key")) {
        return wa_fail(r, WA_E_USERNAME_TAKEN, NULL);
    }
    if (constraint && !strcmp(constraint, "users_email_key")) {
        return wa_fail(r, WA_E_EMAIL_TAKEN, NULL);
    }
    return wa_db_fail(db, rv, request_id, r);
}

static wa_code hash_password(wa_app *app, apr_pool_t *p, const char *password,
                             const char **hash, wa_result *r)
{
    wa_code code = wa_hashing_enter(app, r);

    if (code != WA_OK) {
        return code;
    }
    code = wa_hashing_make(app, p, password, hash, r);
    wa_hashing_leave(app);
    return code;
}

wa_code wa_user_hash_password(wa_app *app, apr_pool_t *p, const char *pointer,
                              const char *username, const char *email,
                              const char *password, const char **hash,
                              wa_result *r)
{
    wa_code code = check_password(pointer, username, email, password, r);

    return code == WA_OK ? hash_password(app, p, password, hash, r) : code;
}

typedef struct create_job {
    apr_pool_t *p;
    wa_user *user;
    const char *hash;
    wa_audit_entry *audit;
} create_job;

static apr_status_t do_create(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    create_job *job = baton;
    wa_user *u = job->user;
    apr_pool_t *p = job->p;
    wa_db_rows *rows;
    apr_status_t rv;

    rv = WA_DB_RUN(db, WA_SQL_USER_INSERT, &rows, wa_id_uuid(p), u->username,
                   u->email, job->hash, u->role,
                   wa_db_p_int(p, u->max_messages_per_minute),
                   wa_db_p_int(p, u->max_messages_per_day),
                   wa_db_p_int(p, u->max_requests_per_minute),
                   wa_db_p_int(p, u->max_sessions));
    if (rv != APR_SUCCESS) {
        wa_user_write_failed(db, rv, job->audit->request_id, r);
        return rv;
    }
    *u = *wa_user_from_row(p, rows, 0);
    job->audit->target_id = u->id;
    return wa_audit_append(app, p, db, job->audit);
}

wa_code wa_user_create(wa_app *app, apr_pool_t *p, wa_user *u,
                       const char *password, struct wa_audit_entry *audit,
                       wa_result *r)
{
    create_job job = { p, u, NULL, audit };
    wa_code code = check_user(u, password, r);

    if (code == WA_OK && password) {
        code = hash_password(app, p, password, &job.hash, r);
    }
    if (code != WA_OK) {
        return code;
    }
    return wa_tx_run(app, p, audit->request_id, do_create, &job, r);
}

wa_code wa_user_get(wa_app *app, apr_pool_t *p, const char *request_id,
                    const char *id, wa_user **user, wa_result *r)
{
    wa_db_rows *rows;
    wa_code code;

    if (!wa_id_is_uuid(id)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    code = WA_TX_QUERY(app, p, request_id, WA_SQL_USER_BY_ID, &rows, r, id);
    if (code != WA_OK) {
        return code;
    }
    if (!wa_db_count(rows)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    *user = wa_user_from_row(p, rows, 0);
    return WA_OK;
}

/* @param hash NULL when there is no such user, or none who may log in */
static wa_code load_login(wa_app *app, apr_pool_t *p, const char *request_id,
                          const char *username, wa_user **user,
                          const char **hash, wa_result *r)
{
    wa_db_rows *rows;
    wa_code code = WA_TX_QUERY(app, p, request_id, WA_SQL_USER_LOGIN, &rows, r,
                               username);

    if (code == WA_OK && wa_db_count(rows)) {
        *user = wa_user_from_row(p, rows, 0);
        if ((*user)->is_active) {
            *hash = apr_pstrdup(p, wa_db_str(rows, 0, WA_USER_COLUMNS));
        }
    }
    return code;
}

/* Put today's hash in the place of an old one. A login goes on without it; the
 * next one tries again. */
static void replace_hash(wa_app *app, apr_pool_t *p, const char *request_id,
                         const char *id, const char *old, const char *fresh)
{
    wa_db_rows *rows;

    if (WA_TX_QUERY(app, p, request_id, WA_SQL_PASSWORD_REHASH, &rows,
                    wa_result_make(p), id, old, fresh)
        != WA_OK) {
        wa_log(WA_LOG_NOTICE, request_id,
               "WA0124: a password's hash stays at an earlier cost");
    }
}

wa_code wa_user_login(wa_app *app, apr_pool_t *p, const char *request_id,
                      const char *username, const char *password,
                      wa_user **user, wa_result *r)
{
    wa_user *found = NULL;
    const char *hash = NULL, *fresh;
    int fits = 0;
    wa_code code;

    code = load_login(app, p, request_id, username, &found, &hash, r);
    if (code == WA_OK) {
        /* An unknown user costs the same: the hash is NULL then. */
        code = wa_hashing_verify(app, p, hash, password, &fits, &fresh, r);
    }
    if (code != WA_OK) {
        return code;
    }
    if (!found || !fits) {
        wa_log(WA_LOG_NOTICE, request_id, "WA0121: a login failed");
        return wa_fail(r, WA_E_BAD_LOGIN, NULL);
    }
    if (fresh) {
        replace_hash(app, p, request_id, found->id, hash, fresh);
    }
    *user = found;
    return WA_OK;
}
