/* SPDX-License-Identifier: Apache-2.0 */
#include "etag.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

void wa_etag_set(const wa_req *req, wa_resp *resp, apr_int64_t version)
{
    apr_table_setn(
        resp->headers, "ETag",
        apr_psprintf(req->pool, "\"v%" APR_INT64_T_FMT "\"", version));
}

wa_code wa_etag_if_match(const wa_req *req, apr_int64_t *version, wa_result *r)
{
    const char *tag = req->header(req, "If-Match");
    char *end;

    *version = 0;
    if (!tag || !strcmp(tag, "*")) {
        return WA_OK;
    }
    /* Only digits: strtol would take a sign and white space too. */
    if (strncmp(tag, "\"v", 2) || !apr_isdigit(tag[2])) {
        return wa_fail(r, WA_E_PRECONDITION,
                       "If-Match is not an ETag of this resource");
    }
    *version = apr_strtoi64(tag + 2, &end, 10);
    if (*version < 1 || strcmp(end, "\"")) {
        return wa_fail(r, WA_E_PRECONDITION,
                       "If-Match is not an ETag of this resource");
    }
    return WA_OK;
}
