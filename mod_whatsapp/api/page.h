/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file page.h
 * @brief Lists by cursor: ?limit= and ?cursor=.
 *
 * A cursor is opaque and sealed by an HMAC over what it says and the list's
 * name: one that was altered, or comes from another list, is refused.
 */
#ifndef WA_PAGE_H
#define WA_PAGE_H

#include "../base/wa_http_msg.h"
#include "../core/wa_app.h"

typedef struct wa_page {
    int limit;             /* 1 to 200, 50 by default */
    const char *after_key; /* sort key of the last row seen; NULL: first page */
    apr_time_t after_time; /* the same, where the key is a time; else 0 */
    const char *after_id;
    const char *next; /* the next page's cursor, or NULL */
} wa_page;

/** @param list the list's name and order, as "users:username"
 * @return WA_OK or WA_E_BAD_PARAMETER */
wa_code wa_page_read(const wa_app *app, wa_req *req, const char *list,
                     wa_page *page, wa_result *r);

/** The cursor that continues after a row. @param key of the row's sort */
const char *wa_page_cursor(const wa_app *app, apr_pool_t *p, const char *list,
                           const char *key, const char *id);
/** The same where the sort goes by a time. */
const char *wa_page_cursor_time(const wa_app *app, apr_pool_t *p,
                                const char *list, apr_time_t time,
                                const char *id);

/** Read such a cursor into the page's after_….
 * @return WA_OK or WA_E_BAD_PARAMETER */
wa_code wa_page_cursor_read(const wa_app *app, const char *list,
                            const char *cursor, wa_page *page, wa_result *r);

/** {data, next_cursor} and Link: rel="next" (RFC 8288), which keeps the
 * request's other parameters. Takes over data. */
void wa_page_answer(const wa_req *req, wa_resp *resp, const wa_page *page,
                    json_t *data);
/** The same with data that was written, from the answer's first byte on. */
void wa_page_answer_text(const wa_req *req, wa_resp *resp, const wa_page *page,
                         wa_json_text *t);

#endif
