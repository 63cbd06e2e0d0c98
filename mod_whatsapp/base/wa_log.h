/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_log.h
 * @brief The log sink: the library logs through it and knows no httpd.
 *
 * The module sends it to ap_log_error, whatsappd to stderr. Messages start
 * with a tag "WA0001: " that is unique in the tree. Never log secrets, message
 * texts or whole phone numbers (wa_log_mask).
 */
#ifndef WA_LOG_H
#define WA_LOG_H

#include <apr_pools.h>

/** Levels, numbered as syslog and httpd do. */
typedef enum wa_log_level {
    WA_LOG_ERR = 3,
    WA_LOG_WARNING = 4,
    WA_LOG_NOTICE = 5,
    WA_LOG_INFO = 6,
    WA_LOG_DEBUG = 7
} wa_log_level;

/** Prints one finished message; request_id may be NULL. */
typedef void wa_log_sink_fn(void *baton, wa_log_level level,
                            const char *request_id, const char *message);

/** Set the process-wide sink; NULL silences the library. Not thread-safe:
 * call it before threads start. */
void wa_log_set(wa_log_sink_fn *sink, void *baton, wa_log_level max_level);

/** Log one message of at most 2 KiB (longer ones are cut).
 * @param request_id the request it belongs to, or NULL */
void wa_log(wa_log_level level, const char *request_id, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** "+491701234567" as "+49…67": enough to recognise, too little to dial. */
const char *wa_log_mask(apr_pool_t *p, const char *phone);

#endif
