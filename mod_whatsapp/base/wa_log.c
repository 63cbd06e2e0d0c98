/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <apr_strings.h>

#define WA_LOG_MAX 2048

static struct {
    wa_log_sink_fn *sink;
    void *baton;
    wa_log_level max_level;
} log_state;

void wa_log_set(wa_log_sink_fn *sink, void *baton, wa_log_level max_level)
{
    log_state.sink = sink;
    log_state.baton = baton;
    log_state.max_level = max_level;
}

/* One message is one line: what came from outside must not be able to start
 * another, or to drive a terminal. */
static void escape_controls(char *out, apr_size_t size, const char *in)
{
    static const char hex[] = "0123456789abcdef";
    apr_size_t n = 0;

    for (; *in && n + 5 <= size; in++) {
        unsigned char c = (unsigned char)*in;
        if (c >= 0x20 && c != 0x7f) {
            out[n++] = *in;
            continue;
        }
        out[n++] = '\\';
        out[n++] = 'x';
        out[n++] = hex[c >> 4];
        out[n++] = hex[c & 15];
    }
    out[n] = '\0';
}

void wa_log(wa_log_level level, const char *request_id, const char *fmt, ...)
{
    char raw[WA_LOG_MAX];
    char safe[WA_LOG_MAX];
    va_list ap;
    int n;

    if (!log_state.sink || level > log_state.max_level) {
        return;
    }
    va_start(ap, fmt);
    n = vsnprintf(raw, sizeof(raw), fmt, ap);
    va_end(ap);
    if (n < 0) {
        return;
    }
    escape_controls(safe, sizeof(safe), raw);
    log_state.sink(log_state.baton, level, request_id, safe);
}

const char *wa_log_mask(apr_pool_t *p, const char *phone)
{
    apr_size_t number, head;

    if (!phone) {
        return "-";
    }
    /* a WhatsApp id is masked up to its server's name */
    number = strcspn(phone, "@:");
    head = phone[0] == '+' ? 3 : 2;
    if (number < head + 4) {
        return apr_pstrcat(p, "\xe2\x80\xa6", phone + number, NULL);
    }
    return apr_psprintf(p, "%.*s\xe2\x80\xa6%s", (int)head, phone,
                        phone + number - 2);
}
