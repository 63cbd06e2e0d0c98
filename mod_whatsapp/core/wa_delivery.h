/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_delivery.h
 * @brief One attempt to send an accepted message, and what follows from it.
 *
 * The module makes the first attempt inline, whatsappd all others, both here:
 * whoever attempts holds the outbox row's lease.
 */
#ifndef WA_DELIVERY_H
#define WA_DELIVERY_H

#include "wa_app.h"

/** Seconds a lease outlives the longest attempt. */
#define WA_LEASE_SECONDS 60

/** A message whose lease we hold. */
typedef struct wa_outgoing {
    const char *message_id, *session_id, *whatsapp_id;
    const char *chat, *type, *content;
    const char *media; /* what is told of its file, as JSON text, or NULL */
    const char *request_id, *trace; /* as stored with it; claimed ones only */
    /* The Idempotency-Key of the request that waits, if what it is answered
     * can be made again from the message; else NULL. */
    const char *user_id, *key;
    int attempts;   /* counting this one; fences off a holder that was late */
    int expired;    /* its time to live is over: fail it, don't send */
    int maybe_sent; /* an earlier attempt may have come through */
} wa_outgoing;

typedef enum wa_delivery {
    WA_DELIVERY_SENT,
    WA_DELIVERY_FAILED, /* for good; r says why */
    WA_DELIVERY_LATER,  /* stays in the outbox; r says why */
    WA_DELIVERY_UNKNOWN /* it left, but nobody knows what became of it; if it
                           stays in the outbox, only to be asked for */
} wa_delivery;

/** What came of an attempt. */
typedef struct wa_outcome {
    wa_delivery d;
    apr_time_t sent_at; /* with WA_DELIVERY_SENT */
    int ends;           /* it leaves the outbox */
    int maybe;          /* it may have been sent */
    int answered;       /* that it was sent is stored, for its key too */
} wa_outcome;

/** Claim up to max due messages. @param found of wa_outgoing */
apr_status_t wa_delivery_claim(wa_app *app, apr_pool_t *p, wa_db *db, int max,
                               apr_array_header_t **found);

/** Attempt it, and write nothing down. One whose time is over is not sent.
 * @param wait for WhatsApp's acknowledgement
 * @param out filled @param r why it was not sent */
void wa_delivery_send(wa_app *app, apr_pool_t *p, const char *request_id,
                      const wa_outgoing *o, apr_interval_time_t wait,
                      wa_outcome *out, wa_result *r);

/** Write an outcome down: the message, its event, the outbox. Of an attempt
 * whose lease went to another only that it was sent counts.
 * @param r as wa_delivery_send has filled it */
apr_status_t wa_delivery_record(wa_app *app, apr_pool_t *p, wa_db *db,
                                const wa_outgoing *o, const wa_outcome *out,
                                const wa_result *r);

/** It could not be written down: the row keeps its lease; that runs out and
 * the message is attempted again under the same WhatsApp id. Says so in the
 * log. @param db or NULL */
void wa_delivery_unrecorded(const wa_db *db, apr_pool_t *p, apr_status_t rv,
                            const char *request_id, const wa_outgoing *o);

/** From now on wa_delivery_attempt writes down together what was sent at one
 * time; for processes with many threads, before they start.
 * @return APR_SUCCESS or APR_ENOLOCK */
apr_status_t wa_delivery_start(wa_app *app);

/** Attempt it and write the outcome down.
 * @param wait for WhatsApp's acknowledgement
 * @param out filled; sent_at is what is stored, if it could be */
void wa_delivery_attempt(wa_app *app, apr_pool_t *p, const char *request_id,
                         const wa_outgoing *o, apr_interval_time_t wait,
                         wa_outcome *out, wa_result *r);

/** The pause a session makes after a message, and how many new chats it may
 * begin on a day, as WhatsAppPace… have it: unless they say otherwise a pace is
 * kept in live mode only.
 * @return a parameter's text, NULL for none */
const char *wa_delivery_pace_pause(const wa_app *app, apr_pool_t *p);
const char *wa_delivery_pace_chats(const wa_app *app, apr_pool_t *p);

/** Pause before the next attempt: doubling from 1 s to 60 s, a fifth of it
 * random, so that what failed together does not come back together.
 * @param attempts made so far, at least 1
 * @param at_least what the bridge asked for; 0: nothing
 * @return microseconds */
apr_interval_time_t wa_delivery_pause(int attempts,
                                      apr_interval_time_t at_least);

#endif
