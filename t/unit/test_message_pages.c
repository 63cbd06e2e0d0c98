/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of messages cost what they show, not what there is: the plans of the
 * statements, made for all values at once, read no more of a user with many
 * messages than the page, whatever it is filtered by; and find the same as a
 * plain condition does. */
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <libpq-fe.h>

#include "gateway/sql/wa_sql.h"

#define ROW(id, text) text,
static const char *const texts[] = { WA_SQL_LIST(ROW) };

#define USER "01900000-0000-7000-8000-0000000000a1"
#define SESSION "01900000-0000-7000-8000-0000000000a2"
#define OTHER "01900000-0000-7000-8000-0000000000a3"
#define PLACE                                                                  \
    "'infinity', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '-infinity',"         \
    " 'infinity', 10"
/* In the middle of the many. */
#define MIDDLE                                                                 \
    "now() - interval '3000 s', '80000000-0000-0000-0000-000000000000',"       \
    " '-infinity', 'infinity', 10"
#define RANGE                                                                  \
    "'infinity', 'ffffffff-ffff-ffff-ffff-ffffffffffff',"                      \
    " now() - interval '5000 s', now() - interval '4900 s', 10"
#define MOST 200 /* rows that a step of a plan may give */

/* 6000 messages that came in, in 100 chats; and a few of other kinds, the
 * oldest of all. All of it is rolled back. */
static const char *const fill[] = {
    "BEGIN",
    "SET LOCAL plan_cache_mode = force_generic_plan",
    "INSERT INTO users (id, username, email, role, max_messages_per_minute,"
    " max_messages_per_day, max_requests_per_minute) VALUES ('" USER
    "', 'pages', 'pages@example.org', 'user', 9, 9, 9)",
    "INSERT INTO sessions (id, user_id, name, engine) VALUES ('" SESSION
    "', '" USER "', 'one', 'baileys'), ('" OTHER "', '" USER
    "', 'two', 'baileys')",
    "ALTER TABLE messages DISABLE TRIGGER USER",
    "INSERT INTO messages (id, user_id, session_id, direction, type, status,"
    " sender, chat, content, whatsapp_id, client_ref, created_at)"
    " SELECT gen_random_uuid(), '" USER "', '" SESSION "', 'in', 'text',"
    " 'received', '+49151', n % 100 || '@s.whatsapp.net', 'text', 'W' || n,"
    " 'many', now() - n * interval '1 s' FROM generate_series(1, 6000) n",
    "INSERT INTO messages (id, user_id, session_id, direction, type, status,"
    " recipient, chat, content, whatsapp_id, client_ref, created_at)"
    " SELECT gen_random_uuid(), '" USER "', CASE WHEN n < 4 THEN '" SESSION
    "'::uuid ELSE '" OTHER "'::uuid END, 'out', CASE WHEN n % 2 = 0 THEN"
    " 'image' ELSE 'text' END, CASE WHEN n < 3 THEN 'failed' ELSE 'read' END,"
    " '+49151', '7@s.whatsapp.net', 'text', 'X' || n, 'few',"
    " now() - interval '1 day' + n * interval '1 s'"
    " FROM generate_series(1, 6) n",
    "ALTER TABLE messages ENABLE TRIGGER USER",
    "ANALYZE messages",
};

/* A page, and the condition that says the same. */
static const struct {
    wa_sql_id id;
    const char *args;  /* after the user */
    const char *where; /* besides the user */
    int rows;
} pages[] = {
    { WA_SQL_MESSAGES_PAGE, PLACE, "true", 10 },
    { WA_SQL_MESSAGES_PAGE, MIDDLE,
      "(created_at, id) < (now() - interval '3000 s',"
      " '80000000-0000-0000-0000-000000000000')",
      10 },
    { WA_SQL_MESSAGES_PAGE, RANGE,
      "created_at >= now() - interval '5000 s'"
      " AND created_at < now() - interval '4900 s'",
      10 },
    { WA_SQL_MESSAGES_PAGE_CHAT,
      PLACE ", NULL, NULL, NULL, NULL, '7@s.whatsapp.net'",
      "chat = '7@s.whatsapp.net'", 10 },
    { WA_SQL_MESSAGES_PAGE_CHAT,
      PLACE ", 'failed', NULL, NULL, NULL, '7@s.whatsapp.net'",
      "chat = '7@s.whatsapp.net' AND status = 'failed'", 2 },
    { WA_SQL_MESSAGES_PAGE_CHAT,
      PLACE ", NULL, NULL, NULL, NULL, 'nobody@s.whatsapp.net'", "false", 0 },
    { WA_SQL_MESSAGES_PAGE_REF, PLACE ", NULL, NULL, NULL, NULL, 'many', NULL",
      "client_ref = 'many'", 10 },
    { WA_SQL_MESSAGES_PAGE_REF, PLACE ", NULL, NULL, NULL, NULL, 'few', NULL",
      "client_ref = 'few'", 6 },
    { WA_SQL_MESSAGES_PAGE_REF,
      PLACE ", NULL, 'image', NULL, NULL, 'few', '7@s.whatsapp.net'",
      "client_ref = 'few' AND type = 'image'", 3 },
    { WA_SQL_MESSAGES_PAGE_KIND, PLACE ", 'received', NULL, NULL, NULL",
      "status = 'received'", 10 },
    { WA_SQL_MESSAGES_PAGE_KIND, MIDDLE ", 'received', NULL, NULL, NULL",
      "status = 'received' AND (created_at, id) < (now() - interval '3000 s',"
      " '80000000-0000-0000-0000-000000000000')",
      10 },
    { WA_SQL_MESSAGES_PAGE_KIND, PLACE ", 'failed', NULL, NULL, NULL",
      "status = 'failed'", 2 },
    { WA_SQL_MESSAGES_PAGE_KIND, PLACE ", 'cancelled', NULL, NULL, NULL",
      "status = 'cancelled'", 0 },
    { WA_SQL_MESSAGES_PAGE_KIND, PLACE ", NULL, 'image', NULL, NULL",
      "type = 'image'", 3 },
    { WA_SQL_MESSAGES_PAGE_KIND, PLACE ", NULL, NULL, 'out', NULL",
      "direction = 'out'", 6 },
    { WA_SQL_MESSAGES_PAGE_KIND, PLACE ", NULL, NULL, NULL, '" OTHER "'",
      "session_id = '" OTHER "'", 3 },
    { WA_SQL_MESSAGES_PAGE_KIND, PLACE ", 'read', 'text', 'out', '" OTHER "'",
      "session_id = '" OTHER "' AND status = 'read' AND type = 'text'", 1 },
    { WA_SQL_MESSAGES_PAGE_KIND, RANGE ", NULL, 'text', NULL, NULL",
      "type = 'text' AND created_at >= now() - interval '5000 s'"
      " AND created_at < now() - interval '4900 s'",
      10 },
};

