/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_events.h"

#include <string.h>

#include <apr_strings.h>

#include "wa_tx.h"

/* Events one statement looks through, so that a filter that lets little pass
 * makes no statement long. */
#define SCAN 10000

const char *const wa_event_types[] = {
    "message.sent",
    "message.delivered",
    "message.read",
    "message.played",
    "message.failed",
    "message.unknown",
    "message.cancelled",
    "message.received",
    "message.edited",
    "message.deleted",
    "message.reaction",
    "session.connecting",
    "session.qr_pending",
    "session.passkey_required",
    "session.connected",
    "session.disconnected",
    "session.failed",
    "webhook.disabled",
    NULL,
};

/* Add what a word of the list stands for. @return 0 when it is no type */
static int add_types(apr_array_header_t *types, const char *word)
{
    apr_size_t len = strlen(word);
    int all = len > 2 && !strcmp(word + len - 2, ".*"), found = 0, i;

    for (i = 0; wa_event_types[i]; i++) {
        if (all ? !strncmp(wa_event_types[i], word, len - 1)
                : !strcmp(wa_event_types[i], word)) {
            APR_ARRAY_PUSH(types, const char *) = wa_event_types[i];
            found = 1;
        }
    }
    return found;
}

wa_code wa_event_types_read(const char *text, apr_array_header_t **types,
                            wa_result *r)
{
    char *copy = apr_pstrdup(r->p, text), *state, *word;

    *types = apr_array_make(r->p, 8, sizeof(const char *));
    for (word = apr_strtok(copy, ",", &state); word;
         word = apr_strtok(NULL, ",", &state)) {
        if (!add_types(*types, word)) {
            return wa_fail(r, WA_E_BAD_PARAMETER,
                           "types: there is no type %.64s", word);
        }
        /* A list that repeats itself must not grow without bound. */
        if ((*types)->nelts > 100) {
            return wa_fail(r, WA_E_BAD_PARAMETER, "types: too many of them");
        }
    }
    if (!(*types)->nelts) {
        return wa_fail(r, WA_E_BAD_PARAMETER, "types: name at least one");
    }
    return WA_OK;
}

static void read_row(apr_pool_t *p, const wa_db_rows *rows, int i, wa_event *e)
{
    e->seq = wa_db_int(rows, i, 2, 0);
    e->id = apr_pstrdup(p, wa_db_str(rows, i, 3));
    e->type = apr_pstrdup(p, wa_db_str(rows, i, 4));
    e->occurred_at = wa_db_time(rows, i, 5);
    e->data = apr_pstrdup(p, wa_db_str(rows, i, 6));
    e->request_id = apr_pstrdup(p, wa_db_str(rows, i, 7));
}

/* Is the place one that can be read from? */
static wa_code check_place(const wa_event_query *q, apr_int64_t newest,
                           apr_int64_t oldest, wa_result *r)
{
    if (q->after < 0) {
        return WA_OK;
    }
    if (q->after < oldest - 1) {
        return wa_fail(r, WA_E_CURSOR_EXPIRED,
                       "The oldest event that is kept is number"
                       " %" APR_INT64_T_FMT ": go on with"
                       " after=%" APR_INT64_T_FMT ", and look up what was"
                       " missed",
                       oldest, oldest - 1);
    }
    if (q->after > newest) {
        return wa_fail(r, WA_E_BAD_PARAMETER,
                       "after: the newest event is number %" APR_INT64_T_FMT,
                       newest);
    }
    return WA_OK;
}

static void fill(apr_pool_t *p, const wa_db_rows *rows, const wa_event_query *q,
                 wa_event_page *page)
{
    apr_int64_t oldest = wa_db_int(rows, 0, 1, 1), from = q->after;
    int count = wa_db_str(rows, 0, 2) ? wa_db_count(rows) : 0, i;

    page->newest = wa_db_int(rows, 0, 0, 0);
    page->events = apr_array_make(p, count, sizeof(wa_event));
    for (i = 0; i < count; i++) {
        read_row(p, rows, i, apr_array_push(page->events));
    }
    if (q->after == WA_EVENTS_LATEST) {
        from = page->newest;
    }
    else if (from < oldest - 1) {
        from = oldest - 1;
    }
    if (count == q->limit) {
        page->next = APR_ARRAY_IDX(page->events, count - 1, wa_event).seq;
    }
    else {
        page->next = from + SCAN < page->newest ? from + SCAN : page->newest;
    }
}

wa_code wa_events_read(wa_app *app, apr_pool_t *p, const char *request_id,
                       const wa_event_query *q, wa_event_page *page,
                       wa_result *r)
{
    const char *after = NULL, *types = NULL;
    wa_db_rows *rows;
    wa_code code;

    if (q->after != WA_EVENTS_LATEST) {
        after = wa_db_p_int(p, q->after < 0 ? 0 : q->after);
    }
    if (q->types) {
        types = wa_db_p_array(p, (const char *const *)q->types->elts,
                              q->types->nelts);
    }
    code = WA_TX_QUERY(app, p, request_id, WA_SQL_EVENTS_READ, &rows, r,
                       q->user_id, after, apr_itoa(p, q->limit), types,
                       q->session, APR_STRINGIFY(SCAN));
    if (code != WA_OK) {
        return code;
    }
    if (!wa_db_count(rows)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    code = check_place(q, wa_db_int(rows, 0, 0, 0), wa_db_int(rows, 0, 1, 1),
                       r);
    if (code == WA_OK) {
        fill(p, rows, q, page);
    }
    return code;
}
