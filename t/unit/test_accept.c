/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of many threads come into the database in few transactions, and
 * what one of them is at fault for harms no other. */
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <libpq-fe.h>

#include "base/wa_crypto.h"
#include "base/wa_id.h"
#include "core/wa_accept.h"
#include "core/wa_auth.h"
#include "core/wa_idempotency.h"
#include "request.h"

#define USER "01900000-0000-7000-8000-0000000000c1"
#define SESSION "01900000-0000-7000-8000-0000000000c2"
#define NOWHERE "01900000-0000-7000-8000-0000000000cf"
#define THREADS 8

typedef struct task {
    wa_app *app;
    apr_pool_t *pool;
    wa_req *req;
    wa_message_order order;
    wa_message m;
    wa_result *r;
    int leased;
    wa_code code;
} task;

static int run(PGconn *c, const char *sql)
{
    PGresult *res = PQexec(c, sql);
    int good = PQresultStatus(res) == PGRES_COMMAND_OK;

    if (!good) {
        diag("%s", PQresultErrorMessage(res));
    }
    PQclear(res);
    return good;
}

static apr_int64_t number(PGconn *c, const char *sql)
{
    PGresult *res = PQexec(c, sql);
    apr_int64_t n = PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res)
                        ? apr_atoi64(PQgetvalue(res, 0, 0))
                        : -1;

    PQclear(res);
    return n;
}

static task *make_task(wa_app *app, int n, const char *media, const char *key)
{
    static wa_principal who = { .user_id = USER };
    apr_pool_t *p;
    task *t;

    if (apr_pool_create(&p, NULL) != APR_SUCCESS) {
        abort();
    }
    t = apr_pcalloc(p, sizeof(*t));
    t->app = app;
    t->pool = p;
    t->req = request(p, "POST", "/messages/send-text", NULL, NULL, NULL);
    t->req->principal = &who;
    if (key) {
        t->req->idem = apr_pcalloc(p, sizeof(*t->req->idem));
        t->req->idem->key = key;
        t->req->idem->fingerprint = "00000000000000000000000000000000"
                                    "00000000000000000000000000000000";
    }
    t->order.session = "default";
    t->m.id = wa_id_uuid(p);
    t->m.type = "text";
    t->m.recipient = "+4915100000000";
    t->m.chat = apr_psprintf(p, "%d@s.whatsapp.net", n);
    t->m.content = "a \"text\", with {braces}\\ and a\nline";
    t->m.whatsapp_id = wa_id_whatsapp(p);
    t->m.media_id = media;
    t->r = wa_result_make(p);
    return t;
}

static void *APR_THREAD_FUNC accept_it(apr_thread_t *thread, void *data)
{
    task *t = data;

    t->code = wa_accept(t->app, t->req, &t->order, 1, &t->m, &t->leased, t->r);
    return NULL;
}

/* All at one time: the only connection is held until they are there. */
static void all_at_once(wa_app *app, apr_pool_t *p, task **tasks,
                        apr_thread_start_t what)
{
    apr_thread_t *threads[THREADS];
    apr_status_t rv;
    wa_db *db;
    int i;

    if (!ok(wa_db_open(&db, p, &app->db) == APR_SUCCESS, "all wait")) {
        return;
    }
    for (i = 0; i < THREADS; i++) {
        if (apr_thread_create(&threads[i], NULL, what, tasks[i], p)
            != APR_SUCCESS) {
            abort();
        }
        apr_sleep(20000);
    }
    apr_sleep(200000);
    wa_db_close(db);
    for (i = 0; i < THREADS; i++) {
        apr_thread_join(&rv, threads[i]);
    }
}

static void test_together(wa_app *app, apr_pool_t *p, PGconn *conn)
{
    task *tasks[THREADS];
    int i, good = 0, leased = 0;

    for (i = 0; i < THREADS; i++) {
        tasks[i] = make_task(app, i, NULL, NULL);
    }
    all_at_once(app, p, tasks, accept_it);
    for (i = 0; i < THREADS; i++) {
        const task *t = tasks[i];

        good += t->code == WA_OK && t->m.session_id
                && !strcmp(t->m.session_id, SESSION) && t->m.created_at > 0;
        leased += t->leased;
    }
    is_int(good, THREADS, "each is told of its message");
    is_int(leased, THREADS, "and that its attempt is ours");
    is_int(number(conn, "SELECT count(*) FROM messages m JOIN outbox o ON"
                        " o.message_id = m.id WHERE m.user_id = '" USER
                        "' AND m.content = E'a \"text\", with {braces}\\\\ and"
                        " a\\nline'"),
           THREADS, "all are stored, as they were written");
    ok(number(conn, "SELECT count(DISTINCT xmin::text) FROM messages WHERE"
                    " user_id = '" USER "'")
           < THREADS - 2,
       "in fewer transactions");
    run(conn, "DELETE FROM messages WHERE user_id = '" USER "'");
}

static void test_fault_of_one(wa_app *app, apr_pool_t *p, PGconn *conn)
{
    task *tasks[THREADS];
    int i, good = 0;

    for (i = 0; i < THREADS; i++) {
        tasks[i] = make_task(app, i, i == 5 ? "no UUID" : NULL, NULL);
    }
    all_at_once(app, p, tasks, accept_it);
    for (i = 0; i < THREADS; i++) {
        good += tasks[i]->code == WA_OK && tasks[i]->m.session_id;
    }
    is_int(good, THREADS - 1, "one that PostgreSQL refuses: all but that");
    is_int(tasks[5]->code, WA_E_INTERNAL, "which fails");
    ok(!tasks[5]->m.session_id, "and is not stored");
    run(conn, "DELETE FROM messages WHERE user_id = '" USER "'");
}

