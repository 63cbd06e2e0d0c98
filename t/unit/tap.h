/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tap.h
 * @brief Unit tests that speak TAP, so that prove runs them.
 *
 *     int main(void)
 *     {
 *         apr_pool_t *p = tap_start();
 *         ok(1 + 1 == 2, "addition");
 *         return tap_done();
 *     }
 */
#ifndef TAP_H
#define TAP_H

#include <apr_pools.h>

/** Start APR. @return a pool for the whole program */
apr_pool_t *tap_start(void);

/** One test; fmt says what is tested. @return cond */
int ok(int cond, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** got is the text expected; both may be NULL. Prints both if not. */
int is_str(const char *got, const char *expected, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** got is the number expected. Prints both if not. */
int is_int(apr_int64_t got, apr_int64_t expected, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** A comment in the output. */
void diag(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** Nothing can be tested here (no server, …): before any test only. */
void skip_all(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));

/** Print the plan, end APR. @return the exit status: 0 when all passed */
int tap_done(void);

#endif
