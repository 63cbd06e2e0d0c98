/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_time.h @brief Times as RFC 3339 in UTC with milliseconds. */
#ifndef WA_TIME_H
#define WA_TIME_H

#include <apr_pools.h>
#include <apr_time.h>

/** Bytes of a formatted time, with the NUL; years over 9999 are cut. */
#define WA_TIME_SIZE 25

/** "2026-01-02T03:04:05.678Z" into out. @return out */
const char *wa_time_format(char out[WA_TIME_SIZE], apr_time_t t);
/** The same in p. */
const char *wa_time_rfc3339(apr_pool_t *p, apr_time_t t);

/** Read an RFC 3339 time with any offset, 0 to 9 fraction digits.
 * @return APR_SUCCESS or APR_EINVAL */
apr_status_t wa_time_parse(const char *s, apr_time_t *t);

#endif
