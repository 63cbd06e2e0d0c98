/* SPDX-License-Identifier: Apache-2.0 */
/* What was sent is written down together, each for itself: one that another
 * transaction has locked holds up none of the others. */
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <libpq-fe.h>

#include "core/wa_sent.h"

#define USER "01900000-0000-7000-8000-0000000000d1"
#define SESSION "01900000-0000-7000-8000-0000000000d2"
#define MESSAGE "01900000-0000-7000-8000-0000000000e%d"
#define MESSAGES 5
#define OF_USER " FROM messages WHERE user_id = '" USER "'"

static int run(PGconn *c, const char *sql)
{
    PGresult *res = PQexec(c, sql);
    ExecStatusType status = PQresultStatus(res);

    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        diag("%s", PQresultErrorMessage(res));
    }
    PQclear(res);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

static const char *text(apr_pool_t *p, PGconn *c, const char *sql)
{
    PGresult *res = PQexec(c, sql);
    const char *s = PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res)
                        ? apr_pstrdup(p, PQgetvalue(res, 0, 0))
                        : PQresultErrorMessage(res);

    s = apr_pstrdup(p, s);
    PQclear(res);
    return s;
}

/* The third one is in the outbox no more, as a receipt leaves it. Of the keys
 * of their requests the fourth stands for another message by now, and the fifth
 * is answered. */
static int fill(PGconn *c)
{
    return run(c, "INSERT INTO users (id, username, email, role,"
                  " max_messages_per_minute, max_messages_per_day,"
                  " max_requests_per_minute) VALUES ('" USER
                  "', 'sent', 'sent@example.org', 'user', 9, 9, 9)")
           && run(c, "INSERT INTO sessions (id, user_id, engine, linked,"
                     " wanted) VALUES ('" SESSION "', '" USER
                     "', 'baileys', true, true)")
           && run(c,
                  "INSERT INTO messages (id, user_id, session_id,"
                  " direction, type, status, recipient, chat, content,"
                  " whatsapp_id, attempts) SELECT"
                  " ('01900000-0000-7000-8000-0000000000e' || n)::uuid, '" USER
                  "', '" SESSION "', 'out', 'text', 'pending', '+49',"
                  " n || '@s.whatsapp.net', 'x', 'SENT' || n, 0"
                  " FROM generate_series(1, 5) n")
           && run(c, "INSERT INTO outbox (message_id, session_id, chat,"
                     " expires_at, lease_owner, lease_until, attempts)"
                     " SELECT id, session_id, chat, now() + interval '1 h',"
                     " 'me', now() + interval '1 min', 1" OF_USER
                     " AND whatsapp_id <> 'SENT3'")
           && run(c, "INSERT INTO idempotency_keys (user_id, key, fingerprint,"
                     " message_id, status, lease_until) SELECT user_id,"
                     " 'key ' || right(whatsapp_id, 1), decode(repeat('00', "
                     "32), 'hex'), CASE whatsapp_id WHEN 'SENT4' THEN"
                     " gen_random_uuid() ELSE id END, CASE whatsapp_id"
                     " WHEN 'SENT5' THEN 202 END, now()" OF_USER);
}

static void list_all(apr_pool_t *p, wa_sent *list)
{
    int i;

    for (i = 0; i < MESSAGES; i++) {
        list[i].message_id = apr_psprintf(p, MESSAGE, i + 1);
        list[i].session_id = SESSION;
        list[i].user_id = USER;
        list[i].key = apr_psprintf(p, "key %d", i + 1);
        list[i].at = apr_time_now();
        list[i].stored = -1;
    }
}

#define STORED                                                                 \
    "SELECT string_agg(right(whatsapp_id, 1), '' ORDER BY "                    \
    "whatsapp_id)" OF_USER " AND status = 'sent' AND sent_at IS NOT NULL"
#define EVENTS                                                                 \
    "SELECT string_agg(right(data->>'whatsapp_id', 1), '' ORDER BY seq)"       \
    " FROM events WHERE user_id = '" USER "' AND type = 'message.sent'"

#define ANSWERED                                                               \
    "SELECT string_agg(right(key, 1) || ' ' || coalesce(status::text, 'none')" \
    ", ', ' ORDER BY key) FROM idempotency_keys WHERE user_id = '" USER "'"

static void test_locked(apr_pool_t *p, wa_db_pool *pool, PGconn *c,
                        PGconn *other)
{
    wa_sent list[MESSAGES];
    wa_db *db = NULL;
    apr_status_t rv;
    int i;

    list_all(p, list);
    run(other, "BEGIN");
    run(other, "SELECT" OF_USER " AND whatsapp_id = 'SENT2' FOR UPDATE");
    pool->statement_wait = apr_time_from_sec(5);
    ok(wa_db_open(&db, p, pool) == APR_SUCCESS, "a connection");
    rv = wa_sent_store(p, db, list, MESSAGES);
    wa_db_close(db);
    ok(rv != APR_SUCCESS, "one of five is locked, and that is told");
    is_str(text(p, c, STORED), "145", "those that nobody holds are stored");
    is_str(text(p, c, EVENTS), "145", "each with its event");
    is_str(text(p, c, ANSWERED), "1 200, 2 none, 3 none, 4 none, 5 202",
           "the request that waits for one is answered, and no other");
    is_str(text(p, c,
                apr_psprintf(
                    p,
                    "SELECT sent_at = timestamptz 'epoch' + %" APR_TIME_T_FMT
                    " * interval '1 us'" OF_USER " AND whatsapp_id = 'SENT1'",
                    list[0].at)),
           "t", "the list has the time that is stored");
    for (i = 0; i < MESSAGES; i++) {
        ok(list[i].stored == (i == 0 || i == 3 || i == 4),
           "the list says so of message %d", i + 1);
    }
    run(other, "ROLLBACK");
}

