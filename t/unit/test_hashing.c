/* SPDX-License-Identifier: Apache-2.0 */
/* Passwords are hashed by other processes: what they answer, and what becomes
 * of who asks when they don't. */
#include "tap.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_strings.h>

#include "core/wa_hashing.h"
#include "core/wa_hashing_queue.h"

#define LONG apr_time_from_sec(60)
#define AT_ONCE apr_time_from_msec(1)

/* A process that serves; its exit status is how many it answered. */
static pid_t server(wa_hashing_queue *q)
{
    pid_t pid = fork();

    if (pid == 0) {
        apr_pool_t *scratch;

        apr_pool_create(&scratch, NULL);
        wa_hashing_queue_serves(q);
        _exit(wa_hashing_queue_serve(q, scratch));
    }
    return pid;
}

/* One that drops some questions, as if it had died of them, before it serves;
 * or ends then. */
static pid_t bad_server(wa_hashing_queue *q, int drops, int then)
{
    pid_t pid = fork();

    if (pid == 0) {
        char buf[sizeof(wa_hashing_question)];
        apr_pool_t *scratch;

        apr_pool_create(&scratch, NULL);
        wa_hashing_queue_serves(q);
        while (drops--) {
            /* Without room for it the reply's socket is closed. */
            (void)recv(q->serves, buf, sizeof(buf), 0);
        }
        _exit(then ? wa_hashing_queue_serve(q, scratch) : 0);
    }
    return pid;
}

static int ended_with(pid_t pid)
{
    int status;

    return waitpid(pid, &status, 0) == pid && WIFEXITED(status)
               ? WEXITSTATUS(status)
               : -1;
}

static wa_app *app_with(apr_pool_t *p, const wa_hashing_queue *q)
{
    wa_app *app = apr_pcalloc(p, sizeof(*app));

    app->pool = p;
    app->hashing = q;
    return app;
}

static int fits(wa_app *app, const char *hash, const char *password)
{
    wa_result *r = wa_result_make(app->pool);
    int yes = -1;
    const char *fresh;
    wa_code code = wa_hashing_verify(app, app->pool, hash, password, &yes,
                                     &fresh, r);

    return code == WA_OK ? yes : -(int)code;
}

/* "correct horse battery", at a lower cost. */
#define STALE                                                                  \
    "$argon2id$v=19$m=8192,t=1,p=1$KzFUD99QIKAzou3F25rz7Q"                     \
    "$/yngdkaSlsNvDnYyiS0vNW9F17HJePHbFVFSEDdSm4E"

static const char *fresh_one(wa_app *app, const char *hash,
                             const char *password)
{
    const char *fresh = "unset";
    int yes;

    wa_hashing_verify(app, app->pool, hash, password, &yes, &fresh,
                      wa_result_make(app->pool));
    return fresh;
}

static void test_stale(wa_app *app, const char *who)
{
    const char *fresh;

    ok(!fresh_one(app, STALE, "correct horse batterx"),
       "%s: who doesn't know the password replaces no hash", who);
    fresh = fresh_one(app, STALE, "correct horse battery");
    ok(fresh && !strncmp(fresh, "$argon2id$v=19$m=19456,t=2,p=1$", 31),
       "%s: one at a lower cost is replaced", who);
    is_int(fits(app, fresh, "correct horse battery"), 1, "%s: by one that fits",
           who);
    ok(!fresh_one(app, fresh, "correct horse battery"), "%s: which stays", who);
}

/* The same for who asks others and for who does it. */
static void test_answers(apr_pool_t *p, wa_app *app, const char *who)
{
    wa_result *r = wa_result_make(p);
    const char *hash = NULL;
    char *long_one = apr_pcalloc(p, WA_HASHING_PASSWORD_MAX + 2);

    memset(long_one, 'x', WA_HASHING_PASSWORD_MAX);
    is_int(wa_hashing_make(app, p, "correct horse", &hash, r), WA_OK,
           "%s: a hash is made", who);
    ok(hash && !strncmp(hash, "$argon2id$v=19$m=19456,t=2,p=1$", 31),
       "%s: Argon2id, 19 MiB, 2 passes", who);
    is_int(fits(app, hash, "correct horse"), 1, "%s: it fits", who);
    is_int(fits(app, hash, "correct horsf"), 0, "%s: another does not", who);
    is_int(fits(app, hash, ""), 0, "%s: nor does an empty one", who);
    is_int(fits(app, NULL, "correct horse"), 0, "%s: nobody's fits", who);
    is_int(fits(app, "nonsense", "x"), 0, "%s: nonsense fits nothing", who);

    is_int(wa_hashing_make(app, p, long_one, &hash, r), WA_OK,
           "%s: the longest password", who);
    is_int(fits(app, hash, long_one), 1, "%s: fits", who);
    long_one[0] = 'y';
    is_int(fits(app, hash, long_one), 0, "%s: to its first byte", who);
    long_one[0] = 'x';
    long_one[WA_HASHING_PASSWORD_MAX - 1] = 'y';
    is_int(fits(app, hash, long_one), 0, "%s: and its last", who);
    memset(long_one, 'x', WA_HASHING_PASSWORD_MAX + 1);
    is_int(fits(app, hash, long_one), 0,
           "%s: one that is too long fits nothing, however it begins", who);
}

