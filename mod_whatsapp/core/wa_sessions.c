/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_sessions.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_id.h"
#include "../base/wa_log.h"
#include "../base/wa_time.h"
#include "wa_session_peek.h"
#include "wa_tx.h"

#define NAME_MAX_LEN 64

wa_code wa_session_name(const char **name, wa_result *r)
{
    const char *s = *name;

    if (!s) {
        *name = WA_SESSION_DEFAULT;
        return WA_OK;
    }
    if (!*s || strlen(s) > NAME_MAX_LEN
        || strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                     "0123456789._-")
               != strlen(s)) {
        return wa_fail_field(r, "/session", "format",
                             "must be 1 to %d letters, digits, '.', '_', '-'",
                             NAME_MAX_LEN);
    }
    return WA_OK;
}

/* What was connected is at best reconnecting when its bridge is silent. */
static void doubt(wa_session *s, apr_int64_t silent)
{
    if (s->wanted && silent > WA_BRIDGE_SILENT_SECONDS
        && (!strcmp(s->status, "connected")
            || !strcmp(s->status, "qr_pending"))) {
        s->status = "connecting";
        s->reason = "bridge_unreachable";
        s->qr_code = s->pairing_code = NULL;
    }
}

static wa_session *session_from_row(apr_pool_t *p, const wa_db_rows *rows,
                                    int row)
{
    wa_session *s = apr_pcalloc(p, sizeof(*s));

    s->id = apr_pstrdup(p, wa_db_str(rows, row, 0));
    s->user_id = apr_pstrdup(p, wa_db_str(rows, row, 1));
    s->name = apr_pstrdup(p, wa_db_str(rows, row, 2));
    s->engine = apr_pstrdup(p, wa_db_str(rows, row, 3));
    s->status = apr_pstrdup(p, wa_db_str(rows, row, 4));
    s->reason = apr_pstrdup(p, wa_db_str(rows, row, 5));
    s->restricted = wa_db_bool(rows, row, 6);
    s->linked = wa_db_bool(rows, row, 7);
    s->wanted = wa_db_bool(rows, row, 8);
    s->phone_number = apr_pstrdup(p, wa_db_str(rows, row, 9));
    s->push_name = apr_pstrdup(p, wa_db_str(rows, row, 10));
    s->qr_code = apr_pstrdup(p, wa_db_str(rows, row, 11));
    s->qr_expires_at = wa_db_time(rows, row, 12);
    s->connected_at = wa_db_time(rows, row, 13);
    s->last_active_at = wa_db_time(rows, row, 14);
    s->updated_at = wa_db_time(rows, row, 15);
    s->pairing_code = apr_pstrdup(p, wa_db_str(rows, row, 17));
    s->pairing_code_expires_at = wa_db_time(rows, row, 18);
    doubt(s, wa_db_int(rows, row, 16, 0));
    return s;
}

wa_code wa_session_find(wa_app *app, apr_pool_t *p, const char *request_id,
                        const char *user_id, const char *name,
                        wa_session **session, wa_result *r)
{
    wa_db_rows *rows;
    wa_code code = WA_TX_QUERY(app, p, request_id, WA_SQL_SESSION_BY_NAME,
                               &rows, r, user_id, name);

    *session = code == WA_OK && wa_db_count(rows) ? session_from_row(p, rows, 0)
                                                  : NULL;
    return code;
}

apr_status_t wa_session_store(wa_db *db, apr_pool_t *p, const char *id,
                              const char *bridge_id, const wa_bridge_state *st)
{
    apr_status_t rv;

    rv = WA_DB_RUN(db, WA_SQL_SESSION_STATE, NULL, id, st->status, st->reason,
                   wa_db_p_bool(st->restricted), st->phone_number,
                   st->push_name, wa_db_p_time(p, st->connected_at),
                   wa_db_p_time(p, st->last_active_at), bridge_id);
    if (rv == APR_SUCCESS && st->qr_code) {
        rv = WA_DB_RUN(db, WA_SQL_SESSION_QR, NULL, id, st->qr_code,
                       wa_db_p_time(p, st->qr_expires_at), bridge_id);
    }
    if (rv == APR_SUCCESS && st->pairing_code) {
        rv = WA_DB_RUN(db, WA_SQL_SESSION_PAIRING, NULL, id, st->pairing_code,
                       wa_db_p_time(p, st->pairing_code_expires_at), bridge_id);
    }
    return rv;
}

