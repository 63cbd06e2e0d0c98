/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>

static int count, failures;

apr_pool_t *tap_start(void)
{
    apr_pool_t *p = NULL;

    /* what was printed must survive a crash */
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (apr_initialize() != APR_SUCCESS
        || apr_pool_create(&p, NULL) != APR_SUCCESS) {
        puts("Bail out! APR does not start");
        exit(1);
    }
    return p;
}

static int report(int cond, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static int report(int cond, const char *fmt, va_list ap)
{
    count++;
    failures += !cond;
    printf("%s %d - ", cond ? "ok" : "not ok", count);
    vprintf(fmt, ap);
    putchar('\n');
    return cond;
}

int ok(int cond, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    cond = report(cond != 0, fmt, ap);
    va_end(ap);
    return cond;
}

int is_str(const char *got, const char *expected, const char *fmt, ...)
{
    int same = got && expected ? !strcmp(got, expected) : got == expected;
    va_list ap;

    va_start(ap, fmt);
    report(same, fmt, ap);
    va_end(ap);
    if (!same) {
        diag("     got: %s", got ? got : "(NULL)");
        diag("expected: %s", expected ? expected : "(NULL)");
    }
    return same;
}

int is_int(apr_int64_t got, apr_int64_t expected, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    report(got == expected, fmt, ap);
    va_end(ap);
    if (got != expected) {
        diag("     got: %" APR_INT64_T_FMT, got);
        diag("expected: %" APR_INT64_T_FMT, expected);
    }
    return got == expected;
}

void diag(const char *fmt, ...)
{
    va_list ap;

    fputs("# ", stdout);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

void skip_all(const char *fmt, ...)
{
    va_list ap;

    fputs("1..0 # SKIP ", stdout);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    apr_terminate();
    exit(0);
}

int tap_done(void)
{
    printf("1..%d\n", count);
    apr_terminate();
    return failures || !count ? 1 : 0;
}
