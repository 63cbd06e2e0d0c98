/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_redis.c
 * @brief Connections, the breaker, pipelines. The only user of hiredis.
 *
 * hiredis 0.14 tells a time-out from a broken pipe by errno only, never
 * reconnects, and its replies are out of step after any error: so a context
 * with an error is freed, and the wait is our own poll with one deadline.
 * The process must ignore SIGPIPE (httpd does).
 */
#include <apr_network_io.h>
#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <errno.h>
#include <hiredis.h>
#include <poll.h>
#include <string.h>

#include "../base/wa_log.h"
#include "wa_redis.h"

/* Redis answers within a millisecond, but where processor time is rationed (a
 * container's quota, a virtual machine's steal) it and we stand still for a
 * tenth of a second or more at a time: given up too early, limits were counted
 * by each process for itself, and more than the limit passed. */
#define CONNECT_WAIT apr_time_from_msec(500)
#define ANSWER_WAIT apr_time_from_msec(500)
/* For one of the connections, while others use all of them. That says nothing
 * of Redis, which may be quick: there are just many who ask. */
#define PLACE_WAIT apr_time_from_sec(1)
/* The breaker opens after so many failures in a row within so long. One that
 * succeeded in between shows a Redis that is there: on a busy machine single
 * calls may be late, and that must not switch off the limits. */
#define FAILURES 5
#define FAILURE_WINDOW apr_time_from_sec(10)
#define PROBE_INTERVAL apr_time_from_sec(1)

struct wa_redis {
    const char *path; /* of a unix socket, or */
    const char *host;
    int port;
    int size;

    apr_thread_mutex_t *lock; /* of all below */
    apr_thread_cond_t *came_free;
    redisContext **idle;
    int nidle;
    int in_use;
    apr_time_t failed[FAILURES]; /* ring, since the last success */
    int next_failed;
    apr_time_t next_probe; /* 0: the breaker is closed */
};

/* --- the breaker -----------------------------------------------------------
 */

static int may_try(wa_redis *r)
{
    apr_time_t now = apr_time_now();
    int may = 1;

    apr_thread_mutex_lock(r->lock);
    if (r->next_probe) {
        may = now >= r->next_probe;
        if (may) {
            r->next_probe = now + PROBE_INTERVAL;
        }
    }
    apr_thread_mutex_unlock(r->lock);
    return may;
}

static void note_failure(wa_redis *r)
{
    apr_time_t now = apr_time_now(), oldest;
    int opened = 0;

    apr_thread_mutex_lock(r->lock);
    r->failed[r->next_failed] = now;
    r->next_failed = (r->next_failed + 1) % FAILURES;
    oldest = r->failed[r->next_failed];
    if (!r->next_probe && oldest && now - oldest <= FAILURE_WINDOW) {
        r->next_probe = now + PROBE_INTERVAL;
        opened = 1;
    }
    apr_thread_mutex_unlock(r->lock);
    if (opened) {
        apr_thread_cond_broadcast(r->came_free);
        wa_log(WA_LOG_ERR, NULL,
               "WA0221: Redis failed %d times in a row; it is left alone "
               "but for one try a second",
               FAILURES);
    }
}

static void note_success(wa_redis *r)
{
    int closed;

    apr_thread_mutex_lock(r->lock);
    closed = r->next_probe != 0;
    r->next_probe = 0;
    memset(r->failed, 0, sizeof(r->failed));
    apr_thread_mutex_unlock(r->lock);
    if (closed) {
        wa_log(WA_LOG_NOTICE, NULL, "WA0222: Redis answers again");
    }
}

/* --- contexts --------------------------------------------------------------
 */

static struct timeval as_timeval(apr_interval_time_t t)
{
    struct timeval tv = { (time_t)apr_time_sec(t),
                          (suseconds_t)apr_time_usec(t) };

    return tv;
}

/* A name instead of an address is looked up without a bound of ours. */
static redisContext *connect_new(const wa_redis *r)
{
    struct timeval tv = as_timeval(CONNECT_WAIT);
    redisContext *c = r->path ? redisConnectUnixWithTimeout(r->path, tv)
                              : redisConnectWithTimeout(r->host, r->port, tv);

    if (c && !c->err && redisSetTimeout(c, as_timeval(ANSWER_WAIT))) {
        c->err = REDIS_ERR_IO;
    }
    if (c && c->err) {
        redisFree(c);
        c = NULL;
    }
    return c;
}

/* An idle connection has nothing to say: what can be read is its end. */
static int is_stale(const redisContext *c)
{
    struct pollfd pfd = { .fd = c->fd, .events = POLLIN };

    return poll(&pfd, 1, 0) != 0;
}

/* Where one is dead the others of that server are too. */
static void drop_idle(wa_redis *r)
{
    while (r->nidle > 0) {
        redisFree(r->idle[--r->nidle]);
    }
}

