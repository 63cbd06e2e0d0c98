/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_cors.h"

#include <string.h>

#include "../base/wa_origin.h"

/* What a client may send besides what every page may. */
#define REQUEST_HEADERS                                                        \
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match,"   \
    " Last-Event-ID, Prefer, Range, traceparent, X-API-Key, X-Request-ID"

/* What a script may see besides what it always may. */
#define RESPONSE_HEADERS                                                       \
    "Accept-Ranges, Content-Disposition, Content-Range, ETag,"                 \
    " Idempotency-Replayed, Link, Location, Preference-Applied, RateLimit,"    \
    " RateLimit-Policy, Retry-After, WWW-Authenticate, X-RateLimit-Limit,"     \
    " X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-ID"

/* Seconds a browser may remember a preflight: so long a changed list of
 * origins takes to be felt, and no origin gets more by it than its answers. */
#define MAX_AGE "600"

/* The allowed origin that the request comes from, or NULL. */
static const char *allowed_origin(const wa_app *app, const wa_req *req)
{
    const char *origin = req->header(req, "Origin");

    return origin && app->settings->cors_origins
                   && wa_origins_have(app->settings->cors_origins, origin)
               ? origin
               : NULL;
}

int wa_cors_preflight(const wa_app *app, const wa_req *req, wa_resp *resp,
                      const char *methods)
{
    if (strcmp(req->method, "OPTIONS")
        || !req->header(req, "Access-Control-Request-Method")
        || !allowed_origin(app, req)) {
        return 0;
    }
    resp->status = 204;
    apr_table_setn(resp->headers, "Access-Control-Allow-Methods", methods);
    apr_table_setn(resp->headers, "Access-Control-Allow-Headers",
                   REQUEST_HEADERS);
    apr_table_setn(resp->headers, "Access-Control-Max-Age", MAX_AGE);
    return 1;
}

void wa_cors_headers(const wa_app *app, const wa_req *req, wa_resp *resp)
{
    const char *origin = allowed_origin(app, req);

    if (!app->settings->cors_origins) {
        return;
    }
    /* Also for who is not allowed: a cache must not mix the two up. */
    apr_table_mergen(resp->headers, "Vary", "Origin");
    if (origin) {
        apr_table_setn(resp->headers, "Access-Control-Allow-Origin", origin);
        apr_table_setn(resp->headers, "Access-Control-Expose-Headers",
                       RESPONSE_HEADERS);
    }
}