static PGconn *conn;

/* The first column, one line for each row; NULL when it failed. */
static const char *lines(apr_pool_t *p, const char *sql, int *count)
{
    PGresult *res = PQexec(conn, sql);
    const char *all = "";
    int i;

    if (PQresultStatus(res) != PGRES_TUPLES_OK) {
        diag("%s", PQresultErrorMessage(res));
        PQclear(res);
        return NULL;
    }
    *count = PQntuples(res);
    for (i = 0; i < *count; i++) {
        all = apr_pstrcat(p, all, PQgetvalue(res, i, 0), "\n", NULL);
    }
    PQclear(res);
    return all;
}

/* The most rows that a step gave or threw away. */
static long most_rows(const char *plan)
{
    static const char *const words[] = { "actual rows=", "Filter: " };
    long most = 0;
    int i;

    for (i = 0; i < 2; i++) {
        const char *at = plan;

        while ((at = strstr(at, words[i])) != NULL) {
            long n = strtol(at += strlen(words[i]), NULL, 10);

            most = n > most ? n : most;
        }
    }
    return most;
}

static void test_page(apr_pool_t *p, int i)
{
    const char *call = apr_psprintf(p, "EXECUTE s%d('" USER "', %s)",
                                    (int)pages[i].id, pages[i].args);
    const char *what = pages[i].where;
    int count = 0, expected = 0;
    const char *plan = lines(
        p,
        apr_pstrcat(p, "EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) ", call,
                    NULL),
        &count);

    if (!ok(plan != NULL, "%s: there is a plan", what)) {
        return;
    }
    if (!ok(!strstr(plan, "Seq Scan on messages") && most_rows(plan) <= MOST,
            "%s: no more is read than the page", what)) {
        diag("%s", plan);
    }
    is_str(
        lines(p, call, &count),
        lines(p,
              apr_pstrcat(
                  p, "SELECT id FROM messages WHERE user_id = '" USER "' AND ",
                  pages[i].where, " ORDER BY created_at DESC, id DESC LIMIT 10",
                  NULL),
              &expected),
        "%s: what is found", what);
    is_int(count, pages[i].rows, "%s: how many", what);
}

static int filled(void)
{
    apr_size_t i;

    for (i = 0; i < sizeof(fill) / sizeof(fill[0]); i++) {
        PGresult *res = PQexec(conn, fill[i]);
        int good = PQresultStatus(res) == PGRES_COMMAND_OK;

        if (!good) {
            diag("%s", PQresultErrorMessage(res));
        }
        PQclear(res);
        if (!good) {
            return 0;
        }
    }
    return 1;
}

static int prepared(apr_pool_t *p)
{
    static const wa_sql_id ids[] = { WA_SQL_MESSAGES_PAGE,
                                     WA_SQL_MESSAGES_PAGE_CHAT,
                                     WA_SQL_MESSAGES_PAGE_REF,
                                     WA_SQL_MESSAGES_PAGE_KIND };
    int i, good = 1;

    for (i = 0; i < 4; i++) {
        PGresult *res = PQprepare(conn, apr_psprintf(p, "s%d", (int)ids[i]),
                                  texts[ids[i]], 0, NULL);

        good &= PQresultStatus(res) == PGRES_COMMAND_OK;
        PQclear(res);
    }
    return good;
}

int main(void)
{
    const char *conninfo = getenv("WA_TEST_DB");
    apr_pool_t *p = tap_start();
    int i;

    if (!conninfo) {
        skip_all("WA_TEST_DB is not set");
    }
    conn = PQconnectdb(conninfo);
    if (ok(filled() && prepared(p), "there are messages")) {
        for (i = 0; i < (int)(sizeof(pages) / sizeof(pages[0])); i++) {
            test_page(p, i);
        }
    }
    PQfinish(conn);
    return tap_done();
}
