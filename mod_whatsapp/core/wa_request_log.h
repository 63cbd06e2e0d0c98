/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_request_log.h @brief Reading the log of API requests. */
#ifndef WA_REQUEST_LOG_H
#define WA_REQUEST_LOG_H

#include <apr_tables.h>

#include "wa_app.h"

typedef struct wa_log_row {
    const char *id;
    apr_time_t at;
    const char *user_id; /* NULL: nobody was authenticated */
    const char *key_id;  /* NULL: by a login, or by nobody */
    const char *method;
    const char *endpoint; /* the route's path; NULL: there is none */
    int status;
    apr_interval_time_t duration;
    apr_int64_t bytes_in, bytes_out; /* of the bodies */
    const char *address, *request_id;
} wa_log_row;

/** Which rows; NULL and 0 mean any. */
typedef struct wa_log_query {
    const char *user_id, *key_id, *endpoint, *method, *request_id;
    int status_min, status_max; /* 0, 0: any */
    apr_time_t from, until;
    apr_time_t after_at; /* of the last row seen; 0: from the newest */
    const char *after_id;
    int limit;
} wa_log_query;

/** Newest first. @param rows of wa_log_row */
wa_code wa_request_log_page(wa_app *app, apr_pool_t *p, const char *request_id,
                            const wa_log_query *q, apr_array_header_t **rows,
                            wa_result *r);

#endif
