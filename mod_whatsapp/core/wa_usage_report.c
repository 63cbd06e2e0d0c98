/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_usage_report.h"

#include <string.h>

#include <apr_strings.h>

#include "wa_limits.h"
#include "wa_sessions.h"
#include "wa_tx.h"

typedef struct job {
    apr_pool_t *p;
    const char *user_id, *from, *to;
    apr_array_header_t *days;
    wa_principal who;
    wa_overview *overview;
} job;

void wa_counts_add(wa_counts *sum, const wa_counts *more)
{
    sum->api_requests += more->api_requests;
    sum->messages_sent += more->messages_sent;
    sum->messages_failed += more->messages_failed;
    sum->messages_received += more->messages_received;
    sum->media_sent += more->media_sent;
}

/* Rows of a time and the counts. */
static apr_array_header_t *read_spans(apr_pool_t *p, const wa_db_rows *rows,
                                      int by_hour)
{
    int i, n = wa_db_count(rows);
    apr_array_header_t *spans = apr_array_make(p, n, sizeof(wa_usage_span));

    for (i = 0; i < n; i++) {
        wa_usage_span *s = apr_array_push(spans);

        s->day = by_hour ? NULL : apr_pstrdup(p, wa_db_str(rows, i, 0));
        s->hour = by_hour ? wa_db_time(rows, i, 0) : 0;
        s->counts.api_requests = wa_db_int(rows, i, 1, 0);
        s->counts.messages_sent = wa_db_int(rows, i, 2, 0);
        s->counts.messages_failed = wa_db_int(rows, i, 3, 0);
        s->counts.messages_received = wa_db_int(rows, i, 4, 0);
        s->counts.media_sent = wa_db_int(rows, i, 5, 0);
    }
    return spans;
}

/* --- a user's --------------------------------------------------------------*/

static apr_status_t do_days(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    job *j = baton;
    wa_db_rows *rows;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_USAGE_DAYS, &rows, j->user_id,
                                j->from, j->to);

    if (rv == APR_SUCCESS) {
        j->days = read_spans(j->p, rows, 0);
    }
    return rv;
}

wa_code wa_usage_days(wa_app *app, apr_pool_t *p, const char *request_id,
                      const char *user_id, const char *from, const char *to,
                      apr_array_header_t **days, wa_result *r)
{
    job j = { p, user_id, from, to, NULL };
    wa_code code = wa_tx_read(app, p, request_id, do_days, &j, r);

    *days = j.days;
    return code;
}

static apr_status_t do_limits(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    job *j = baton;
    wa_db_rows *rows;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_USAGE_LIMITS, &rows, j->user_id);

    if (rv == APR_SUCCESS && !wa_db_count(rows)) {
        wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    else if (rv == APR_SUCCESS) {
        j->who.user_id = j->user_id;
        j->who.requests_per_minute = wa_db_int(rows, 0, 0, 1);
        j->who.messages_per_minute = wa_db_int(rows, 0, 1, 1);
        j->who.messages_per_day = wa_db_int(rows, 0, 2, 1);
    }
    return rv;
}

wa_code wa_usage_limits(wa_app *app, apr_pool_t *p, const char *request_id,
                        const char *user_id, wa_limit_state *state,
                        wa_result *r)
{
    job j = { p, user_id, NULL, NULL, NULL };
    wa_code code = wa_tx_read(app, p, request_id, do_limits, &j, r);

    if (code == WA_OK) {
        code = wa_limits_look(app, p, request_id, &j.who, state, r);
    }
    return code;
}

/* --- everybody's -----------------------------------------------------------*/

static apr_status_t read_now(wa_db *db, wa_overview *o)
{
    wa_db_rows *rows;
    apr_status_t rv = wa_db_run(db, WA_SQL_OVERVIEW_NOW, NULL, 0, &rows);

    if (rv == APR_SUCCESS) {
        o->users = wa_db_int(rows, 0, 0, 0);
        o->active_users = wa_db_int(rows, 0, 1, 0);
        o->users_yesterday = wa_db_int(rows, 0, 2, 0);
        o->active_users_yesterday = wa_db_int(rows, 0, 3, 0);
        o->queued = wa_db_int(rows, 0, 4, 0);
        o->oldest_queued = wa_db_time(rows, 0, 5);
    }
    return rv;
}

/* Rows of a name, a count and perhaps yesterday's. */
static apr_array_header_t *read_named(apr_pool_t *p, const wa_db_rows *rows,
                                      int with_yesterday)
{
    int i, n = wa_db_count(rows);
    apr_array_header_t *list = apr_array_make(p, n, sizeof(wa_named_count));

    for (i = 0; i < n; i++) {
        wa_named_count *c = apr_array_push(list);

        c->name = apr_pstrdup(p, wa_db_str(rows, i, 0));
        c->today = wa_db_int(rows, i, 1, 0);
        c->yesterday = with_yesterday ? wa_db_int(rows, i, 2, 0) : 0;
    }
    return list;
}

static apr_status_t do_overview(wa_app *app, wa_db *db, void *baton,
                                wa_result *r)
{
    job *j = baton;
    wa_overview *o = j->overview;
    wa_db_rows *rows;
    apr_status_t rv = read_now(db, o);

    if (rv == APR_SUCCESS) {
        rv = WA_DB_RUN(db, WA_SQL_OVERVIEW_SESSIONS, &rows,
                       APR_STRINGIFY(WA_BRIDGE_SILENT_SECONDS));
    }
    if (rv == APR_SUCCESS) {
        o->sessions = read_named(j->p, rows, 0);
        rv = wa_db_run(db, WA_SQL_OVERVIEW_STATUS, NULL, 0, &rows);
    }
    if (rv == APR_SUCCESS) {
        o->messages = read_named(j->p, rows, 1);
        rv = wa_db_run(db, WA_SQL_OVERVIEW_HOURS, NULL, 0, &rows);
    }
    if (rv == APR_SUCCESS) {
        o->hours = read_spans(j->p, rows, 1);
        rv = wa_db_run(db, WA_SQL_OVERVIEW_DAYS, NULL, 0, &rows);
    }
    if (rv == APR_SUCCESS) {
        o->days = read_spans(j->p, rows, 0);
    }
    return rv;
}

wa_code wa_overview_read(wa_app *app, apr_pool_t *p, const char *request_id,
                         wa_overview *o, wa_result *r)
{
    job j;

    memset(&j, 0, sizeof(j));
    memset(o, 0, sizeof(*o));
    j.p = p;
    j.overview = o;
    return wa_tx_read(app, p, request_id, do_overview, &j, r);
}
