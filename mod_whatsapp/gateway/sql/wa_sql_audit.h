/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_sql_audit.h @brief Statements about the audit. */
#ifndef WA_SQL_AUDIT_H
#define WA_SQL_AUDIT_H

/* The hashed fields in order, the hash as hex, then the time as a number. */
#define WA_SQL_AUDIT_COLUMNS                                                   \
    "id, at, actor_id, actor, address, action, target_type, target_id,"        \
    " detail, request_id, encode(hash, 'hex'), " WA_SQL_TIME("at")

// clang-format off
#define WA_SQL_AUDIT(X)                                                       \
    /* The newest link; its lock is held until the transaction ends           \
     * -> last id, hash as hex */                                             \
    X(AUDIT_HEAD,                                                             \
      "SELECT last_id, encode(hash, 'hex') FROM audit_head FOR UPDATE")       \
    X(AUDIT_HEAD_READ,                                                        \
      "SELECT last_id, encode(hash, 'hex') FROM audit_head")                  \
    /* $1 last id, $2 hash as hex */                                          \
    X(AUDIT_HEAD_MOVE,                                                        \
      "UPDATE audit_head SET last_id = $1, hash = decode($2, 'hex')")         \
    /* the hashed fields in order, then the hash as hex */                    \
    X(AUDIT_INSERT,                                                           \
      "INSERT INTO audit_log (id, at, actor_id, actor, address, action,"      \
      " target_type, target_id, detail, request_id, hash)"                    \
      " VALUES ($1, $2::timestamptz, $3, $4, $5, $6, $7, $8, $9, $10,"        \
      " decode($11, 'hex'))")                                                 \
    /* $1 action, $2 target -> detail of the newest row */                    \
    X(AUDIT_LAST,                                                             \
      "SELECT detail FROM audit_log WHERE action = $1 AND target_id = $2"     \
      " ORDER BY id DESC LIMIT 1")                                            \
    /* In the order of the chain: $1 the last id seen, $2 rows */             \
    X(AUDIT_PAGE,                                                             \
      "SELECT " WA_SQL_AUDIT_COLUMNS " FROM audit_log WHERE id > $1"          \
      " ORDER BY id LIMIT $2")                                                \
    /* Newest first, filtered by what is not NULL: $1 actor's id, $2 action   \
     * (or its beginning), $3 target's id, $4 from, $5 until, $6 ids below,   \
     * $7 rows */                                                             \
    X(AUDIT_LIST,                                                             \
      "SELECT " WA_SQL_AUDIT_COLUMNS " FROM audit_log"                        \
      " WHERE ($1::uuid IS NULL OR actor_id = $1::uuid)"                      \
      " AND ($2::text IS NULL OR action = $2 OR starts_with(action,"          \
      "  $2 || '.'))"                                                         \
      " AND ($3::text IS NULL OR target_id = $3)"                             \
      " AND ($4::timestamptz IS NULL OR at >= $4::timestamptz)"               \
      " AND ($5::timestamptz IS NULL OR at < $5::timestamptz)"                \
      " AND ($6::bigint IS NULL OR id < $6::bigint)"                          \
      " ORDER BY id DESC LIMIT $7")
// clang-format on

#endif
