/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_sql_users.h @brief Statements about users. */
#ifndef WA_SQL_USERS_H
#define WA_SQL_USERS_H

/* The columns of a wa_user, in the order wa_user_from_row reads them. */
#define WA_SQL_USER_COLUMNS                                                    \
    "id, username, email, role, is_active, max_messages_per_minute,"           \
    " max_messages_per_day, max_requests_per_minute, "                         \
    "max_sessions, " WA_SQL_TIME("created_at") ", " WA_SQL_TIME(               \
        "updated_at") ", version"

/* What a list's sort goes by, as text that compares in the order meant. */
#define WA_SQL_USER_SORT_KEY                                                   \
    "CASE $1 WHEN 'username' THEN lower(u.username)"                           \
    " WHEN 'last_active_at' THEN to_char(coalesce(a.last_active, 'epoch'),"    \
    " 'YYYYMMDDHH24MISSUS')"                                                   \
    " ELSE to_char(u.created_at, 'YYYYMMDDHH24MISSUS') END COLLATE \"C\""

// clang-format off
#define WA_SQL_USERS(X)                                                       \
    /* $1 id, $2 username, $3 email, $4 password hash, $5 role,               \
     * $6 messages a minute, $7 a day, $8 requests a minute, $9 sessions */   \
    X(USER_INSERT,                                                            \
      "INSERT INTO users (id, username, email, password_hash, role,"          \
      " max_messages_per_minute, max_messages_per_day,"                       \
      " max_requests_per_minute, max_sessions)"                               \
      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"                          \
      " RETURNING " WA_SQL_USER_COLUMNS)                                      \
    /* Orders changes of what belongs to a user. $1 id */ \
    X(USER_LOCK, "SELECT id FROM users WHERE id = $1 FOR UPDATE") \
    /* $1 id */                                                               \
    X(USER_BY_ID,                                                             \
      "SELECT " WA_SQL_USER_COLUMNS " FROM users WHERE id = $1")              \
    /* A page of users with what an admin wants to see of each, in one go.     \
     * $1 sort (created_at, username, last_active_at), $2 descending, $3 sort \
     * key and $4 id of the last row seen or NULL, $5 rows; filters, each or  \
     * NULL: $6 text in name or address, $7 active, $8 role, $9 status of a   \
     * session -> the user's columns, last active, session status and phone,  \
     * messages today and in all, keys, sort key */                           \
    X(USERS_PAGE,                                                             \
      "SELECT * FROM (SELECT u.id AS uid, u.username, u.email, u.role,"       \
      " u.is_active, u.max_messages_per_minute, u.max_messages_per_day,"      \
      " u.max_requests_per_minute, u.max_sessions, "                          \
      WA_SQL_TIME("u.created_at") " AS created, "                             \
      WA_SQL_TIME("u.updated_at") " AS updated, u.version, "                  \
      WA_SQL_TIME("a.last_active") " AS active, s.status, s.phone_number,"    \
      " (SELECT count(*) FROM messages m WHERE m.user_id = u.id"              \
      "  AND m.direction = 'out' AND m.created_at >= date_trunc('day',"       \
      "  now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC') AS today,"             \
      " (SELECT count(*) FROM messages m WHERE m.user_id = u.id"              \
      "  AND m.direction = 'out') AS total,"                                  \
      " (SELECT count(*) FROM api_keys k WHERE k.user_id = u.id"              \
      "  AND k.revoked_at IS NULL) AS keys, "                                 \
      WA_SQL_USER_SORT_KEY " AS sort"                                         \
      " FROM users u LEFT JOIN LATERAL (SELECT x.status, x.phone_number"      \
      "  FROM sessions x WHERE x.user_id = u.id"                              \
      "  ORDER BY x.status = 'connected' DESC, x.created_at LIMIT 1) s"       \
      "  ON true"                                                             \
      " LEFT JOIN LATERAL (SELECT greatest("                                  \
      "  (SELECT max(x.last_active_at) FROM sessions x"                       \
      "   WHERE x.user_id = u.id),"                                           \
      "  (SELECT max(k.last_used_at) FROM api_keys k"                         \
      "   WHERE k.user_id = u.id),"                                           \
      "  (SELECT max(l.last_used_at) FROM logins l"                           \
      "   WHERE l.user_id = u.id)) AS last_active) a ON true"                 \
      " WHERE ($6::text IS NULL OR position(lower($6) IN lower(u.username))"  \
      "  > 0 OR position(lower($6) IN lower(u.email)) > 0)"                   \
      " AND ($7::boolean IS NULL OR u.is_active = $7::boolean)"               \
      " AND ($8::text IS NULL OR u.role = $8)"                                \
      " AND ($9::text IS NULL OR coalesce(s.status, 'disconnected') = $9)) q" \
      " WHERE $3::text IS NULL"                                               \
      " OR CASE WHEN $2::boolean THEN (q.sort, q.uid) < ($3, $4::uuid)"       \
      "  ELSE (q.sort, q.uid) > ($3, $4::uuid) END"                           \
      " ORDER BY CASE WHEN $2::boolean THEN q.sort END DESC,"                 \
      " CASE WHEN NOT $2::boolean THEN q.sort END,"                           \
      " CASE WHEN $2::boolean THEN q.uid END DESC, q.uid LIMIT $5::integer")  \
    /* $1 id, $2 version or NULL for any; then what changes, NULL keeps: $3   \
     * username, $4 email, $5 role, $6 active, $7 messages a minute, $8 a     \
     * day, $9 requests a minute, $10 sessions */                             \
    X(USER_UPDATE,                                                            \
      "UPDATE users SET username = coalesce($3, username),"                   \
      " email = coalesce($4, email), role = coalesce($5, role),"              \
      " is_active = coalesce($6::boolean, is_active),"                        \
      " max_messages_per_minute = coalesce($7::integer,"                      \
      "  max_messages_per_minute),"                                           \
      " max_messages_per_day = coalesce($8::integer, max_messages_per_day),"  \
      " max_requests_per_minute = coalesce($9::integer,"                      \
      "  max_requests_per_minute),"                                           \
      " max_sessions = coalesce($10::integer, max_sessions),"                 \
      " version = version + 1, updated_at = now()"                            \
      " WHERE id = $1 AND ($2::bigint IS NULL OR version = $2::bigint)"       \
      " RETURNING " WA_SQL_USER_COLUMNS)                                      \
    /* Active admins, locked so that no two changes each think that the other \
     * leaves one */                                                          \
    X(ADMINS_LOCK,                                                            \
      "SELECT id FROM users WHERE role = 'admin' AND is_active"               \
      " ORDER BY id FOR UPDATE")                                              \
    /* Before a user goes: nothing of it is sent or let in. $1 user           \
     * -> its sessions */                                                     \
    X(USER_SILENCE,                                                           \
      "WITH u AS (UPDATE users SET is_active = false WHERE id = $1),"         \
      " o AS (DELETE FROM outbox WHERE session_id IN"                         \
      "  (SELECT id FROM sessions WHERE user_id = $1)),"                      \
      " s AS (UPDATE sessions SET wanted = false WHERE user_id = $1"          \
      "  RETURNING id),"                                                      \
      " e AS (INSERT INTO session_erasures (session_id) SELECT id FROM s"     \
      "  ON CONFLICT DO NOTHING)"                                             \
      " SELECT id FROM s")                                                    \
    /* $1 user; keys, logins, sessions, messages go with it */                \
    X(USER_DELETE, "DELETE FROM users WHERE id = $1")                         \
    /* $1 username: the user's columns, then the password's hash */           \
    X(USER_LOGIN,                                                             \
      "SELECT " WA_SQL_USER_COLUMNS ", password_hash FROM users"              \
      " WHERE lower(username) = lower($1)")
// clang-format on

#endif
