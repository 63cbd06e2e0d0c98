/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_sql_base.h @brief Statements of no noun: transactions, health. */
#ifndef WA_SQL_BASE_H
#define WA_SQL_BASE_H

// clang-format off
#define WA_SQL_BASE(X)                                                        \
    X(BEGIN, "BEGIN")                                                         \
    X(COMMIT, "COMMIT")                                                       \
    X(ROLLBACK, "ROLLBACK")                                                   \
    X(SAVEPOINT, "SAVEPOINT wa")                                              \
    X(ROLLBACK_TO, "ROLLBACK TO SAVEPOINT wa")                                \
    /* 1 */                                                                   \
    X(PING, "SELECT 1")                                                       \
    X(LISTEN_OUTBOX, "LISTEN wa_outbox")                                      \
    /* $1 worker's id, $2 its name */                                         \
    X(WORKER_SEEN,                                                            \
      "INSERT INTO workers (id, name) VALUES ($1, $2)"                        \
      " ON CONFLICT (id) DO UPDATE SET last_seen_at = now()")                 \
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
