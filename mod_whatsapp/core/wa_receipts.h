/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_receipts.h
 * @brief Writing down what has become of messages, many in one statement.
 *
 * A phone that is on tells of each message twice or three times, so that a
 * busy bridge posts more of these than of anything else.
 */
#ifndef WA_RECEIPTS_H
#define WA_RECEIPTS_H

#include "../gateway/wa_db.h"

/** Something that was said of a message. */
typedef struct wa_receipt {
    const char *session_id, *whatsapp_id;
    const char *status; /* sent, delivered, read, played, failed */
    const char *code;   /* why it failed, or NULL */
    apr_time_t at;
} wa_receipt;

/** Write down what was said, and that the sessions were active. Of each
 * message in the order of the list; a status only ever moves forward, and what
 * is not ours is passed over.
 *
 * Within a transaction, as the last that locks something in it: it may number
 * the events at once, and who does that holds what others wait for at their
 * very end.
 * @param p for scratch
 * @return as wa_db_run */
apr_status_t wa_receipts_store(apr_pool_t *p, wa_db *db, const wa_receipt *list,
                               int n);

#endif
