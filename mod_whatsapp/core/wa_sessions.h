/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_sessions.h
 * @brief WhatsApp sessions: a user's phone, linked through a bridge.
 *
 * PostgreSQL holds what is known of a session; the bridge reports changes as
 * events (wa_bridge_events.h). A session whose bridge has not been heard of is
 * never shown as connected.
 */
#ifndef WA_SESSIONS_H
#define WA_SESSIONS_H

#include <apr_tables.h>

#include "wa_app.h"

#define WA_SESSION_DEFAULT "default"
/** A bridge that has not been heard of for so long counts as away. */
#define WA_BRIDGE_SILENT_SECONDS 15

typedef struct wa_session {
    const char *id, *user_id, *name, *engine;
    const char *status; /* as shown: see the file's comment */
    const char *reason; /* or NULL */
    int restricted;
    int linked; /* the bridge holds credentials of a phone */
    int wanted; /* its user wants it connected */
    const char *phone_number, *push_name;
    const char *qr_code; /* while one is valid, or NULL */
    apr_time_t qr_expires_at, connected_at, last_active_at, updated_at;
    const char *pairing_code; /* the same, where a number is linked */
    apr_time_t pairing_code_expires_at;
    apr_time_t created_at; /* in lists only, as the next */
    const char *username;  /* of its owner */
} wa_session;

/** Which sessions of all users; NULL means any. */
typedef struct wa_session_query {
    const char *status, *user_id, *engine;
    apr_time_t after_created; /* of the last row seen; 0: first page */
    const char *after_id;
    int limit;
} wa_session_query;

/** Check a session's name: 1 to 64 of [A-Za-z0-9._-]; NULL is the default. */
wa_code wa_session_name(const char **name, wa_result *r);

/** Look a session up.
 * @param session NULL when the user has none of that name
 * @return WA_OK, or what the database failed with */
wa_code wa_session_find(wa_app *app, apr_pool_t *p, const char *request_id,
                        const char *user_id, const char *name,
                        wa_session **session, wa_result *r);

/** What is wanted of a session. */
typedef struct wa_session_wish {
    const char *user_id, *name;
    const char *engine;       /* NULL: the one it has, or the default one */
    const char *phone_number; /* E.164, to link it by a code; NULL: by QR */
} wa_session_wish;

/** Want it connected: make the row, start it at the bridge. What the bridge
 * refuses for good leaves the session as it was.
 * @return WA_OK, WA_E_SESSION_LIMIT, WA_E_CONFLICT (linked by another engine),
 * WA_E_ALREADY_LINKED (a number, but a phone is linked), WA_E_NOT_SUPPORTED,
 * WA_E_BRIDGE_UNAVAILABLE, … */
wa_code wa_session_init(wa_app *app, apr_pool_t *p, const char *request_id,
                        const wa_session_wish *wish, wa_session **session,
                        wa_result *r);

/** Close the connection, keep the link. @return WA_OK, WA_E_NOT_LINKED, … */
wa_code wa_session_disconnect(wa_app *app, apr_pool_t *p,
                              const char *request_id, const char *user_id,
                              const char *name, wa_session **session,
                              wa_result *r);

/** Unlink the phone. @return as wa_session_disconnect */
wa_code wa_session_logout(wa_app *app, apr_pool_t *p, const char *request_id,
                          const char *user_id, const char *name,
                          wa_session **session, wa_result *r);

/** Close and open the connection anew. @return as wa_session_init */
wa_code wa_session_restart(wa_app *app, apr_pool_t *p, const char *request_id,
                           const char *user_id, const char *name,
                           wa_session **session, wa_result *r);

/** A session by its id, whoever's it is. @return WA_OK, WA_E_NOT_FOUND, … */
wa_code wa_session_get(wa_app *app, apr_pool_t *p, const char *request_id,
                       const char *id, wa_session **session, wa_result *r);

/** A page of all users' sessions, newest first. @param sessions of wa_session
 */
wa_code wa_session_list(wa_app *app, apr_pool_t *p, const char *request_id,
                        const wa_session_query *query,
                        apr_array_header_t **sessions, wa_result *r);

/** Have the bridge unlink and forget a session that is marked in
 * session_erasures; takes the mark off when it did.
 * @return WA_OK, or why it must be tried again */
wa_code wa_session_erase(wa_app *app, apr_pool_t *p, const char *request_id,
                         const char *id);

/** Write down what a bridge says of a session.
 * @param bridge_id NULL when not known */
apr_status_t wa_session_store(wa_db *db, apr_pool_t *p, const char *id,
                              const char *bridge_id,
                              const wa_bridge_state *state);

#endif