/* Take a place and, if there is one, an idle context for it. */
static apr_status_t take(wa_redis *r, redisContext **c)
{
    apr_time_t deadline = apr_time_now() + PLACE_WAIT;
    apr_status_t rv = APR_SUCCESS;

    *c = NULL;
    apr_thread_mutex_lock(r->lock);
    while (r->in_use >= r->size) {
        apr_interval_time_t left = deadline - apr_time_now();

        if (left <= 0) {
            rv = APR_TIMEUP;
            break;
        }
        apr_thread_cond_timedwait(r->came_free, r->lock, left);
        if (r->next_probe) {
            rv = APR_EAGAIN; /* those before us found that it is away */
            break;
        }
    }
    if (rv == APR_SUCCESS) {
        r->in_use++;
        if (r->nidle > 0 && is_stale(r->idle[r->nidle - 1])) {
            drop_idle(r);
        }
        if (r->nidle > 0) {
            *c = r->idle[--r->nidle];
        }
    }
    apr_thread_mutex_unlock(r->lock);
    return rv;
}

/* @param c NULL when it was thrown away */
static void give_back(wa_redis *r, redisContext *c)
{
    apr_thread_mutex_lock(r->lock);
    r->in_use--;
    if (c) {
        r->idle[r->nidle++] = c;
    }
    else {
        drop_idle(r);
    }
    apr_thread_cond_signal(r->came_free);
    apr_thread_mutex_unlock(r->lock);
}

/* --- pipelines -------------------------------------------------------------
 */

static apr_status_t wait_for(int fd, short events, apr_time_t deadline)
{
    struct pollfd pfd = { .fd = fd, .events = events };
    int n;

    do {
        apr_interval_time_t left = deadline - apr_time_now();

        n = poll(&pfd, 1, left > 0 ? (int)((left + 999) / 1000) : 0);
    } while (n < 0 && errno == EINTR);
    return n > 0 ? APR_SUCCESS : n == 0 ? APR_TIMEUP : APR_ECONNABORTED;
}

/* The socket has a time-out of its own, in case poll was wrong. */
static apr_status_t io_error(const redisContext *c)
{
    return c->err == REDIS_ERR_IO && errno == EAGAIN ? APR_TIMEUP
                                                     : APR_ECONNABORTED;
}

static apr_status_t send_all(redisContext *c, apr_time_t deadline)
{
    int done = 0;

    while (!done) {
        apr_status_t rv = wait_for(c->fd, POLLOUT, deadline);

        if (rv != APR_SUCCESS) {
            return rv;
        }
        if (redisBufferWrite(c, &done) != REDIS_OK) {
            return io_error(c);
        }
    }
    return APR_SUCCESS;
}

static apr_status_t append(redisContext *c, const wa_redis_cmd *cmd)
{
    /* hiredis has the pointers not const, and leaves them alone. */
    int rc = redisAppendCommandArgv(c, cmd->argc, (const char **)cmd->argv,
                                    (const size_t *)cmd->lens);

    return rc == REDIS_OK ? APR_SUCCESS : APR_ENOMEM;
}

/* @return NULL with the reason in *rv */
static redisReply *next_reply(redisContext *c, apr_time_t deadline,
                              apr_status_t *rv)
{
    void *reply = NULL;

    for (;;) {
        if (redisGetReplyFromReader(c, &reply) != REDIS_OK) {
            *rv = APR_ECONNABORTED;
            return NULL;
        }
        if (reply) {
            return reply;
        }
        if (APR_SUCCESS != (*rv = wait_for(c->fd, POLLIN, deadline))) {
            return NULL;
        }
        if (redisBufferRead(c) != REDIS_OK) {
            *rv = io_error(c);
            return NULL;
        }
    }
}

static void copy_reply(apr_pool_t *p, const redisReply *from,
                       wa_redis_reply *to)
{
    size_t i;

    switch (from->type) {
    case REDIS_REPLY_INTEGER:
        to->type = WA_REDIS_INT;
        to->integer = from->integer;
        break;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
        to->type = from->type == REDIS_REPLY_ERROR ? WA_REDIS_ERROR
                                                   : WA_REDIS_STRING;
        to->len = from->len;
        to->str = apr_pstrmemdup(p, from->str, from->len);
        break;
    case REDIS_REPLY_ARRAY:
        to->type = WA_REDIS_ARRAY;
        to->count = (int)from->elements;
        to->elements = apr_pcalloc(p, from->elements * sizeof(*to->elements));
        for (i = 0; i < from->elements; i++) {
            copy_reply(p, from->element[i], &to->elements[i]);
        }
        break;
    default:
        to->type = WA_REDIS_NIL;
        break;
    }
}

