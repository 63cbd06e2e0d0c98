/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_health_cache.h @brief What the last look at the parts has shown. */
#ifndef WA_HEALTH_CACHE_H
#define WA_HEALTH_CACHE_H

#include <apr_pools.h>
#include <apr_thread_mutex.h>
#include <apr_time.h>

typedef struct wa_health_check {
    const char *name; /* postgresql, redis, bridge, whatsappd */
    int ok;
    apr_interval_time_t latency; /* microseconds, -1 when not measured */
    const char *reason;          /* what is wrong, or NULL */
} wa_health_check;

#define WA_HEALTH_CHECKS 4

typedef enum wa_health_status {
    WA_HEALTH_OK,
    WA_HEALTH_DEGRADED,   /* something is away that the API does without */
    WA_HEALTH_UNAVAILABLE /* PostgreSQL is away: nothing can be accepted */
} wa_health_status;

typedef struct wa_health {
    wa_health_status status;
    wa_health_check checks[WA_HEALTH_CHECKS];
    apr_int64_t unlogged; /* requests that lately got no row in the log */
} wa_health;

/** The last look; lock it to read or write the rest. */
typedef struct wa_health_cache {
    apr_thread_mutex_t *lock;
    apr_time_t at; /* 0: nobody looked yet */
    wa_health health;
} wa_health_cache;

/** @return NULL when no lock could be made */
wa_health_cache *wa_health_cache_make(apr_pool_t *p);

#endif
