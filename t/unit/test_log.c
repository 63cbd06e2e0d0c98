/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <string.h>

#include <apr_strings.h>

#include "base/wa_log.h"

typedef struct seen {
    int calls;
    wa_log_level level;
    char request_id[64];
    char message[4096];
} seen;

static void sink(void *baton, wa_log_level level, const char *request_id,
                 const char *message)
{
    seen *s = baton;

    s->calls++;
    s->level = level;
    apr_cpystrn(s->request_id, request_id ? request_id : "-",
                sizeof(s->request_id));
    apr_cpystrn(s->message, message, sizeof(s->message));
}

static void test_sink(seen *s)
{
    wa_log(WA_LOG_ERR, NULL, "WA0000: nobody listens");
    wa_log_set(sink, s, WA_LOG_INFO);
    wa_log(WA_LOG_INFO, "req-1", "WA0000: %s %d", "x", 7);
    is_int(s->calls, 1, "a message at the level is printed");
    is_int(s->level, WA_LOG_INFO, "level is handed on");
    is_str(s->request_id, "req-1", "request id is handed on");
    is_str(s->message, "WA0000: x 7", "message is formatted");
    wa_log(WA_LOG_DEBUG, NULL, "WA0000: too fine");
    is_int(s->calls, 1, "a message below the level is not");
    wa_log(WA_LOG_ERR, NULL, "WA0000: no request");
    is_str(s->request_id, "-", "request id may be NULL");
}

static void test_escapes(seen *s)
{
    wa_log(WA_LOG_ERR, NULL, "%s", "a\r\nb\tc\x1b[2J\x7f \xc3\xa9\\");
    is_str(s->message, "a\\x0d\\x0ab\\x09c\\x1b[2J\\x7f \xc3\xa9\\",
           "control characters are escaped, others kept");
}

static void test_length(seen *s)
{
    char long_text[5000];

    memset(long_text, 'a', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    wa_log(WA_LOG_ERR, NULL, "%s", long_text);
    ok(strlen(s->message) >= 2040 && strlen(s->message) < 2048,
       "a long message is cut at 2 KiB");
    memset(long_text, '\n', sizeof(long_text) - 1);
    wa_log(WA_LOG_ERR, NULL, "%s", long_text);
    ok(strlen(s->message) < 2048, "escapes don't make it longer");
    is_int((apr_int64_t)strlen(s->message) % 4, 0, "no escape is cut in two");
}

static void test_mask(apr_pool_t *p)
{
    static const char *const table[][2] = {
        { "+491701234567", "+49\xe2\x80\xa6"
                           "67" },
        { "491701234567", "49\xe2\x80\xa6"
                          "67" },
        { "491701234567@s.whatsapp.net", "49\xe2\x80\xa6"
                                         "67@s.whatsapp.net" },
        { "491701234567:12@s.whatsapp.net", "49\xe2\x80\xa6"
                                            "67:12@s.whatsapp.net" },
        { "+4912", "\xe2\x80\xa6" },
        { "1@g.us", "\xe2\x80\xa6@g.us" },
        { "", "\xe2\x80\xa6" },
        { NULL, "-" },
    };
    apr_size_t i;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        is_str(wa_log_mask(p, table[i][0]), table[i][1], "mask of %s",
               table[i][0] ? table[i][0] : "NULL");
    }
}

int main(void)
{
    apr_pool_t *p = tap_start();
    seen s = { 0 };

    test_sink(&s);
    test_escapes(&s);
    test_length(&s);
    test_mask(p);
    wa_log_set(NULL, NULL, WA_LOG_DEBUG);
    s.calls = 0;
    wa_log(WA_LOG_ERR, NULL, "WA0000: silence");
    is_int(s.calls, 0, "no sink, no message");
    return tap_done();
}
