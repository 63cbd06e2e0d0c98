/* SPDX-License-Identifier: Apache-2.0 */
/** @file page.h @brief Lists by cursor: ?limit= and ?cursor=, newest first. */
#ifndef WA_PAGE_H
#define WA_PAGE_H

#include "../base/wa_http_msg.h"

typedef struct wa_page {
    int limit;             /* 1 to 200, 50 by default */
    apr_time_t after_time; /* of the last row seen; 0: first page */
    const char *after_id;
    const char *next; /* the next page's cursor, or NULL */
} wa_page;

/** @return WA_OK or WA_E_BAD_PARAMETER */
wa_code wa_page_read(wa_req *req, wa_page *page, wa_result *r);

/** The opaque cursor that continues after a row. */
const char *wa_page_cursor(apr_pool_t *p, apr_time_t time, const char *id);

/** {data, next_cursor} and Link: rel="next". Takes over data. */
void wa_page_answer(const wa_req *req, wa_resp *resp, const wa_page *page,
                    json_t *data);

#endif
