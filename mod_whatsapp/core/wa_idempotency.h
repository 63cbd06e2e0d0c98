/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_idempotency.h
 * @brief Idempotency-Key: a repeated request is known as a repeat.
 *
 * draft-ietf-httpapi-idempotency-key-header, with Stripe's semantics: for 24
 * hours a key of a user stands for one request; the same again gets the same
 * answer, another one is refused, and one that comes while the first is under
 * way is told so. Answers are stored sealed, as some show a secret once.
 */
#ifndef WA_IDEMPOTENCY_H
#define WA_IDEMPOTENCY_H

#include "../base/wa_http_msg.h"
#include "wa_app.h"

/** Seconds after which a request that was not answered is taken for dead. */
#define WA_IDEM_LEASE_SECONDS 60

typedef struct wa_idem {
    const char *key;
    const char *fingerprint; /* SHA-256 of method, path and body, as hex */
    int open;                /* ours, and its answer is still to be stored */
    int with_message;        /* the request made one, which knows the key */
} wa_idem;

/** What is known of a key. */
typedef struct wa_idem_found {
    int status;           /* of the answer; 0: there is none yet */
    const char *location; /* or NULL */
    const char *answer;   /* the body; NULL: to be made from the message */
    apr_size_t answer_len;
    const char *message_id; /* the message the request made, or NULL */
} wa_idem_found;

/** From now on the answers of requests that made a message are stored together
 * when they come at one time; for processes with many threads, before they
 * start. @return APR_SUCCESS or APR_ENOLOCK */
apr_status_t wa_idem_start(wa_app *app);

/** Read the header, a string of 1 to 255 printable ASCII characters with or
 * without the quotes of RFC 8941.
 * @param idem NULL when the request has none
 * @return WA_OK or WA_E_BAD_IDEMPOTENCY */
wa_code wa_idem_read(const wa_req *req, wa_idem **idem, wa_result *r);

/** Begin a request: either it is ours to carry out (found is NULL), or it was
 * carried out before.
 * @return WA_OK, WA_E_IN_PROGRESS, WA_E_KEY_REUSED, or what the database
 *         failed with */
wa_code wa_idem_claim(wa_app *app, const wa_req *req, wa_idem *idem,
                      wa_idem_found **found, wa_result *r);

/** What is known of a key, without beginning anything.
 * @param found NULL when it is not known
 * @return as wa_idem_claim; a request that died unanswered is found when it
 *         made a message */
wa_code wa_idem_find(wa_app *app, const wa_req *req, const wa_idem *idem,
                     wa_idem_found **found, wa_result *r);

/** The request was answered: remember it, or let it be tried again when it
 * came to nothing (5xx, 408, 429). Failures are logged: the answer goes out
 * all the same, and a repeat finds the request unanswered. */
void wa_idem_answered(wa_app *app, const wa_req *req, const wa_resp *resp);

/** Store key and answer at once, in the transaction of what the request does.
 * Whoever comes with the same key meanwhile waits for its end.
 * @param answer with its body, and Location where it has one
 * @param ours 0 when the key is known: then nothing must be done */
apr_status_t wa_idem_store(wa_app *app, wa_db *db, const wa_req *req,
                           const wa_resp *answer, int *ours);

/** Answer with what was stored. */
void wa_idem_replay(const wa_req *req, wa_resp *resp,
                    const wa_idem_found *found);

#endif
