/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_hashing.h
 * @brief Passwords are hashed few at a time and behind everything else.
 *
 * Each takes 19 MiB and a core for tens of milliseconds, so that many logins at
 * once could keep all other requests waiting.
 */
#ifndef WA_HASHING_H
#define WA_HASHING_H

#include "wa_app.h"

/** Take one of the few turns; before anything is asked of the database, so that
 * who has to come again costs nothing.
 * @return WA_OK, or WA_E_BUSY_LOGIN (with Retry-After) when none is free */
wa_code wa_hashing_enter(wa_app *app, wa_result *r);
/** Give it back. */
void wa_hashing_leave(wa_app *app);

/** Hash a new password; the caller has a turn. @return NULL on failure */
const char *wa_hashing_make(apr_pool_t *p, const char *password);

/** Does the password fit? An absent hash costs the same; the caller has a turn.
 * @return 1 or 0 */
int wa_hashing_verify(apr_pool_t *p, const char *hash, const char *password);

#endif
