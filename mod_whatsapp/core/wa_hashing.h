/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_hashing.h
 * @brief Passwords are hashed few at a time and behind everything else.
 *
 * Each takes 19 MiB and a core for tens of milliseconds. Memory that comes and
 * goes is the whole process', whose other threads wait for it; so Apache's
 * children have it done by processes of their own (wa_hashing_queue.h).
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

/** Hash a new password; the caller has a turn.
 * @return WA_OK; WA_E_BUSY_LOGIN or WA_E_NOT_READY (with Retry-After) when it
 *         could not be done in time, or not at all */
wa_code wa_hashing_make(wa_app *app, apr_pool_t *p, const char *password,
                        const char **hash, wa_result *r);

/** Does the password fit? An absent hash costs the same; the caller has a turn.
 * @param fresh one of today's cost to replace the hash by, in p, when the
 *        password fits one of another; else NULL
 * @return as above; fits is 0 unless it is known that it does */
wa_code wa_hashing_verify(wa_app *app, apr_pool_t *p, const char *hash,
                          const char *password, int *fits, const char **fresh,
                          wa_result *r);

#endif
