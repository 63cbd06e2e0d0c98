/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_limits.h
 * @brief Limits: API requests a minute, messages a minute and a day; and
 * requests a minute of an address that shows no good credential.
 *
 * Fixed windows: the minute and the UTC day of the clock of Redis, so that all
 * children and hosts count as one. While Redis is away each process counts
 * alone (wa_limits_local.h): never unlimited, never a refusal for Redis' sake.
 */
#ifndef WA_LIMITS_H
#define WA_LIMITS_H

#include <apr_tables.h>

#include "../base/wa_http_msg.h"
#include "wa_app.h"
#include "wa_principal.h"

/** Charge n messages to both message windows, all or nothing.
 * @param state its minute and day are filled
 * @return WA_OK, WA_E_QUOTA_MINUTE, WA_E_QUOTA_DAY (with Retry-After), or
 *         WA_E_DB_UNAVAILABLE when the day's count could not be read */
wa_code wa_limits_charge(wa_app *app, apr_pool_t *p, const char *request_id,
                         const wa_principal *who, int n, wa_limit_state *state,
                         wa_result *r);

/** Charge as many of n messages as both windows have room for.
 * @param charged how many that were
 * @return WA_OK when all; else as wa_limits_charge, which is what the others
 *         are to be told */
wa_code wa_limits_charge_some(wa_app *app, apr_pool_t *p,
                              const char *request_id, const wa_principal *who,
                              int n, int *charged, wa_limit_state *state,
                              wa_result *r);

/** See where all three windows stand without counting anything.
 * @return WA_OK, or WA_E_DB_UNAVAILABLE when the day's count could not be
 *         read */
wa_code wa_limits_look(wa_app *app, apr_pool_t *p, const char *request_id,
                       const wa_principal *who, wa_limit_state *state,
                       wa_result *r);

/** Give n messages back that were charged in vain. */
void wa_limits_refund(wa_app *app, apr_pool_t *p, const wa_principal *who,
                      int n, wa_limit_state *state);

/** In Redis, before an address: its requests without a good credential. */
#define WA_LIMITS_ADDRESS "wa:a:"

/** What the request's address is counted as. @return "" when it is not */
const char *wa_limits_address(const wa_app *app, const wa_req *req);

/** Count n requests (0: only look) of the request's address; fills state's
 * requests. One trip to Redis; nothing where addresses are not counted. */
void wa_limits_count_address(wa_app *app, const wa_req *req, int n,
                             wa_limit_state *state);

/** How an address stands after its count.
 * @return WA_OK or WA_E_RATE_LIMITED */
wa_code wa_limits_judge_address(const wa_limit_state *state, wa_result *r);

/** RateLimit and RateLimit-Policy (IETF draft-ietf-httpapi-ratelimit-headers)
 * and the X-RateLimit-* of the tightest window, into headers. */
void wa_limits_headers(apr_pool_t *p, const wa_limit_state *state,
                       apr_table_t *headers);

#endif
