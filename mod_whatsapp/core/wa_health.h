/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_health.h @brief Are the parts there? Asked at most once a second. */
#ifndef WA_HEALTH_H
#define WA_HEALTH_H

#include "wa_app.h"

typedef struct wa_health_cache wa_health_cache;

/** @return NULL when no lock could be made */
wa_health_cache *wa_health_cache_make(apr_pool_t *p);

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
} wa_health;

/** Look at every part, each within half a second; answers younger than a
 * second are reused. @param health filled; its texts are constants or in p */
void wa_health_look(wa_app *app, apr_pool_t *p, const char *request_id,
                    wa_health *health);

#endif
