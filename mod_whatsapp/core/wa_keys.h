/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_keys.h
 * @brief API keys: wak_ + 43 base64url characters (256 bits) + 6 of checksum.
 *
 * Stored as HMAC-SHA-256 under the server's secret, shown once.
 */
#ifndef WA_KEYS_H
#define WA_KEYS_H

#include "wa_app.h"

typedef struct wa_key {
    const char *id;
    const char *name;
    const char *hint; /* first characters, to recognise it */
    const char *key;  /* the key itself, when just made; else NULL */
    apr_time_t created_at;
    apr_time_t expires_at; /* 0: never */
} wa_key;

/** Does the text look like a key of ours, checksum and all? */
int wa_key_well_formed(apr_pool_t *p, const char *key);

/** What is stored of a key: HMAC as 64 hex digits. */
const char *wa_key_hash(const wa_app *app, apr_pool_t *p, const char *key);

/** Make a key for a user.
 * @param name what its owner calls it
 * @param expires_at 0: never
 * @return WA_OK; WA_E_NOT_FOUND when there is no such user; … */
wa_code wa_key_create(wa_app *app, apr_pool_t *p, const char *request_id,
                      const char *user_id, const char *name,
                      apr_time_t expires_at, wa_key **key, wa_result *r);

#endif
