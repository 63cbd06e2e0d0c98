/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_scope.h @brief What a key may do: the scopes, by name and bit. */
#ifndef WA_SCOPE_H
#define WA_SCOPE_H

#include "../base/wa_json.h"
#include "../base/wa_result.h"

// clang-format off
/* X(symbol, bit, name, meaning) */
#define WA_SCOPE_LIST(X)                                                      \
    X(WA_SCOPE_MESSAGES_SEND,   0x001, "messages:send",   "send and cancel messages, upload media") \
    X(WA_SCOPE_MESSAGES_READ,   0x002, "messages:read",   "read messages, chats and media")         \
    X(WA_SCOPE_SESSIONS_READ,   0x004, "sessions:read",   "see the state of sessions")              \
    X(WA_SCOPE_SESSIONS_WRITE,  0x008, "sessions:write",  "link, disconnect and unlink phones")     \
    X(WA_SCOPE_USAGE_READ,      0x010, "usage:read",      "read limits, usage and request logs")    \
    X(WA_SCOPE_EVENTS_READ,     0x020, "events:read",     "read the event feed")                    \
    X(WA_SCOPE_WEBHOOKS_MANAGE, 0x040, "webhooks:manage", "manage webhooks")                        \
    X(WA_SCOPE_ACCOUNT_MANAGE,  0x100, "account:manage",  "manage the user's keys, logins and password") \
    X(WA_SCOPE_ADMIN,           0x080, "admin",           "everything an admin may; admins' keys only")
// clang-format on

#define WA_SCOPE_ENUM(symbol, bit, name, meaning) symbol = bit,
typedef enum wa_scope {
    WA_SCOPE_LIST(WA_SCOPE_ENUM)
} wa_scope;
#undef WA_SCOPE_ENUM

/** What a key gets when nobody says what it may: what sending and
 * receiving takes, not what rules over the account. */
#define WA_SCOPES_DEFAULT 0x07fu
/** What a login may. */
#define WA_SCOPES_ALL 0x1ffu

/** Read a JSON array of scope names.
 * @return WA_OK, or WA_E_INVALID naming what is unknown */
wa_code wa_scopes_read(const json_t *names, unsigned *scopes, wa_result *r);

/** The names as a JSON array. */
json_t *wa_scopes_json(unsigned scopes);

/** The names as a PostgreSQL array literal, and back. */
const char *wa_scopes_sql(apr_pool_t *p, unsigned scopes);
unsigned wa_scopes_from_sql(const char *literal);

/** The name of one scope. */
const char *wa_scope_name(wa_scope scope);

#endif
