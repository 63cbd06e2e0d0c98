/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_limits_local.h @brief Counting within one process, without Redis.
 */
#ifndef WA_LIMITS_LOCAL_H
#define WA_LIMITS_LOCAL_H

#include <apr_pools.h>
#include <apr_time.h>

typedef struct wa_local_limits wa_local_limits;

/** @return NULL when no lock could be made */
wa_local_limits *wa_local_limits_make(apr_pool_t *p);

/** Count n of the requests that an address makes without a good credential.
 * Addresses are what an attacker has many of, so they share a fixed number of
 * counters, by a hash that nobody can foresee: the memory stays as it is, and
 * who shares one with somebody is counted too high.
 * @return the count after */
apr_int64_t wa_local_limits_address(wa_local_limits *l, const char *address,
                                    apr_int64_t n, apr_time_t now, int *reset);

/** Count n in this process' present minute.
 * @param what "r:" and the user for requests, "m:" and the user for messages
 * @param reset seconds until the next minute
 * @return the count after */
apr_int64_t wa_local_limits_count(wa_local_limits *l, const char *what,
                                  apr_int64_t n, apr_time_t now, int *reset);

#endif
