/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_bridge_events.h @brief What bridges report, applied once. */
#ifndef WA_BRIDGE_EVENTS_H
#define WA_BRIDGE_EVENTS_H

#include "wa_app.h"

/** Apply a batch (docs/bridge-api.md, Events) in one transaction. Events that
 * were applied before are skipped; one that can't be read is logged and
 * passed over, so that it does not hold up the others.
 * @param acked the newest sequence number now applied
 * @return WA_OK, WA_E_INVALID for a batch without form, database errors (then
 *         nothing was applied) */
wa_code wa_bridge_events_apply(wa_app *app, apr_pool_t *p,
                               const char *request_id, const json_t *batch,
                               apr_int64_t *acked, wa_result *r);

#endif
