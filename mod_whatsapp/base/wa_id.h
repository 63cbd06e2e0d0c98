/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_id.h @brief Identifiers: made here, checked here. */
#ifndef WA_ID_H
#define WA_ID_H

#include <apr_pools.h>

/** A new UUID version 7 (RFC 9562): 36 lower-case characters. */
const char *wa_id_uuid(apr_pool_t *p);

/** Is s a UUID in its 36-character form (any version, either case)? */
int wa_id_is_uuid(const char *s);

/** A new WhatsApp message id as its own clients make them: "3EB0" and 18
 * upper-case hex digits. */
const char *wa_id_whatsapp(apr_pool_t *p);

/** Is s acceptable as X-Request-ID: 1 to 128 of [A-Za-z0-9._-]? */
int wa_id_is_request_id(const char *s);

#endif
