/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_db.c @brief Borrowing, transactions, running statements. */
#include <apr_atomic.h>
#include <apr_strings.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "../base/wa_log.h"
#include "wa_db_private.h"

#define BORROW_WAIT apr_time_from_sec(1)
#define STATEMENT_WAIT apr_time_from_sec(5)
#define ROLLBACK_WAIT apr_time_from_sec(1)
/* A refusal that comes at once costs nobody anything; one that takes longer
 * than this would hold up a thread per request, so the breaker opens. */
#define SLOW_REFUSAL apr_time_from_msec(250)

#define SQL_TEXT(id, text) text,
#define SQL_NAME(id, text) #id,
static const char *const sql_texts[] = { WA_SQL_LIST(SQL_TEXT) };
static const char *const sql_names[] = { WA_SQL_LIST(SQL_NAME) };
#undef SQL_TEXT
#undef SQL_NAME

/* --- borrowing -------------------------------------------------------------
 */

static apr_interval_time_t or_default(apr_interval_time_t wait,
                                      apr_interval_time_t dflt)
{
    return wait > 0 ? wait : dflt;
}

static apr_time_t statement_deadline(const wa_db *db)
{
    return apr_time_now()
           + or_default(db->from->statement_wait, STATEMENT_WAIT);
}

static apr_status_t borrow(wa_db *db)
{
    wa_db_source *src = db->from->source;
    apr_time_t deadline = apr_time_now()
                          + or_default(db->from->borrow_wait, BORROW_WAIT);
    apr_status_t rv;

    rv = src->borrow(src->baton, db->pool, deadline, &db->conn, &db->lease);
    if (rv != APR_SUCCESS) {
        db->conn = NULL;
        return rv;
    }
    rv = wa_db_conn_ready(db->conn, wa_db_connect_deadline(deadline));
    if (rv != APR_SUCCESS) {
        db->conn = NULL;
        src->give_back(src->baton, db->lease, 1);
        rv = APR_ECONNREFUSED;
    }
    return rv;
}

static apr_status_t db_cleanup(void *data)
{
    wa_db_close(data);
    return APR_SUCCESS;
}

/* All connections being in use is no sign of a hung database: only what
 * failed to connect counts. */
static void borrow_failed(const wa_db *db, apr_status_t rv, apr_time_t since)
{
    if (rv == APR_ECONNREFUSED && apr_time_now() - since >= SLOW_REFUSAL) {
        wa_db_breaker_trip(db->from->breaker);
    }
    else if (db->probe) {
        wa_db_breaker_release(db->from->breaker);
    }
}

apr_status_t wa_db_open(wa_db **db, apr_pool_t *p, const wa_db_pool *pool)
{
    wa_db *d = apr_pcalloc(p, sizeof(*d));
    apr_time_t since;
    apr_status_t rv;

    *db = NULL;
    d->pool = p;
    d->from = pool;
    if (!wa_db_breaker_enter(pool->breaker, &d->probe)) {
        return APR_ECONNREFUSED;
    }
    since = apr_time_now();
    if (APR_SUCCESS != (rv = borrow(d))) {
        borrow_failed(d, rv, since);
        return rv;
    }
    apr_pool_cleanup_register(p, d, db_cleanup, apr_pool_cleanup_null);
    *db = d;
    return APR_SUCCESS;
}

/* --- transactions ----------------------------------------------------------
 */

static int usable(const wa_db *db)
{
    return db->conn && !db->conn->broken;
}

static PGTransactionStatusType transaction(const wa_db *db)
{
    return PQtransactionStatus(db->conn->pg);
}

static apr_status_t plain(wa_db *db, wa_sql_id id, apr_time_t deadline,
                          PGresult **good)
{
    PGresult *res = NULL;
    apr_status_t rv;

    *good = NULL;
    db->last = sql_names[id];
    if (!usable(db)) {
        db->failed = db->last;
        return APR_ECONNABORTED;
    }
    rv = wa_db_conn_plain(db->conn, sql_texts[id], deadline, &res);
    return wa_db_judge(db, rv, res, good);
}

static apr_status_t plain_quiet(wa_db *db, wa_sql_id id)
{
    PGresult *res;
    apr_status_t rv = plain(db, id, statement_deadline(db), &res);

    PQclear(res);
    return rv;
}

apr_status_t wa_db_begin(wa_db *db)
{
    if (usable(db) && transaction(db) != PQTRANS_IDLE) {
        db->failed = sql_names[WA_SQL_BEGIN];
        return APR_EINVAL;
    }
    return plain_quiet(db, WA_SQL_BEGIN);
}

apr_status_t wa_db_commit(wa_db *db)
{
    PGresult *res;
    apr_status_t rv = plain(db, WA_SQL_COMMIT, statement_deadline(db), &res);

    /* COMMIT of a failed transaction succeeds by rolling back. */
    if (rv == APR_SUCCESS && strcmp(PQcmdStatus(res), "COMMIT") != 0) {
        rv = APR_EGENERAL;
    }
    PQclear(res);
    return rv;
}

apr_status_t wa_db_rollback(wa_db *db)
{
    return plain_quiet(db, WA_SQL_ROLLBACK);
}

void wa_db_close(wa_db *db)
{
    PGresult *res = NULL;
    int broken;

    if (!db || !db->conn) {
        return;
    }
    if (usable(db) && transaction(db) != PQTRANS_IDLE) {
        plain(db, WA_SQL_ROLLBACK, apr_time_now() + ROLLBACK_WAIT, &res);
        PQclear(res);
    }
    if (db->probe) {
        wa_db_breaker_release(db->from->breaker);
    }
    broken = db->conn->broken || db->listening
             || transaction(db) != PQTRANS_IDLE;
    db->conn->broken = broken;
    db->conn = NULL;
    db->from->source->give_back(db->from->source->baton, db->lease, broken);
    apr_pool_cleanup_kill(db->pool, db, db_cleanup);
}

