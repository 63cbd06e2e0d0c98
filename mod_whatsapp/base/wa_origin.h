/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_origin.h @brief Web origins (RFC 6454), as browsers write them. */
#ifndef WA_ORIGIN_H
#define WA_ORIGIN_H

#include <apr_pools.h>

/** Read a list of origins, parted by white space. Each is "https://host" or
 * "http://host", with ":port" where that isn't the scheme's own, in the one
 * form that a browser sends it in: no capitals, no path, no '*'.
 * @param list NULL-terminated
 * @return NULL, or what is wrong with which, for people */
const char *wa_origins_read(apr_pool_t *p, const char *text,
                            const char *const **list);

/** Is the origin, as a browser sent it, in the list? @return 1 or 0 */
int wa_origins_have(const char *const *list, const char *origin);

#endif
