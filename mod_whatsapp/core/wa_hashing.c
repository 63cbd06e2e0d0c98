/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_hashing.h"

#include <sys/resource.h>

#include <apr_thread_proc.h>

#include "../base/wa_crypto.h"

#define AT_ONCE 4
/* A tenth of the share that a thread of a request has, where both want the
 * processor: a login then waits, and no other request does. */
#define NICE 10

/* One of the two things to do. */
typedef struct job {
    apr_pool_t *p;
    const char *password;
    const char *hash; /* made, or to verify */
    int verify;
    int fits;
} job;

wa_code wa_hashing_enter(wa_app *app, wa_result *r)
{
    if (!wa_gate_enter(&app->logins, AT_ONCE)) {
        return wa_fail_retry(r, WA_E_BUSY_LOGIN, 1, NULL);
    }
    return WA_OK;
}

void wa_hashing_leave(wa_app *app)
{
    wa_gate_leave(&app->logins);
}

static void work(job *j)
{
    if (j->verify) {
        j->fits = wa_password_verify(j->hash, j->password);
    }
    else {
        j->hash = wa_password_hash(j->p, j->password);
    }
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *data)
{
#ifdef __linux__
    /* Of this thread alone there; elsewhere it would be the process. */
    (void)setpriority(PRIO_PROCESS, 0, NICE);
#endif
    work(data);
    apr_thread_exit(thread, APR_SUCCESS);
    return NULL;
}

/* A thread may give its priority away and can't take it back, so each job has
 * one of its own: it costs a thousandth of what it does. */
static void run_behind(job *j)
{
    apr_thread_t *thread;
    apr_status_t ended;

    if (apr_thread_create(&thread, NULL, run, j, j->p) == APR_SUCCESS) {
        apr_thread_join(&ended, thread);
    }
    else {
        work(j);
    }
}

const char *wa_hashing_make(apr_pool_t *p, const char *password)
{
    job j = { p, password, NULL, 0, 0 };

    run_behind(&j);
    return j.hash;
}

int wa_hashing_verify(apr_pool_t *p, const char *hash, const char *password)
{
    job j = { p, password, hash, 1, 0 };

    run_behind(&j);
    return j.fits;
}
