/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_sql_keys.h @brief Statements about API keys and principals. */
#ifndef WA_SQL_KEYS_H
#define WA_SQL_KEYS_H

/* The columns of a wa_key. */
#define WA_SQL_KEY_COLUMNS                                                                                            \
    "k.id, k.user_id, k.name, k.hint, k.scopes,"                                                                      \
    " array_to_string(k.networks, ' '), " WA_SQL_TIME(                                                                \
        "k.created_at") ", " WA_SQL_TIME("k.expires_at") ", " WA_SQL_TIME("k."                                        \
                                                                          "re"                                        \
                                                                          "vo"                                        \
                                                                          "ke"                                        \
                                                                          "d_"                                        \
                                                                          "a"                                         \
                                                                          "t") ", " WA_SQL_TIME("k.last_used_at") "," \
                                                                                                                  " host(k.last_used_ip), k.rotated_to"

/* The columns of a wa_principal: key, login, expiry, user, limits; then a
 * key's scopes and networks. */
#define WA_SQL_PRINCIPAL_USER                                                  \
    "u.id, u.username, u.role, u.max_requests_per_minute,"                     \
    " u.max_messages_per_minute, u.max_messages_per_day"

// clang-format off
#define WA_SQL_KEYS(X)                                                        \
    /* $1 id, $2 user, $3 name, $4 hash as hex, $5 hint, $6 expires at,       \
     * $7 scopes, $8 networks as arrays */                                    \
    X(KEY_INSERT,                                                             \
      "INSERT INTO api_keys AS k (id, user_id, name, hash, hint, expires_at," \
      " scopes, networks)"                                                    \
      " SELECT $1, u.id, $3, decode($4, 'hex'), $5, $6::timestamptz,"         \
      " $7::text[], $8::cidr[] FROM users u WHERE u.id = $2"                  \
      " AND (u.role = 'admin' OR NOT 'admin' = ANY ($7::text[]))"             \
      " RETURNING " WA_SQL_KEY_COLUMNS)                                       \
    /* $1 user */                                                             \
    X(KEYS_OF_USER,                                                           \
      "SELECT " WA_SQL_KEY_COLUMNS " FROM api_keys k"                         \
      " WHERE k.user_id = $1 ORDER BY k.created_at DESC, k.id DESC"           \
      " LIMIT 1000")                                                          \
    /* $1 id, $2 user or NULL for anybody's */                                \
    X(KEY_BY_ID,                                                              \
      "SELECT " WA_SQL_KEY_COLUMNS " FROM api_keys k WHERE k.id = $1"         \
      " AND ($2::uuid IS NULL OR k.user_id = $2::uuid)")                      \
    /* $1 id, $2 user or NULL, $3 name */                                     \
    X(KEY_RENAME,                                                             \
      "UPDATE api_keys k SET name = $3 WHERE k.id = $1"                       \
      " AND ($2::uuid IS NULL OR k.user_id = $2::uuid)"                       \
      " RETURNING " WA_SQL_KEY_COLUMNS)                                       \
    /* $1 id, $2 user or NULL */                                              \
    X(KEY_REVOKE,                                                             \
      "UPDATE api_keys k SET revoked_at = coalesce(revoked_at, now())"        \
      " WHERE k.id = $1 AND ($2::uuid IS NULL OR k.user_id = $2::uuid)"       \
      " RETURNING " WA_SQL_KEY_COLUMNS)                                       \
    /* The old key of a rotation: $1 id, $2 the new one, $3 seconds it still  \
     * works */                                                               \
    X(KEY_ROTATED,                                                            \
      "UPDATE api_keys SET rotated_to = $2, expires_at = least(expires_at,"   \
      " now() + $3::integer * interval '1 s') WHERE id = $1"                  \
      " AND rotated_to IS NULL")                                              \
    /* $1 hash as hex; only what may be used now */                           \
    X(PRINCIPAL_BY_KEY,                                                       \
      "SELECT k.id, NULL, " WA_SQL_TIME("k.expires_at") ", "                  \
      WA_SQL_PRINCIPAL_USER ", k.scopes, array_to_string(k.networks, ' ')"    \
      " FROM api_keys k JOIN users u ON u.id = k.user_id"                     \
      " WHERE k.hash = decode($1, 'hex') AND k.revoked_at IS NULL"            \
      " AND (k.expires_at IS NULL OR k.expires_at > now())"                   \
      " AND u.is_active")                                                     \
    /* $1 login's id; a token's login lives until its refresh ends */         \
    X(PRINCIPAL_BY_LOGIN,                                                     \
      "SELECT NULL, l.id, " WA_SQL_TIME("l.expires_at") ", "                  \
      WA_SQL_PRINCIPAL_USER                                                   \
      " FROM logins l JOIN users u ON u.id = l.user_id"                       \
      " WHERE l.id = $1 AND l.revoked_at IS NULL"                             \
      " AND l.expires_at > now() AND u.is_active")                            \
    /* Does what a request was let in by still hold? $1 user, $2 key or NULL, \
     * $3 login or NULL, $4 seconds a cookie may rest. No use of it is noted. \
     * A row when it does. */                                                 \
    X(PRINCIPAL_HOLDS,                                                        \
      "SELECT 1 FROM users u LEFT JOIN api_keys k"                            \
      "  ON k.id = $2::uuid AND k.user_id = u.id"                             \
      " LEFT JOIN logins l ON l.id = $3::uuid AND l.user_id = u.id"           \
      " WHERE u.id = $1::uuid AND u.is_active"                                \
      " AND ($2::uuid IS NULL OR (k.revoked_at IS NULL AND k.id IS NOT NULL"  \
      "  AND (k.expires_at IS NULL OR k.expires_at > now())))"                \
      " AND ($3::uuid IS NULL OR (l.revoked_at IS NULL AND l.expires_at"      \
      "  > now() AND (l.kind <> 'cookie' OR l.last_used_at"                   \
      "   > now() - $4::integer * interval '1 s')))")
// clang-format on

#endif
