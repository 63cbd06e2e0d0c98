/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_auth.h
 * @brief Who is asking: an API key or an access token becomes a principal.
 */
#ifndef WA_AUTH_H
#define WA_AUTH_H

#include "../base/wa_http_msg.h"
#include "wa_app.h"
#include "wa_principal.h"

/** The cookie of our pages, and how many seconds it may rest. */
#define WA_LOGIN_COOKIE "__Host-whatsapp"
#define WA_LOGIN_IDLE_SECONDS 1800 /* 30 min */

/** Authenticate by Authorization: Bearer (key or token), X-API-Key or the
 * cookie of our pages (with CSRF checks), and count
 * the request against its limit: one round trip to Redis where the principal
 * is cached, PostgreSQL otherwise. What shows no good credential counts against
 * its address, and only such a request is refused for what an address did.
 * @param who set when the request is authenticated, so with
 *        WA_E_RATE_LIMITED too
 * @param state its requests window is filled
 * @return WA_OK; WA_E_UNAUTHORIZED, WA_E_BAD_KEY, WA_E_BAD_TOKEN,
 *         WA_E_ADDRESS, WA_E_CSRF, WA_E_RATE_LIMITED, WA_E_DB_UNAVAILABLE */
wa_code wa_auth_request(wa_app *app, const wa_req *req, wa_principal **who,
                        wa_limit_state *state, wa_result *r);

/** Does what this request was let in by still hold, for an answer that takes
 * long: key or login not ended, token not expired, user active? Counts and
 * notes nothing.
 * @param p for what is needed meanwhile
 * @return WA_OK, WA_E_BAD_KEY, WA_E_BAD_TOKEN, or what the database failed
 *         with */
wa_code wa_auth_holds(wa_app *app, apr_pool_t *p, const wa_req *req,
                      wa_result *r);

/** Something that principals are made of has changed (a key, a login, a user)
 * and is committed: what Redis keeps of principals counts no more. Were Redis
 * away, its entries would still end by themselves within a second. */
void wa_auth_changed(wa_app *app, apr_pool_t *p, const char *request_id);

/** Does the request show the bridge's secret? Constant time.
 * @return WA_OK or WA_E_UNAUTHORIZED */
wa_code wa_auth_internal(const wa_app *app, const wa_req *req, wa_result *r);

/** What is stored of a refresh token or cookie: HMAC as 64 hex digits. */
const char *wa_auth_secret_hash(const wa_app *app, apr_pool_t *p,
                                const char *secret);

/** Did one of our own pages send this? By Sec-Fetch-Site, or by Origin where
 * there is none: what only a browser can set. @return 1 or 0, also for neither
 */
int wa_auth_same_origin(const wa_req *req);

/** The token that a page must send as X-CSRF-Token with whatever changes
 * something, when it comes by cookie; bound to the login. */
const char *wa_auth_csrf_token(const wa_app *app, apr_pool_t *p,
                               const char *login_id);

/** The value of a cookie, or NULL. */
const char *wa_auth_cookie(const wa_req *req, const char *name);

/** The token of "Authorization: Bearer …", or NULL. */
const char *wa_auth_bearer(const wa_req *req);

#endif
