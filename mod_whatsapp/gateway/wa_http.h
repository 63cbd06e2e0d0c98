/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_http.h
 * @brief HTTP client by libcurl: pooled handles with kept-alive connections.
 */
#ifndef WA_HTTP_H
#define WA_HTTP_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <apr_time.h>

typedef struct wa_http wa_http;

/** Prepare a pool of at most size idle handles; libcurl is set up once per
 * process by wa_http_init. */
apr_status_t wa_http_init(void);
wa_http *wa_http_make(apr_pool_t *p, int size);

typedef struct wa_http_call {
    const char *method;
    const char *url; /* http or https; redirects are never followed */
    const apr_table_t *headers;
    const char *body; /* or NULL */
    apr_size_t body_len;
    apr_interval_time_t connect_timeout; /* default 1 s */
    apr_interval_time_t timeout;         /* whole call, default 10 s */
    apr_size_t max_answer;               /* bytes, default 1 MiB */
} wa_http_call;

typedef struct wa_http_answer {
    int status;
    const char *content_type; /* or NULL */
    const char *body;         /* NUL-terminated, in the pool given */
    apr_size_t body_len;
    int retry_after; /* seconds, 0 when not said */
    int maybe_sent;  /* on failure: the request may have reached the server */
} wa_http_answer;

/** Make a call. Proxies of the environment are not used.
 * @return APR_SUCCESS with any status; APR_TIMEUP; APR_ECONNREFUSED (no
 *         connection, nothing was sent); APR_ECONNABORTED; APR_ENOSPC (answer
 *         over its bound); APR_EINVAL (url) */
apr_status_t wa_http_do(wa_http *http, apr_pool_t *p, const wa_http_call *call,
                        wa_http_answer *answer);

#endif
