/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that are accepted together: each is stored, leased and held back as
 * it would be by itself. All of it is rolled back, but for what another
 * connection must see. */
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <libpq-fe.h>

#include "gateway/sql/wa_sql.h"

#define ROW(id, text) text,
static const char *const texts[] = { WA_SQL_LIST(ROW) };

#define USER "01900000-0000-7000-8000-0000000000b1"
#define OTHER "01900000-0000-7000-8000-0000000000b2"
#define SESSION "01900000-0000-7000-8000-0000000000b3"
#define SECOND "01900000-0000-7000-8000-0000000000b4"
#define UNLINKED "01900000-0000-7000-8000-0000000000b5"
#define OTHERS "01900000-0000-7000-8000-0000000000b6"
#define OWNER "01900000-0000-7000-8000-0000000000bf"
#define PRINT                                                                  \
    "'0000000000000000000000000000000000000000000000000000000000000000'"

static PGconn *conn;

static int run(PGconn *c, const char *sql)
{
    PGresult *res = PQexec(c, sql);
    ExecStatusType status = PQresultStatus(res);
    int good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;

    if (!good) {
        diag("%s", PQresultErrorMessage(res));
    }
    PQclear(res);
    return good;
}

/* All rows as "a b c\n…"; NULL values as "-"; NULL when it failed. */
static const char *rows(apr_pool_t *p, const char *sql)
{
    PGresult *res = PQexec(conn, sql);
    const char *all = "";
    int i, c;

    if (PQresultStatus(res) != PGRES_TUPLES_OK) {
        diag("%s", PQresultErrorMessage(res));
        PQclear(res);
        return NULL;
    }
    for (i = 0; i < PQntuples(res); i++) {
        for (c = 0; c < PQnfields(res); c++) {
            all = apr_pstrcat(
                p, all, PQgetisnull(res, i, c) ? "-" : PQgetvalue(res, i, c),
                c + 1 < PQnfields(res) ? " " : "; ", NULL);
        }
    }
    PQclear(res);
    return all;
}

/* An order: number, user, session, chat, wanted inline, scheduled, key. */
typedef struct sending {
    int n;
    const char *user, *session, *chat, *wanted, *scheduled, *key;
} sending;

#define ID "01900000-0000-7000-8000-0000000001%02d"

/* Of each row its message's number, leased and paced; the numbers in order. */
static const char *outcomes(apr_pool_t *p, const char *sql)
{
    PGresult *res = PQexec(conn, sql);
    const char *all = "";
    int n, i;

    if (PQresultStatus(res) != PGRES_TUPLES_OK) {
        diag("%s", PQresultErrorMessage(res));
        PQclear(res);
        return NULL;
    }
    for (n = 1; n < 20; n++) {
        const char *id = apr_psprintf(p, ID, n);

        for (i = 0; i < PQntuples(res); i++) {
            if (!strcmp(PQgetvalue(res, i, 0), id)) {
                all = apr_psprintf(p, "%s%d %s %s; ", all, n,
                                   PQgetvalue(res, i, 2),
                                   PQgetvalue(res, i, 4));
            }
        }
    }
    PQclear(res);
    return all;
}

/* What each became: its number, leased, paced; in order of the numbers. */
static const char *send_all(apr_pool_t *p, const sending *s, int count,
                            const char *pace)
{
    const char *cols[7] = { "", "", "", "", "", "", "" };
    int i, c;

    for (i = 0; i < count; i++) {
        const char *values[7];

        values[0] = apr_psprintf(p, "'" ID "'", s[i].n);
        values[1] = apr_psprintf(p, "'%s'", s[i].user);
        values[2] = apr_psprintf(p, "'%s'", s[i].session);
        values[3] = apr_psprintf(p, "'%s@s.whatsapp.net'", s[i].chat);
        values[4] = s[i].wanted;
        values[5] = s[i].scheduled ? s[i].scheduled : "NULL";
        values[6] = s[i].key ? apr_psprintf(p, "'%s'", s[i].key) : "NULL";
        for (c = 0; c < 7; c++) {
            cols[c] = apr_pstrcat(p, cols[c], i ? ", " : "", values[c], NULL);
        }
    }
    if (!run(conn, "DEALLOCATE ALL")
        || !run(conn, apr_pstrcat(p, "PREPARE gathered AS ",
                                  texts[WA_SQL_MESSAGES_GATHERED], NULL))) {
        return NULL;
    }
    return outcomes(
        p, apr_psprintf(
               p,
               "EXECUTE gathered (ARRAY[%s]::uuid[], ARRAY[%s]::uuid[],"
               " ARRAY[%s]::text[], array_fill('text'::text, ARRAY[%d]),"
               " array_fill('+49'::text, ARRAY[%d]), ARRAY[%s]::text[],"
               " array_fill('text'::text, ARRAY[%d]), ARRAY[%s]::text[],"
               " array_fill('r'::text, ARRAY[%d]), ARRAY[%s]::boolean[],"
               " array_fill(NULL::text, ARRAY[%d]), ARRAY[%s]::timestamptz[],"
               " array_fill(NULL::uuid, ARRAY[%d]), ARRAY[%s]::text[],"
               " array_fill(" PRINT "::text, ARRAY[%d]),"
               " array_fill(NULL::text, ARRAY[%d]), '" OWNER "', 60, 86400, 60,"
               " %s)",
               cols[0], cols[1], cols[2], count, count, cols[3], count, cols[0],
               count, cols[4], count, cols[5], count, cols[6], count, count,
               pace));
}

