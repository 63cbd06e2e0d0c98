/* SPDX-License-Identifier: Apache-2.0 */
#include "page.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_id.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MAX 200

/* A cursor is "<microseconds in hex>.<uuid>": what it names is no secret and
 * every list is bound to its owner, so it carries no signature. */
const char *wa_page_cursor(apr_pool_t *p, apr_time_t time, const char *id)
{
    return apr_psprintf(p, "%" APR_UINT64_T_HEX_FMT ".%s", (apr_uint64_t)time,
                        id);
}

static wa_code read_cursor(const char *cursor, wa_page *page, wa_result *r)
{
    char *end;
    apr_int64_t time = apr_strtoi64(cursor, &end, 16);

    if (end == cursor || *end != '.' || time <= 0
        || !wa_id_is_uuid(end + 1)) {
        return wa_fail(r, WA_E_BAD_PARAMETER,
                       "cursor is not one that a list gave out");
    }
    page->after_time = time;
    page->after_id = end + 1;
    return WA_OK;
}

wa_code wa_page_read(wa_req *req, wa_page *page, wa_result *r)
{
    const char *limit, *cursor;
    wa_code code = wa_req_query(req, "limit", &limit, r);

    memset(page, 0, sizeof(*page));
    page->limit = LIMIT_DEFAULT;
    if (code == WA_OK) {
        code = wa_req_query(req, "cursor", &cursor, r);
    }
    if (code != WA_OK) {
        return code;
    }
    if (limit) {
        char *end;
        apr_int64_t n = apr_strtoi64(limit, &end, 10);

        if (end == limit || *end || n < 1 || n > LIMIT_MAX) {
            return wa_fail(r, WA_E_BAD_PARAMETER,
                           "limit is a number from 1 to %d", LIMIT_MAX);
        }
        page->limit = (int)n;
    }
    return cursor ? read_cursor(cursor, page, r) : WA_OK;
}

void wa_page_answer(const wa_req *req, wa_resp *resp, const wa_page *page,
                    json_t *data)
{
    json_t *j = json_object();

    wa_json_set(j, "data", data);
    wa_json_set_str(j, "next_cursor", page->next);
    wa_resp_json(resp, req->pool, 200, j);
    if (page->next) {
        apr_table_setn(resp->headers, "Link",
                       apr_psprintf(req->pool,
                                    "</api%s?limit=%d&cursor=%s>; rel=\"next\"",
                                    req->path, page->limit, page->next));
    }
}