/* --- prepared statements ---------------------------------------------------
 */

typedef struct stmt {
    const char *name; /* lives as long as the connection */
    const char *text;
    const char *const *args;
    int count;
} stmt;

int wa_db_count_params(const char *text)
{
    const char *s;
    int max = 0;

    for (s = strchr(text, '$'); s; s = strchr(s + 1, '$')) {
        int n = (int)strtol(s + 1, NULL, 10);

        max = n > max ? n : max;
    }
    return max;
}

/* Counted at first use; two threads that do it at once store the same. */
static int params_of(wa_sql_id id)
{
    static apr_uint32_t counted[WA_SQL_COUNT]; /* number + 1, 0: not yet */
    apr_uint32_t n = apr_atomic_read32(&counted[id]);

    if (n == 0) {
        n = (apr_uint32_t)wa_db_count_params(sql_texts[id]) + 1;
        apr_atomic_set32(&counted[id], n);
    }
    return (int)n - 1;
}

static const char *server_name(const wa_db *db, const stmt *s)
{
    return apr_psprintf(db->pool, "%s.%d", s->name, db->conn->generation);
}

static apr_status_t prepare(wa_db *db, const stmt *s, apr_time_t deadline)
{
    PGresult *res = NULL;
    apr_status_t rv;

    if (apr_hash_get(db->conn->prepared, s->name, APR_HASH_KEY_STRING)) {
        return APR_SUCCESS;
    }
    rv = wa_db_conn_prepare(db->conn, server_name(db, s), s->text, deadline,
                            &res);
    rv = wa_db_judge(db, rv, res, &res);
    PQclear(res);
    if (rv == APR_SUCCESS) {
        apr_hash_set(db->conn->prepared, s->name, APR_HASH_KEY_STRING, s->text);
    }
    return rv;
}

static apr_status_t run_once(wa_db *db, const stmt *s, apr_time_t deadline,
                             PGresult **good)
{
    PGresult *res = NULL;
    apr_status_t rv = prepare(db, s, deadline);

    *good = NULL;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = wa_db_conn_execute(db->conn, server_name(db, s), s->args, s->count,
                            deadline, &res);
    return wa_db_judge(db, rv, res, good);
}

/* The statement is gone (somebody discarded it), or its result changed with
 * a table ("cached plan must not change result type"). */
static int plan_is_gone(const wa_db *db)
{
    return !strcmp(db->sqlstate, "26000") || !strcmp(db->sqlstate, "0A000");
}

static apr_status_t run(wa_db *db, const stmt *s, wa_db_rows **rows)
{
    apr_time_t deadline = statement_deadline(db);
    PGresult *good = NULL;
    apr_status_t rv;

    if (rows) {
        *rows = NULL;
    }
    db->last = s->name;
    if (!usable(db)) {
        db->failed = db->last;
        return APR_ECONNABORTED;
    }
    rv = run_once(db, s, deadline, &good);
    if (rv == APR_EGENERAL && plan_is_gone(db)) {
        wa_db_conn_forget(db->conn);
        /* Inside a transaction that has failed there is no second try. */
        if (transaction(db) == PQTRANS_IDLE) {
            rv = run_once(db, s, deadline, &good);
        }
    }
    if (rv == APR_SUCCESS && rows) {
        *rows = wa_db_rows_make(db->pool, good);
    }
    else {
        PQclear(good);
    }
    return rv;
}

apr_status_t wa_db_run_text(wa_db *db, const char *name, const char *text,
                            const char *const *args, int count,
                            wa_db_rows **rows)
{
    const stmt s = { name, text, args, count };

    if (count != wa_db_count_params(text)) {
        return APR_EINVAL;
    }
    return run(db, &s, rows);
}

apr_status_t wa_db_run(wa_db *db, wa_sql_id id, const char *const *args,
                       int count, wa_db_rows **rows)
{
    const stmt s = { sql_names[id], sql_texts[id], args, count };

    if (rows) {
        *rows = NULL;
    }
    if (count != params_of(id)) {
        db->failed = s.name;
        wa_log(WA_LOG_ERR, NULL, "WA0203: %s takes %d parameters, not %d",
               s.name, params_of(id), count);
        return APR_EINVAL;
    }
    return run(db, &s, rows);
}

/* --- notifications ---------------------------------------------------------
 */

apr_status_t wa_db_listen(wa_db *db, wa_sql_id listen_statement)
{
    db->listening = 1;
    return plain_quiet(db, listen_statement);
}

static int take_notifications(PGconn *pg)
{
    PGnotify *n;
    int count = 0;

    while ((n = PQnotifies(pg)) != NULL) {
        PQfreemem(n);
        count++;
    }
    return count;
}

apr_status_t wa_db_wait_notify(wa_db *db, apr_interval_time_t wait)
{
    apr_time_t deadline = apr_time_now() + wait;

    if (!usable(db)) {
        return APR_ECONNABORTED;
    }
    while (take_notifications(db->conn->pg) == 0) {
        apr_status_t rv = wa_db_conn_input(db->conn, deadline);

        if (rv == APR_TIMEUP) {
            return rv;
        }
        if (rv != APR_SUCCESS || PQstatus(db->conn->pg) != CONNECTION_OK) {
            db->conn->broken = 1;
            return APR_ECONNABORTED;
        }
    }
    return APR_SUCCESS;
}

int wa_db_socket(const wa_db *db)
{
    return usable(db) ? PQsocket(db->conn->pg) : -1;
}
