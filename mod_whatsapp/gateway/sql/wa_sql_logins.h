/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_sql_logins.h @brief Statements about logins and failed ones. */
#ifndef WA_SQL_LOGINS_H
#define WA_SQL_LOGINS_H

/* The columns of a wa_login. */
#define WA_SQL_LOGIN_COLUMNS                                                   \
    "l.id, l.user_id, l.kind, host(l.address), l.user_agent, " WA_SQL_TIME(    \
        "l.created_at") ", " WA_SQL_TIME("l.last_used_at") ", " WA_SQL_TIME("l.expires_at")

/* How long an account may rest before its failures are forgotten, and how
 * many are free; then the delay doubles with each, up to a quarter hour. */
#define WA_SQL_GUARD_WINDOW "interval '15 min'"
#define WA_SQL_GUARD_WAIT(free)                                                \
    "CASE WHEN f.failures >= " free                                            \
    " AND f.last_at > now() - " WA_SQL_GUARD_WINDOW " THEN ceil(least(900,"    \
    " power(2, least(f.failures - " free ", 20)))"                             \
    " - extract(epoch FROM now() - f.last_at)) ELSE 0 END"

/* Both rows of a try, in one order. */
#define WA_SQL_GUARD_LOCK                                                      \
    "SELECT account FROM login_failures WHERE address = $2"                    \
    " AND account IN ($1, '') ORDER BY account FOR UPDATE"

