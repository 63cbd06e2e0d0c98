/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_sql_base.h @brief Statements of no noun: transactions, health. */
#ifndef WA_SQL_BASE_H
#define WA_SQL_BASE_H

// clang-format off
#define WA_SQL_BASE(X)                                                        \
    X(BEGIN, "BEGIN")                                                         \
    X(COMMIT, "COMMIT")                                                       \
    X(ROLLBACK, "ROLLBACK")                                                   \
    /* 1 */                                                                   \
    X(PING, "SELECT 1")                                                       \
    X(LISTEN_OUTBOX, "LISTEN wa_outbox")
// clang-format on

#endif
