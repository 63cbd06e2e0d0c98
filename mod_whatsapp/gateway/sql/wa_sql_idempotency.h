/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_sql_idempotency.h @brief Statements about Idempotency-Keys. */
#ifndef WA_SQL_IDEMPOTENCY_H
#define WA_SQL_IDEMPOTENCY_H

/* Hours a key is remembered. */
#define WA_SQL_IDEM_LIFE "interval '24 hours'"

// clang-format off
/* The requests of messages k that were sent, by users_id and key, are answered,
 * where they aren't yet -> message_id. It waits for nobody: whoever deletes a
 * user has keys before messages. */
#define WA_SQL_IDEM_SENT                                                      \
    "UPDATE idempotency_keys x SET status = 200"                              \
    " FROM (SELECT x.user_id, x.key FROM k JOIN idempotency_keys x"           \
    "  ON x.user_id = k.users_id AND x.key = k.key"                           \
    "  AND x.message_id = k.message_id AND x.status IS NULL"                  \
    "  FOR NO KEY UPDATE OF x SKIP LOCKED) l"                                 \
    " WHERE x.user_id = l.user_id AND x.key = l.key RETURNING x.message_id"

#define WA_SQL_IDEMPOTENCY(X)                                                 \
    /* Begin a request. $1 user, $2 key, $3 fingerprint as hex, $4 seconds of \
     * the lease -> a row when it is ours: new, forgotten, or left by a       \
     * process that died                                                      */\
    X(IDEM_CLAIM,                                                             \
      "INSERT INTO idempotency_keys AS k (user_id, key, fingerprint,"         \
      " lease_until) VALUES ($1::uuid, $2, decode($3, 'hex'),"                \
      " now() + $4::integer * interval '1 s')"                                \
      " ON CONFLICT (user_id, key) DO UPDATE SET"                             \
      " fingerprint = excluded.fingerprint, message_id = NULL, status = NULL,"\
      " location = NULL, answer = NULL, lease_until = excluded.lease_until,"  \
      " created_at = now()"                                                   \
      " WHERE k.created_at < now() - " WA_SQL_IDEM_LIFE                       \
      " OR (k.status IS NULL AND k.message_id IS NULL"                        \
      "  AND k.lease_until < now() AND k.fingerprint = excluded.fingerprint)" \
      " RETURNING true")                                                      \
    /* A request that is carried out and answered in this transaction. $1 to  \
     * $3 as above, $4 status, $5 answer as hex, $6 location -> a row when it \
     * is ours */                                                             \
    X(IDEM_STORE,                                                             \
      "INSERT INTO idempotency_keys AS k (user_id, key, fingerprint,"         \
      " status, answer, location, lease_until) VALUES ($1::uuid, $2,"         \
      " decode($3, 'hex'), $4::smallint, decode($5, 'hex'), $6, now())"       \
      " ON CONFLICT (user_id, key) DO UPDATE SET"                             \
      " fingerprint = excluded.fingerprint, message_id = NULL,"               \
      " status = excluded.status, location = excluded.location,"              \
      " answer = excluded.answer, lease_until = excluded.lease_until,"        \
      " created_at = now()"                                                   \
      " WHERE k.created_at < now() - " WA_SQL_IDEM_LIFE                       \
      " RETURNING true")                                                      \
    /* $1 user, $2 key, $3 fingerprint as hex                                 \
     * -> the same request, status, location, answer as hex, message, still   \
     * under way */                                                           \
    X(IDEM_FIND,                                                              \
      "SELECT fingerprint = decode($3, 'hex'), status, location,"             \
      " encode(answer, 'hex'), message_id, lease_until > now()"               \
      " FROM idempotency_keys WHERE user_id = $1::uuid AND key = $2"          \
      " AND created_at >= now() - " WA_SQL_IDEM_LIFE)                         \
    /* $1 user, $2 key, $3 fingerprint as hex, $4 status, $5 location,        \
     * $6 answer as hex. Who made a message doesn't wait until this is on the \
     * disk: of a lost answer the message is left, which a repeat is told. */ \
    X(IDEM_ANSWER,                                                            \
      "UPDATE idempotency_keys SET status = $4::smallint, location = $5,"     \
      " answer = decode($6, 'hex') WHERE user_id = $1::uuid AND key = $2"     \
      " AND fingerprint = decode($3, 'hex') AND status IS NULL"               \
      " RETURNING CASE WHEN message_id IS NOT NULL"                           \
      "  THEN set_config('synchronous_commit', 'off', true) END")             \
    /* The same of many whose requests made a message. Arrays of one length:  \
     * $1 users, $2 keys, $3 fingerprints as hex, $4 statuses, $5 locations,  \
     * $6 answers as hex; the limit as in OUTBOX_SENT_MANY */                 \
    X(IDEM_ANSWERS,                                                           \
      "UPDATE idempotency_keys k SET status = i.status,"                      \
      " location = i.location, answer = decode(i.answer, 'hex')"              \
      " FROM (SELECT * FROM unnest((SELECT $1::uuid[]), $2::text[],"          \
      "  $3::text[], $4::smallint[], $5::text[], $6::text[])"                 \
      "  AS t (user_id, key, fingerprint, status, location, answer)"          \
      "  LIMIT (SELECT 1000)) i"                                              \
      " WHERE k.user_id = i.user_id AND k.key = i.key"                        \
      " AND k.fingerprint = decode(i.fingerprint, 'hex')"                     \
      " AND k.status IS NULL AND k.message_id IS NOT NULL"                    \
      " RETURNING set_config('synchronous_commit', 'off', true)")             \
    /* It came to nothing and may be tried again. $1 user, $2 key,            \
     * $3 fingerprint as hex */                                               \
    X(IDEM_RELEASE,                                                           \
      "DELETE FROM idempotency_keys WHERE user_id = $1::uuid AND key = $2"    \
      " AND fingerprint = decode($3, 'hex') AND status IS NULL"               \
      " AND message_id IS NULL")                                              \
    /* What nobody will ask for again. $1 rows */                             \
    X(IDEM_EXPIRE,                                                            \
      "DELETE FROM idempotency_keys WHERE (user_id, key) IN"                  \
      " (SELECT user_id, key FROM idempotency_keys"                           \
      "  WHERE created_at < now() - " WA_SQL_IDEM_LIFE " LIMIT $1::integer)")
// clang-format on

#endif
