/* SPDX-License-Identifier: Apache-2.0 */
/* wa_redis against a Redis: WA_TEST_REDIS is its address. With
 * WA_TEST_REDIS_START, a command that starts it again in the background, it
 * is also stopped and killed. Uses keys that begin with wa_test. */
#include "tap.h"

#include <signal.h>

#include "gateway/wa_redis.h"
#include "peer.h"

#define MSEC(n) apr_time_from_msec(n)
/* Less than any wait, and more than a busy machine stands still. */
#define AT_ONCE 400

static apr_pool_t *root;
static const char *address;

static wa_redis *make(int size)
{
    wa_redis *r = NULL;

    wa_redis_make(&r, root, address, size);
    return r;
}

#define CMD(...)                                                               \
    {                                                                          \
        (int)(sizeof((const char *const[]){ __VA_ARGS__ })                     \
              / sizeof(const char *)),                                         \
            (const char *const[]){ __VA_ARGS__ }, NULL                         \
    }

static apr_status_t one(wa_redis *r, wa_redis_reply **reply, wa_redis_cmd cmd)
{
    return wa_redis_pipeline(r, root, &cmd, 1, reply);
}

#define ONE(r, reply, ...) one((r), (reply), (wa_redis_cmd)CMD(__VA_ARGS__))

static void test_addresses(void)
{
    static const char *const bad[] = { "",     "unix:",  "localhost",
                                       "6379", "host:0", "host:99999",
                                       ":6379" };
    static const char *const good[] = { "unix:/x", "127.0.0.1:6379",
                                        "[::1]:6379", "redis.example:1" };
    wa_redis *r;
    apr_size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        is_int(wa_redis_make(&r, root, bad[i], 1), APR_EINVAL,
               "address \"%s\" is refused", bad[i]);
    }
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        is_int(wa_redis_make(&r, root, good[i], 1), APR_SUCCESS,
               "address \"%s\" is taken", good[i]);
    }
}

static void test_replies(wa_redis *r)
{
    static const char *const words[] = { "SET", "wa_test", "a\0b" };
    static const apr_size_t lens[] = { 3, 7, 3 };
    const wa_redis_cmd cmds[] = {
        { 3, words, lens },
        CMD("GET", "wa_test"),
        CMD("GET", "wa_test_none"),
        CMD("STRLEN", "wa_test"),
        CMD("NOSUCH"),
        CMD("EVAL", "return {1, {'x', false}, ''}", "0"),
        CMD("DEL", "wa_test"),
    };
    wa_redis_reply *re;

    is_int(wa_redis_pipeline(r, root, cmds, 7, &re), APR_SUCCESS, "pipeline");
    is_int(re[0].type, WA_REDIS_STRING, "a status is a text");
    is_str(re[0].str, "OK", "OK");
    ok(re[1].len == 3 && !memcmp(re[1].str, "a\0b", 4), "binary-safe");
    is_int(re[2].type, WA_REDIS_NIL, "nil");
    is_int(re[3].type, WA_REDIS_INT, "integer");
    is_int(re[3].integer, 3, "its value");
    is_int(re[4].type, WA_REDIS_ERROR, "an error is a reply");
    ok(strstr(re[4].str, "ERR") == re[4].str, "with its message");
    is_int(re[5].type, WA_REDIS_ARRAY, "array");
    is_int(re[5].count, 3, "of three");
    is_int(re[5].elements[0].integer, 1, "a number");
    is_int(re[5].elements[1].count, 2, "an array");
    is_str(re[5].elements[1].elements[0].str, "x", "within it a text");
    is_int(re[5].elements[1].elements[1].type, WA_REDIS_NIL, "and nil");
    is_str(re[5].elements[2].str, "", "an empty text");
    is_int(re[6].integer, 1, "the last command ran");
}

static void test_large(wa_redis *r)
{
    char *big = apr_palloc(root, 200001);
    wa_redis_reply *re;

    memset(big, 'y', 200000);
    big[200000] = '\0';
    is_int(ONE(r, &re, "ECHO", big), APR_SUCCESS, "a large text");
    is_int((apr_int64_t)re->len, 200000, "comes back whole");
}

