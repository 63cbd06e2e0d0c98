/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_sql_sessions.h @brief Statements about sessions and bridges. */
#ifndef WA_SQL_SESSIONS_H
#define WA_SQL_SESSIONS_H

// clang-format off
/* The columns of a wa_session. silent: seconds since its bridge was heard of,
 * NULL when it never was. */
#define WA_SQL_SESSION_COLUMNS                                                \
    "s.id, s.user_id, s.name, s.engine, s.status, s.reason, s.restricted,"    \
    " s.linked, s.wanted, s.phone_number, s.push_name,"                       \
    " CASE WHEN s.qr_expires_at > now() THEN s.qr_code END, "                 \
    WA_SQL_TIME("s.qr_expires_at") ", " WA_SQL_TIME("s.connected_at") ", "    \
    WA_SQL_TIME("s.last_active_at") ", " WA_SQL_TIME("s.updated_at") ","      \
    " (SELECT extract(epoch FROM now() - b.last_seen_at)::bigint AS silent"   \
    "  FROM bridges b WHERE b.id = s.bridge_id),"                             \
    " CASE WHEN s.pairing_code_expires_at > now() THEN s.pairing_code END, "  \
    WA_SQL_TIME("s.pairing_code_expires_at")
// clang-format on

/* Does status $2 with reason $3 say that no phone is linked? */
#define WA_SQL_SESSION_UNLINKED                                                \
    "$2 IN ('qr_pending', 'passkey_required') OR $3 IN ('logged_out',"         \
    " 'never_linked', 'banned', 'qr_timeout')"