static void test_one_key(wa_app *app, apr_pool_t *p, PGconn *conn)
{
    task *tasks[THREADS];
    int i, good = 0, made = 0;

    for (i = 0; i < THREADS; i++) {
        /* The first two don't wait for others. */
        tasks[i] = make_task(app, i, NULL, i < 2 ? NULL : "the-key");
    }
    all_at_once(app, p, tasks, accept_it);
    for (i = 0; i < THREADS; i++) {
        good += tasks[i]->code == WA_OK;
        made += tasks[i]->m.session_id != NULL;
    }
    is_int(good, THREADS, "one Idempotency-Key for many: no fault");
    is_int(made, 3, "and one message of these");
    run(conn, "DELETE FROM messages WHERE user_id = '" USER "'");
}

static void *APR_THREAD_FUNC answer_it(apr_thread_t *thread, void *data)
{
    task *t = data;
    wa_resp resp = { .status = 200 };

    resp.headers = apr_table_make(t->pool, 1);
    apr_table_setn(resp.headers, "Location", t->m.id);
    resp.body = apr_psprintf(t->pool, "{\"answer of\": \"%s\"}", t->m.id);
    resp.body_len = strlen(resp.body);
    wa_idem_answered(t->app, t->req, &resp);
    return NULL;
}

/* What a repeat is told is what its own request was. */
static void test_answers(wa_app *app, apr_pool_t *p, PGconn *conn)
{
    task *tasks[THREADS];
    int i, good = 0;

    for (i = 0; i < THREADS; i++) {
        tasks[i] = make_task(app, i, NULL, apr_psprintf(p, "key %d", i));
    }
    all_at_once(app, p, tasks, accept_it);
    for (i = 0; i < THREADS; i++) {
        tasks[i]->req->idem->open = tasks[i]->req->idem->with_message = 1;
    }
    all_at_once(app, p, tasks, answer_it);
    for (i = 0; i < THREADS; i++) {
        task *t = tasks[i];
        wa_idem_found *found = NULL;

        good += wa_idem_find(app, t->req, t->req->idem, &found, t->r) == WA_OK
                && found && found->status == 200 && found->answer
                && !strcmp(found->location, t->m.id)
                && !strcmp(found->message_id, t->m.id)
                && strstr(found->answer, t->m.id) != NULL;
    }
    is_int(good, THREADS, "each answer is stored under its key");
    ok(number(conn, "SELECT count(DISTINCT xmin::text) FROM idempotency_keys"
                    " WHERE user_id = '" USER "' AND key LIKE 'key %'")
           < THREADS - 2,
       "in fewer transactions");
    run(conn, "DELETE FROM messages WHERE user_id = '" USER "'");
}

static void test_outage(wa_app *app, apr_pool_t *p)
{
    task *tasks[THREADS];
    apr_interval_time_t wait = app->db.borrow_wait;
    apr_thread_t *threads[THREADS];
    apr_status_t rv;
    wa_db *db;
    int i, told = 0;

    if (!ok(wa_db_open(&db, p, &app->db) == APR_SUCCESS, "no connection")) {
        return;
    }
    app->db.borrow_wait = apr_time_from_msec(300);
    for (i = 0; i < THREADS; i++) {
        tasks[i] = make_task(app, i, NULL, NULL);
        if (apr_thread_create(&threads[i], NULL, accept_it, tasks[i], p)
            != APR_SUCCESS) {
            abort();
        }
    }
    for (i = 0; i < THREADS; i++) {
        apr_thread_join(&rv, threads[i]);
        told += tasks[i]->code == WA_E_DB_UNAVAILABLE
                && tasks[i]->r->code == WA_E_DB_UNAVAILABLE
                && tasks[i]->r->retry_after > 0 && tasks[i]->r->detail;
    }
    is_int(told, THREADS, "each is told, and when to come again");
    wa_db_close(db);
    app->db.borrow_wait = wait;
}

int main(void)
{
    const char *conninfo = getenv("WA_TEST_DB");
    apr_pool_t *p = tap_start();
    wa_app *app = apr_pcalloc(p, sizeof(*app));
    static const char *const keys[] = { "a secret of 32 characters, or more",
                                        NULL };
    static const wa_secrets secrets = { .key = keys };
    PGconn *conn;

    if (!conninfo) {
        skip_all("WA_TEST_DB is not set");
    }
    conn = PQconnectdb(conninfo);
    app->pool = p;
    app->settings = wa_settings_make(p);
    app->instance = NOWHERE;
    app->secrets = &secrets;
    app->db.breaker = wa_db_breaker_make(p);
    app->db.borrow_wait = apr_time_from_sec(30);
    app->db.statement_wait = apr_time_from_sec(30);
    is_int(wa_crypto_init(), APR_SUCCESS, "libsodium starts");
    if (ok(wa_db_source_make(&app->db.source, p, conninfo, 1) == APR_SUCCESS
               && wa_accept_start(app) == APR_SUCCESS
               && wa_idem_start(app) == APR_SUCCESS,
           "there is a database")
        && ok(run(conn, "INSERT INTO users (id, username, email, role,"
                        " max_messages_per_minute, max_messages_per_day,"
                        " max_requests_per_minute) VALUES ('" USER
                        "', 'accept', 'accept@example.org', 'user', 9, 9, 9)")
                  && run(conn, "INSERT INTO sessions (id, user_id, engine,"
                               " linked, wanted) VALUES ('" SESSION "', '" USER
                               "', 'baileys', true, true)"),
              "and a user")) {
        test_together(app, p, conn);
        test_fault_of_one(app, p, conn);
        test_one_key(app, p, conn);
        test_answers(app, p, conn);
        test_outage(app, p);
    }
    run(conn, "DELETE FROM users WHERE id = '" USER "'");
    PQfinish(conn);
    return tap_done();
}
