/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_fetch.h
 * @brief Calls to URLs that customers gave: guarded, bounded, one or many.
 *
 * Whoever can name a URL must not reach through us what only we can reach. So
 * the verdict is on the address that is about to be connected to, at its
 * socket, whatever name or spelling led there and however often its DNS answer
 * changes; on http and https only; without proxy, cookies, credentials of ours
 * or in the URL. Redirects are followed only where asked for, each judged like
 * the first URL.
 */
#ifndef WA_FETCH_H
#define WA_FETCH_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <apr_time.h>

#include "../base/wa_net.h"

/** Longest URL. */
#define WA_FETCH_URL_MAX 2048

/** Takes the next bytes of an answer's body.
 * @return APR_SUCCESS, or why it wants no more, which ends the call */
typedef apr_status_t wa_fetch_sink(void *baton, const char *data,
                                   apr_size_t len);

/** A call: what is asked, and what came of it. */
typedef struct wa_fetch {
    const char *method;         /* NULL: GET */
    const char *url;            /* as it was given */
    const apr_table_t *headers; /* or NULL */
    const char *body;           /* or NULL */
    apr_size_t body_len;
    const wa_nets *allow; /* addresses that are fine though not public */
    int plain;            /* http is fine too, not https only */
    int redirects;        /* followed at most; 0: none. Never by a fetcher */
    apr_interval_time_t connect_timeout; /* default 5 s, with the lookup */
    apr_interval_time_t timeout;         /* whole call, default 15 s */
    apr_off_t max_body;                  /* bytes, default 64 KiB */
    apr_size_t keep;                     /* bytes to keep as head */
    wa_fetch_sink *sink;                 /* of a 2xx answer's body, or NULL */
    void *sink_baton;
    int (*stop)(void *baton); /* ends the call when it says 1, or NULL */
    void *baton;              /* the caller's; given to stop */

    /** APR_SUCCESS with any status; APR_EINVAL (no such URL is called);
     * APR_EACCES (its address is not public); APR_TIMEUP; APR_ECONNREFUSED (no
     * connection); APR_ECONNABORTED; APR_ENOSPC (the body is over its bound);
     * APR_EINTR (stop said so); what the sink returned */
    apr_status_t rv;
    const char *error; /* the same for people, NULL when it is APR_SUCCESS */
    int status;
    const char *content_type; /* or NULL */
    apr_off_t length;         /* as announced, or -1 */
    const char *head;         /* the body's first bytes, with a NUL */
    apr_size_t head_len;
    int retry_after; /* seconds, 0 when not said */
    apr_interval_time_t took;
} wa_fetch;

/** Is it a URL that may be called, as far as one can see without a lookup?
 * http or https; a host, and that is no address that is not public, nor an
 * address in another spelling than a.b.c.d (0x7f.1); port 80, 443, or over
 * 1023 and not one of another protocol's; no user name or password; ASCII.
 * @return NULL, or what is wrong, for people */
const char *wa_fetch_url_wrong(apr_pool_t *p, const char *url, int plain,
                               const wa_nets *allow);

/** Make one call and wait for it. @return f->rv */
apr_status_t wa_fetch_do(apr_pool_t *p, wa_fetch *f);

/** Many calls at one time, by one thread: one that hangs holds up no other. */
typedef struct wa_fetcher wa_fetcher;

/** @return NULL when libcurl has no memory */
wa_fetcher *wa_fetcher_make(apr_pool_t *p);

/** Begin a call. When it can't even begin f->rv says so at once.
 * @param p, f must live until wa_fetcher_next has returned the call
 * @return f->rv, APR_SUCCESS when it is under way */
apr_status_t wa_fetcher_add(wa_fetcher *fetcher, apr_pool_t *p, wa_fetch *f);

/** A call that is over, or NULL. */
wa_fetch *wa_fetcher_next(wa_fetcher *fetcher);

/** Move the calls on; wait for something to happen to them, for fd to be
 * readable, or as long as wait. @param fd or -1 */
void wa_fetcher_run(wa_fetcher *fetcher, int fd, apr_interval_time_t wait);

/** Have wa_fetcher_run return; the one function for other threads. */
void wa_fetcher_wake(wa_fetcher *fetcher);

/** Calls under way. */
int wa_fetcher_count(const wa_fetcher *fetcher);

#endif
