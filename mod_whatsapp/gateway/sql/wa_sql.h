/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_sql.h
 * @brief All SQL of the product, as one list of prepared statements.
 *
 * One file per noun; each row is X(ID, "text"), its columns named in order by
 * the comment above it. A statement that is missing is a compile error.
 */
#ifndef WA_SQL_H
#define WA_SQL_H

/** A timestamptz as microseconds since 1970, which wa_db_time reads. */
#define WA_SQL_TIME(column) "(extract(epoch from " column ") * 1000000)::bigint"

#include "wa_sql_accept.h"
#include "wa_sql_audit.h"
#include "wa_sql_base.h"
#include "wa_sql_credentials.h"
#include "wa_sql_events.h"
#include "wa_sql_idempotency.h"
#include "wa_sql_keys.h"
#include "wa_sql_logins.h"
#include "wa_sql_media.h"
#include "wa_sql_messages.h"
#include "wa_sql_sending.h"
#include "wa_sql_sessions.h"
#include "wa_sql_usage.h"
#include "wa_sql_users.h"
#include "wa_sql_webhooks.h"

#define WA_SQL_LIST(X)                                                         \
    WA_SQL_BASE(X)                                                             \
    WA_SQL_USERS(X)                                                            \
    WA_SQL_KEYS(X)                                                             \
    WA_SQL_LOGINS(X)                                                           \
    WA_SQL_AUDIT(X)                                                            \
    WA_SQL_SESSIONS(X)                                                         \
    WA_SQL_CREDENTIALS(X)                                                      \
    WA_SQL_IDEMPOTENCY(X)                                                      \
    WA_SQL_MEDIA(X)                                                            \
    WA_SQL_MESSAGES(X)                                                         \
    WA_SQL_ACCEPT(X)                                                           \
    WA_SQL_EVENTS(X)                                                           \
    WA_SQL_SENDING(X)                                                          \
    WA_SQL_USAGE(X)                                                            \
    WA_SQL_WEBHOOKS(X)

#define WA_SQL_ENUM(id, text) WA_SQL_##id,
typedef enum wa_sql_id {
    WA_SQL_LIST(WA_SQL_ENUM) WA_SQL_COUNT
} wa_sql_id;
#undef WA_SQL_ENUM

#endif
