/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_key_format.h
 * @brief What an API key looks like: wak_, 43 base64url characters (256 bits),
 * 6 of checksum; and what is stored of it.
 */
#ifndef WA_KEY_FORMAT_H
#define WA_KEY_FORMAT_H

#include <apr_pools.h>

/** So many first characters are kept, to recognise a key by. */
#define WA_KEY_HINT_LEN 12

/** A fresh key. */
const char *wa_key_mint(apr_pool_t *p);

/** Does the text look like a key of ours, checksum and all? */
int wa_key_well_formed(apr_pool_t *p, const char *key);

/** What is stored of a key: HMAC under a secret as 64 hex digits. */
const char *wa_key_hash(apr_pool_t *p, const char *secret, const char *key);

#endif
