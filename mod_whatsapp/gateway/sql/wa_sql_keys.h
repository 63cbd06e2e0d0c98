/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_sql_keys.h @brief Statements about keys. */
#ifndef WA_SQL_KEYS_H
#define WA_SQL_KEYS_H

// clang-format off
#define WA_SQL_KEYS(X)
// clang-format on

#endif
