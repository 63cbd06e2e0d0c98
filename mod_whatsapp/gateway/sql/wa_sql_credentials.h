/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_sql_credentials.h @brief Statements about what bridges keep. */
#ifndef WA_SQL_CREDENTIALS_H
#define WA_SQL_CREDENTIALS_H

// clang-format off
#define WA_SQL_CREDENTIALS(X)                                                 \
    /* Hold a session. $1 session, $2 bridge, $3 take it from another bridge. \
     * No row when there is no such session, or another bridge has it and $3  \
     * is false.                                                              \
     * -> epoch, generation, whether the holder before left a whole copy,     \
     * whether that was this bridge, number of keys */                        \
    X(CREDENTIALS_CLAIM,                                                      \
      "WITH b AS (SELECT h.bridge_id, h.clean FROM session_holders h"         \
      "  WHERE h.session_id = $1::uuid FOR UPDATE),"                          \
      " h AS (INSERT INTO session_holders AS h (session_id, bridge_id,"       \
      "  clean) SELECT id, $2::uuid, false FROM sessions WHERE id = $1::uuid"               \
      "  ON CONFLICT (session_id) DO UPDATE SET bridge_id = $2::uuid,"        \
      "  epoch = h.epoch + (h.bridge_id <> $2::uuid)::integer,"               \
      "  clean = false"                                                       \
      "  WHERE h.bridge_id = $2::uuid OR $3::boolean"                         \
      "  RETURNING h.epoch, h.generation)"                                    \
      " SELECT h.epoch, h.generation, coalesce((SELECT clean FROM b), true)," \
      " coalesce((SELECT bridge_id = $2::uuid FROM b), true),"                \
      " (SELECT count(*) FROM session_keys WHERE session_id = $1::uuid)"      \
      " FROM h")                                                              \
    /* Is a bridge's write still welcome? $1 session, $2 bridge, $3 epoch,    \
     * $4 generation, $5 does it leave a whole copy                           \
     * -> a row when it is */                                                 \
    X(CREDENTIALS_HOLD,                                                       \
      "UPDATE session_holders SET generation = $4::bigint,"                   \
      " clean = $5::boolean, written_at = now()"                              \
      " WHERE session_id = $1::uuid AND bridge_id = $2::uuid"                 \
      " AND epoch = $3::bigint RETURNING epoch")                              \
    /* $1 session, $2 names as hex, $3 values as base64, $4 generation */     \
    X(CREDENTIALS_PUT,                                                        \
      "INSERT INTO session_keys AS k (session_id, name, value, generation)"   \
      " SELECT $1::uuid, decode(n, 'hex'), decode(v, 'base64'), $4::bigint"   \
      " FROM unnest($2::text[], $3::text[]) AS t (n, v)"                      \
      " ON CONFLICT (session_id, name) DO UPDATE"                             \
      " SET value = excluded.value, generation = excluded.generation")        \
    /* $1 session, $2 names as hex */                                         \
    X(CREDENTIALS_REMOVE,                                                     \
      "DELETE FROM session_keys WHERE session_id = $1::uuid"                  \
      " AND name = ANY (SELECT decode(n, 'hex')"                              \
      "  FROM unnest($2::text[]) AS t (n))")                                  \
    /* Older copies are of no use any more. $1 session, $2 generation */      \
    X(CREDENTIALS_TIDY,                                                       \
      "DELETE FROM session_keys WHERE session_id = $1::uuid"                  \
      " AND generation < $2::bigint")                                         \
    /* $1 session, $2 bridge, $3 epoch, $4 name of the last one seen as hex   \
     * ('' at first), $5 rows -> name as hex, value as base64 */              \
    X(CREDENTIALS_PAGE,                                                       \
      "SELECT encode(k.name, 'hex'),"                                         \
      " translate(encode(k.value, 'base64'), E'\\n', '')"                     \
      " FROM session_keys k JOIN session_holders h"                           \
      "  ON h.session_id = k.session_id"                                      \
      " WHERE k.session_id = $1::uuid AND h.bridge_id = $2::uuid"             \
      " AND h.epoch = $3::bigint AND k.name > decode($4, 'hex')"              \
      " ORDER BY k.name LIMIT $5::integer")                                   \
    /* Does another bridge hold the session? $1 session, $2 bridge -> a row */\
    X(CREDENTIALS_ELSEWHERE,                                                  \
      "SELECT 1 FROM session_holders WHERE session_id = $1::uuid"             \
      " AND bridge_id <> $2::uuid")
// clang-format on

#endif
