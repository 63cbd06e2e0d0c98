/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_db_error.c
 * @brief What a result means, and what a client and the log are told of it.
 *
 * The server's messages quote values, so neither of the two sees them: the
 * log gets statement, SQLSTATE and constraint.
 */
#include <apr_atomic.h>
#include <apr_strings.h>
#include <libpq-fe.h>
#include <string.h>

#include "../base/wa_log.h"
#include "wa_db_private.h"

#define RETRY_AFTER 2

static void learned(wa_db *db, apr_status_t rv)
{
    if (rv == APR_TIMEUP) {
        wa_db_breaker_trip(db->from->breaker);
        db->probe = 0;
    }
    else if (rv == APR_SUCCESS && db->probe) {
        wa_db_breaker_ok(db->from->breaker);
        db->probe = 0;
    }
}

/* The server is going away, coming up, or full: nobody's fault here. */
static int is_unavailable(const char *sqlstate)
{
    static const char *const codes[] = { "57P01", "57P02", "57P03", "53300" };
    apr_size_t i;

    for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (!strcmp(sqlstate, codes[i])) {
            return 1;
        }
    }
    return !strncmp(sqlstate, "08", 2);
}

/* That the transaction has failed already says nothing about why. */
static void remember_error(wa_db *db, const PGresult *res)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *constraint;

    if (state && !strcmp(state, "25P02")) {
        return;
    }
    constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);
    db->failed = db->last;
    apr_cpystrn(db->sqlstate, state ? state : "", sizeof(db->sqlstate));
    db->constraint = constraint ? apr_pstrdup(db->pool, constraint) : NULL;
}

apr_status_t wa_db_judge(wa_db *db, apr_status_t rv, struct pg_result *res,
                         struct pg_result **good)
{
    ExecStatusType status = PQresultStatus(res);

    *good = NULL;
    learned(db, rv);
    if (rv != APR_SUCCESS) {
        db->failed = db->last;
        return rv;
    }
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
        *good = res;
        return APR_SUCCESS;
    }
    remember_error(db, res);
    PQclear(res);
    if (db->conn->broken || PQstatus(db->conn->pg) != CONNECTION_OK
        || is_unavailable(db->sqlstate)) {
        db->conn->broken = 1;
        return APR_ECONNABORTED;
    }
    return APR_EGENERAL;
}

const char *wa_db_sqlstate(const wa_db *db)
{
    return db->sqlstate;
}

const char *wa_db_constraint(const wa_db *db)
{
    return db->constraint;
}

/* Errors that the same statement may not meet a moment later: cancelled by
 * statement_timeout, lock not to be had, deadlock, serialization, a server
 * that is read-only (just failed over) or short of something. */
static int is_passing(const char *sqlstate)
{
    static const char *const codes[] = { "57014", "55P03", "40P01", "40001",
                                         "25006" };
    apr_size_t i;

    for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (!strcmp(sqlstate, codes[i])) {
            return 1;
        }
    }
    return !strncmp(sqlstate, "53", 2);
}

/* An outage fails every request: one line a second says so, the others can
 * be had at debug. */
static wa_log_level outage_level(void)
{
    static apr_uint32_t last_second;
    apr_uint32_t now = (apr_uint32_t)apr_time_sec(apr_time_now());
    apr_uint32_t seen = apr_atomic_read32(&last_second);

    if (seen != now && apr_atomic_cas32(&last_second, now, seen) == seen) {
        return WA_LOG_WARNING;
    }
    return WA_LOG_DEBUG;
}

static const char *why_unavailable(apr_status_t rv)
{
    return rv == APR_ECONNREFUSED   ? "it can't be reached"
           : rv == APR_TIMEUP       ? "it didn't answer in time"
           : rv == APR_ECONNABORTED ? "the connection was lost"
                                    : "it is not able to at the moment";
}

wa_code wa_db_fail(const wa_db *db, apr_status_t rv, const char *request_id,
                   wa_result *r)
{
    const char *name = db && db->failed ? db->failed : "(connect)";
    const char *state = db ? db->sqlstate : "";

    if (rv == APR_ECONNREFUSED || rv == APR_TIMEUP || rv == APR_ECONNABORTED
        || (rv == APR_EGENERAL && is_passing(state))) {
        wa_log(outage_level(), request_id,
               "WA0204: database unavailable at %s: %s (SQLSTATE %s)", name,
               why_unavailable(rv), *state ? state : "none");
        return wa_fail_retry(r, WA_E_DB_UNAVAILABLE, RETRY_AFTER,
                             "The database is not available: %s.",
                             why_unavailable(rv));
    }
    wa_log(WA_LOG_ERR, request_id,
           "WA0205: statement %s failed: status %d, SQLSTATE %s, "
           "constraint %s",
           name, rv, *state ? state : "none",
           db && db->constraint ? db->constraint : "none");
    return wa_fail(r, WA_E_INTERNAL, NULL);
}

wa_code wa_db_open_or_fail(wa_db **db, apr_pool_t *p, const wa_db_pool *pool,
                           const char *request_id, wa_result *r)
{
    apr_status_t rv = wa_db_open(db, p, pool);

    return rv == APR_SUCCESS ? WA_OK : wa_db_fail(NULL, rv, request_id, r);
}