#define NO_PACE "NULL, NULL"
#define SEND(pace, ...)                                                        \
    send_all(                                                                  \
        p, (const sending[]){ __VA_ARGS__ },                                   \
        (int)(sizeof((const sending[]){ __VA_ARGS__ }) / sizeof(sending)),     \
        pace)

static void test_leases(apr_pool_t *p)
{
    run(conn, "SAVEPOINT s");
    is_str(SEND(NO_PACE, { 1, USER, "one", "1", "true" },
                { 2, USER, "one", "1", "true" },
                { 3, USER, "one", "2", "true" },
                { 4, OTHER, "one", "1", "true" }),
           "1 t f; 2 f f; 3 t f; 4 t f; ",
           "the first of each chat of each session is leased");
    is_str(rows(p, "SELECT right(message_id::text, 2)::int, attempts,"
                   " lease_owner = '" OWNER "', lease_until > now()"
                   " + interval '50 s' FROM outbox ORDER BY id"),
           "1 1 t t; 2 0 - -; 3 1 t t; 4 1 t t; ",
           "and the outbox has them in order");
    is_str(rows(p,
                "SELECT right(id::text, 2)::int, user_id = '" OTHER
                "', session_id = '" OTHERS "', status, whatsapp_id = id::text"
                " FROM messages ORDER BY id"),
           "1 f f pending t; 2 f f pending t; 3 f f pending t;"
           " 4 t t pending t; ",
           "each of its own user and session");
    is_str(SEND(NO_PACE, { 5, USER, "one", "1", "true" },
                { 6, USER, "one", "3", "true" }),
           "5 f f; 6 t f; ", "behind one that is in the outbox: not leased");
    is_str(SEND(NO_PACE, { 7, USER, "one", "4", "false" },
                { 8, USER, "one", "4", "true" },
                { 9, USER, "two", "4", "true" }),
           "7 f f; 8 f f; 9 t f; ", "nor behind one that nobody waits for");
    is_str(SEND(NO_PACE,
                { 10, USER, "one", "5", "true", "now() + interval '1 day'" },
                { 11, USER, "one", "5", "true" }),
           "10 f f; 11 t f; ", "what is scheduled is in nobody's way");
    is_str(rows(p, "SELECT status, (SELECT count(*) FROM outbox o"
                   " WHERE o.message_id = m.id) FROM messages m"
                   " WHERE right(id::text, 2) IN ('10', '11') ORDER BY id"),
           "scheduled 0; pending 1; ", "and waits outside the outbox");
    run(conn, "ROLLBACK TO s");
}

static void test_not_stored(apr_pool_t *p)
{
    run(conn, "SAVEPOINT s");
    is_str(SEND(NO_PACE, { 1, USER, "unlinked", "1", "true" },
                { 2, USER, "one", "1", "true" }, { 3, USER, "no", "1", "true" },
                { 4, OTHER, "two", "1", "true" }),
           "2 t f; ", "without a linked session nothing is stored, only that");
    is_str(SEND(NO_PACE, { 5, USER, "one", "2", "true", NULL, "k1" },
                { 6, USER, "one", "3", "false", NULL, "k2" },
                { 7, OTHER, "one", "3", "true", NULL, "k1" }),
           "5 t f; 6 f f; 7 t f; ", "with Idempotency-Keys, each user's own");
    is_str(rows(p, "SELECT key, right(message_id::text, 2)::int, status,"
                   " location = '/api/messages/' || message_id FROM"
                   " idempotency_keys ORDER BY message_id"),
           "k1 5 - t; k2 6 202 t; k1 7 - t; ",
           "which know their messages, and the answer where there is one");
    is_str(SEND(NO_PACE, { 8, USER, "one", "4", "true", NULL, "k2" },
                { 9, USER, "one", "5", "true", NULL, "k3" }),
           "9 t f; ", "a known key: nothing is stored, only of that");
    run(conn, "UPDATE idempotency_keys SET created_at = now() -"
              " interval '25 hours' WHERE key = 'k2'");
    is_str(SEND(NO_PACE, { 10, USER, "one", "6", "false", NULL, "k2" }),
           "10 f f; ", "after its time a key is as new");
    run(conn, "ROLLBACK TO s");
}

