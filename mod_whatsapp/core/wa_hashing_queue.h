/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_hashing_queue.h
 * @brief The way to processes that hash passwords and do nothing else.
 *
 * A pair of sockets without a name: whoever has the one end asks, whoever has
 * the other serves, each of them as many processes as there are. A question
 * brings along the socket for its answer, so that one whose asker has gone
 * costs nothing, and one whose server dies is not waited for.
 */
#ifndef WA_HASHING_QUEUE_H
#define WA_HASHING_QUEUE_H

#include <apr_pools.h>
#include <apr_time.h>

#include "../base/wa_crypto.h"

/** Bytes of a password, at most. */
#define WA_HASHING_PASSWORD_MAX 256

typedef struct wa_hashing_queue {
    int asks;   /* -1 when this process only serves */
    int serves; /* -1 when this process only asks */
} wa_hashing_queue;

typedef struct wa_hashing_question {
    int verify;                      /* the hash, or make one */
    char hash[WA_PASSWORD_HASH_MAX]; /* "": a user who doesn't exist */
    char password[WA_HASHING_PASSWORD_MAX + 1];
} wa_hashing_question;

typedef struct wa_hashing_answer {
    int good; /* it fits, or could be made */
    /* the one made; where one was verified, "" or what is to replace it */
    char hash[WA_PASSWORD_HASH_MAX];
} wa_hashing_answer;

/** Make both ends; they close with p, or before a program is started. */
apr_status_t wa_hashing_queue_make(wa_hashing_queue **q, apr_pool_t *p);
/** This process only asks: close the other end, or serving never ends. */
void wa_hashing_queue_asks(wa_hashing_queue *q);
/** This process only serves. */
void wa_hashing_queue_serves(wa_hashing_queue *q);

/** Ask and wait.
 * @param wait as long as this; a question that waits is dropped then
 * @return APR_SUCCESS; APR_EAGAIN when too many wait already; APR_TIMEUP;
 *         APR_EOF when the process died that had it, or there is none */
apr_status_t wa_hashing_queue_ask(const wa_hashing_queue *q,
                                  const wa_hashing_question *question,
                                  wa_hashing_answer *answer,
                                  apr_interval_time_t wait);

/** Answer questions until nobody is left who could ask.
 * @param scratch cleared after each
 * @return how many were answered */
int wa_hashing_queue_serve(const wa_hashing_queue *q, apr_pool_t *scratch);

#endif
