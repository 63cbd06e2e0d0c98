/* SPDX-License-Identifier: Apache-2.0 */
/* wa_db against a PostgreSQL: WA_TEST_DB is a conninfo of a role that may
 * create tables and end its own backends. */
#include "tap.h"

#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/wa_db.h"
#include "gateway/wa_db_private.h"

#define MSEC(n) apr_time_from_msec(n)

static apr_pool_t *root;

static wa_db_pool make_pool(const char *conninfo, int size)
{
    wa_db_pool pool = { .breaker = wa_db_breaker_make(root),
                        .borrow_wait = MSEC(300),
                        .statement_wait = MSEC(3000) };

    if (wa_db_source_make(&pool.source, root, conninfo, size) != APR_SUCCESS) {
        diag("no source");
    }
    return pool;
}

static wa_db *open_db(apr_pool_t *p, const wa_db_pool *pool)
{
    wa_db *db = NULL;
    apr_status_t rv = wa_db_open(&db, p, pool);

    if (!db) {
        diag("wa_db_open: %d", rv);
    }
    return db;
}

#define TEXT(db, name, text, rows, ...)                                        \
    wa_db_run_text((db), (name), (text), (const char *const[]){ __VA_ARGS__ }, \
                   (int)(sizeof((const char *const[]){ __VA_ARGS__ })          \
                         / sizeof(const char *)),                              \
                   (rows))
#define RUN(db, text) wa_db_run_text((db), (text), (text), NULL, 0, NULL)

static apr_int64_t number(wa_db *db, const char *text)
{
    wa_db_rows *rows;

    if (wa_db_run_text(db, text, text, NULL, 0, &rows) != APR_SUCCESS
        || wa_db_count(rows) != 1) {
        return -1;
    }
    return wa_db_int(rows, 0, 0, -2);
}

/* A table that lives as long as the test, seen by all connections. */
static void make_table(const wa_db_pool *pool)
{
    apr_pool_t *p;
    wa_db *db;

    apr_pool_create(&p, root);
    db = open_db(p, pool);
    RUN(db, "DROP TABLE IF EXISTS wa_test_db");
    is_int(RUN(db, "CREATE TABLE wa_test_db (id int CONSTRAINT wa_test_id"
                   " UNIQUE DEFERRABLE INITIALLY IMMEDIATE, name text)"),
           APR_SUCCESS, "a table can be made");
    apr_pool_destroy(p);
}

static void test_types(const wa_db_pool *pool)
{
    static const char text[] =
        "SELECT $1::text, $2::bigint, $3::boolean, $4::text,"
        " " WA_SQL_TIME("$5::timestamptz") ", $6::boolean";
    apr_time_t t = APR_TIME_C(1767323045678901);
    char *big = apr_palloc(root, 3000001);
    wa_db_rows *rows;
    wa_db *db = open_db(root, pool);

    is_int(WA_DB_RUN(db, WA_SQL_PING, &rows, ), APR_SUCCESS, "PING");
    is_int(wa_db_count(rows), 1, "one row");
    is_int(wa_db_int(rows, 0, 0, 0), 1, "it is 1");

    is_int(TEXT(db, "types", text, &rows, "gr\xc3\xbc\xc3\x9f'\"\\$1",
                wa_db_p_int(root, APR_INT64_MIN), wa_db_p_bool(1), "",
                wa_db_p_time(root, t), wa_db_p_bool(0)),
           APR_SUCCESS, "all types");
    is_str(wa_db_str(rows, 0, 0), "gr\xc3\xbc\xc3\x9f'\"\\$1", "text");
    ok(wa_db_int(rows, 0, 1, 0) == APR_INT64_MIN, "bigint");
    is_int(wa_db_bool(rows, 0, 2), 1, "true");
    is_str(wa_db_str(rows, 0, 3), "", "an empty text is no NULL");
    ok(wa_db_time(rows, 0, 4) == t, "a time with its microseconds");
    is_int(wa_db_bool(rows, 0, 5), 0, "false");

    is_int(TEXT(db, "types", text, &rows, NULL, NULL, NULL, NULL,
                wa_db_p_time(root, 0), NULL),
           APR_SUCCESS, "all NULL");
    ok(wa_db_str(rows, 0, 0) == NULL, "NULL text");
    is_int(wa_db_int(rows, 0, 1, 77), 77, "NULL bigint is the default");
    is_int(wa_db_bool(rows, 0, 2), 0, "NULL boolean is false");
    is_int(wa_db_time(rows, 0, 4), 0, "NULL time is 0");
    ok(wa_db_str(rows, 1, 0) == NULL && wa_db_str(rows, 0, 99) == NULL,
       "outside of the rows is NULL too");

    memset(big, 'x', 3000000);
    big[3000000] = '\0';
    is_int(TEXT(db, "big", "SELECT $1::text || $1", &rows, big), APR_SUCCESS,
           "more than the socket's buffers hold");
    is_int((apr_int64_t)strlen(wa_db_str(rows, 0, 0)), 6000000,
           "all of it came back");
    wa_db_close(db);
    is_int((apr_int64_t)strlen(wa_db_str(rows, 0, 0)), 6000000,
           "rows outlive the loan");
    wa_db_close(db);
    wa_db_close(NULL);
    ok(1, "closing twice is harmless");
    is_int(WA_DB_RUN(db, WA_SQL_PING, NULL, ), APR_ECONNABORTED,
           "a closed handle runs nothing");
}

