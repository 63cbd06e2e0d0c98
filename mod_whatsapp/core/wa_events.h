/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_events.h
 * @brief The feed of events: what happened to a user's messages and sessions.
 *
 * PostgreSQL writes them, by triggers, in the transaction of the change; their
 * numbers have no gaps and become visible in order, so that a reader needs no
 * more than the last number it saw.
 */
#ifndef WA_EVENTS_H
#define WA_EVENTS_H

#include <apr_tables.h>

#include "wa_app.h"

/** All types there are, NULL-terminated. */
extern const char *const wa_event_types[];

/** Read a list of types with commas between; "message.*" and "session.*" are
 * all of their kind.
 * @param types of const char *
 * @return WA_OK or WA_E_BAD_PARAMETER */
wa_code wa_event_types_read(const char *text, apr_array_header_t **types,
                            wa_result *r);

/** Where to begin, besides after a number. */
#define WA_EVENTS_OLDEST (-1) /* with the oldest that is kept */
#define WA_EVENTS_LATEST (-2) /* with what is still to come */

typedef struct wa_event_query {
    const char *user_id;
    apr_int64_t after; /* a number, or one of the above */
    int limit;
    const apr_array_header_t *types; /* of const char *; NULL: all */
    const char *session;             /* its name; NULL: any */
} wa_event_query;

typedef struct wa_event {
    apr_int64_t seq;
    const char *id, *type;
    apr_time_t occurred_at;
    const char *data;       /* a JSON object's text */
    const char *request_id; /* the message was sent with it; or NULL */
} wa_event;

typedef struct wa_event_page {
    apr_array_header_t *events; /* of wa_event, in order */
    apr_int64_t next;           /* what to read after next time */
    apr_int64_t newest;         /* of the feed when this was read */
} wa_event_page;

/** Read what comes after query->after. Looks through a bounded number of
 * events, so that page->next may be before page->newest though fewer than
 * asked for were found.
 * @return WA_OK; WA_E_NOT_FOUND when there is no such user,
 *         WA_E_CURSOR_EXPIRED, WA_E_BAD_PARAMETER for a number that was not
 *         given yet, or what the database failed with */
wa_code wa_events_read(wa_app *app, apr_pool_t *p, const char *request_id,
                       const wa_event_query *query, wa_event_page *page,
                       wa_result *r);

#endif