// clang-format off
#define WA_SQL_LOGINS(X)                                                      \
    /* $1 id, $2 user, $3 kind, $4 hash of refresh token or cookie as hex,    \
     * $5 address, $6 user agent, $7 seconds it lives */                      \
    X(LOGIN_INSERT,                                                           \
      "INSERT INTO logins AS l (id, user_id, kind, refresh_hash, address,"    \
      " user_agent, expires_at) VALUES ($1, $2, $3, decode($4, 'hex'),"       \
      " $5::inet, $6, now() + $7::integer * interval '1 s')"                  \
      " RETURNING " WA_SQL_LOGIN_COLUMNS)                                     \
    /* Use a refresh token up. $1 its hash, $2 the next one's, both as hex,   \
     * $3 address; no row when it is not good */                              \
    X(LOGIN_REFRESH,                                                          \
      "UPDATE logins l SET previous_hash = l.refresh_hash,"                   \
      " refresh_hash = decode($2, 'hex'), last_used_at = now(),"              \
      " address = $3::inet FROM users u"                                      \
      " WHERE l.refresh_hash = decode($1, 'hex') AND l.kind = 'token'"        \
      " AND l.revoked_at IS NULL AND l.expires_at > now()"                    \
      " AND u.id = l.user_id AND u.is_active"                                 \
      " RETURNING " WA_SQL_LOGIN_COLUMNS)                                     \
    /* A token that was used up before is shown again: its login ends. $1     \
     * hash as hex -> the login, and the user's name */                       \
    X(LOGIN_REUSED,                                                           \
      "UPDATE logins l SET revoked_at = now(), revoked_why = 'reuse'"         \
      " FROM users u WHERE l.previous_hash = decode($1, 'hex')"               \
      " AND u.id = l.user_id AND l.revoked_at IS NULL"                        \
      " RETURNING " WA_SQL_LOGIN_COLUMNS ", u.username")                      \
    /* The principal of a cookie. $1 its hash as hex, $2 seconds it may rest; \
     * its use is written down once a minute at most */                       \
    X(PRINCIPAL_BY_COOKIE,                                                    \
      "WITH used AS (UPDATE logins SET last_used_at = now()"                  \
      "  WHERE refresh_hash = decode($1, 'hex') AND kind = 'cookie'"          \
      "  AND last_used_at < now() - interval '1 min'"                         \
      "  AND last_used_at > now() - $2::integer * interval '1 s')"            \
      " SELECT NULL, l.id, " WA_SQL_TIME("l.expires_at") ", "                 \
      WA_SQL_PRINCIPAL_USER                                                   \
      " FROM logins l JOIN users u ON u.id = l.user_id"                       \
      " WHERE l.refresh_hash = decode($1, 'hex') AND l.kind = 'cookie'"       \
      " AND l.revoked_at IS NULL AND l.expires_at > now()"                    \
      " AND l.last_used_at > now() - $2::integer * interval '1 s'"            \
      " AND u.is_active")                                                     \
    /* $1 id, $2 user, $3 why */                                              \
    X(LOGIN_END,                                                              \
      "UPDATE logins SET revoked_at = now(), revoked_why = $3"                \
      " WHERE id = $1 AND user_id = $2"                                       \
      " AND revoked_at IS NULL AND expires_at > now()")                       \
    /* $1 user, $2 the one to keep or NULL, $3 why */                         \
    X(LOGINS_END_ALL,                                                         \
      "UPDATE logins SET revoked_at = now(), revoked_why = $3"                \
      " WHERE user_id = $1 AND ($2::uuid IS NULL OR id <> $2::uuid)"          \
      " AND revoked_at IS NULL")                                              \
    /* $1 user: those that still count */                                     \
    X(LOGINS_OF_USER,                                                         \
      "SELECT " WA_SQL_LOGIN_COLUMNS " FROM logins l WHERE l.user_id = $1"    \
      " AND l.revoked_at IS NULL AND l.expires_at > now()"                    \
      " ORDER BY l.created_at DESC, l.id DESC LIMIT 200")                     \
    /* Seconds to wait. $1 account, $2 address */                             \
    X(GUARD_WAIT,                                                             \
      "SELECT greatest(0, max(CASE WHEN f.account = ''"                       \
      "  THEN " WA_SQL_GUARD_WAIT("20")                                       \
      "  ELSE " WA_SQL_GUARD_WAIT("5") " END))::bigint"                       \
      " FROM login_failures f WHERE f.address = $2"                           \
      " AND f.account IN ($1, '')")                                           \
    /* Count a try as failed, before it is known. $1 account, $2 address. Here \
     * and below the address' own row is locked first, the account's second, \
     * so that tries at one time wait and don't deadlock. */ \
    X(GUARD_COUNT, \
      "INSERT INTO login_failures AS f (account, address, failures)" \
      " VALUES ('', $2, 1), ($1, $2, 1)" \
      " ON CONFLICT (account, address) DO UPDATE SET" \
      " failures = CASE WHEN f.last_at < now() - " WA_SQL_GUARD_WINDOW \
      "  THEN 1 ELSE f.failures + 1 END, last_at = now()") \
    /* It was right after all. $1 account, $2 address */ \
    X(GUARD_FORGET, \
      "WITH l AS (" WA_SQL_GUARD_LOCK ")," \
      " own AS (DELETE FROM login_failures f USING l" \
      "  WHERE f.account = l.account AND f.address = $2" \
      "  AND l.account <> '')" \
      " UPDATE login_failures f SET failures = greatest(0, f.failures - 1)" \
      " FROM l WHERE f.account = l.account AND f.address = $2" \
      " AND l.account = ''") \
    /* It was neither right nor wrong: take that one try back. $1 account, $2  \
     * address */ \
    X(GUARD_TAKE_BACK, \
      "WITH l AS (" WA_SQL_GUARD_LOCK ")" \
      " UPDATE login_failures f SET failures = greatest(0, f.failures - 1)" \
      " FROM l WHERE f.account = l.account AND f.address = $2") \
    X(LOGINS_PURGE,                                                           \
      "WITH f AS (DELETE FROM login_failures"                                 \
      "  WHERE last_at < now() - interval '1 day')"                           \
      " DELETE FROM logins WHERE expires_at < now() - interval '7 days'"      \
      " OR revoked_at < now() - interval '7 days'")                           \
    /* $1 user, $2 hash */                                                    \
    X(PASSWORD_SET,                                                           \
      "UPDATE users SET password_hash = $2, password_changed_at = now(),"     \
      " updated_at = now(), version = version + 1 WHERE id = $1")             \
    /* The same password, hashed anew. $1 user, $2 the hash until now, unless \
     * another password came in its place, $3 the new one */                  \
    X(PASSWORD_REHASH,                                                        \
      "UPDATE users SET password_hash = $3"                                   \
      " WHERE id = $1 AND password_hash = $2")
// clang-format on

#endif