static void test_counts(const wa_db_pool *pool)
{
    wa_db_rows *rows;
    wa_db *db = open_db(root, pool);

    is_int(wa_db_count_params("SELECT $1, $12, $2 || '$'"), 12, "parameters");
    is_int(WA_DB_RUN(db, WA_SQL_PING, &rows, "x"), APR_EINVAL,
           "a parameter too many is refused");
    ok(rows == NULL, "without rows");
    is_int(TEXT(db, "ins", "INSERT INTO wa_test_db VALUES ($1), ($2)", &rows,
                "1", "2"),
           APR_SUCCESS, "insert");
    is_int(wa_db_affected(rows), 2, "two rows touched");
    is_int(wa_db_count(rows), 2, "and counted");
    is_int(TEXT(db, "upd",
                "UPDATE wa_test_db SET name = $1 WHERE id > 1 RETURNING name",
                &rows, "n"),
           APR_SUCCESS, "update");
    is_int(wa_db_affected(rows), 1, "one row touched");
    is_str(wa_db_str(rows, 0, 0), "n", "and returned");
    is_int(TEXT(db, "del", "DELETE FROM wa_test_db WHERE id = $1", &rows, "9"),
           APR_SUCCESS, "delete nothing");
    is_int(wa_db_affected(rows), 0, "no row touched");
    wa_db_close(db);
}

static void test_errors(const wa_db_pool *pool)
{
    wa_result *r = wa_result_make(root);
    wa_db *db = open_db(root, pool);

    is_str(wa_db_sqlstate(db), "", "no error yet");
    is_int(TEXT(db, "one", "INSERT INTO wa_test_db VALUES ($1)", NULL, "1"),
           APR_EGENERAL, "a duplicate is an error");
    is_str(wa_db_sqlstate(db), "23505", "its SQLSTATE");
    is_str(wa_db_constraint(db), "wa_test_id", "its constraint");
    is_int(wa_db_fail(db, APR_EGENERAL, "req-1", r), WA_E_INTERNAL,
           "unexpected, it is internal");
    is_int(number(db, "SELECT count(*) FROM wa_test_db"), 2,
           "the connection goes on");
    is_int(TEXT(db, "bad", "SELECT $1::int", NULL, "x"), APR_EGENERAL,
           "a wrong value is an error");
    is_str(wa_db_sqlstate(db), "22P02", "its SQLSTATE");
    ok(wa_db_constraint(db) == NULL, "no constraint");
    is_int(RUN(db, "SELEC 1"), APR_EGENERAL, "so is a wrong statement");
    is_str(wa_db_sqlstate(db), "42601", "its SQLSTATE");

    RUN(db, "SET statement_timeout = 100");
    is_int(RUN(db, "SELECT pg_sleep(2)"), APR_EGENERAL, "statement_timeout");
    is_int(wa_db_fail(db, APR_EGENERAL, NULL, r), WA_E_DB_UNAVAILABLE,
           "too slow is unavailable");
    ok(r->retry_after > 0, "with Retry-After");
    RUN(db, "RESET statement_timeout");
    is_int(wa_db_fail(NULL, APR_TIMEUP, NULL, r), WA_E_DB_UNAVAILABLE,
           "a time-out");
    is_int(wa_db_fail(NULL, APR_ECONNREFUSED, NULL, r), WA_E_DB_UNAVAILABLE,
           "no database");
    is_int(RUN(db, "COPY wa_test_db TO STDOUT"), APR_ECONNABORTED,
           "COPY is not for us");
    wa_db_close(db);
    db = open_db(root, pool);
    is_int(number(db, "SELECT 5"), 5, "and leaves no trace");
    wa_db_close(db);
}