static void test_scripts(wa_redis *r)
{
    static wa_redis_script script = { "return {KEYS[1], ARGV[1]}" };
    static wa_redis_script second = { "return 'two'" };
    wa_redis_script *const scripts[] = { &script, &second };
    static const char *const args[] = { "wa_test_k", "v" };
    wa_redis_cmd cmds[2];
    wa_redis_reply *re;

    ONE(r, &re, "SCRIPT", "FLUSH");
    cmds[0] = wa_redis_script_cmd(root, &script, 1, 2, args);
    cmds[1] = wa_redis_script_cmd(root, &second, 0, 0, NULL);
    is_str(script.sha, cmds[0].argv[1], "the hash is kept");
    is_int(wa_redis_pipeline(r, root, cmds, 1, &re), APR_SUCCESS, "unloaded");
    is_int(re[0].type, WA_REDIS_ERROR, "the bare pipeline says so");
    is_int(wa_redis_pipeline_scripts(r, root, cmds, 2, scripts, 2, &re),
           APR_SUCCESS, "loaded when missing");
    is_str(re[0].elements[0].str, "wa_test_k", "key");
    is_str(re[0].elements[1].str, "v", "argument");
    is_str(re[1].str, "two", "the second one too");
    is_int(wa_redis_pipeline(r, root, cmds, 2, &re), APR_SUCCESS, "now there");
    is_str(re[1].str, "two", "by its hash");
    ONE(r, &re, "SCRIPT", "FLUSH");
    is_int(wa_redis_pipeline_scripts(r, root, cmds, 2, scripts, 2, &re),
           APR_SUCCESS, "and after SCRIPT FLUSH");
    is_str(re[1].str, "two", "again");
    is_str(wa_redis_script_cmd(root, &second, 0, 0, NULL).argv[1], second.sha,
           "a hash that is there is used");
}

