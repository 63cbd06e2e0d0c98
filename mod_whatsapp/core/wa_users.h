/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_users.h @brief Users: who they are, what they may use. */
#ifndef WA_USERS_H
#define WA_USERS_H

#include "wa_app.h"

/* What a user gets when the admin names no limits. */
#define WA_DEFAULT_MESSAGES_PER_MINUTE 600
#define WA_DEFAULT_MESSAGES_PER_DAY 10000
#define WA_DEFAULT_REQUESTS_PER_MINUTE 600
#define WA_LIMIT_MAX 1000000
#define WA_PASSWORD_MIN 8
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
} wa_user;

/** Make a user; id and times are filled. Zero limits get the defaults.
 * @param password plain, or NULL: no login by password
 * @return WA_OK, WA_E_INVALID, WA_E_USERNAME_TAKEN, WA_E_EMAIL_TAKEN, … */
wa_code wa_user_create(wa_app *app, apr_pool_t *p, const char *request_id,
                       wa_user *user, const char *password, wa_result *r);

/** @return WA_OK or WA_E_NOT_FOUND, … */
wa_code wa_user_get(wa_app *app, apr_pool_t *p, const char *request_id,
                    const char *id, wa_user **user, wa_result *r);

/** Newest users first.
 * @param after_created 0: from the start; else the last row seen
 * @param users of wa_user, at most limit */
wa_code wa_user_list(wa_app *app, apr_pool_t *p, const char *request_id,
                     apr_time_t after_created, const char *after_id, int limit,
                     apr_array_header_t **users, wa_result *r);

/** Check a user name and password. An unknown user costs the same time and
 * gets the same answer as a wrong password.
 * @return WA_OK, WA_E_BAD_LOGIN, WA_E_BUSY_LOGIN (too many at once), … */
wa_code wa_user_login(wa_app *app, apr_pool_t *p, const char *request_id,
                      const char *username, const char *password,
                      wa_user **user, wa_result *r);

/** Check a new password and hash it, a few at a time.
 * @param pointer of the field it came in
 * @return WA_OK, WA_E_INVALID, WA_E_BUSY_LOGIN */
wa_code wa_user_hash_password(wa_app *app, apr_pool_t *p, const char *pointer,
                              const char *password, const char **hash,
                              wa_result *r);

#endif
