/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_sql_keys.h @brief Statements about API keys and principals. */
#ifndef WA_SQL_KEYS_H
#define WA_SQL_KEYS_H

// clang-format off
/* The columns of a wa_principal: key id and expiry, user id, username, role,
 * requests and messages a minute, messages a day. */
#define WA_SQL_KEYS(X)                                                        \
    /* $1 id, $2 user, $3 name, $4 hash as hex, $5 hint, $6 expires at        \
     * -> created_at */                                                       \
    X(KEY_INSERT,                                                             \
      "INSERT INTO api_keys (id, user_id, name, hash, hint, expires_at)"      \
      " SELECT $1, u.id, $3, decode($4, 'hex'), $5, $6::timestamptz"          \
      " FROM users u WHERE u.id = $2"                                         \
      " RETURNING " WA_SQL_TIME("created_at"))                                \
    /* $1 hash as hex; only what may be used now */                           \
    X(PRINCIPAL_BY_KEY,                                                       \
      "SELECT k.id, " WA_SQL_TIME("k.expires_at") ", u.id, u.username,"       \
      " u.role, u.max_requests_per_minute, u.max_messages_per_minute,"        \
      " u.max_messages_per_day"                                               \
      " FROM api_keys k JOIN users u ON u.id = k.user_id"                     \
      " WHERE k.hash = decode($1, 'hex') AND k.revoked_at IS NULL"            \
      " AND (k.expires_at IS NULL OR k.expires_at > now())"                   \
      " AND u.is_active")                                                     \
    /* $1 user's id */                                                        \
    X(PRINCIPAL_BY_USER,                                                      \
      "SELECT NULL, NULL, u.id, u.username, u.role,"                          \
      " u.max_requests_per_minute, u.max_messages_per_minute,"                \
      " u.max_messages_per_day"                                               \
      " FROM users u WHERE u.id = $1 AND u.is_active")
// clang-format on

#endif
