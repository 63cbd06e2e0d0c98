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
 * Within a transaction.
 * @param p for scratch
 * @param last nothing was changed before it in that, and nothing is locked
 *        after it: then it may number the events at once, with which one holds
 *        what others wait for at their very end
 * @return as wa_db_run */
apr_status_t wa_receipts_store(apr_pool_t *p, wa_db *db, const wa_receipt *list,
                               int n, int last);

#endif
