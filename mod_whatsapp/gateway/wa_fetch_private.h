/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_fetch_private.h @brief What one call and many share. */
#ifndef WA_FETCH_PRIVATE_H
#define WA_FETCH_PRIVATE_H

#include "wa_fetch.h"
#include "wa_http_private.h"

/* A call under way; lives in the pool of its call. */
typedef struct wa_fetch_call {
    apr_pool_t *p;
    wa_fetch *f;
    CURL *curl;
    struct curl_slist *lines;
    apr_time_t began;
    apr_size_t header_bytes;
    apr_off_t got;        /* bytes of the body */
    char *head;           /* room for f->keep bytes */
    int refused;          /* an address was */
    apr_status_t sink_rv; /* why the body was not taken on */
} wa_fetch_call;

/** Judge the URL and make libcurl's handle. On failure f->rv and f->error are
 * set and nothing needs an end. @param left of the call's time */
wa_fetch_call *wa_fetch_begin(apr_pool_t *p, wa_fetch *f, const char *url,
                              apr_interval_time_t left);

/** Read what came of it into f, and free the handle. */
void wa_fetch_end(wa_fetch_call *c, CURLcode code);

#endif