static void test_rest(apr_pool_t *p, wa_db_pool *pool, PGconn *c)
{
    wa_sent list[MESSAGES];
    wa_db *db = NULL;
    int i, stored = 0;

    list_all(p, list);
    pool->statement_wait = apr_time_from_sec(30);
    pool->breaker = wa_db_breaker_make(p); /* the other one is open by now */
    ok(wa_db_open(&db, p, pool) == APR_SUCCESS, "a connection");
    is_int(wa_sent_store(p, db, list, MESSAGES), APR_SUCCESS, "all again");
    wa_db_close(db);
    for (i = 0; i < MESSAGES; i++) {
        stored += list[i].stored;
    }
    is_int(stored, MESSAGES, "all are stored");
    is_str(text(p, c, STORED), "12345", "also what left the outbox before");
    is_str(text(p, c, ANSWERED), "1 200, 2 200, 3 200, 4 none, 5 202",
           "and their requests are answered");
    is_str(text(p, c,
                "SELECT count(*) FROM (SELECT DISTINCT message_id FROM"
                " events WHERE user_id = '" USER
                "' AND type = 'message.sent') e"),
           "5", "five events");
    is_str(text(p, c,
                "SELECT count(*) FROM events WHERE user_id = '" USER
                "' AND type = 'message.sent'"),
           "5", "none of them twice");
    is_str(text(p, c,
                "SELECT count(*) FROM outbox WHERE session_id = '" SESSION "'"),
           "0", "nothing waits");
    is_str(text(p, c,
                "SELECT string_agg(attempts::text, '' ORDER BY"
                " whatsapp_id)" OF_USER),
           "11011", "attempts are counted");
    is_str(text(p, c,
                "SELECT last_active_at IS NOT NULL FROM sessions"
                " WHERE id = '" SESSION "'"),
           "t", "the session was active");
}

#define WAIT_AGAIN                                                             \
    "INSERT INTO outbox (message_id, session_id, chat, expires_at)"            \
    " SELECT id, session_id, chat, now() + interval '1 h'" OF_USER             \
    " AND whatsapp_id IN ('SENT1', 'SENT2') ON CONFLICT DO NOTHING"

/* Who deletes a user has keys before messages, so keys aren't waited for. */
static void test_key_held(apr_pool_t *p, wa_db_pool *pool, PGconn *c,
                          PGconn *other)
{
    wa_sent list[MESSAGES];
    wa_db *db = NULL;
    int n;

    ok(run(c, "UPDATE idempotency_keys SET status = NULL WHERE user_id = '" USER
              "' AND key IN ('key 1', 'key 2')")
           && run(other, "BEGIN")
           && run(other, "SELECT FROM idempotency_keys WHERE user_id = '" USER
                         "' AND key = 'key 1' FOR UPDATE"),
       "a key is held");
    run(c, "SET lock_timeout = '10s'");
    pool->statement_wait = apr_time_from_sec(5);
    for (n = 2; n > 0 && run(c, WAIT_AGAIN); n--) {
        list_all(p, list);
        ok(wa_db_open(&db, p, pool) == APR_SUCCESS, "a connection");
        is_int(wa_sent_store(p, db, list, n), APR_SUCCESS, "%d are stored", n);
        wa_db_close(db);
        is_str(text(p, c, ANSWERED), "1 none, 2 200, 3 200, 4 none, 5 202",
               "only the request whose key is free is answered");
        ok(list[0].stored && !list[0].answered
               && (n == 1 || (list[1].stored && list[1].answered)),
           "and the list says so");
    }
    is_int(n, 0, "many and one");
    run(other, "ROLLBACK");
    pool->statement_wait = apr_time_from_sec(30);
    pool->breaker = wa_db_breaker_make(p);
}

/* Two at a time, of a session that was never active. */
static void test_activity(apr_pool_t *p, wa_db_pool *pool, PGconn *c)
{
    wa_sent list[MESSAGES];
    wa_db *db = NULL;

    list_all(p, list);
    ok(run(c,
           "UPDATE sessions SET last_active_at = NULL WHERE id = '" SESSION "'")
           && run(c, WAIT_AGAIN),
       "two wait again");
    ok(wa_db_open(&db, p, pool) == APR_SUCCESS, "a connection");
    is_int(wa_sent_store(p, db, list, 2), APR_SUCCESS, "they are stored");
    wa_db_close(db);
    is_str(text(p, c,
                "SELECT last_active_at IS NOT NULL FROM sessions"
                " WHERE id = '" SESSION "'"),
           "t", "and their session's activity is");
}

int main(void)
{
    const char *conninfo = getenv("WA_TEST_DB");
    apr_pool_t *p = tap_start();
    wa_db_pool pool = { .borrow_wait = apr_time_from_sec(30),
                        .statement_wait = apr_time_from_sec(30) };
    PGconn *conn, *other;

    if (!conninfo) {
        skip_all("WA_TEST_DB is not set");
    }
    conn = PQconnectdb(conninfo);
    other = PQconnectdb(conninfo);
    pool.breaker = wa_db_breaker_make(p);
    if (ok(wa_db_source_make(&pool.source, p, conninfo, 1) == APR_SUCCESS,
           "there is a database")
        && ok(fill(conn), "and five messages that are being sent")) {
        test_locked(p, &pool, conn, other);
        test_rest(p, &pool, conn);
        test_key_held(p, &pool, conn, other);
        test_activity(p, &pool, conn);
    }
    run(other, "ROLLBACK");
    run(conn, "DELETE FROM users WHERE id = '" USER "'");
    PQfinish(other);
    PQfinish(conn);
    return tap_done();
}
