/* SPDX-License-Identifier: Apache-2.0 */
#include "page.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "../base/wa_crypto.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MAX 200
#define SEAL_LEN 22 /* base64url of 16 bytes */
#define CURSOR_MAX 512

/* What a cursor's seal is over. */
static const char *seal(const wa_app *app, apr_pool_t *p, const char *list,
                        const char *text)
{
    const char *key = app->secrets->key[0];
    const char *all = apr_pstrcat(p, "cursor\n", list, "\n", text, NULL);
    unsigned char mac[32];

    wa_hmac_sha256(mac, key, strlen(key), all, strlen(all));
    return wa_base64url(p, mac, 16);
}

/* "<seal><key>~<id>". Keys are digits, or names that need no escaping in a
 * URL, so that a cursor can be put into one as it is. */
const char *wa_page_cursor(const wa_app *app, apr_pool_t *p, const char *list,
                           const char *key, const char *id)
{
    const char *text = apr_pstrcat(p, key, "~", id, NULL);

    return apr_pstrcat(p, seal(app, p, list, text), text, NULL);
}

const char *wa_page_cursor_time(const wa_app *app, apr_pool_t *p,
                                const char *list, apr_time_t time,
                                const char *id)
{
    return wa_page_cursor(app, p, list,
                          apr_psprintf(p, "%" APR_TIME_T_FMT, time), id);
}

wa_code wa_page_cursor_read(const wa_app *app, const char *list,
                            const char *cursor, wa_page *page, wa_result *r)
{
    apr_size_t len = strlen(cursor);
    const char *text = cursor + SEAL_LEN, *mid;

    if (len <= SEAL_LEN || len > CURSOR_MAX || !(mid = strrchr(text, '~'))
        || !wa_equal(cursor, SEAL_LEN, seal(app, r->p, list, text), SEAL_LEN)) {
        return wa_fail(r, WA_E_BAD_PARAMETER,
                       "cursor is not one that this list gave out");
    }
    page->after_key = apr_pstrmemdup(r->p, text, (apr_size_t)(mid - text));
    page->after_time = apr_atoi64(page->after_key);
    page->after_id = mid + 1;
    return WA_OK;
}

static wa_code read_limit(const char *text, int *limit, wa_result *r)
{
    char *end;
    apr_int64_t n = apr_strtoi64(text, &end, 10);

    if (!apr_isdigit(*text) || *end || n < 1 || n > LIMIT_MAX) {
        return wa_fail(r, WA_E_BAD_PARAMETER, "limit is a number from 1 to %d",
                       LIMIT_MAX);
    }
    *limit = (int)n;
    return WA_OK;
}

wa_code wa_page_read(const wa_app *app, wa_req *req, const char *list,
                     wa_page *page, wa_result *r)
{
    const char *limit, *cursor;
    wa_code code = wa_req_query(req, "limit", &limit, r);

    memset(page, 0, sizeof(*page));
    page->limit = LIMIT_DEFAULT;
    if (code == WA_OK && limit) {
        code = read_limit(limit, &page->limit, r);
    }
    if (code == WA_OK) {
        code = wa_req_query(req, "cursor", &cursor, r);
    }
    if (code == WA_OK && cursor) {
        code = wa_page_cursor_read(app, list, cursor, page, r);
    }
    return code;
}

/* The request's parameters without its cursor, each with '&' behind it. */
static const char *other_params(const wa_req *req)
{
    char *copy, *state, *pair;
    const char *kept = "";

    if (!req->query) {
        return kept;
    }
    copy = apr_pstrdup(req->pool, req->query);
    for (pair = apr_strtok(copy, "&", &state); pair;
         pair = apr_strtok(NULL, "&", &state)) {
        if (strncmp(pair, "cursor=", 7)) {
            kept = apr_pstrcat(req->pool, kept, pair, "&", NULL);
        }
    }
    return kept;
}

static void link_next(const wa_req *req, wa_resp *resp, const wa_page *page)
{
    if (page->next) {
        apr_table_setn(resp->headers, "Link",
                       apr_psprintf(req->pool,
                                    "</api%s?%scursor=%s>; rel=\"next\"",
                                    req->path, other_params(req), page->next));
    }
}

void wa_page_answer(const wa_req *req, wa_resp *resp, const wa_page *page,
                    json_t *data)
{
    json_t *j = json_object();

    wa_json_set(j, "data", data);
    wa_json_set_str(j, "next_cursor", page->next);
    wa_resp_json(resp, req->pool, 200, j);
    link_next(req, resp, page);
}

void wa_page_answer_text(const wa_req *req, wa_resp *resp, const wa_page *page,
                         wa_json_text *t)
{
    wa_json_text_str(t, "next_cursor", page->next);
    wa_json_text_end(t, '}');
    wa_resp_json_text(resp, 200, t);
    link_next(req, resp, page);
}
