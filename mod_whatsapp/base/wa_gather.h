/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_gather.h
 * @brief What many threads want at one time is done by one of them for all.
 *
 * Who comes while nobody works does his own at once. Who comes meanwhile waits,
 * and the first of these then works for all of them: as the cost of a
 * transaction is mostly its beginning and its end, many in one cost little more
 * than one. Who is about to work waits for company only where others came
 * together of late, until as many are there and not longer than its patience;
 * one who is alone waits for nobody.
 */
#ifndef WA_GATHER_H
#define WA_GATHER_H

#include <apr_pools.h>
#include <apr_time.h>

/** For what ends with a commit: less than that takes. Microseconds. */
#define WA_GATHER_PATIENCE 2000

typedef struct wa_gather wa_gather;

/** Do the work of all items. The first is that of the thread this runs in;
 * those of the others stay as they are until it returns, so that outcomes may
 * be written into them, and memory be taken from their pools.
 * @param items count of them, at least 1, in the order in which they came */
typedef void wa_gather_work(void *baton, void *const *items, int count);

/** May this item be done together with those?
 * @return 0: it stays for later, before all that came after it */
typedef int wa_gather_fits(void *baton, void *const *items, int count,
                           const void *item);

/** Bytes that an item brings along. */
typedef apr_size_t wa_gather_bytes(const void *item);

/** Bytes that go together, as a rule; one item alone may have more. */
#define WA_GATHER_BYTES (apr_size_t)(1024 * 1024)

/** Does the item go with those within WA_GATHER_BYTES? For a wa_gather_fits. */
int wa_gather_has_room(wa_gather_bytes *bytes, void *const *items, int count,
                       const void *item);

/** Make one.
 * @param leaders how many threads may work at one time, at least 1
 * @param most items that are done together
 * @param patience microseconds to wait for company at most; 0: none
 * @param fits NULL: all do
 * @param baton given to both
 * @return NULL when a lock can't be made */
wa_gather *wa_gather_make(apr_pool_t *p, int leaders, int most,
                          apr_interval_time_t patience, wa_gather_work *work,
                          wa_gather_fits *fits, void *baton);

/** Have an item done; comes back when it is.
 * @param p of the calling thread, for what is needed to wait
 * @return APR_SUCCESS, or what a lock failed with: then nothing was done */
apr_status_t wa_gather_do(wa_gather *g, apr_pool_t *p, void *item);

#endif
