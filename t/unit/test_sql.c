/* SPDX-License-Identifier: Apache-2.0 */
/* Every statement of the product against the real schema: WA_TEST_DB is the
 * conninfo of a database that sql/migrate.sh brought up to date. */
#include "tap.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "gateway/sql/wa_sql.h"

#define ROW(id, text) { #id, text },
static const struct {
    const char *id, *text;
} statements[] = { WA_SQL_LIST(ROW) };

#define COUNT (sizeof(statements) / sizeof(statements[0]))

/* The highest $n of a text. */
static int parameters(const char *text)
{
    int most = 0;

    for (; *text; text++) {
        if (*text == '$' && isdigit((unsigned char)text[1])) {
            int n = atoi(text + 1);

            most = n > most ? n : most;
        }
    }
    return most;
}

static int is_ok(PGresult *res, ExecStatusType status)
{
    int good = PQresultStatus(res) == status;

    if (!good) {
        diag("%s", PQresultErrorMessage(res));
    }
    PQclear(res);
    return good;
}

/* LISTEN, BEGIN and their like have no plan. */
static int has_plan(const char *text)
{
    return !strncmp(text, "SELECT", 6) || !strncmp(text, "INSERT", 6)
           || !strncmp(text, "UPDATE", 6) || !strncmp(text, "DELETE", 6)
           || !strncmp(text, "WITH", 4);
}

static void test_statement(PGconn *c, const char *id, const char *text)
{
    PGresult *d;

    if (!ok(is_ok(PQprepare(c, id, text, 0, NULL), PGRES_COMMAND_OK),
            "%s can be prepared", id)) {
        return;
    }
    d = PQdescribePrepared(c, id);
    is_int(PQnparams(d), parameters(text), "%s: its parameters are all used",
           id);
    PQclear(d);
}

/* With NULLs for parameters nothing is found or written, and everything is
 * rolled back; but casts and functions are looked up for good. */
static void test_run(PGconn *c, const char *id, const char *text)
{
    const char *values[64] = { NULL };
    PGresult *res;
    const char *state;

    is_ok(PQexec(c, "BEGIN"), PGRES_COMMAND_OK);
    res = PQexecPrepared(c, id, parameters(text), values, NULL, NULL, 0);
    state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    /* 23502: a column must not be NULL, which only we are to blame for. */
    ok(!state || !strcmp(state, "23502"), "%s can be run (%s)", id,
       state ? PQresultErrorMessage(res) : "no error");
    PQclear(res);
    is_ok(PQexec(c, "ROLLBACK"), PGRES_COMMAND_OK);
}

/* What isn't folded yet may be much, while the daemon is away: it is added up
 * before it is laid beside the days, whatever the planner thinks of that. */
static void test_overview(PGconn *c)
{
    static const char removed[] = "Rows Removed by Join Filter: ";
    long most = 0;
    PGresult *res;
    int i;

    is_ok(PQexec(c, "BEGIN"), PGRES_COMMAND_OK);
    is_ok(PQexec(c, "SET LOCAL enable_seqscan = off; SET LOCAL jit = off"),
          PGRES_COMMAND_OK);
    is_ok(PQexec(c, "INSERT INTO usage_delta (hour, api_requests)"
                    " SELECT usage_hour(now()), 1"
                    " FROM generate_series(1, 40000)"),
          PGRES_COMMAND_OK);
    is_ok(PQexec(c, "DISCARD PLANS"), PGRES_COMMAND_OK);
    res = PQexec(c, "EXPLAIN (ANALYZE, TIMING OFF)"
                    " EXECUTE \"OVERVIEW_DAYS\"");
    ok(PQntuples(res) > 1, "the overview's days have a plan");
    for (i = 0; i < PQntuples(res); i++) {
        const char *at = strstr(PQgetvalue(res, i, 0), removed);
        long n = at ? strtol(at + sizeof(removed) - 1, NULL, 10) : 0;

        most = n > most ? n : most;
    }
    ok(most < 100000, "which doesn't go through all for each (%ld)", most);
    PQclear(res);
    is_ok(PQexec(c, "ROLLBACK"), PGRES_COMMAND_OK);
}

int main(void)
{
    const char *conninfo = getenv("WA_TEST_DB");
    PGconn *c;
    size_t i, j;
    int twice = 0;

    tap_start();
    if (!conninfo) {
        skip_all("WA_TEST_DB is not set");
    }
    c = PQconnectdb(conninfo);
    if (!ok(PQstatus(c) == CONNECTION_OK, "the database is there")) {
        diag("%s", PQerrorMessage(c));
        return tap_done();
    }
    is_int((apr_int64_t)COUNT, WA_SQL_COUNT, "the list and the ids agree");
    for (i = 0; i < COUNT; i++) {
        for (j = 0; j < i; j++) {
            twice += !strcmp(statements[i].text, statements[j].text);
        }
        test_statement(c, statements[i].id, statements[i].text);
    }
    is_int(twice, 0, "no statement is there twice");
    for (i = 0; i < COUNT; i++) {
        if (has_plan(statements[i].text)) {
            test_run(c, statements[i].id, statements[i].text);
        }
    }
    test_overview(c);
    PQfinish(c);
    return tap_done();
}
