/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_users.h @brief Users: who they are, what they may use. */
#ifndef WA_USERS_H
#define WA_USERS_H

#include <apr_tables.h>

#include "wa_app.h"

struct wa_req;
struct wa_audit_entry;

/* What a user gets when the admin names no limits. */
#define WA_DEFAULT_MESSAGES_PER_MINUTE 600
#define WA_DEFAULT_MESSAGES_PER_DAY 10000
#define WA_DEFAULT_REQUESTS_PER_MINUTE 600
#define WA_LIMIT_MAX 1000000
/* In characters; NIST SP 800-63B-4 where there is no second factor. */
#define WA_PASSWORD_MIN 15
#define WA_PASSWORD_MAX 256

typedef struct wa_user {
    const char *id;
    const char *username;
    const char *email;
    const char *role; /* admin, user */
    int is_active;
    apr_int64_t max_messages_per_minute;
    apr_int64_t max_messages_per_day;
    apr_int64_t max_requests_per_minute;
    apr_int64_t max_sessions;
    apr_time_t created_at, updated_at;
    apr_int64_t version; /* grows with every change; the ETag */
} wa_user;

/** A user in a list, with what an admin wants to see beside it. */
typedef struct wa_user_row {
    wa_user user;
    apr_time_t last_active_at;  /* 0: never */
    const char *session_status; /* NULL: has no session */
    const char *phone_number;
    apr_int64_t messages_today, messages_total, keys;
    const char *sort_key; /* for the cursor */
} wa_user_row;

/** Which users, in which order; NULL and 0 mean any. */
typedef struct wa_user_query {
    const char *sort; /* created_at, username, last_active_at */
    int descending;
    const char *search; /* in name and e-mail address */
    const char *active; /* "t", "f" */
    const char *role, *session_status;
    const char *after_key, *after_id; /* the last row seen */
    int limit;
} wa_user_query;

/** What an admin changes; NULL and 0 keep what is there. */
typedef struct wa_user_change {
    const char *username, *email, *role;
    const char *active; /* "t", "f" */
    apr_int64_t max_messages_per_minute, max_messages_per_day;
    apr_int64_t max_requests_per_minute, max_sessions;
} wa_user_change;

/** Make a user; id and times are filled. Zero limits get the defaults.
 * @param password plain, or NULL: no login by password
 * @param audit who makes it; its target is filled
 * @return WA_OK, WA_E_INVALID, WA_E_USERNAME_TAKEN, WA_E_EMAIL_TAKEN, … */
wa_code wa_user_create(wa_app *app, apr_pool_t *p, wa_user *user,
                       const char *password, struct wa_audit_entry *audit,
                       wa_result *r);

/** @return WA_OK or WA_E_NOT_FOUND, … */
wa_code wa_user_get(wa_app *app, apr_pool_t *p, const char *request_id,
                    const char *id, wa_user **user, wa_result *r);

/** A page of users. @param rows of wa_user_row */
wa_code wa_user_list(wa_app *app, const struct wa_req *req,
                     const wa_user_query *query, apr_array_header_t **rows,
                     wa_result *r);

/** Change a user.
 * @param version the one the change was made from; 0: any
 * @return WA_OK, WA_E_NOT_FOUND, WA_E_PRECONDITION (changed meanwhile),
 *         WA_E_LAST_ADMIN, WA_E_INVALID, WA_E_USERNAME_TAKEN, … */
wa_code wa_user_update(wa_app *app, const struct wa_req *req, const char *id,
                       apr_int64_t version, const wa_user_change *change,
                       wa_user **user, wa_result *r);

/** Delete a user: what waits to be sent is dropped, its sessions are unlinked
 * and erased at the bridge (later by whatsappd, where the bridge is away),
 * everything of it goes.
 * @param confirm must be the user's name
 * @return WA_OK, WA_E_NOT_FOUND, WA_E_CONFIRM, WA_E_LAST_ADMIN, … */
wa_code wa_user_delete(wa_app *app, const struct wa_req *req, const char *id,
                       const char *confirm, wa_result *r);

/** Rules that creation and change share; faults go to r.
 * @return r->code */
wa_code wa_user_check_username(const char *username, wa_result *r);
wa_code wa_user_check_email(const char *email, wa_result *r);

/** A user out of a row that starts with the user's columns. */
wa_user *wa_user_from_row(apr_pool_t *p, const wa_db_rows *rows, int row);
#define WA_USER_COLUMNS 12

/** Turn a broken unique constraint into what a client is told. */
wa_code wa_user_write_failed(const wa_db *db, apr_status_t rv,
                             const char *request_id, wa_result *r);

/** Check a user name and password; the caller has a turn (wa_hashing.h). An
 * unknown user costs the same time and gets the same answer as a wrong
 * password.
 * @return WA_OK, WA_E_BAD_LOGIN, … */
wa_code wa_user_login(wa_app *app, apr_pool_t *p, const char *request_id,
                      const char *username, const char *password,
                      wa_user **user, wa_result *r);

/** Check a new password and hash it, a few at a time.
 * @param pointer of the field it came in
 * @param username whose it will be; guessing begins with that, and with email
 * @param email or NULL
 * @return WA_OK, WA_E_INVALID, WA_E_BUSY_LOGIN */
wa_code wa_user_hash_password(wa_app *app, apr_pool_t *p, const char *pointer,
                              const char *username, const char *email,
                              const char *password, const char **hash,
                              wa_result *r);

#endif