/* The connections die, Redis lives: as after a restart. */
static void test_killed_connections(wa_redis *r)
{
    wa_redis *other = make(1);
    wa_redis_reply *re;
    int i, good = 0;

    for (i = 0; i < 10; i++) {
        ONE(other, &re, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
        good += wa_redis_ping(r, root, NULL) == APR_SUCCESS;
    }
    is_int(good, 10, "a connection that died idle is replaced");
}

typedef struct caller {
    wa_redis *redis;
    int good;
} caller;

static void *APR_THREAD_FUNC many(apr_thread_t *thread, void *data)
{
    caller *c = data;
    apr_pool_t *p;
    int i;

    apr_pool_create(&p, NULL);
    for (i = 0; i < 500; i++) {
        apr_status_t rv;

        apr_pool_clear(p);
        rv = wa_redis_ping(c->redis, p, NULL);
        /* On a busy machine one may wait for a place in vain. */
        c->good += rv == APR_SUCCESS || rv == APR_TIMEUP;
    }
    apr_pool_destroy(p);
    return NULL;
}

static void test_threads(void)
{
    apr_thread_t *threads[8];
    caller callers[8];
    wa_redis *r = make(4);
    int i;

    for (i = 0; i < 8; i++) {
        callers[i] = (caller){ r, 0 };
        apr_thread_create(&threads[i], NULL, many, &callers[i], root);
    }
    for (i = 0; i < 8; i++) {
        apr_status_t rv;

        apr_thread_join(&rv, threads[i]);
        is_int(callers[i].good, 500, "a thread among 8 on 4 connections");
    }
}

static apr_int64_t timed_ping(wa_redis *r, apr_status_t *rv)
{
    apr_time_t start = apr_time_now();

    *rv = wa_redis_ping(r, root, NULL);
    return apr_time_as_msec(apr_time_now() - start);
}

static int redis_pid(wa_redis *r)
{
    wa_redis_reply *re;
    const char *s;

    if (ONE(r, &re, "INFO", "server") != APR_SUCCESS) {
        return 0;
    }
    s = strstr(re->str, "process_id:");
    return s ? (int)strtol(s + 11, NULL, 10) : 0;
}

static void test_hung(wa_redis *r)
{
    int pid = redis_pid(r), i;
    apr_int64_t took, worst = 0;
    apr_status_t rv;

    if (pid <= 1 || kill(pid, SIGSTOP) != 0) {
        diag("may not stop Redis");
        return;
    }
    for (i = 0; i < 5; i++) {
        took = timed_ping(r, &rv);
        worst = took > worst ? took : worst;
        is_int(rv, APR_TIMEUP, "a hung Redis, time %d", i + 1);
    }
    ok(worst >= 499 && worst < 2000, "after %d ms at most", (int)worst);
    took = timed_ping(r, &rv);
    is_int(rv, APR_EAGAIN, "then the breaker is open");
    ok(took < AT_ONCE, "and answers at once");
    apr_sleep(MSEC(1050));
    took = timed_ping(r, &rv);
    is_int(rv, APR_TIMEUP, "one probe");
    timed_ping(r, &rv);
    is_int(rv, APR_EAGAIN, "only one");
    kill(pid, SIGCONT);
    apr_sleep(MSEC(1050));
    is_int(wa_redis_ping(r, root, NULL), APR_SUCCESS, "back at the next probe");
    is_int(wa_redis_ping(r, root, NULL), APR_SUCCESS, "closed again");
}

static void wait_gone(int pid)
{
    int i;

    for (i = 0; i < 200 && kill(pid, 0) == 0; i++) {
        apr_sleep(MSEC(10));
    }
}

static void test_restart(wa_redis *r, const char *start)
{
    int pid = redis_pid(r), i, up = 0;
    apr_status_t rv = APR_SUCCESS;
    apr_int64_t took;

    if (pid <= 1 || kill(pid, SIGTERM) != 0) {
        diag("may not end Redis");
        return;
    }
    wait_gone(pid);
    took = timed_ping(r, &rv);
    is_int(rv, APR_ECONNREFUSED, "no Redis");
    ok(took < AT_ONCE, "at once");
    ok(system(start) == 0, "Redis is started");
    for (i = 0; i < 200 && !up; i++) {
        up = redis_pid(make(1)) > 0;
        apr_sleep(MSEC(10));
    }
    is_int(wa_redis_ping(r, root, NULL), APR_SUCCESS,
           "the first call after a restart");
}

static void test_nobody(void)
{
    wa_redis *r;
    apr_status_t rv;
    apr_int64_t took;
    int i;

    wa_redis_make(&r, root, "unix:/nonexistent", 4);
    for (i = 0; i < 5; i++) {
        is_int(wa_redis_ping(r, root, NULL), APR_ECONNREFUSED, "refused");
    }
    took = timed_ping(r, &rv);
    is_int(rv, APR_EAGAIN, "the breaker is open");
    ok(took < AT_ONCE, "at once");
}

static void test_peer(void)
{
    peer *s = peer_start(root);
    int i, connections, requests, good = 0;
    wa_redis *r;

    wa_redis_make(&r, root, apr_psprintf(root, "127.0.0.1:%d", s->port), 1);
    peer_say(s, "HTTP/1.1 400 Bad Request\r\n\r\n", 0);
    is_int(wa_redis_ping(r, root, NULL), APR_ECONNABORTED,
           "something else than Redis");
    peer_say(s, "-ERR no\r\n", 0);
    is_int(wa_redis_ping(r, root, NULL), APR_EGENERAL, "an error for PING");
    peer_say(s, "+PONG\r\n", 0);
    peer_counts(s, &connections, &requests);
    for (i = 0; i < 10; i++) {
        peer_say_once(s, "", i % 2 ? PEER_CLOSE : PEER_RESET);
        good += wa_redis_ping(r, root, NULL) == APR_SUCCESS;
    }
    is_int(good, 10, "a connection that ends on the commands is repeated");
    peer_counts(s, &connections, &requests);
    is_int(requests, 20, "once");
    peer_say(s, "", PEER_CLOSE);
    is_int(wa_redis_ping(r, root, NULL), APR_ECONNABORTED,
           "not when it always does");
    peer_counts(s, &connections, &requests);
    is_int(requests, 2, "no more than once");
    peer_stop(s);
}

int main(void)
{
    const char *start = getenv("WA_TEST_REDIS_START");
    apr_interval_time_t latency = 0;
    wa_redis *r;

    signal(SIGPIPE, SIG_IGN);
    root = tap_start();
    address = getenv("WA_TEST_REDIS");
    if (!address) {
        skip_all("needs WA_TEST_REDIS");
    }
    test_addresses();
    test_nobody();
    test_peer();
    r = make(4);
    is_int(wa_redis_ping(r, root, &latency), APR_SUCCESS, "ping");
    ok(latency > 0 && latency < MSEC(50), "its latency");
    test_replies(r);
    test_large(r);
    test_scripts(r);
    test_killed_connections(r);
    test_threads();
    if (start) {
        test_hung(r);
        test_restart(r, start);
    }
    else {
        diag("WA_TEST_REDIS_START isn't set: no hang, no restart");
    }
    return tap_done();
}
