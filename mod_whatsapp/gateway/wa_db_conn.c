/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_db_conn.c
 * @brief One PGconn: sending and receiving with a deadline, and recovery.
 *
 * libpq's blocking calls have no time-out of their own, and a stopped server
 * still acknowledges TCP. So everything here is non-blocking and polls.
 */
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>

#include "wa_db_private.h"

/* PQconsumeInput reads the FATAL message of a server that went away first,
 * and sees the end of the connection only at a later call. */
#define STALE_READS 3

#define CONNECT_WAIT apr_time_from_sec(2)
#define CONNECT_GRACE apr_time_from_sec(1)

static void ignore_notice(void *arg, const char *message)
{
    /* libpq's default prints to stderr, and notices may quote values. */
}

wa_db_conn *wa_db_conn_make(apr_pool_t *p, struct pg_conn *pg)
{
    wa_db_conn *conn = apr_pcalloc(p, sizeof(*conn));

    conn->pool = p;
    conn->pg = pg;
    conn->prepared = apr_hash_make(p);
    PQsetNoticeProcessor(pg, ignore_notice, NULL);
    return conn;
}

static int poll_msec(apr_time_t deadline)
{
    apr_interval_time_t left = deadline - apr_time_now();

    return left > 0 ? (int)((left + 999) / 1000) : 0;
}

/* It polls once even when the deadline has passed, so that an answer that is
 * there counts although this thread was late to look. */
static apr_status_t wait_for(PGconn *pg, short events, apr_time_t deadline)
{
    struct pollfd pfd = { .fd = PQsocket(pg), .events = events };
    int n;

    if (pfd.fd < 0) {
        return APR_ECONNABORTED;
    }
    do {
        n = poll(&pfd, 1, poll_msec(deadline));
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return APR_ECONNABORTED;
    }
    return n ? APR_SUCCESS : APR_TIMEUP;
}

apr_status_t wa_db_conn_input(wa_db_conn *conn, apr_time_t deadline)
{
    apr_status_t rv = wait_for(conn->pg, POLLIN, deadline);

    if (rv == APR_SUCCESS && !PQconsumeInput(conn->pg)) {
        rv = APR_ECONNABORTED;
    }
    return rv;
}

/* While sending, take in what arrives: a server that can't get rid of its
 * output would stop reading ours. */
static apr_status_t flush(PGconn *pg, apr_time_t deadline)
{
    int more;

    while ((more = PQflush(pg)) > 0) {
        apr_status_t rv = wait_for(pg, POLLIN | POLLOUT, deadline);

        if (rv != APR_SUCCESS) {
            return rv;
        }
        if (!PQconsumeInput(pg)) {
            return APR_ECONNABORTED;
        }
    }
    return more < 0 ? APR_ECONNABORTED : APR_SUCCESS;
}

static int is_error(const PGresult *res)
{
    ExecStatusType status = PQresultStatus(res);

    return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE
           || status == PGRES_NONFATAL_ERROR;
}

static int is_copy(const PGresult *res)
{
    ExecStatusType status = PQresultStatus(res);

    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT
           || status == PGRES_COPY_BOTH;
}

/* The first error says what went wrong; without one the last result counts. */
static void keep(PGresult **kept, PGresult *res)
{
    if (*kept && is_error(*kept)) {
        PQclear(res);
        return;
    }
    PQclear(*kept);
    *kept = res;
}

static apr_status_t next_result(wa_db_conn *conn, apr_time_t deadline,
                                PGresult **res)
{
    apr_status_t rv;

    while (PQisBusy(conn->pg)) {
        if (APR_SUCCESS != (rv = wa_db_conn_input(conn, deadline))) {
            return rv;
        }
    }
    *res = PQgetResult(conn->pg);
    /* A COPY never ends by itself, and no statement of ours is one. */
    return *res && is_copy(*res) ? APR_ECONNABORTED : APR_SUCCESS;
}

/* Drains all results, because libpq takes no new statement before. An error
 * that came before the connection ended says why it ended. */
static apr_status_t collect(wa_db_conn *conn, apr_time_t deadline,
                            PGresult **res)
{
    PGresult *kept = NULL, *one = NULL;
    apr_status_t rv = flush(conn->pg, deadline);

    while (rv == APR_SUCCESS) {
        rv = next_result(conn, deadline, &one);
        if (!one) {
            break;
        }
        keep(&kept, one);
        one = NULL;
    }
    if (rv == APR_SUCCESS && !kept) {
        rv = APR_ECONNABORTED;
    }
    if (rv != APR_SUCCESS) {
        conn->broken = 1;
    }
    if (rv == APR_ECONNABORTED && kept && is_error(kept)) {
        rv = APR_SUCCESS;
    }
    if (rv != APR_SUCCESS) {
        PQclear(kept);
        kept = NULL;
    }
    *res = kept;
    return rv;
}

/* @param sent what libpq's PQsend… said */
static apr_status_t answer(wa_db_conn *conn, int sent, apr_time_t deadline,
                           PGresult **res)
{
    *res = NULL;
    if (!sent) {
        conn->broken = 1;
        return APR_ECONNABORTED;
    }
    return collect(conn, deadline, res);
}

