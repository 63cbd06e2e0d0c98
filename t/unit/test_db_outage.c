/* SPDX-License-Identifier: Apache-2.0 */
/* wa_db while PostgreSQL restarts, hangs or isn't there. Besides WA_TEST_DB
 * it needs WA_TEST_PG_CTL, a pg_ctl command line for that server, which it
 * restarts, and may stop processes of. */
#include "tap.h"

#include <apr_file_io.h>
#include <apr_network_io.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdlib.h>

#include "gateway/wa_db.h"
#include "gateway/wa_db_private.h"

#define MSEC(n) apr_time_from_msec(n)

static apr_pool_t *root;

static wa_db_pool make_pool(wa_db_source *source)
{
    wa_db_pool pool = { .source = source,
                        .breaker = wa_db_breaker_make(root),
                        .borrow_wait = MSEC(300),
                        .statement_wait = MSEC(500) };

    return pool;
}

static wa_db_pool own_pool(const char *conninfo)
{
    wa_db_source *source;

    wa_db_source_make(&source, root, conninfo, 1);
    return make_pool(source);
}

/* One connection for ever, whatever happened to it: what a pool is that
 * knows nothing of wa_db_conn. */
static apr_status_t fixed_borrow(void *baton, apr_pool_t *p,
                                 apr_time_t deadline, wa_db_conn **conn,
                                 void **lease)
{
    *conn = baton;
    *lease = NULL;
    return APR_SUCCESS;
}

static void fixed_give_back(void *baton, void *lease, int broken)
{
}

static apr_status_t finish(void *data)
{
    PQfinish(data);
    return APR_SUCCESS;
}

static wa_db_pool fixed_pool(const char *conninfo)
{
    wa_db_source *source = apr_pcalloc(root, sizeof(*source));
    struct pg_conn *pg;

    if (wa_db_connect(&pg, conninfo, apr_time_now() + MSEC(2000))
        != APR_SUCCESS) {
        diag("no connection");
        exit(1);
    }
    apr_pool_cleanup_register(root, pg, finish, apr_pool_cleanup_null);
    source->borrow = fixed_borrow;
    source->give_back = fixed_give_back;
    source->baton = wa_db_conn_make(root, pg);
    return make_pool(source);
}

static apr_status_t ping(const wa_db_pool *pool)
{
    apr_pool_t *p;
    wa_db *db;
    apr_status_t rv;

    apr_pool_create(&p, root);
    rv = wa_db_open(&db, p, pool);
    if (rv == APR_SUCCESS) {
        rv = WA_DB_RUN(db, WA_SQL_PING, NULL, );
    }
    apr_pool_destroy(p);
    return rv;
}

/* @return how long it took, in ms */
static apr_int64_t timed_ping(const wa_db_pool *pool, apr_status_t *rv)
{
    apr_time_t start = apr_time_now();

    *rv = ping(pool);
    return apr_time_as_msec(apr_time_now() - start);
}

static int backend(const wa_db_pool *pool)
{
    wa_db *db;
    int pid = 0;

    if (wa_db_open(&db, root, pool) == APR_SUCCESS) {
        pid = db->conn->pid;
        wa_db_close(db);
    }
    return pid;
}

static int parent_of(int pid)
{
    const char *path = apr_psprintf(root, "/proc/%d/stat", pid);
    apr_file_t *f;
    char line[512];
    int parent = 0;

    if (apr_file_open(&f, path, APR_READ, 0, root) == APR_SUCCESS) {
        if (apr_file_gets(line, sizeof(line), f) == APR_SUCCESS) {
            const char *s = strrchr(line, ')');

            parent = s ? (int)strtol(s + 4, NULL, 10) : 0;
        }
        apr_file_close(f);
    }
    return parent;
}

static void restart(const char *mode)
{
    const char *cmd = apr_psprintf(root, "%s restart -m %s >/dev/null",
                                   getenv("WA_TEST_PG_CTL"), mode);

    ok(system(cmd) == 0, "restart -m %s", mode);
}

static void test_restart(const wa_db_pool *pool, const char *what)
{
    is_int(ping(pool), APR_SUCCESS, "%s: before", what);
    restart("fast");
    is_int(ping(pool), APR_SUCCESS, "%s: the first after it", what);
    restart("immediate");
    is_int(ping(pool), APR_SUCCESS, "%s: the first after it", what);
    is_int(ping(pool), APR_SUCCESS, "%s: and the second", what);
}

static void test_lost_in_use(const wa_db_pool *pool, const char *what)
{
    wa_db *db;

    wa_db_open(&db, root, pool);
    is_int(wa_db_begin(db), APR_SUCCESS, "%s: begin", what);
    restart("fast");
    is_int(WA_DB_RUN(db, WA_SQL_PING, NULL, ), APR_ECONNABORTED,
           "%s: a transaction doesn't survive it", what);
    is_int(wa_db_commit(db), APR_ECONNABORTED, "%s: nor is it committed", what);
    wa_db_close(db);
    is_int(ping(pool), APR_SUCCESS, "%s: the next is good", what);
}

/* The backend of the one connection hangs. */
static void test_hung(const wa_db_pool *pool, const char *what)
{
    int pid = backend(pool);
    apr_int64_t took;
    apr_status_t rv;

    if (pid <= 1 || kill(pid, SIGSTOP) != 0) {
        diag("may not stop %d", pid);
        return;
    }
    took = timed_ping(pool, &rv);
    is_int(rv, APR_TIMEUP, "%s: a hung backend", what);
    ok(took >= 490 && took < 1000, "%s: after %d ms", what, (int)took);
    took = timed_ping(pool, &rv);
    is_int(rv, APR_ECONNREFUSED, "%s: then the breaker is open", what);
    ok(took < 50, "%s: and answers at once", what);
    kill(pid, SIGCONT);
    apr_sleep(MSEC(1050));
    is_int(ping(pool), APR_SUCCESS, "%s: the probe after a second", what);
    is_int(ping(pool), APR_SUCCESS, "%s: closed again", what);
}

