/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_sql_users.h @brief Statements about users. */
#ifndef WA_SQL_USERS_H
#define WA_SQL_USERS_H

// clang-format off
#define WA_SQL_USERS(X)
// clang-format on

#endif
