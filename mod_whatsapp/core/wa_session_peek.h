/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_session_peek.h
 * @brief What Redis keeps of the state of a user's default session: the text
 * that was last answered, for a second at most.
 *
 * It comes along with the trip that authenticates (wa_auth_request), so that
 * who asks for the state again and again costs PostgreSQL nothing. As with
 * principals, an entry names the generation it was made under, and
 * wa_session_changed starts the next one. What changes a session elsewhere, or
 * while Redis is away, is seen within a second.
 */
#ifndef WA_SESSION_PEEK_H
#define WA_SESSION_PEEK_H

#include "wa_app.h"

/** Names in Redis: the generation, and, before the user's id, the entry. */
#define WA_SESSION_GENERATION "wa:sg"
#define WA_SESSION_ENTRY "wa:s:"

typedef struct wa_session_peek {
    const char *generation; /* NULL: Redis was not asked or is away */
    const char *text;       /* NULL: there is none */
    apr_size_t len;
    apr_time_t at; /* when Redis was asked */
} wa_session_peek;

/** Keep a text that was made after the peek. Nothing is kept when a session
 * has changed since, or when making it took long. */
void wa_session_keep(wa_app *app, apr_pool_t *p, const char *user_id,
                     const wa_session_peek *peek, const char *text,
                     apr_size_t len);

/** The state of a session has changed, and that is committed. */
void wa_session_changed(wa_app *app, apr_pool_t *p, const char *request_id);

#endif
