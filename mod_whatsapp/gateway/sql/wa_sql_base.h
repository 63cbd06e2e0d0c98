/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_sql_base.h @brief Statements of no noun: transactions, health. */
#ifndef WA_SQL_BASE_H
#define WA_SQL_BASE_H

// clang-format off
/* The key of a worker's advisory lock. */
#define WA_SQL_WORKER_LOCK(id)                                                \
    "hashtextextended('whatsappd ' || " id ", 0)"

#define WA_SQL_BASE(X)                                                        \
    X(BEGIN, "BEGIN")                                                         \
    X(COMMIT, "COMMIT")                                                       \
    X(ROLLBACK, "ROLLBACK")                                                   \
    X(SAVEPOINT, "SAVEPOINT wa")                                              \
    X(ROLLBACK_TO, "ROLLBACK TO SAVEPOINT wa")                                \
    /* 1 */                                                                   \
    X(PING, "SELECT 1")                                                       \
    X(LISTEN_OUTBOX, "LISTEN wa_outbox")                                      \
    /* A worker is at work; its session keeps a lock that ends with it. Taken \
     * again by its holder it is only counted. $1 worker's id, $2 its name */ \
    X(WORKER_SEEN,                                                            \
      "WITH l AS (SELECT pg_try_advisory_lock(" WA_SQL_WORKER_LOCK("$1::uuid")\
      ") AS held)"                                                            \
      " INSERT INTO workers (id, name, holds_lock)"                           \
      " SELECT $1::uuid, $2, l.held FROM l"                                   \
      " ON CONFLICT (id) DO UPDATE SET last_seen_at = now(),"                 \
      "  holds_lock = excluded.holds_lock")                                   \
    /* Workers that should hold their lock and do not -> ids */               \
    X(WORKERS_LOST,                                                           \
      "SELECT w.id FROM workers w, LATERAL (SELECT "                          \
      WA_SQL_WORKER_LOCK("w.id") " AS key) k"                                 \
      " WHERE w.holds_lock AND NOT EXISTS"                                    \
      "  (SELECT 1 FROM pg_locks l WHERE l.locktype = 'advisory'"             \
      "   AND l.granted AND l.objsubid = 1 AND l.database = (SELECT d.oid"    \
      "    FROM pg_database d WHERE d.datname = current_database())"          \
      "   AND l.classid = (k.key >> 32 & 4294967295)::oid"                    \
      "   AND l.objid = (k.key & 4294967295)::oid) LIMIT 100")                \
    /* What a worker that is no more had leased is due at once; of its        \
     * attempts one may have come through. $1 worker -> messages, deliveries */\
    X(WORKER_LEASES_END,                                                      \
      "WITH o AS (UPDATE outbox SET lease_until = now() WHERE id IN"          \
      "  (SELECT id FROM outbox WHERE lease_owner = $1"                       \
      "   AND lease_until > now() FOR UPDATE SKIP LOCKED) RETURNING 1),"      \
      " d AS (UPDATE webhook_deliveries SET lease_until = now()"              \
      "  WHERE id IN (SELECT id FROM webhook_deliveries"                      \
      "   WHERE lease_until > now() AND lease_owner = $1"                     \
      "   FOR UPDATE SKIP LOCKED) RETURNING 1)"                               \
      " SELECT (SELECT count(*) FROM o), (SELECT count(*) FROM d),"           \
      " pg_notify('wa_outbox', '')")                                          \
    /* $1 worker's id */                                                      \
    X(WORKER_GONE, "DELETE FROM workers WHERE id = $1")                       \
    X(WORKERS_PURGE,                                                          \
      "DELETE FROM workers WHERE last_seen_at < now() - interval '1 day'")    \
    /* seconds since the newest report of any worker, NULL when none */       \
    X(WORKERS_AGE,                                                            \
      "SELECT extract(epoch FROM now() - max(last_seen_at))::bigint"          \
      " FROM workers")
// clang-format on

#endif
