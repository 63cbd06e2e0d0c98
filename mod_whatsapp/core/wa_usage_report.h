/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_usage_report.h @brief Reading what was counted: a user's, all's. */
#ifndef WA_USAGE_REPORT_H
#define WA_USAGE_REPORT_H

#include <apr_tables.h>

#include "wa_app.h"
#include "wa_principal.h"

typedef struct wa_counts {
    apr_int64_t api_requests;
    apr_int64_t messages_sent, messages_failed, messages_received;
    apr_int64_t media_sent;
} wa_counts;

/** Counts of an hour or of a UTC day. */
typedef struct wa_usage_span {
    const char *day; /* "2026-01-31", or NULL for an hour */
    apr_time_t hour; /* its beginning, or 0 for a day */
    wa_counts counts;
} wa_usage_span;

/** Add to a sum. */
void wa_counts_add(wa_counts *sum, const wa_counts *more);

/** Each day of a range, without gaps, oldest first. Whatever was logged is in.
 * @param from first day @param to last day, both as "2026-01-31"
 * @param days of wa_usage_span */
wa_code wa_usage_days(wa_app *app, apr_pool_t *p, const char *request_id,
                      const char *user_id, const char *from, const char *to,
                      apr_array_header_t **days, wa_result *r);

/** A user's limits and what is used of them at the moment.
 * @return WA_OK or WA_E_NOT_FOUND */
wa_code wa_usage_limits(wa_app *app, apr_pool_t *p, const char *request_id,
                        const char *user_id, wa_limit_state *state,
                        wa_result *r);

typedef struct wa_named_count {
    const char *name;
    apr_int64_t today, yesterday;
} wa_named_count;

/** What the start page for admins shows. */
typedef struct wa_overview {
    apr_int64_t users, active_users;
    apr_int64_t users_yesterday, active_users_yesterday;
    apr_array_header_t *sessions; /* by status; of wa_named_count's today */
    apr_array_header_t *messages; /* by status; of wa_named_count */
    apr_int64_t queued;
    apr_time_t oldest_queued;  /* when it was accepted; 0: none waits */
    apr_array_header_t *hours; /* 24, the last is the present one */
    apr_array_header_t *days;  /* 30, the last is today */
} wa_overview;

/** @param o filled */
wa_code wa_overview_read(wa_app *app, apr_pool_t *p, const char *request_id,
                         wa_overview *o, wa_result *r);

#endif
