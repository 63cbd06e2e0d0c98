/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_sql_users.h @brief Statements about users. */
#ifndef WA_SQL_USERS_H
#define WA_SQL_USERS_H

/* The columns of a wa_user, in the order wa_user_from_row reads them. */
#define WA_SQL_USER_COLUMNS                                                   \
    "id, username, email, role, is_active, max_messages_per_minute,"          \
    " max_messages_per_day, max_requests_per_minute, max_sessions, "          \
    WA_SQL_TIME("created_at") ", " WA_SQL_TIME("updated_at")

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
    /* $1 id */                                                               \
    X(USER_BY_ID,                                                             \
      "SELECT " WA_SQL_USER_COLUMNS " FROM users WHERE id = $1")              \
    /* $1 newest first: created_at of the last row seen, $2 its id, $3 rows */\
    X(USERS_PAGE,                                                             \
      "SELECT " WA_SQL_USER_COLUMNS " FROM users"                             \
      " WHERE $1::timestamptz IS NULL"                                        \
      " OR (created_at, id) < ($1::timestamptz, $2::uuid)"                    \
      " ORDER BY created_at DESC, id DESC LIMIT $3")                          \
    /* $1 username: the user's columns, then the password's hash */           \
    X(USER_LOGIN,                                                             \
      "SELECT " WA_SQL_USER_COLUMNS ", password_hash FROM users"              \
      " WHERE lower(username) = lower($1)")
// clang-format on

#endif