static void test_transactions(const wa_db_pool *pool)
{
    wa_db *db = open_db(root, pool);

    is_int(wa_db_begin(db), APR_SUCCESS, "begin");
    is_int(wa_db_begin(db), APR_EINVAL, "not twice");
    RUN(db, "INSERT INTO wa_test_db VALUES (10)");
    is_int(wa_db_commit(db), APR_SUCCESS, "commit");
    wa_db_begin(db);
    RUN(db, "INSERT INTO wa_test_db VALUES (11)");
    is_int(wa_db_rollback(db), APR_SUCCESS, "rollback");
    wa_db_begin(db);
    RUN(db, "INSERT INTO wa_test_db VALUES (12)");
    wa_db_close(db);

    db = open_db(root, pool);
    is_int(number(db, "SELECT count(*) FROM wa_test_db WHERE id = 10"), 1,
           "committed");
    is_int(number(db, "SELECT count(*) FROM wa_test_db WHERE id > 10"), 0,
           "rolled back, by close too");
    wa_db_begin(db);
    RUN(db, "INSERT INTO wa_test_db VALUES (13)");
    RUN(db, "INSERT INTO wa_test_db VALUES (10)");
    is_int(RUN(db, "SELECT 1"), APR_EGENERAL, "a failed transaction");
    is_str(wa_db_sqlstate(db), "23505", "remembers what failed");
    is_int(wa_db_commit(db), APR_EGENERAL, "and does not commit");
    is_str(wa_db_constraint(db), "wa_test_id", "and still remembers");
    is_int(number(db, "SELECT count(*) FROM wa_test_db WHERE id > 10"), 0,
           "nothing of it is there");
    wa_db_begin(db);
    RUN(db, "SET CONSTRAINTS wa_test_id DEFERRED");
    RUN(db, "INSERT INTO wa_test_db VALUES (10)");
    is_int(wa_db_commit(db), APR_EGENERAL, "a constraint fails at commit");
    is_str(wa_db_sqlstate(db), "23505", "its SQLSTATE");
    wa_db_close(db);
}

static void test_plans(const wa_db_pool *pool)
{
    static const char all[] = "SELECT * FROM wa_test_db WHERE id = 10";
    wa_db *db = open_db(root, pool), *other;
    wa_db_rows *rows;

    other = open_db(root, pool);
    is_int(TEXT(db, "all", all, &rows, ), APR_SUCCESS, "prepared");
    RUN(other, "ALTER TABLE wa_test_db ADD COLUMN more int DEFAULT 3");
    is_int(TEXT(db, "all", all, &rows, ), APR_SUCCESS, "prepared again");
    is_int(wa_db_int(rows, 0, 2, 0), 3, "with the new column");
    RUN(db, "DISCARD ALL");
    is_int(TEXT(db, "all", all, &rows, ), APR_SUCCESS, "after DISCARD ALL");
    RUN(other, "ALTER TABLE wa_test_db DROP COLUMN more");
    wa_db_begin(db);
    is_int(TEXT(db, "all", all, &rows, ), APR_EGENERAL,
           "in a transaction it fails");
    wa_db_rollback(db);
    wa_db_begin(db);
    is_int(TEXT(db, "all", all, &rows, ), APR_SUCCESS, "once");
    is_int(wa_db_commit(db), APR_SUCCESS, "and commits");
    wa_db_close(db);
    wa_db_close(other);
}

static void test_loans(const char *conninfo)
{
    wa_db_pool pool = make_pool(conninfo, 1);
    apr_pool_t *p;
    apr_time_t start;
    wa_db *db, *second;

    apr_pool_create(&p, root);
    db = open_db(p, &pool);
    start = apr_time_now();
    is_int(wa_db_open(&second, root, &pool), APR_TIMEUP, "all lent out");
    ok(second == NULL, "no handle");
    ok(apr_time_now() - start >= MSEC(290)
           && apr_time_now() - start < MSEC(800),
       "after the wait for one");
    wa_db_begin(db);
    apr_pool_destroy(p);
    second = open_db(root, &pool);
    ok(second != NULL, "the pool's cleanup gives it back");
    is_int(wa_db_begin(second), APR_SUCCESS, "out of the transaction");
    wa_db_close(second);
}

typedef struct killer {
    const wa_db_pool *pool;
    char sql[80];
    apr_interval_time_t after;
} killer;

static void *APR_THREAD_FUNC run_later(apr_thread_t *thread, void *data)
{
    killer *k = data;
    apr_pool_t *p;
    wa_db *db;

    apr_pool_create(&p, NULL);
    apr_sleep(k->after);
    db = open_db(p, k->pool);
    if (db) {
        RUN(db, k->sql);
    }
    apr_pool_destroy(p);
    return NULL;
}

static apr_thread_t *later(killer *k)
{
    apr_thread_t *thread = NULL;

    apr_thread_create(&thread, NULL, run_later, k, root);
    return thread;
}