static void test_serving(apr_pool_t *p)
{
    wa_hashing_queue *q;
    apr_pool_t *own;
    pid_t one, two;

    apr_pool_create(&own, p);
    is_int(wa_hashing_queue_make(&q, own), APR_SUCCESS, "a queue");
    one = server(q);
    two = server(q);
    wa_hashing_queue_asks(q);
    test_answers(p, app_with(p, q), "others");
    test_stale(app_with(p, q), "others");
    apr_pool_destroy(own);
    is_int(ended_with(one) + ended_with(two), 15,
           "both end when nobody can ask any more, and had all the questions");
}

static void test_full(apr_pool_t *p)
{
    static const wa_hashing_question question = { 1, "", "x" };
    wa_hashing_queue *q;
    wa_hashing_answer answer;
    apr_status_t rv;
    int n = 0;
    wa_app *app;
    wa_result *r = wa_result_make(p);
    const char *fresh;
    int yes;
    pid_t pid;

    wa_hashing_queue_make(&q, p);
    do {
        rv = wa_hashing_queue_ask(q, &question, &answer, AT_ONCE);
        n++;
    } while (APR_STATUS_IS_TIMEUP(rv) && n < 1000);
    ok(APR_STATUS_IS_EAGAIN(rv), "a queue that nobody serves is full");
    ok(n > 4 && n < 40, "before long, after %d", n);

    app = app_with(p, q);
    is_int(wa_hashing_verify(app, p, NULL, "x", &yes, &fresh, r),
           WA_E_BUSY_LOGIN, "who comes then has to come again");
    is_int(r->retry_after, 1, "in a second");
    is_int(yes, 0, "and is let in nowhere");

    pid = server(q);
    wa_hashing_queue_asks(q);
    do {
        rv = wa_hashing_queue_ask(q, &question, &answer, LONG);
    } while (APR_STATUS_IS_EAGAIN(rv));
    is_int(rv, APR_SUCCESS, "when a process comes, there is room");
    apr_pool_clear(p);
    is_int(ended_with(pid), 1, "what was given up was not done");
}

static void test_deaths(apr_pool_t *p)
{
    static const wa_hashing_question question = { 1, "", "x" };
    wa_hashing_queue *q;
    wa_hashing_answer answer;
    wa_app *app;
    wa_result *r = wa_result_make(p);
    const char *fresh;
    int yes;
    pid_t pid;

    wa_hashing_queue_make(&q, p);
    pid = bad_server(q, 1, 1);
    is_int(wa_hashing_queue_ask(q, &question, &answer, LONG), APR_SUCCESS,
           "the process dies that has it: the next one answers");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);

    pid = bad_server(q, 2, 0);
    is_int(wa_hashing_queue_ask(q, &question, &answer, LONG), APR_EOF,
           "two die of it: a third one is not asked");
    ended_with(pid);

    is_int(wa_hashing_queue_ask(q, &question, &answer, AT_ONCE), APR_TIMEUP,
           "while there is none, a question waits");
    wa_hashing_queue_asks(q);
    is_int(wa_hashing_queue_ask(q, &question, &answer, LONG), APR_EOF,
           "where none can come any more, it does not");
    app = app_with(p, q);
    is_int(wa_hashing_verify(app, p, NULL, "x", &yes, &fresh, r),
           WA_E_NOT_READY, "that is no wrong password");
    is_int(r->retry_after, 2, "and may pass");
}

int main(void)
{
    apr_pool_t *p = tap_start(), *own;

    apr_pool_create(&own, p);
    is_int(wa_crypto_init(), APR_SUCCESS, "libsodium");
    test_answers(p, app_with(p, NULL), "oneself");
    test_stale(app_with(p, NULL), "oneself");
    test_serving(own);
    test_full(own);
    test_deaths(own);
    return tap_done();
}
