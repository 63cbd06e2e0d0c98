/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_trace.h
 * @brief The trace that a request belongs to (W3C Trace Context, level 1).
 *
 * A request is worked on by one thread from its beginning to its end, so the
 * thread knows its trace, and what calls another server asks here.
 */
#ifndef WA_TRACE_H
#define WA_TRACE_H

#include <apr_pools.h>

typedef struct wa_trace {
    const char *id; /* 32 lower-case hex digits, not all 0 */
    int sampled;    /* the caller may have recorded it */
} wa_trace;

/** The trace of a request: its caller's, or a new one where traceparent is NULL
 * or not valid. A new one has the digits of the request id if that is a UUID.
 */
const wa_trace *wa_trace_make(apr_pool_t *p, const char *traceparent,
                              const char *request_id);

/** From now on this thread works for trace. @param trace must live until
 * another, or NULL, is set */
void wa_trace_set(const wa_trace *trace);

/** The traceparent for a call to another server: of this thread's trace, else
 * of a new one, with a parent id of its own. */
const char *wa_trace_parent(apr_pool_t *p, const char *request_id);

#endif
