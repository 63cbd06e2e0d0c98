/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_places.h
 * @brief A number of places, one for each thread that is inside at a time, with
 * a bounded wait before them.
 *
 * Whoever comes may pass those who wait, for a place that is taken at once is
 * used sooner than one whose new owner has to be woken. But nobody is passed
 * for ever: who has waited a while is the next.
 */
#ifndef WA_PLACES_H
#define WA_PLACES_H

#include <apr_pools.h>
#include <apr_time.h>

typedef struct wa_places wa_places;

/** @param count how many may be inside
 * @return NULL when there is no lock to be had */
wa_places *wa_places_make(apr_pool_t *p, int count);

/** Take a place.
 * @param p of the calling thread
 * @param deadline a moment in the past: without waiting
 * @return APR_SUCCESS, APR_TIMEUP, or why nobody can wait */
apr_status_t wa_places_enter(wa_places *places, apr_pool_t *p,
                             apr_time_t deadline);

/** Give it back. */
void wa_places_leave(wa_places *places);

#endif