static void test_pace(apr_pool_t *p)
{
    run(conn, "SAVEPOINT s");
    is_str(SEND("3000, 2", { 1, USER, "one", "1", "true" },
                { 2, USER, "two", "1", "true" },
                { 3, OTHER, "one", "1", "false" }),
           "1 t f; 2 t f; 3 f f; ", "each session takes its turn");
    is_str(rows(p, "SELECT session_id = '" OTHERS "', next_at BETWEEN now() +"
                   " interval '3 s' AND now() + interval '4.5 s', new_chats"
                   " FROM session_paces ORDER BY session_id"),
           "f t 1; f t 1; f f 0; t f 0; ",
           "and pauses then; who only stores takes none");
    is_str(SEND("3000, 2", { 4, USER, "one", "2", "true" },
                { 5, OTHER, "one", "2", "true" }),
           "4 f t; 5 t f; ", "who pauses is held back");
    is_str(rows(p, "SELECT right(id::text, 2)::int, error_code FROM messages"
                   " WHERE error_code IS NOT NULL"),
           "4 paced; ", "and says so");
    run(conn, "UPDATE session_paces SET next_at = now(), new_chats = 2,"
              " day = usage_day(now())");
    is_str(SEND("3000, 2", { 6, USER, "one", "6", "true" },
                { 7, USER, "two", "1", "false" }),
           "6 f t; 7 f f; ", "no more new chats than a day has");
    run(conn, "ROLLBACK TO s");
}

/* A plan is made once for all calls, not anew for each. */
static void test_plans(apr_pool_t *p)
{
    int i;

    run(conn, "SAVEPOINT s");
    ok(SEND(NO_PACE, { 1, USER, "one", "1", "true" }) != NULL
           && run(conn, apr_pstrcat(p, "PREPARE sent AS ",
                                    texts[WA_SQL_OUTBOX_SENT_MANY], NULL)),
       "statements are prepared");
    for (i = 0; i < 8; i++) {
        run(conn, "EXECUTE sent (ARRAY['" USER "', '" OTHER "']::uuid[],"
                  " ARRAY[now(), now()], ARRAY['" USER "', NULL]::uuid[],"
                  " ARRAY['key', NULL])");
        run(conn,
            "EXECUTE gathered (ARRAY['" USER "']::uuid[], ARRAY['" USER
            "']::uuid[], ARRAY['no']::text[], ARRAY['text'],"
            " ARRAY['+49'], ARRAY['1@s'], ARRAY['text'], ARRAY['W'],"
            " ARRAY['r'], ARRAY[true], ARRAY[NULL]::text[],"
            " ARRAY[NULL]::timestamptz[], ARRAY[NULL]::uuid[],"
            " ARRAY[NULL]::text[], ARRAY[NULL]::text[],"
            " ARRAY[NULL]::text[], '" OWNER "', 60, 86400, 60, NULL, NULL)");
    }
    is_str(rows(p, "SELECT name, custom_plans FROM pg_prepared_statements"
                   " WHERE name IN ('sent', 'gathered') ORDER BY name"),
           "gathered 5; sent 5; ", "and planned for all values after a few");
    run(conn, "ROLLBACK TO s");
}

/* Somebody else is taking the turn of one: nobody waits for him. */
static void test_turn_taken(apr_pool_t *p, const char *conninfo)
{
    PGconn *other = PQconnectdb(conninfo);

    ok(run(other, "BEGIN")
           && run(other,
                  "SELECT * FROM session_paces WHERE session_id = '" SESSION
                  "' FOR UPDATE"),
       "a turn is being taken");
    run(conn, "SET LOCAL lock_timeout = '2s'");
    is_str(SEND("3000, NULL", { 1, USER, "one", "1", "true" },
                { 2, USER, "two", "1", "true" }),
           "1 f t; 2 t f; ", "that session's message is held back, at once");
    PQfinish(other);
}

static int filled(PGconn *c)
{
    return run(c, "INSERT INTO users (id, username, email, role,"
                  " max_messages_per_minute, max_messages_per_day,"
                  " max_requests_per_minute) VALUES ('" USER
                  "', 'gathered', 'g@example.org', 'user', 9, 9, 9), ('" OTHER
                  "', 'gathered2', 'g2@example.org', 'user', 9, 9, 9)")
           && run(c, "INSERT INTO sessions (id, user_id, name, engine, linked,"
                     " wanted) VALUES ('" SESSION "', '" USER
                     "', 'one', 'baileys', true, true), ('" SECOND "', '" USER
                     "', 'two', 'baileys', true, true), ('" UNLINKED "', '" USER
                     "', 'unlinked', 'baileys', false, false), ('" OTHERS
                     "', '" OTHER "', 'one', 'baileys', true, true)");
}

int main(void)
{
    const char *conninfo = getenv("WA_TEST_DB");
    apr_pool_t *p = tap_start();

    if (!conninfo) {
        skip_all("WA_TEST_DB is not set");
    }
    conn = PQconnectdb(conninfo);
    if (ok(filled(conn) && run(conn, "BEGIN"), "there are users")) {
        test_leases(p);
        test_not_stored(p);
        test_pace(p);
        test_plans(p);
        test_turn_taken(p, conninfo);
    }
    run(conn, "ROLLBACK");
    ok(run(conn, "DELETE FROM users WHERE id IN ('" USER "', '" OTHER "')"),
       "and gone");
    PQfinish(conn);
    return tap_done();
}