/* Store the state and read the row back, as one look at the session. */
static wa_code store_and_find(wa_app *app, apr_pool_t *p,
                              const char *request_id, const char *user_id,
                              const char *name, const char *id,
                              const wa_bridge_state *state,
                              wa_session **session, wa_result *r)
{
    wa_db *db;
    wa_db_rows *rows;
    apr_status_t rv;
    wa_code code = wa_db_open_or_fail(&db, p, &app->db, request_id, r);

    if (code != WA_OK) {
        return code;
    }
    rv = wa_session_store(db, p, id, NULL, state);
    if (rv == APR_SUCCESS) {
        rv = WA_DB_RUN(db, WA_SQL_SESSION_BY_NAME, &rows, user_id, name);
    }
    if (rv != APR_SUCCESS) {
        code = wa_db_fail(db, rv, request_id, r);
    }
    else if (wa_db_count(rows)) {
        *session = session_from_row(p, rows, 0);
    }
    else {
        code = wa_fail(r, WA_E_NOT_FOUND, NULL); /* deleted meanwhile */
    }
    wa_db_close(db);
    wa_session_changed(app, p, request_id);
    return code;
}

typedef struct want_job {
    apr_pool_t *p;
    const wa_session_wish *wish;
    wa_session *before; /* NULL: there was none */
    wa_session *session;
} want_job;

/* A linked phone stays with its engine, and needs no code. */
static wa_code check_linked(const wa_session *s, const wa_session_wish *wish,
                            wa_result *r)
{
    if (wish->engine && strcmp(wish->engine, s->engine)) {
        return wa_fail(r, WA_E_CONFLICT,
                       "A phone is linked by the engine %s; POST"
                       " /api/session/logout before another one is used",
                       s->engine);
    }
    return wish->phone_number ? wa_fail(r, WA_E_ALREADY_LINKED,
                                        "A phone is linked to this session")
                              : WA_OK;
}

/* The lock comes first, as a statement of its own, so that of two that ask at
 * one time the second counts the first one's session. */
static apr_status_t do_want(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    want_job *job = baton;
    const wa_session_wish *wish = job->wish;
    wa_db_rows *rows = NULL;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_USER_LOCK, NULL, wish->user_id);

    job->before = job->session = NULL;
    if (rv == APR_SUCCESS) {
        rv = WA_DB_RUN(db, WA_SQL_SESSION_BY_NAME, &rows, wish->user_id,
                       wish->name);
    }
    if (rv == APR_SUCCESS && wa_db_count(rows)) {
        job->before = session_from_row(job->p, rows, 0);
        if (job->before->linked && check_linked(job->before, wish, r)) {
            return APR_SUCCESS;
        }
    }
    if (rv == APR_SUCCESS) {
        rv = WA_DB_RUN(db, WA_SQL_SESSION_WANT, &rows, wa_id_uuid(job->p),
                       wish->user_id, wish->name, wish->engine,
                       app->settings->default_engine);
    }
    if (rv == APR_SUCCESS && !wa_db_count(rows)) {
        wa_fail(r, WA_E_SESSION_LIMIT,
                "The user may have no further session beside the ones there"
                " are");
    }
    else if (rv == APR_SUCCESS) {
        job->session = session_from_row(job->p, rows, 0);
    }
    return rv;
}

/* The bridge will not start it however often it is asked: nobody must go on
 * asking. That this can fail too is no harm but for the asking. */
static void take_back(wa_app *app, const char *request_id, const want_job *job)
{
    wa_result *ignored = wa_result_make(job->p);
    wa_db *db = NULL;
    const wa_session *before = job->before;

    if (wa_db_open_or_fail(&db, job->p, &app->db, request_id, ignored)
        == WA_OK) {
        if (before) {
            WA_DB_RUN(db, WA_SQL_SESSION_RESTORE, NULL, before->id,
                      before->engine, wa_db_p_bool(before->wanted));
        }
        else {
            WA_DB_RUN(db, WA_SQL_SESSION_UNMAKE, NULL, job->session->id);
        }
    }
    wa_db_close(db);
    wa_session_changed(app, job->p, request_id);
}

static int is_final(wa_code code)
{
    return code == WA_E_NOT_SUPPORTED || code == WA_E_CONFLICT
           || code == WA_E_ALREADY_LINKED || code == WA_E_RECIPIENT;
}

wa_code wa_session_init(wa_app *app, apr_pool_t *p, const char *request_id,
                        const wa_session_wish *wish, wa_session **session,
                        wa_result *r)
{
    want_job job = { p, wish };
    wa_bridge_start start = { .phone_number = wish->phone_number };
    wa_bridge_state state;
    wa_code code = wa_tx_run(app, p, request_id, do_want, &job, r);

    *session = job.session;
    if (!*session) {
        return code;
    }
    wa_session_changed(app, p, request_id);
    start.session = (*session)->id;
    start.engine = (*session)->engine;
    code = wa_bridge_session_start(&app->bridge, p, request_id, &start, &state,
                                   r);
    if (is_final(code)) {
        take_back(app, request_id, &job);
    }
    if (code != WA_OK) {
        return code;
    }
    return store_and_find(app, p, request_id, wish->user_id, wish->name,
                          start.session, &state, session, r);
}

typedef wa_code bridge_verb(const wa_bridge *b, apr_pool_t *p,
                            const char *request_id, const char *session,
                            wa_bridge_state *state, wa_result *r);