static void test_notify(const char *conninfo, const wa_db_pool *pool)
{
    wa_db_pool own = make_pool(conninfo, 1);
    killer k = { pool, "SELECT pg_notify('wa_outbox', 'x')", MSEC(200) };
    wa_db *db = open_db(root, &own);
    apr_thread_t *thread;
    apr_status_t rv;
    apr_time_t start;

    is_int(wa_db_listen(db, WA_SQL_LISTEN_OUTBOX), APR_SUCCESS, "listen");
    is_int(wa_db_wait_notify(db, MSEC(50)), APR_TIMEUP, "silence");
    thread = later(&k);
    start = apr_time_now();
    is_int(wa_db_wait_notify(db, MSEC(3000)), APR_SUCCESS, "told");
    ok(apr_time_now() - start < MSEC(1500), "at once");
    apr_thread_join(&rv, thread);
    is_int(wa_db_wait_notify(db, MSEC(50)), APR_TIMEUP, "only once");
    apr_snprintf(k.sql, sizeof(k.sql), "SELECT pg_terminate_backend(%d)",
                 db->conn->pid);
    thread = later(&k);
    is_int(wa_db_wait_notify(db, MSEC(3000)), APR_ECONNABORTED,
           "a connection that ends is noticed");
    apr_thread_join(&rv, thread);
    wa_db_close(db);
    db = open_db(root, &own);
    is_int(wa_db_wait_notify(db, MSEC(50)), APR_TIMEUP, "the next one");
    wa_db_close(db);
}

static void test_lost(const wa_db_pool *pool, const wa_db_pool *other)
{
    killer k = { other, "", MSEC(200) };
    wa_db *db = open_db(root, pool);
    int pid = db->conn->pid;
    apr_thread_t *thread;
    apr_status_t rv;

    apr_snprintf(k.sql, sizeof(k.sql), "SELECT pg_terminate_backend(%d)", pid);
    number(db, "SELECT 1");
    wa_db_close(db);
    apr_thread_join(&rv, later(&k));
    apr_sleep(MSEC(50));
    db = open_db(root, pool);
    is_int(number(db, "SELECT 1"), 1, "a connection that ended idle is healed");
    ok(db->conn->pid != pid, "by another backend");

    apr_snprintf(k.sql, sizeof(k.sql), "SELECT pg_terminate_backend(%d)",
                 db->conn->pid);
    thread = later(&k);
    is_int(RUN(db, "SELECT pg_sleep(2)"), APR_ECONNABORTED,
           "ended within a statement");
    is_str(wa_db_sqlstate(db), "57P01", "by an administrator");
    is_int(RUN(db, "SELECT 1"), APR_ECONNABORTED, "it stays so");
    is_int(wa_db_rollback(db), APR_ECONNABORTED, "for a rollback too");
    apr_thread_join(&rv, thread);
    wa_db_close(db);
    db = open_db(root, pool);
    is_int(number(db, "SELECT 1"), 1, "the next loan is good");
    wa_db_close(db);
}

static int answered; /* by one thread after the other, read after joining */

static void *APR_THREAD_FUNC many_pings(apr_thread_t *thread, void *data)
{
    apr_int64_t good = 0;
    apr_pool_t *p;
    int i;

    apr_pool_create(&p, NULL);
    for (i = 0; i < 200; i++) {
        wa_db *db;

        apr_pool_clear(p);
        if (wa_db_open(&db, p, data) == APR_SUCCESS) {
            good += number(db, "SELECT 1");
            wa_db_close(db);
        }
    }
    apr_pool_destroy(p);
    __atomic_add_fetch(&answered, (int)good, __ATOMIC_SEQ_CST);
    return NULL;
}

static void test_threads(const char *conninfo)
{
    wa_db_pool pool = make_pool(conninfo, 3);
    apr_thread_t *threads[8];
    apr_status_t rv;
    int i;

    pool.borrow_wait = MSEC(10000);
    for (i = 0; i < 8; i++) {
        apr_thread_create(&threads[i], NULL, many_pings, &pool, root);
    }
    for (i = 0; i < 8; i++) {
        apr_thread_join(&rv, threads[i]);
    }
    is_int(answered, 1600, "8 threads share 3 connections");
}

int main(void)
{
    const char *conninfo = getenv("WA_TEST_DB");
    wa_db_pool pool, other;
    apr_pool_t *p;
    wa_db *db;

    signal(SIGPIPE, SIG_IGN);
    root = tap_start();
    if (!conninfo) {
        skip_all("needs WA_TEST_DB");
    }
    pool = make_pool(conninfo, 2);
    other = make_pool(conninfo, 1);
    make_table(&pool);
    test_types(&pool);
    test_counts(&pool);
    test_errors(&pool);
    test_transactions(&pool);
    test_plans(&pool);
    test_loans(conninfo);
    test_notify(conninfo, &other);
    test_lost(&pool, &other);
    test_threads(conninfo);

    apr_pool_create(&p, root);
    db = open_db(p, &pool);
    is_int(RUN(db, "DROP TABLE wa_test_db"), APR_SUCCESS, "tidy up");
    apr_pool_destroy(p);
    return tap_done();
}