/* @param got how many replies came */
static apr_status_t exchange(redisContext *c, apr_pool_t *p,
                             const wa_redis_cmd *cmds, int count,
                             wa_redis_reply *replies, int *got)
{
    apr_time_t deadline = apr_time_now() + ANSWER_WAIT;
    apr_status_t rv = APR_SUCCESS;
    int i;

    *got = 0;
    for (i = 0; i < count && rv == APR_SUCCESS; i++) {
        rv = append(c, &cmds[i]);
    }
    if (rv == APR_SUCCESS) {
        rv = send_all(c, deadline);
    }
    while (rv == APR_SUCCESS && *got < count) {
        redisReply *reply = next_reply(c, deadline, &rv);

        if (reply) {
            copy_reply(p, reply, &replies[(*got)++]);
            freeReplyObject(reply);
        }
    }
    return rv;
}

static apr_status_t attempt(redisContext **c, const wa_redis *r, apr_pool_t *p,
                            const wa_redis_cmd *cmds, int count,
                            wa_redis_reply *replies, int *got)
{
    apr_status_t rv;

    *got = 0;
    if (!*c && !(*c = connect_new(r))) {
        return APR_ECONNREFUSED;
    }
    rv = exchange(*c, p, cmds, count, replies, got);
    if (rv != APR_SUCCESS) {
        redisFree(*c);
        *c = NULL;
    }
    return rv;
}

/* A context that died while it was idle gets one more chance on a fresh one,
 * when no reply had come. Redis may have run the commands all the same; a
 * rate limit then counts twice, which is the lesser harm. A time-out gets
 * none, it would double the wait. */
apr_status_t wa_redis_pipeline(wa_redis *redis, apr_pool_t *p,
                               const wa_redis_cmd *cmds, int count,
                               wa_redis_reply **replies)
{
    redisContext *c;
    apr_status_t rv;
    int reused, got;

    *replies = apr_pcalloc(p, sizeof(**replies) * (apr_size_t)count);
    if (!may_try(redis)) {
        return APR_EAGAIN;
    }
    if (APR_SUCCESS != (rv = take(redis, &c))) {
        return rv;
    }
    reused = c != NULL;
    rv = attempt(&c, redis, p, cmds, count, *replies, &got);
    if (rv == APR_ECONNABORTED && reused && got == 0) {
        rv = attempt(&c, redis, p, cmds, count, *replies, &got);
    }
    give_back(redis, c);
    if (rv == APR_SUCCESS) {
        note_success(redis);
    }
    else {
        note_failure(redis);
    }
    return rv;
}

apr_status_t wa_redis_incr(wa_redis *redis, apr_pool_t *p, const char *key)
{
    const char *const words[] = { "INCR", key };
    const wa_redis_cmd cmd = { 2, words, NULL };
    wa_redis_reply *reply;
    apr_status_t rv = wa_redis_pipeline(redis, p, &cmd, 1, &reply);

    return rv == APR_SUCCESS && reply->type != WA_REDIS_INT ? APR_EGENERAL : rv;
}

apr_status_t wa_redis_ping(wa_redis *redis, apr_pool_t *p,
                           apr_interval_time_t *latency)
{
    static const char *const words[] = { "PING" };
    const wa_redis_cmd cmd = { 1, words, NULL };
    apr_time_t start = apr_time_now();
    wa_redis_reply *reply;
    apr_status_t rv = wa_redis_pipeline(redis, p, &cmd, 1, &reply);

    if (latency) {
        *latency = apr_time_now() - start;
    }
    if (rv == APR_SUCCESS && reply->type != WA_REDIS_STRING) {
        rv = APR_EGENERAL;
    }
    return rv;
}

/* --- set-up ----------------------------------------------------------------
 */

static apr_status_t read_address(wa_redis *r, apr_pool_t *p,
                                 const char *address)
{
    apr_port_t port = 0;
    char *host = NULL, *scope = NULL;
    apr_status_t rv;

    if (!strncmp(address, "unix:", 5)) {
        r->path = apr_pstrdup(p, address + 5);
        return *r->path ? APR_SUCCESS : APR_EINVAL;
    }
    rv = apr_parse_addr_port(&host, &scope, &port, address, p);
    if (rv != APR_SUCCESS || !host || !port || scope) {
        return APR_EINVAL;
    }
    r->host = host;
    r->port = port;
    return APR_SUCCESS;
}

static apr_status_t redis_cleanup(void *data)
{
    drop_idle(data);
    return APR_SUCCESS;
}

apr_status_t wa_redis_make(wa_redis **redis, apr_pool_t *p, const char *address,
                           int size)
{
    wa_redis *r = apr_pcalloc(p, sizeof(*r));
    apr_status_t rv = read_address(r, p, address);

    r->size = size > 0 ? size : 1;
    r->idle = apr_pcalloc(p, sizeof(redisContext *) * (apr_size_t)r->size);
    if (rv == APR_SUCCESS) {
        rv = apr_thread_mutex_create(&r->lock, APR_THREAD_MUTEX_DEFAULT, p);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&r->came_free, p);
    }
    if (rv == APR_SUCCESS) {
        apr_pool_cleanup_register(p, r, redis_cleanup, apr_pool_cleanup_null);
        *redis = r;
    }
    return rv;
}
