/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_sql_sessions.h @brief Statements about sessions. */
#ifndef WA_SQL_SESSIONS_H
#define WA_SQL_SESSIONS_H

// clang-format off
#define WA_SQL_SESSIONS(X)
// clang-format on

#endif
