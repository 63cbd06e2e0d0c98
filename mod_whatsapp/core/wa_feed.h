/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_feed.h
 * @brief Waiting for events: one thread listens for all readers of a process.
 *
 * Who waits holds no connection of the database. The thread has one of its own
 * while there are readers; a notification makes it look, with one statement,
 * how far the feeds of all of them are, and wake those whose feed has grown.
 * It looks once a second in any case, should a notification be missed or
 * listening be impossible.
 */
#ifndef WA_FEED_H
#define WA_FEED_H

#include "wa_app.h"

/** Start the thread; app->feed stays NULL when there is none.
 * @param stopping has the process been told to end? Then nobody waits any
 *        more. Called from the thread; NULL: never */
apr_status_t wa_feed_start(wa_app *app, int (*stopping)(void));
/** End it; within a second. */
void wa_feed_stop(wa_app *app);

/** A reader that may wait. */
typedef struct wa_feed_reader wa_feed_reader;

/** Become a reader of a user's feed, until p is cleaned up. Takes one of the
 * waiting places, of which readers get at most half. To miss nothing, become a
 * reader first, then read, then wait.
 * @return NULL when no place is free */
wa_feed_reader *wa_feed_join(wa_app *app, apr_pool_t *p, const char *user_id);

/** Wait until the feed is past a number.
 * @return APR_SUCCESS when it is, APR_TIMEUP, APR_EOF when the process is to
 *         end */
apr_status_t wa_feed_wait(wa_feed_reader *reader, apr_int64_t seen,
                          apr_interval_time_t wait);

#endif
