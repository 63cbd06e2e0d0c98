/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_db_private.h
 * @brief What the files of wa_db share; nobody else includes it but tests.
 */
#ifndef WA_DB_PRIVATE_H
#define WA_DB_PRIVATE_H

#include <apr_hash.h>
#include <apr_pools.h>
#include <apr_time.h>

#include "wa_db.h"

struct pg_result;

/** Until when a connect or reset may take: 2 s, but who has waited for the
 * connection already gets only 1 s more than that wait's deadline. */
apr_time_t wa_db_connect_deadline(apr_time_t borrow_deadline);

struct wa_db_conn {
    apr_pool_t *pool;
    struct pg_conn *pg;
    int pid;              /* the backend for which `prepared` holds */
    int generation;       /* in the statements' names, see _forget */
    apr_hash_t *prepared; /* statement's name → its text */
    int broken;           /* state unclear: reset before the next use */
};

struct wa_db {
    apr_pool_t *pool;
    const wa_db_pool *from;
    wa_db_conn *conn; /* NULL once given back */
    void *lease;
    int probe;          /* its first answer closes the breaker */
    int listening;      /* nobody else may get this connection */
    const char *last;   /* name of the last statement */
    const char *failed; /* name of the last one that failed */
    char sqlstate[6];   /* of the last error */
    const char *constraint;
};

/** Make a borrowed connection fit for use: see that it is alive, reset it
 * when it is not, forget what another backend had prepared, and tell a new one
 * how it is to plan.
 * @return APR_SUCCESS, APR_TIMEUP, APR_ECONNREFUSED */
apr_status_t wa_db_conn_ready(wa_db_conn *conn, apr_time_t deadline);

/** Send a text without parameters by the simple protocol. */
apr_status_t wa_db_conn_plain(wa_db_conn *conn, const char *text,
                              apr_time_t deadline, struct pg_result **res);
/** Prepare a statement under a name of the server's side. */
apr_status_t wa_db_conn_prepare(wa_db_conn *conn, const char *name,
                                const char *text, apr_time_t deadline,
                                struct pg_result **res);
/** Execute what was prepared under that name. @return of these three:
 * APR_SUCCESS with a result (which may be an SQL error), else APR_TIMEUP or
 * APR_ECONNABORTED and the connection is broken */
apr_status_t wa_db_conn_execute(wa_db_conn *conn, const char *name,
                                const char *const *args, int count,
                                apr_time_t deadline, struct pg_result **res);

/** Wait until something arrived and take it in.
 * @return APR_SUCCESS, APR_TIMEUP, APR_ECONNABORTED */
apr_status_t wa_db_conn_input(wa_db_conn *conn, apr_time_t deadline);

/** Forget all prepared statements. They stay in the backend, so that later
 * ones get names of the next generation. */
void wa_db_conn_forget(wa_db_conn *conn);

/** Connect within a deadline. @return APR_SUCCESS, APR_TIMEUP,
 * APR_ECONNREFUSED; *pg is NULL unless APR_SUCCESS */
apr_status_t wa_db_connect(struct pg_conn **pg, const char *conninfo,
                           apr_time_t deadline);

/** May a connection be borrowed? Waits up to 500 ms for what somebody learns
 * who tries just now. @param probe set when the caller is the one
 * that tries whether the database is back; it must report or release */
int wa_db_breaker_enter(wa_db_breaker *b, int *probe);
/** The database answered: closed again. */
void wa_db_breaker_ok(wa_db_breaker *b);
/** It let somebody wait in vain: open for a second. */
void wa_db_breaker_trip(wa_db_breaker *b);
/** The probe ended without having learnt anything. */
void wa_db_breaker_release(wa_db_breaker *b);

/** Rows from a result; takes it over. */
wa_db_rows *wa_db_rows_make(apr_pool_t *p, struct pg_result *res);

/** See what came of a statement: tell the breaker, remember the error.
 * @param rv how sending and receiving went
 * @param res the result, taken over unless it is good
 * @param good the result when it is good, else NULL */
apr_status_t wa_db_judge(wa_db *db, apr_status_t rv, struct pg_result *res,
                         struct pg_result **good);

/** As wa_db_run for any text; name must live as long as the connection and
 * stand for one text only. */
apr_status_t wa_db_run_text(wa_db *db, const char *name, const char *text,
                            const char *const *args, int count,
                            wa_db_rows **rows);

/** Highest n of all $n in a statement. */
int wa_db_count_params(const char *text);

#endif
