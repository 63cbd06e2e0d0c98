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

/** What to store of this thread's trace with what comes of the request.
 * @return text for wa_trace_find, or NULL where the trace is found by the
 *         request id alone, or there is none */
const char *wa_trace_keep(apr_pool_t *p, const char *request_id);

/** The trace that was kept: of kept, where that is NULL or no good of the
 * request id, where that is NULL or no UUID of the event's id, and is the same
 * each time then.
 * @param kept of wa_trace_keep @param request_id or NULL @param event_id a
 *        UUID */
const wa_trace *wa_trace_find(apr_pool_t *p, const char *kept,
                              const char *request_id, const char *event_id);

/** The traceparent for a call to another server that belongs to trace, with a
 * parent id of its own. */
const char *wa_trace_header(apr_pool_t *p, const wa_trace *trace);

/** wa_trace_header of this thread's trace, else of a new one. */
const char *wa_trace_parent(apr_pool_t *p, const char *request_id);

#endif