/* Nobody answers new connections, as long as the postmaster is stopped. */
static void test_hung_postmaster(const char *conninfo, const wa_db_pool *fixed)
{
    wa_db_pool pool = own_pool(conninfo);
    int pid = parent_of(backend(fixed));
    apr_int64_t took;
    apr_status_t rv;

    if (pid <= 1 || kill(pid, SIGSTOP) != 0) {
        diag("may not stop %d", pid);
        return;
    }
    took = timed_ping(&pool, &rv);
    is_int(rv, APR_ECONNREFUSED, "connect to a stopped server");
    ok(took >= 1290 && took < 1900, "after %d ms", (int)took);
    took = timed_ping(&pool, &rv);
    is_int(rv, APR_ECONNREFUSED, "then the breaker is open");
    ok(took < 50, "and answers at once");
    kill(pid, SIGCONT);
    apr_sleep(MSEC(1050));
    is_int(ping(&pool), APR_SUCCESS, "back again");
}

/* One at a time tries while the breaker is half open. */
static void test_probe(const wa_db_pool *pool)
{
    wa_db *probe, *db;

    wa_db_breaker_trip(pool->breaker);
    apr_sleep(MSEC(1050));
    is_int(wa_db_open(&probe, root, pool), APR_SUCCESS, "the probe");
    is_int(wa_db_open(&db, root, pool), APR_ECONNREFUSED, "nobody else");
    wa_db_close(probe);
    is_int(wa_db_open(&probe, root, pool), APR_SUCCESS,
           "a probe that learnt nothing passes it on");
    is_int(WA_DB_RUN(probe, WA_SQL_PING, NULL, ), APR_SUCCESS, "an answer");
    wa_db_close(probe);
    is_int(ping(pool), APR_SUCCESS, "everybody again");
}

static void *APR_THREAD_FUNC open_beside(apr_thread_t *thread, void *data)
{
    apr_pool_t *p = apr_thread_pool_get(thread);
    wa_db *db;
    apr_status_t rv = wa_db_open(&db, p, data);

    wa_db_close(db);
    apr_thread_exit(thread, rv);
    return NULL;
}

/* The outage is long over, and this process has not noticed: whoever comes
 * beside the first is not refused on old news. */
static void test_beside_probe(const wa_db_pool *pool)
{
    apr_thread_t *beside[4];
    apr_status_t rv, worst = APR_SUCCESS;
    wa_db *probe;
    int i;

    wa_db_breaker_trip(pool->breaker);
    apr_sleep(MSEC(1050));
    is_int(wa_db_open(&probe, root, pool), APR_SUCCESS, "the probe");
    for (i = 0; i < 4; i++) {
        apr_thread_create(&beside[i], NULL, open_beside, (void *)pool, root);
    }
    apr_sleep(MSEC(100));
    is_int(WA_DB_RUN(probe, WA_SQL_PING, NULL, ), APR_SUCCESS, "an answer");
    wa_db_close(probe);
    for (i = 0; i < 4; i++) {
        apr_thread_join(&rv, beside[i]);
        worst = rv ? rv : worst;
    }
    is_int(worst, APR_SUCCESS, "and so have they who came beside it");
}

/* A port where connections are taken by the kernel and nobody speaks. */
static void test_black_hole(void)
{
    apr_socket_t *s;
    apr_sockaddr_t *sa;
    wa_db_pool pool;
    apr_int64_t took;
    apr_status_t rv;

    apr_sockaddr_info_get(&sa, "127.0.0.1", APR_INET, 0, 0, root);
    apr_socket_create(&s, APR_INET, SOCK_STREAM, APR_PROTO_TCP, root);
    apr_socket_bind(s, sa);
    apr_socket_listen(s, 5);
    apr_socket_addr_get(&sa, APR_LOCAL, s);
    pool = own_pool(apr_psprintf(root, "host=127.0.0.1 port=%d", sa->port));
    took = timed_ping(&pool, &rv);
    is_int(rv, APR_ECONNREFUSED, "a server that says nothing");
    ok(took >= 1290 && took < 1900, "after %d ms", (int)took);
    apr_socket_close(s);

    pool = own_pool("host=/nonexistent");
    took = timed_ping(&pool, &rv);
    is_int(rv, APR_ECONNREFUSED, "no server at all");
    ok(took < 100, "at once");
}

int main(void)
{
    const char *conninfo = getenv("WA_TEST_DB");
    wa_db_pool own, fixed;

    signal(SIGPIPE, SIG_IGN);
    root = tap_start();
    if (!conninfo || !getenv("WA_TEST_PG_CTL")) {
        skip_all("needs WA_TEST_DB and WA_TEST_PG_CTL");
    }
    own = own_pool(conninfo);
    fixed = fixed_pool(conninfo);
    test_restart(&own, "own");
    test_restart(&fixed, "fixed");
    test_lost_in_use(&own, "own");
    test_lost_in_use(&fixed, "fixed");
    test_hung(&own, "own");
    test_hung(&fixed, "fixed");
    test_hung_postmaster(conninfo, &fixed);
    test_probe(&own);
    test_beside_probe(&own);
    test_black_hole();
    return tap_done();
}
