/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_usage.h
 * @brief The request log: written by a thread of its own, nobody waits for it.
 *
 * A batch's rows, the count of API requests in the usage and the last use of
 * the keys are one transaction, so that the sum of the log is what the usage
 * says. While PostgreSQL is away rows wait in the ring (wa_usage_ring.h).
 */
#ifndef WA_USAGE_H
#define WA_USAGE_H

#include "wa_app.h"
#include "wa_usage_ring.h"

/** Make app->usage and start its thread.
 * @return APR_SUCCESS, or why there is no log */
apr_status_t wa_usage_start(wa_app *app);

/** Write what is left, for as long as that takes but 3 s at most, and end the
 * thread. */
void wa_usage_stop(wa_app *app);

/** Note a request that was answered; nothing happens without wa_usage_start.
 * @param row its texts are copied, but for endpoint */
void wa_usage_note(wa_app *app, const wa_usage_row *row);

/** Copy a text into a row's member, cut to its size; NULL is "". */
#define WA_USAGE_TEXT(member, text)                                            \
    wa_usage_text((member), sizeof(member), (text))
void wa_usage_text(char *member, apr_size_t size, const char *text);

/** How many rows were dropped lately? 0 once a minute has passed without. */
apr_int64_t wa_usage_dropped_lately(wa_app *app);

#endif
