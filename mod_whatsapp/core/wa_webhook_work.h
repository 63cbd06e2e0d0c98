/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_webhook_work.h
 * @brief What whatsappd does with webhooks: turn events into deliveries, take
 *        what is due, write down what came of it.
 *
 * A delivery is attempted until it is answered 2xx, ten times over three days.
 * Its lease carries the number of the attempt, so that a holder that was too
 * slow changes nothing any more; one that died is followed by another attempt
 * under the same event id.
 */
#ifndef WA_WEBHOOK_WORK_H
#define WA_WEBHOOK_WORK_H

#include "../gateway/wa_fetch.h"
#include "wa_app.h"

/** Seconds of a lease; an attempt is over long before. */
#define WA_WEBHOOK_LEASE 60
/** Attempts before a delivery ends as failed. */
#define WA_WEBHOOK_TRIES 10
/** A webhook that fails for so many seconds is switched off: five days. */
#define WA_WEBHOOK_PATIENCE 432000
/** Bytes of an answer that are kept. */
#define WA_WEBHOOK_KEEP 1024

/** A delivery that was taken. */
typedef struct wa_webhook_out {
    const char *id, *webhook_id;
    const char *url;
    const char *event_id;
    const char *type;
    apr_int64_t sequence; /* 0: not of the feed */
    int attempts;         /* this one's number; the fence */
    int tries;            /* of those that it is given */
    int failing;          /* the webhook failed the last time */
    const char *data;     /* JSON; NULL: its event is kept no longer */
    apr_time_t occurred_at;
    const char *secret, *previous_secret; /* sealed; the latter or NULL */
    const char *request_id, *trace; /* of the request that it follows from, or
                                       NULL */
} wa_webhook_out;

/** How long after a try that failed the next one is made: about 5 s, 5 min,
 * 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, a fifth of it random.
 * @param tries made so far @param retry_after what the receiver asked for, in
 *        seconds; up to an hour it is kept to */
apr_interval_time_t wa_webhook_pause(int tries, int retry_after);

/** Turn events that webhooks have not seen into deliveries.
 * @param more set when there may be more at once */
apr_status_t wa_webhooks_spread(wa_app *app, apr_pool_t *p, int *more);

/** Take deliveries that are due.
 * @param failing of webhooks that fail, or of those that don't
 * @param max webhooks to take from; one of each
 * @param answering ids of webhooks that answered lately, as an array's text:
 *        of these that lag up to WA_WEBHOOK_AT_ONCE
 * @param found of wa_webhook_out, in p */
apr_status_t wa_webhooks_claim(wa_app *app, apr_pool_t *p, int failing, int max,
                               const char *answering,
                               apr_array_header_t **found);

/** Attempts at a time to one webhook that lags. */
#define WA_WEBHOOK_AT_ONCE 8

/** Make the request of an attempt, signed as of now.
 * @return APR_SUCCESS; APR_ENOENT (the event is gone), APR_EINVAL (no secret
 *         can be read): then f->rv and f->error say so as if it had been made
 */
apr_status_t wa_webhook_request(const wa_app *app, apr_pool_t *p,
                                const wa_webhook_out *o, wa_fetch *f);

/** An attempt that is over. */
typedef struct wa_webhook_done {
    const wa_webhook_out *o;
    const wa_fetch *f;
} wa_webhook_done;

/** Write down what came of attempts, in the order of their ends: many in one
 * transaction. What can't be written is attempted again when its lease is over.
 * @param n up to WA_WEBHOOK_RECORDS */
void wa_webhooks_record(wa_app *app, apr_pool_t *p, const wa_webhook_done *list,
                        int n);

/** Most of one call. */
#define WA_WEBHOOK_RECORDS 256

/** Did the receiver take it? */
int wa_webhook_taken(const wa_fetch *f);

/** Give back what this process has taken and did not finish, so that another
 * attempts it at once. */
void wa_webhooks_give_back(wa_app *app, apr_pool_t *p);

#endif
