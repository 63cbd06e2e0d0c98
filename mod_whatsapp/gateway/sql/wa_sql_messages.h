/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_sql_messages.h @brief Statements about messages. */
#ifndef WA_SQL_MESSAGES_H
#define WA_SQL_MESSAGES_H

// clang-format off
#define WA_SQL_MESSAGES(X)
// clang-format on

#endif
