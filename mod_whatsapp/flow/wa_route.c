/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_route.h"

#include <string.h>

#include <apr_strings.h>

/* Does the path fit the pattern? Remembers where the parameters stand. */
static int fits(const char *pattern, const char *path,
                const char *starts[WA_MAX_PATH_PARAMS],
                apr_size_t lens[WA_MAX_PATH_PARAMS], int *count)
{
    *count = 0;
    while (*pattern && *path) {
        if (*pattern == '{') {
            apr_size_t len = strcspn(path, "/");

            if (!len || *count == WA_MAX_PATH_PARAMS) {
                return 0;
            }
            starts[*count] = path;
            lens[*count] = len;
            (*count)++;
            path += len;
            pattern += strcspn(pattern, "}") + 1;
        }
        else if (*pattern++ != *path++) {
            return 0;
        }
    }
    return !*pattern && !*path;
}

static wa_code decode_params(wa_req *req, const char *const *starts,
                             const apr_size_t *lens, int count, wa_result *r)
{
    int i;

    for (i = 0; i < count; i++) {
        req->params[i] = wa_percent_decode(req->pool, starts[i], lens[i], 0);
        if (!req->params[i]) {
            return wa_fail(r, WA_E_MALFORMED,
                           "The path has a broken percent-encoding");
        }
    }
    return WA_OK;
}

wa_code wa_route_find(const wa_route *table, wa_req *req, wa_result *r)
{
    const char *path = req->path;
    const char *allow = NULL;
    const wa_route *row;

    if (!strncmp(path, "/v1/", 4)) {
        path += 3;
    }
    for (row = table; row->method; row++) {
        const char *starts[WA_MAX_PATH_PARAMS];
        apr_size_t lens[WA_MAX_PATH_PARAMS];
        int count;

        if (!fits(row->path, path, starts, lens, &count)) {
            continue;
        }
        if (!strcmp(row->method, req->method)) {
            req->route = row;
            return decode_params(req, starts, lens, count, r);
        }
        allow = apr_pstrcat(req->pool, allow ? allow : "", allow ? ", " : "",
                            row->method,
                            strcmp(row->method, "GET") ? "" : ", HEAD", NULL);
    }
    if (allow) {
        r->allow = allow;
        return wa_fail(r, WA_E_METHOD, "%s is not possible here; possible: %s",
                       req->method, allow);
    }
    return wa_fail(r, WA_E_NOT_FOUND,
                   "Nothing is at this path; /api/docs/"
                   " lists the endpoints");
}
