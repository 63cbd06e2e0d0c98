/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_hashing.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_log.h"
#include "wa_hashing_queue.h"

/* In one process, waiting or not; all of Apache has a queue of its own bound.
 * Below the twenty that an address may have under way (wa_logins.c). */
#define AT_ONCE 8
/* The processes give way to everything else: on a processor that is wanted by
 * many, a hash takes seconds. */
#define WAIT apr_time_from_sec(10)

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

/* Ask another process, and forget the question. */
static wa_code ask(wa_app *app, wa_hashing_question *question,
                   wa_hashing_answer *answer, wa_result *r)
{
    apr_status_t rv = wa_hashing_queue_ask(app->hashing, question, answer,
                                           WAIT);

    wa_wipe(question, sizeof(*question));
    if (rv == APR_SUCCESS) {
        return WA_OK;
    }
    if (APR_STATUS_IS_EAGAIN(rv) || APR_STATUS_IS_TIMEUP(rv)) {
        return wa_fail_retry(r, WA_E_BUSY_LOGIN, 1, NULL);
    }
    wa_log(WA_LOG_ERR, NULL, "WA0123: no process hashes a password (%d)",
           (int)rv);
    return wa_fail_retry(r, WA_E_NOT_READY, 2,
                         "Passwords can't be checked at the moment");
}

wa_code wa_hashing_make(wa_app *app, apr_pool_t *p, const char *password,
                        const char **hash, wa_result *r)
{
    wa_hashing_question question;
    wa_hashing_answer answer;
    wa_code code;

    if (!app->hashing) {
        *hash = wa_password_hash(p, password);
        return *hash ? WA_OK : wa_fail(r, WA_E_INTERNAL, NULL);
    }
    memset(&question, 0, sizeof(question));
    if (strlen(password) >= sizeof(question.password)) {
        return wa_fail(r, WA_E_INTERNAL, NULL); /* callers refuse it */
    }
    apr_cpystrn(question.password, password, sizeof(question.password));
    code = ask(app, &question, &answer, r);
    if (code == WA_OK && !answer.good) {
        code = wa_fail(r, WA_E_INTERNAL, NULL); /* memory is short */
    }
    if (code == WA_OK) {
        *hash = apr_pstrdup(p, answer.hash);
    }
    return code;
}

wa_code wa_hashing_verify(wa_app *app, apr_pool_t *p, const char *hash,
                          const char *password, int *fits, const char **fresh,
                          wa_result *r)
{
    wa_hashing_question question;
    wa_hashing_answer answer;
    wa_code code;

    *fits = 0;
    *fresh = NULL;
    if (!app->hashing) {
        *fits = wa_password_verify(hash, password);
        if (*fits && wa_password_stale(hash)) {
            *fresh = wa_password_hash(p, password);
        }
        return WA_OK;
    }
    memset(&question, 0, sizeof(question));
    question.verify = 1;
    /* What is too long for a password fits none, and takes as long. */
    if (strlen(password) < sizeof(question.password)) {
        apr_cpystrn(question.hash, hash ? hash : "", sizeof(question.hash));
        apr_cpystrn(question.password, password, sizeof(question.password));
    }
    code = ask(app, &question, &answer, r);
    if (code == WA_OK) {
        *fits = answer.good;
        *fresh = *answer.hash ? apr_pstrdup(p, answer.hash) : NULL;
    }
    return code;
}
