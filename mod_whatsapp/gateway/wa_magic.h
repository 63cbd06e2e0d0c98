/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_magic.h @brief What a file's first bytes show, by libmagic. */
#ifndef WA_MAGIC_H
#define WA_MAGIC_H

#include <apr_pools.h>

/** One per process; its database is loaded when it is first asked. */
typedef struct wa_magic wa_magic;

/** @return NULL when no lock could be made */
wa_magic *wa_magic_make(apr_pool_t *p);

/** The media type of bytes, as "image/jpeg"; never by a name.
 * @param data the beginning of the file; 64 KiB show enough
 * @return APR_SUCCESS with mime in p, or APR_EGENERAL */
apr_status_t wa_magic_type(wa_magic *magic, apr_pool_t *p, const void *data,
                           apr_size_t len, const char **mime);

#endif
