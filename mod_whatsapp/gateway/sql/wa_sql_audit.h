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
    /* In the order of the chain: $1 the last id seen, $2 rows */             \
    X(AUDIT_PAGE,                                                             \
      "SELECT " WA_SQL_AUDIT_COLUMNS " FROM audit_log WHERE id > $1"          \
      " ORDER BY id LIMIT $2")
// clang-format on

#endif
