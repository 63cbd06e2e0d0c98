/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_sent.h
 * @brief Writing down that messages were sent, many in one transaction.
 *
 * A commit costs as long as the disk takes, whatever is in it. That WhatsApp
 * has taken a message is a fact, whoever holds its lease by now; so it is
 * written without asking for the lease.
 */
#ifndef WA_SENT_H
#define WA_SENT_H

#include "../gateway/wa_db.h"

/** A message that was sent. */
typedef struct wa_sent {
    const char *message_id, *session_id;
    /* The Idempotency-Key of the request that made it and waits, whose answer
     * is 200 with the message as it is then; or NULL. */
    const char *user_id, *key;
    apr_time_t at; /* as WhatsApp told; filled: as it is stored */
    int stored;    /* filled: it is committed */
    int answered;  /* filled: so is the answer of its request */
} wa_sent;

/** Write down up to WA_SENT_MOST, each once: status, history, the event and
 * the webhooks' share of it, that the outbox is done with it, and that its
 * request is answered; that not where somebody has locked the key.
 *
 * What others have locked at that moment is written by a statement of its own,
 * which waits; hence never within a transaction.
 * @param p for scratch
 * @param list stored, answered and at are filled for each
 * @return APR_SUCCESS when all are stored, else the first error; those that
 *         are stored are so in any case */
apr_status_t wa_sent_store(apr_pool_t *p, wa_db *db, wa_sent *list, int n);

/** Most of one call. */
#define WA_SENT_MOST 256

#endif
