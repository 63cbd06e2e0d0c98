/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wad_recorder.h
 * @brief Writes down what came of the outbox's attempts: one thread, as many
 * in one transaction as are there.
 *
 * A commit takes as long as the disk does. While it does the next outcomes
 * come together, so that the more there are the less each one costs.
 */
#ifndef WAD_RECORDER_H
#define WAD_RECORDER_H

#include "../core/wa_delivery.h"

/** An attempt on its way from the claim to what is written down. */
typedef struct wad_attempt {
    apr_pool_t *pool; /* its own, without a parent */
    wa_outgoing message;
    apr_time_t lease_until; /* by our clock */
    wa_outcome outcome;
    wa_result *r;
    struct wad_attempt *next;
} wad_attempt;

typedef struct wad_recorder wad_recorder;

/** Start its thread.
 * @param done called by it with each number of attempts that are over
 * @return NULL when that can't be */
wad_recorder *wad_recorder_make(wa_app *app, apr_pool_t *p,
                                void (*done)(void *baton, int n), void *baton);

/** Hand over an attempt, with its pool. What PostgreSQL does not take is tried
 * again until its lease is about to end or the daemon is told to. */
void wad_recorder_put(wad_recorder *recorder, wad_attempt *a);

/** Write down what is there, and end. */
void wad_recorder_end(wad_recorder *recorder);

#endif