// clang-format off
#define WA_SQL_SESSIONS(X)                                                    \
    /* $1 user, $2 name */                                                    \
    X(SESSION_BY_NAME,                                                        \
      "SELECT " WA_SQL_SESSION_COLUMNS " FROM sessions s"                     \
      " WHERE s.user_id = $1 AND s.name = $2")                                \
    /* $1 id */                                                               \
    X(SESSION_BY_ID,                                                          \
      "SELECT " WA_SQL_SESSION_COLUMNS " FROM sessions s WHERE s.id = $1")    \
    /* Over all users, newest first. $1 status, $2 user, $3 engine, each or   \
     * NULL; $4 created at and $5 id of the last row seen or NULL, $6 rows    \
     * -> the session's columns, created at, user name */                     \
    X(SESSIONS_PAGE,                                                          \
      "SELECT " WA_SQL_SESSION_COLUMNS ", " WA_SQL_TIME("s.created_at") ","   \
      " u.username FROM sessions s JOIN users u ON u.id = s.user_id"          \
      " WHERE ($1::text IS NULL OR s.status = $1)"                            \
      " AND ($2::uuid IS NULL OR s.user_id = $2::uuid)"                       \
      " AND ($3::text IS NULL OR s.engine = $3)"                              \
      " AND ($4::timestamptz IS NULL"                                         \
      "  OR (s.created_at, s.id) < ($4::timestamptz, $5::uuid))"              \
      " ORDER BY s.created_at DESC, s.id DESC LIMIT $6::integer")             \
    /* Sessions the bridge is still to erase. $1 rows */                      \
    X(ERASURES_DUE,                                                           \
      "SELECT session_id FROM session_erasures ORDER BY created_at"           \
      " LIMIT $1::integer")                                                   \
    /* $1 session */                                                          \
    X(ERASURE_DONE, "DELETE FROM session_erasures WHERE session_id = $1")     \
    /* $1 id, $2 user, $3 name, $4 engine or NULL, $5 the engine of new ones: \
     * makes it where there is none and room is left; an existing one is      \
     * wanted again and keeps its engine while a phone is linked */           \
    X(SESSION_WANT,                                                           \
      "INSERT INTO sessions AS s (id, user_id, name, engine, wanted, status)" \
      " SELECT $1, u.id, $3, coalesce($4, $5), true, 'connecting'"            \
      " FROM users u"                                                         \
      " WHERE u.id = $2 AND (EXISTS (SELECT 1 FROM sessions x"                \
      "   WHERE x.user_id = u.id AND x.name = $3)"                            \
      "  OR (SELECT count(*) FROM sessions x WHERE x.user_id = u.id)"         \
      "   < u.max_sessions)"                                                  \
      " ON CONFLICT ON CONSTRAINT sessions_user_name_key DO UPDATE"           \
      " SET wanted = true, updated_at = now(),"                               \
      " engine = CASE WHEN s.linked THEN s.engine"                            \
      "  ELSE coalesce($4, s.engine) END"                                     \
      " RETURNING " WA_SQL_SESSION_COLUMNS)                                   \
    /* The bridge refused to start it, for good: as it was before. $1 id,     \
     * $2 engine, $3 wanted */                                                \
    X(SESSION_RESTORE,                                                        \
      "UPDATE sessions SET engine = $2, wanted = $3::boolean,"                \
      " updated_at = now() WHERE id = $1")                                    \
    /* $1 id: it was made by the call that was refused */                     \
    X(SESSION_UNMAKE,                                                         \
      "DELETE FROM sessions"                                                  \
      " WHERE id = $1 AND status = 'connecting' AND NOT linked")              \
    /* $1 id, $2 status, $3 reason, $4 restricted, $5 phone, $6 push name,    \
     * $7 connected at, $8 last active at, $9 bridge or NULL: what the bridge \
     * says of it. Leaving qr_pending forgets the code. */                    \
    X(SESSION_STATE,                                                          \
      "UPDATE sessions SET status = $2, reason = $3,"                         \
      " restricted = $4::boolean,"                                            \
      " linked = CASE WHEN " WA_SQL_SESSION_UNLINKED " THEN false"            \
      "  ELSE linked OR $2 = 'connected' END,"                                \
      " phone_number = CASE WHEN " WA_SQL_SESSION_UNLINKED " THEN NULL"       \
      "  ELSE coalesce($5, phone_number) END,"                                \
      " push_name = CASE WHEN " WA_SQL_SESSION_UNLINKED " THEN NULL"          \
      "  ELSE coalesce($6, push_name) END,"                                   \
      " connected_at = CASE WHEN $2 = 'connected' THEN"                       \
      "  coalesce($7::timestamptz, connected_at, now()) END,"                 \
      " last_active_at = greatest(last_active_at, $8::timestamptz),"          \
      " bridge_id = coalesce((SELECT id FROM bridges WHERE id = $9::uuid),"   \
      "  bridge_id),"                                                         \
      " qr_code = CASE WHEN $2 = 'qr_pending' THEN qr_code END,"              \
      " qr_expires_at = CASE WHEN $2 = 'qr_pending' THEN qr_expires_at END,"  \
      " pairing_code = CASE WHEN $2 = 'qr_pending' THEN pairing_code END,"    \
      " pairing_code_expires_at = CASE WHEN $2 = 'qr_pending'"                \
      "  THEN pairing_code_expires_at END,"                                   \
      " wanted = wanted AND $3 IS DISTINCT FROM 'idle',"                      \
      " updated_at = now() WHERE id = $1")                                    \
    /* Sessions that should be up but whose start may have been lost with the \
     * bridge, or whose bridge is gone while another one is there. $1 rows    \
     * -> id, engine */                                                       \
    X(SESSIONS_STUCK,                                                         \
      "SELECT s.id, s.engine FROM sessions s"                                 \
      " WHERE s.wanted AND s.updated_at < now() - interval '10 s'"            \
      " AND (s.status = 'connecting' OR (s.status = 'connected' AND EXISTS"   \
      "  (SELECT 1 FROM bridges b WHERE b.id = s.bridge_id"                   \
      "   AND b.last_seen_at < now() - interval '15 s') AND EXISTS"           \
      "  (SELECT 1 FROM bridges b"                                            \
      "   WHERE b.last_seen_at >= now() - interval '15 s')))"                 \
      " ORDER BY s.updated_at LIMIT $1::integer")                             \
    /* $1 id, $2 code, $3 expires at, $4 bridge or NULL */                    \
    X(SESSION_QR,                                                             \
      "UPDATE sessions SET status = 'qr_pending', reason = NULL,"             \
      " linked = false, qr_code = $2, qr_expires_at = $3::timestamptz,"       \
      " pairing_code = NULL, pairing_code_expires_at = NULL,"                 \
      " bridge_id = coalesce((SELECT id FROM bridges WHERE id = $4::uuid),"   \
      "  bridge_id),"                                                         \
      " updated_at = now() WHERE id = $1 AND wanted")                         \
    /* The same for a code that is typed on the phone */                      \
    X(SESSION_PAIRING,                                                        \
      "UPDATE sessions SET status = 'qr_pending', reason = NULL,"             \
      " linked = false, qr_code = NULL, qr_expires_at = NULL,"                \
      " pairing_code = $2, pairing_code_expires_at = $3::timestamptz,"        \
      " bridge_id = coalesce((SELECT id FROM bridges WHERE id = $4::uuid),"   \
      "  bridge_id),"                                                         \
      " updated_at = now() WHERE id = $1 AND wanted")                         \
    /* Connected, and nothing known to have happened for $1 seconds; nothing  \
     * is to be sent either. $2 rows -> id */                                 \
    X(SESSIONS_IDLE,                                                          \
      "SELECT s.id FROM sessions s"                                           \
      " WHERE s.wanted AND s.status = 'connected'"                            \
      " AND greatest(s.connected_at, s.last_active_at)"                       \
      "  < now() - make_interval(secs => $1::float8)"                         \
      " AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.session_id = s.id)"    \
      " ORDER BY s.updated_at LIMIT $2::integer")                             \
    /* $1 id: its user does not want it connected any more */                 \
    X(SESSION_UNWANT,                                                         \
      "UPDATE sessions SET wanted = false, updated_at = now()"                \
      " WHERE id = $1")                                                       \
    /* $1 id, $2 at */                                                        \
    X(SESSION_ACTIVE,                                                         \
      "UPDATE sessions SET last_active_at ="                                  \
      " greatest(last_active_at, $2::timestamptz) WHERE id = $1"              \
      " AND (last_active_at IS NULL"                                          \
      "  OR last_active_at < $2::timestamptz - interval '1 s')")              \
    /* $1 id, $2 mode -> last_seq; locks the row */                           \
    X(BRIDGE_SEEN,                                                            \
      "INSERT INTO bridges (id, mode) VALUES ($1, $2)"                        \
      " ON CONFLICT (id) DO UPDATE SET last_seen_at = now(),"                 \
      " mode = excluded.mode RETURNING last_seq")                             \
    /* $1 id, $2 last_seq */                                                  \
    X(BRIDGE_ACKED,                                                           \
      "UPDATE bridges SET last_seq = $2 WHERE id = $1")
// clang-format on

#endif
