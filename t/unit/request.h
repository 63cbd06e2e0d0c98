/* SPDX-License-Identifier: Apache-2.0 */
/** @file request.h @brief A wa_req without a server around it. */
#ifndef REQUEST_H
#define REQUEST_H

#include <string.h>

#include <apr_strings.h>

#include "base/wa_http_msg.h"

static const char *request_header(const wa_req *req, const char *name)
{
    return apr_table_get(req->baton, name);
}

/** A request for path?query with at most one header. Absent ones: NULL. */
static wa_req *request(apr_pool_t *p, const char *method, const char *path,
                       const char *query, const char *name, const char *value)
{
    wa_req *req = apr_pcalloc(p, sizeof(*req));
    apr_table_t *headers = apr_table_make(p, 2);

    if (name && value) {
        apr_table_set(headers, name, value);
    }
    req->pool = p;
    req->method = method;
    req->path = path;
    req->query = query;
    req->request_id = "test";
    req->header = request_header;
    req->baton = headers;
    req->body.declared = -1;
    return req;
}

#endif
