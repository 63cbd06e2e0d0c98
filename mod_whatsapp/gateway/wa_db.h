/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_db.h
 * @brief PostgreSQL by libpq: one borrowed connection, prepared statements.
 *
 * Statements are named by the list in gateway/sql; each is prepared on a
 * backend the first time it runs there, and again when the backend changed.
 * All values travel as text parameters. Every wait has a deadline.
 */
#ifndef WA_DB_H
#define WA_DB_H

#include <apr_pools.h>
#include <apr_time.h>

#include "../base/wa_result.h"
#include "sql/wa_sql.h"

struct pg_conn;

/** One physical connection, as long as it lives; made by its source. */
typedef struct wa_db_conn wa_db_conn;

/** Make the state that belongs to a connection; freed with p. */
wa_db_conn *wa_db_conn_make(apr_pool_t *p, struct pg_conn *pg);

/** Where connections come from: mod_dbd in the module, own ones elsewhere. */
typedef struct wa_db_source {
    /** Borrow a connection. @return APR_SUCCESS, APR_TIMEUP when none came
     * free until the deadline, APR_ECONNREFUSED when there is no database */
    apr_status_t (*borrow)(void *baton, apr_pool_t *p, apr_time_t deadline,
                           wa_db_conn **conn, void **lease);
    /** Give it back; broken means it must not be used again as it is. */
    void (*give_back)(void *baton, void *lease, int broken);
    void *baton;
} wa_db_source;

/** A source of its own connections for the daemon and for tests.
 * @param conninfo libpq's keyword/value string
 * @param size most connections at one time */
apr_status_t wa_db_source_make(wa_db_source **source, apr_pool_t *p,
                               const char *conninfo, int size);

/** The breaker before a source: after a time-out it answers at once for a
 * second instead of letting every thread wait. One per process. */
typedef struct wa_db_breaker wa_db_breaker;
wa_db_breaker *wa_db_breaker_make(apr_pool_t *p);

typedef struct wa_db_pool {
    wa_db_source *source;
    wa_db_breaker *breaker;
    apr_interval_time_t borrow_wait;    /* for a connection, default 1 s */
    apr_interval_time_t statement_wait; /* for an answer, default 5 s */
} wa_db_pool;

/** A borrowed connection. */
typedef struct wa_db wa_db;
/** Rows of one statement. */
typedef struct wa_db_rows wa_db_rows;

/** Borrow a connection; the handle lives in p and must be closed.
 * @return APR_SUCCESS, APR_TIMEUP, APR_ECONNREFUSED */
apr_status_t wa_db_open(wa_db **db, apr_pool_t *p, const wa_db_pool *pool);

/** Give the connection back; an open transaction is rolled back. NULL is
 * fine; closing twice is harmless. Also runs at the pool's cleanup. */
void wa_db_close(wa_db *db);

apr_status_t wa_db_begin(wa_db *db);
/** @return APR_EGENERAL when the transaction had failed and was rolled back */
apr_status_t wa_db_commit(wa_db *db);
apr_status_t wa_db_rollback(wa_db *db);

/** Run a statement.
 * @param args the parameters as text, NULL for SQL NULL; count must be the
 *        statement's
 * @param rows the result in the handle's pool, or NULL
 * @return APR_SUCCESS; APR_EGENERAL for an SQL error (see wa_db_sqlstate);
 *         APR_TIMEUP or APR_ECONNABORTED when the connection is of no use */
apr_status_t wa_db_run(wa_db *db, wa_sql_id id, const char *const *args,
                       int count, wa_db_rows **rows);

/** wa_db_run with the parameters listed: WA_DB_RUN(db, ID, &rows, a, b) */
#define WA_DB_RUN(db, id, rows, ...)                                           \
    wa_db_run((db), (id), (const char *const[]){ __VA_ARGS__ },                \
              (int)(sizeof((const char *const[]){ __VA_ARGS__ })               \
                    / sizeof(const char *)),                                   \
              (rows))

/** Number of rows returned; of rows touched when none are returned. */
int wa_db_count(const wa_db_rows *rows);
/** Rows touched by INSERT, UPDATE, DELETE. */
int wa_db_affected(const wa_db_rows *rows);
/** A value as text (lives as long as the rows), NULL for SQL NULL. */
const char *wa_db_str(const wa_db_rows *rows, int row, int col);
/** A value as integer; dflt for NULL. */
apr_int64_t wa_db_int(const wa_db_rows *rows, int row, int col,
                      apr_int64_t dflt);
/** A boolean value; false for NULL. */
int wa_db_bool(const wa_db_rows *rows, int row, int col);
/** A time selected by WA_SQL_TIME; 0 for NULL. */
apr_time_t wa_db_time(const wa_db_rows *rows, int row, int col);

/** An integer as parameter text. */
const char *wa_db_p_int(apr_pool_t *p, apr_int64_t v);
/** A time as timestamptz parameter text; 0 is SQL NULL. */
const char *wa_db_p_time(apr_pool_t *p, apr_time_t t);
/** Texts as an array's parameter text, to be cast there; NULL is SQL NULL. */
const char *wa_db_p_array(apr_pool_t *p, const char *const *values, int count);
/** "t" or "f". */
const char *wa_db_p_bool(int v);

/** SQLSTATE of the last error, "" when there was none. */
const char *wa_db_sqlstate(const wa_db *db);
/** Constraint of the last error, or NULL. */
const char *wa_db_constraint(const wa_db *db);

/** Turn a failed status into what a client is told: unreachable and too slow
 * become WA_E_DB_UNAVAILABLE with Retry-After, the rest WA_E_INTERNAL, logged
 * with the statement's name and SQLSTATE. db may be NULL. */
wa_code wa_db_fail(const wa_db *db, apr_status_t rv, const char *request_id,
                   wa_result *r);

/** Open with the failure already told. */
wa_code wa_db_open_or_fail(wa_db **db, apr_pool_t *p, const wa_db_pool *pool,
                           const char *request_id, wa_result *r);

/** Wait for notifications of LISTEN on this connection.
 * @return APR_SUCCESS when one came, APR_TIMEUP, or a broken connection */
apr_status_t wa_db_listen(wa_db *db, wa_sql_id listen_statement);
apr_status_t wa_db_wait_notify(wa_db *db, apr_interval_time_t wait);
/** Its socket, for who waits for something else as well and then asks
 * wa_db_wait_notify with a wait of 0; -1 when there is none. */
int wa_db_socket(const wa_db *db);

/** What this connection was made with, as a keyword/value string, for a source
 * of own connections to the same database. Holds the password: not for logs.
 * @return NULL when libpq can't tell */
const char *wa_db_conninfo(const wa_db *db, apr_pool_t *p);

#endif
