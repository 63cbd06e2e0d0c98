/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_usage_ring.h
 * @brief Answered requests on their way into the log, in a bounded ring.
 *
 * Many threads put rows in and never wait; one takes them out, in batches that
 * stay in the ring until they are written, so that none is lost when they
 * can't be. What doesn't fit is counted and dropped.
 */
#ifndef WA_USAGE_RING_H
#define WA_USAGE_RING_H

#include <apr_pools.h>
#include <apr_time.h>

#define WA_USAGE_ID_SIZE 37          /* a UUID */
#define WA_USAGE_METHOD_SIZE 16      /* a longer one is cut */
#define WA_USAGE_ADDRESS_SIZE 46     /* INET6_ADDRSTRLEN */
#define WA_USAGE_REQUEST_ID_SIZE 129 /* X-Request-ID's longest */

/** One request, by value: its pool is gone when the row is written. */
typedef struct wa_usage_row {
    apr_time_t at;                   /* when it came in */
    apr_interval_time_t duration;    /* until its answer was given to httpd */
    apr_int64_t bytes_in, bytes_out; /* of the bodies */
    const char *endpoint;            /* the route's path, a constant, or NULL */
    int status;
    char user_id[WA_USAGE_ID_SIZE]; /* "": nobody was authenticated */
    char key_id[WA_USAGE_ID_SIZE];  /* "": no API key */
    char method[WA_USAGE_METHOD_SIZE];
    char address[WA_USAGE_ADDRESS_SIZE];
    char request_id[WA_USAGE_REQUEST_ID_SIZE];
} wa_usage_row;

typedef struct wa_usage_ring wa_usage_ring;

/** @param size rows that fit @return NULL when no lock could be made */
wa_usage_ring *wa_usage_ring_make(apr_pool_t *p, int size);

/** Put a row in. @return 1, or 0 when it was dropped */
int wa_usage_ring_put(wa_usage_ring *ring, const wa_usage_row *row);

/** Wait until there are enough rows, or until the oldest has waited long
 * enough, or until the ring is closed; without any row it waits on.
 * @return rows that are there; 0 only when closed */
int wa_usage_ring_wait(wa_usage_ring *ring, int enough,
                       apr_interval_time_t longest);

/** Wait for a time, or until the ring is closed. */
void wa_usage_ring_pause(wa_usage_ring *ring, apr_interval_time_t wait);

/** A row that is there, 0 being the oldest. It keeps its place until
 * wa_usage_ring_done; only for the one thread that takes rows out. */
const wa_usage_row *wa_usage_ring_at(const wa_usage_ring *ring, int i);

/** Take the oldest rows away. */
void wa_usage_ring_done(wa_usage_ring *ring, int count);

/** Nobody waits any more; rows may still be put in and taken out. */
void wa_usage_ring_close(wa_usage_ring *ring);
int wa_usage_ring_closed(wa_usage_ring *ring);

/** @param waiting rows that are there @param dropped since the start */
void wa_usage_ring_counts(wa_usage_ring *ring, int *waiting,
                          apr_int64_t *dropped);

#endif
