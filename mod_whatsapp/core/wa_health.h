/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_health.h @brief Are the parts there? Asked at most once a second.
 */
#ifndef WA_HEALTH_H
#define WA_HEALTH_H

#include "wa_app.h"
#include "wa_health_cache.h"

/** Look at every part, each within half a second; answers younger than a
 * second are reused. @param health filled; its texts are constants or in p */
void wa_health_look(wa_app *app, apr_pool_t *p, const char *request_id,
                    wa_health *health);

#endif
