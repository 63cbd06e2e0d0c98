/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_redis.h
 * @brief Redis by hiredis: pipelines of commands over pooled connections.
 *
 * Redis is speed, never truth: every call is bounded (connect 500 ms, answer
 * 500 ms) and a breaker answers at once while Redis is away. After
 * any error a connection is thrown away.
 */
#ifndef WA_REDIS_H
#define WA_REDIS_H

#include <apr_pools.h>
#include <apr_time.h>

typedef struct wa_redis wa_redis;

/** Prepare a pool; connects lazily.
 * @param address "unix:/path" or "host:port"
 * @param size most connections at one time
 * @return APR_EINVAL for an address that can't be read */
apr_status_t wa_redis_make(wa_redis **redis, apr_pool_t *p, const char *address,
                           int size);

typedef enum wa_redis_type {
    WA_REDIS_NIL,
    WA_REDIS_STRING, /* also status replies */
    WA_REDIS_INT,
    WA_REDIS_ARRAY,
    WA_REDIS_ERROR /* str is the message */
} wa_redis_type;

typedef struct wa_redis_reply {
    wa_redis_type type;
    apr_int64_t integer;
    const char *str; /* NUL-terminated copy, binary-safe by len */
    apr_size_t len;
    struct wa_redis_reply *elements;
    int count;
} wa_redis_reply;

/** One command: its words, binary-safe when lens is given. */
typedef struct wa_redis_cmd {
    int argc;
    const char *const *argv;
    const apr_size_t *lens; /* or NULL: strlen */
} wa_redis_cmd;

/** Send commands in one round trip.
 * @param replies as many as commands, in p; an error reply is a reply
 * @return APR_SUCCESS; APR_TIMEUP, APR_ECONNREFUSED, APR_ECONNABORTED; with
 *         the breaker open APR_EAGAIN at once */
apr_status_t wa_redis_pipeline(wa_redis *redis, apr_pool_t *p,
                               const wa_redis_cmd *cmds, int count,
                               wa_redis_reply **replies);

/** A Lua script, by its text. Define it static; sha is filled at first use. */
typedef struct wa_redis_script {
    const char *text;
    char sha[41];
    apr_uint32_t state; /* whether sha is there */
} wa_redis_script;

/** Words of an EVALSHA for a script (keys first), in p. */
wa_redis_cmd wa_redis_script_cmd(apr_pool_t *p, wa_redis_script *script,
                                 int nkeys, int argc, const char *const *argv);

/** As wa_redis_pipeline; when a script is not loaded (NOSCRIPT) the scripts
 * named are loaded and the whole pipeline is sent again. */
apr_status_t wa_redis_pipeline_scripts(wa_redis *redis, apr_pool_t *p,
                                       const wa_redis_cmd *cmds, int count,
                                       wa_redis_script *const *scripts,
                                       int nscripts, wa_redis_reply **replies);

/** Add one to a counter. @return APR_EGENERAL when Redis refuses, else as
 * wa_redis_pipeline */
apr_status_t wa_redis_incr(wa_redis *redis, apr_pool_t *p, const char *key);

/** PING within a bound. @param latency microseconds, may be NULL */
apr_status_t wa_redis_ping(wa_redis *redis, apr_pool_t *p,
                           apr_interval_time_t *latency);

#endif
