/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_logins.h
 * @brief Logins: by password, kept by a refresh token or a cookie, ended.
 *
 * Failed tries are counted in PostgreSQL by account and address, and by
 * address alone; past a few the wait doubles with each. The owner of an
 * account is not kept out at another address.
 */
#ifndef WA_LOGINS_H
#define WA_LOGINS_H

#include "../base/wa_http_msg.h"
#include "wa_app.h"
#include "wa_auth.h"
#include "wa_users.h"

#define WA_LOGIN_SECONDS 43200 /* a login's whole life: 12 h */

typedef struct wa_login {
    const char *id, *user_id;
    const char *kind;   /* token, cookie */
    const char *secret; /* refresh token or cookie when just made */
    const char *address, *user_agent;
    apr_time_t created_at, last_used_at, expires_at;
} wa_login;

/** Log in by password.
 * @param kind token or cookie
 * @return WA_OK, WA_E_BAD_LOGIN, WA_E_LOGIN_DELAYED (too many failed tries),
 *         WA_E_BUSY_LOGIN, … */
wa_code wa_login_start(wa_app *app, const wa_req *req, const char *username,
                       const char *password, const char *kind, wa_user **user,
                       wa_login **login, wa_result *r);

/** Use a refresh token up and give the next. One that was used before ends
 * its login: either the old or the new holder is a thief.
 * @return WA_OK or WA_E_BAD_REFRESH, … */
wa_code wa_login_refresh(wa_app *app, const wa_req *req, const char *token,
                         wa_user **user, wa_login **login, wa_result *r);

/** End one login. @param user_id whose it must be
 * @return WA_OK or WA_E_NOT_FOUND, … */
wa_code wa_login_end(wa_app *app, const wa_req *req, const char *id,
                     const char *user_id, wa_result *r);

/** The logins of a user that count. @param logins of wa_login */
wa_code wa_login_list(wa_app *app, const wa_req *req, const char *user_id,
                      apr_array_header_t **logins, wa_result *r);

/** Change the principal's own password; all its other logins end.
 * @return WA_OK, WA_E_BAD_LOGIN when the present one is wrong, WA_E_INVALID */
wa_code wa_password_change(wa_app *app, const wa_req *req, const char *present,
                           const char *next, wa_result *r);

/** Set a user's password as an admin; all its logins end.
 * @return WA_OK, WA_E_NOT_FOUND, WA_E_INVALID */
wa_code wa_password_reset(wa_app *app, const wa_req *req, const char *user_id,
                          const char *next, wa_result *r);

/** A signed access token of a login. @return NULL when memory is short */
const char *wa_login_token(wa_app *app, const wa_req *req, const wa_user *user,
                           const wa_login *login);

#endif