static wa_code unwant(wa_app *app, apr_pool_t *p, const char *request_id,
                      const char *id, wa_result *r)
{
    wa_db_rows *rows;
    wa_code code = WA_TX_QUERY(app, p, request_id, WA_SQL_SESSION_UNWANT, &rows,
                               r, id);

    wa_session_changed(app, p, request_id);
    return code;
}

/* The wish is written down before the bridge hears it, so that nothing is
 * sent any more from the moment of the call, whatever the bridge does. */
static wa_code end_session(wa_app *app, apr_pool_t *p, const char *request_id,
                           const char *user_id, const char *name,
                           bridge_verb *verb, wa_session **session,
                           wa_result *r)
{
    wa_bridge_state state;
    wa_code code = wa_session_find(app, p, request_id, user_id, name, session,
                                   r);

    if (code != WA_OK) {
        return code;
    }
    if (!*session) {
        return wa_fail(r, WA_E_NOT_LINKED,
                       "There is no session to end; start"
                       " one with POST"
                       " /api/session/init");
    }
    code = unwant(app, p, request_id, (*session)->id, r);
    if (code != WA_OK) {
        return code;
    }
    code = verb(&app->bridge, p, request_id, (*session)->id, &state, r);
    if (code != WA_OK) {
        return code;
    }
    return store_and_find(app, p, request_id, user_id, name, (*session)->id,
                          &state, session, r);
}

wa_code wa_session_disconnect(wa_app *app, apr_pool_t *p,
                              const char *request_id, const char *user_id,
                              const char *name, wa_session **session,
                              wa_result *r)
{
    return end_session(app, p, request_id, user_id, name,
                       wa_bridge_session_disconnect, session, r);
}

wa_code wa_session_logout(wa_app *app, apr_pool_t *p, const char *request_id,
                          const char *user_id, const char *name,
                          wa_session **session, wa_result *r)
{
    return end_session(app, p, request_id, user_id, name,
                       wa_bridge_session_logout, session, r);
}

wa_code wa_session_restart(wa_app *app, apr_pool_t *p, const char *request_id,
                           const char *user_id, const char *name,
                           wa_session **session, wa_result *r)
{
    const wa_session_wish wish = { .user_id = user_id, .name = name };
    wa_code code = wa_session_disconnect(app, p, request_id, user_id, name,
                                         session, r);

    if (code != WA_OK) {
        return code;
    }
    return wa_session_init(app, p, request_id, &wish, session, r);
}

wa_code wa_session_get(wa_app *app, apr_pool_t *p, const char *request_id,
                       const char *id, wa_session **session, wa_result *r)
{
    wa_db_rows *rows;
    wa_code code;

    if (!wa_id_is_uuid(id)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    code = WA_TX_QUERY(app, p, request_id, WA_SQL_SESSION_BY_ID, &rows, r, id);
    if (code != WA_OK) {
        return code;
    }
    if (!wa_db_count(rows)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    *session = session_from_row(p, rows, 0);
    return WA_OK;
}

#define SESSION_COLUMNS 19

wa_code wa_session_list(wa_app *app, apr_pool_t *p, const char *request_id,
                        const wa_session_query *q,
                        apr_array_header_t **sessions, wa_result *r)
{
    wa_db_rows *rows;
    int i;
    wa_code code = WA_TX_QUERY(app, p, request_id, WA_SQL_SESSIONS_PAGE, &rows,
                               r, q->status, q->user_id, q->engine,
                               wa_db_p_time(p, q->after_created), q->after_id,
                               wa_db_p_int(p, q->limit));

    if (code != WA_OK) {
        return code;
    }
    *sessions = apr_array_make(p, q->limit, sizeof(wa_session));
    for (i = 0; i < wa_db_count(rows); i++) {
        wa_session *s = session_from_row(p, rows, i);

        s->created_at = wa_db_time(rows, i, SESSION_COLUMNS);
        s->username = apr_pstrdup(p, wa_db_str(rows, i, SESSION_COLUMNS + 1));
        APR_ARRAY_PUSH(*sessions, wa_session) = *s;
    }
    return WA_OK;
}

wa_code wa_session_erase(wa_app *app, apr_pool_t *p, const char *request_id,
                         const char *id)
{
    wa_result *r = wa_result_make(p);
    wa_db *db = NULL;
    wa_code code = wa_bridge_session_delete(&app->bridge, p, request_id, id, r);

    if (code != WA_OK) {
        wa_log(WA_LOG_NOTICE, request_id,
               "WA0171: session %s could not be erased at the bridge (%s);"
               " whatsappd tries again",
               id, wa_code_name(code));
        return code;
    }
    code = wa_db_open_or_fail(&db, p, &app->db, request_id, r);
    if (code == WA_OK
        && WA_DB_RUN(db, WA_SQL_ERASURE_DONE, NULL, id) != APR_SUCCESS) {
        code = WA_E_DB_UNAVAILABLE; /* the mark stays: erased twice is fine */
    }
    wa_db_close(db);
    return code;
}
