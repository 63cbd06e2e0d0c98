/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file list.h
 * @brief Lists by time, newest first: a page as JSON, or all as CSV or NDJSON.
 *
 * An export is read a page at a time, each by a statement of its own, and sent
 * before the next is read: neither memory nor a connection of the database
 * depends on the list's length or on the client's speed.
 */
#ifndef WA_LIST_H
#define WA_LIST_H

#include "../base/wa_http_msg.h"
#include "../core/wa_app.h"

/** Where a page begins, and how long it may be. */
typedef struct wa_list_place {
    apr_time_t at; /* of the last row seen; 0: from the newest */
    const char *id;
    int limit;
} wa_list_place;

/** A list; query is its own. */
typedef struct wa_list {
    const char *name;           /* of the cursors, the file, in the audit */
    const char *const *columns; /* of the CSV */
    int count;                  /* columns */
    wa_code (*page)(wa_app *app, apr_pool_t *p, const char *request_id,
                    const void *query, const wa_list_place *from,
                    apr_array_header_t **rows, wa_result *r);
    /** What tells a row's place. */
    void (*place)(const void *row, wa_list_place *place);
    /** Write a row as JSON, one element. */
    void (*json)(apr_pool_t *p, const void *row, wa_json_text *t);
    /** A row's values, one for each column; NULL is empty. */
    void (*values)(apr_pool_t *p, const void *row, const char **values);
} wa_list;

/** Answer as the client wants it: by ?format= or Accept, ?limit= and ?cursor=.
 * Who exports is audited.
 * @param query must live as long as the request
 * @return WA_OK, WA_E_BAD_PARAMETER, WA_E_NOT_ACCEPTABLE, WA_E_NOT_READY when
 *         too many exports are under way, or what reading failed with */
wa_code wa_list_answer(wa_app *app, wa_req *req, wa_resp *resp,
                       const wa_list *list, const void *query, wa_result *r);

#endif
