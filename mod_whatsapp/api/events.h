/* SPDX-License-Identifier: Apache-2.0 */
/** @file events.h @brief What the two ways to read the feed share. */
#ifndef WA_API_EVENTS_H
#define WA_API_EVENTS_H

#include "../base/wa_http_msg.h"
#include "../core/wa_events.h"

/** Read ?after=, ?types=, ?session= and ?limit=.
 * @param last the place to go on from when it isn't ?after=, or NULL
 * @return WA_OK or WA_E_BAD_PARAMETER */
wa_code wa_events_query_read(wa_app *app, wa_req *req, const char *user_id,
                             const char *last, wa_event_query *query,
                             wa_result *r);

/** The cursor that goes on after a number; good for this user only. */
const char *wa_events_cursor(const wa_app *app, apr_pool_t *p,
                             const char *user_id, apr_int64_t seq);

/** An event as clients see it. @return NULL when there is no memory */
json_t *wa_event_json(const wa_event *event);

/** No place is free to wait in. */
wa_code wa_events_full(wa_result *r);

#endif