apr_status_t wa_db_conn_plain(wa_db_conn *conn, const char *text,
                              apr_time_t deadline, struct pg_result **res)
{
    return answer(conn, PQsendQuery(conn->pg, text), deadline, res);
}

apr_status_t wa_db_conn_prepare(wa_db_conn *conn, const char *name,
                                const char *text, apr_time_t deadline,
                                struct pg_result **res)
{
    return answer(conn, PQsendPrepare(conn->pg, name, text, 0, NULL), deadline,
                  res);
}

apr_status_t wa_db_conn_execute(wa_db_conn *conn, const char *name,
                                const char *const *args, int count,
                                apr_time_t deadline, struct pg_result **res)
{
    int sent = PQsendQueryPrepared(conn->pg, name, count, args, NULL, NULL, 0);

    return answer(conn, sent, deadline, res);
}

void wa_db_conn_forget(wa_db_conn *conn)
{
    apr_hash_clear(conn->prepared);
    conn->generation++;
}

/* Drive a connect or reset to its end; step is PQconnectPoll or PQresetPoll.
 * libpq may change the socket between two steps. */
static apr_status_t connect_loop(PGconn *pg,
                                 PostgresPollingStatusType (*step)(PGconn *),
                                 apr_time_t deadline)
{
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;

    while (PQstatus(pg) != CONNECTION_BAD) {
        short events = want == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        apr_status_t rv = wait_for(pg, events, deadline);

        if (rv != APR_SUCCESS) {
            return rv;
        }
        want = step(pg);
        if (want == PGRES_POLLING_OK) {
            return PQsetnonblocking(pg, 1) == 0 ? APR_SUCCESS
                                                : APR_ECONNREFUSED;
        }
        if (want == PGRES_POLLING_FAILED) {
            break;
        }
    }
    return APR_ECONNREFUSED;
}

static apr_status_t reset(wa_db_conn *conn, apr_time_t deadline)
{
    apr_status_t rv = APR_ECONNREFUSED;

    conn->broken = 1;
    if (PQresetStart(conn->pg)) {
        rv = connect_loop(conn->pg, PQresetPoll, deadline);
    }
    if (rv == APR_SUCCESS) {
        conn->broken = 0;
    }
    /* A new backend may happen to have the old one's pid. */
    conn->pid = 0;
    return rv == APR_ECONNABORTED ? APR_ECONNREFUSED : rv;
}

/* What lies in the socket of an idle connection is a notification, or the
 * last words of a server that went away. */
static int is_usable(wa_db_conn *conn)
{
    int i;

    if (conn->broken || PQstatus(conn->pg) != CONNECTION_OK) {
        return 0;
    }
    for (i = 0; i < STALE_READS; i++) {
        if (wa_db_conn_input(conn, 0) == APR_TIMEUP) {
            break;
        }
    }
    return PQstatus(conn->pg) == CONNECTION_OK
           && PQtransactionStatus(conn->pg) == PQTRANS_IDLE
           && PQsetnonblocking(conn->pg, 1) == 0;
}

/* Statements are planned once for as long as their connection lives, perhaps
 * while the tables are still small, and must be good when they have grown: so
 * none may go through a whole table where there is an index. What can't be done
 * otherwise is reckoned as so dear by that, that it would be compiled. */
#define PLANS "SET enable_seqscan = off; SET jit = off"

/* @return what the connection failed with; where the server only won't have
 * them, its own settings do */
static apr_status_t settle(wa_db_conn *conn, apr_time_t deadline)
{
    PGresult *res = NULL;
    apr_status_t rv = wa_db_conn_plain(conn, PLANS, deadline, &res);

    PQclear(res);
    return rv == APR_ECONNABORTED ? APR_ECONNREFUSED : rv;
}

apr_status_t wa_db_conn_ready(wa_db_conn *conn, apr_time_t deadline)
{
    apr_status_t rv = APR_SUCCESS;

    if (!is_usable(conn)) {
        rv = reset(conn, deadline);
    }
    if (rv == APR_SUCCESS && conn->pid != PQbackendPID(conn->pg)) {
        wa_db_conn_forget(conn);
        rv = settle(conn, deadline);
        if (rv == APR_SUCCESS) {
            conn->pid = PQbackendPID(conn->pg);
        }
    }
    return rv;
}

apr_time_t wa_db_connect_deadline(apr_time_t borrow_deadline)
{
    apr_time_t most = apr_time_now() + CONNECT_WAIT;
    apr_time_t granted = borrow_deadline + CONNECT_GRACE;

    return granted < most ? granted : most;
}

apr_status_t wa_db_connect(struct pg_conn **pg, const char *conninfo,
                           apr_time_t deadline)
{
    /* In this order conninfo can overrule what stands before it. */
    static const char *const keys[] = { "client_encoding",
                                        "fallback_application_name", "dbname",
                                        NULL };
    const char *const values[] = { "UTF8", "mod_whatsapp", conninfo, NULL };
    apr_status_t rv = APR_ECONNREFUSED;

    *pg = PQconnectStartParams(keys, values, 1);
    if (*pg) {
        rv = connect_loop(*pg, PQconnectPoll, deadline);
    }
    if (rv != APR_SUCCESS) {
        PQfinish(*pg);
        *pg = NULL;
    }
    return rv == APR_ECONNABORTED ? APR_ECONNREFUSED : rv;
}
