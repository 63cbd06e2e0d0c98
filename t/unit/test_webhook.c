/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <string.h>

#include <apr_strings.h>

#include "base/wa_crypto.h"
#include "core/wa_webhook_secret.h"
#include "core/wa_webhook_work.h"

#define MANY 2000
#define ID "01a20c21-5a96-7c37-b248-431150e58ea0"
#define OTHER "01a20c21-5a96-7c37-b248-431150e58ea1"
#define OTHER_DIGITS "01a20c215a967c37b248431150e58ea1"
#define LINE1 "0123456789abcdef0123456789abcdef"
#define LINE2 "fedcba9876543210fedcba9876543210"

static const char *const old_lines[] = { LINE1, NULL };
static const char *const both_lines[] = { LINE2, LINE1, NULL };
static const char *const new_lines[] = { LINE2, NULL };

static wa_secrets secrets;
static wa_settings settings;
static wa_app app = { .secrets = &secrets, .settings = &settings };

static void test_secret(apr_pool_t *p)
{
    const char *sealed = NULL, *shown;
    const unsigned char *raw;

    secrets.key = old_lines;
    shown = wa_webhook_secret_make(&app, p, ID, &sealed);
    ok(!strncmp(shown, "whsec_", 6) && strlen(shown) == 50, "%s", shown);
    raw = wa_webhook_secret_open(&app, p, ID, sealed);
    is_str(raw ? wa_base64(p, raw, WA_WEBHOOK_SECRET_LEN) : NULL, shown + 6,
           "is read as it was shown");
    ok(!wa_webhook_secret_open(&app, p, OTHER, sealed), "not as another's");
    ok(!wa_webhook_secret_open(&app, p, ID, "00"), "not what is none");
    secrets.key = both_lines;
    ok(wa_webhook_secret_open(&app, p, ID, sealed) != NULL,
       "under an older line");
    secrets.key = new_lines;
    ok(!wa_webhook_secret_open(&app, p, ID, sealed), "not without its line");
}

/* As the standardwebhooks package of npm signs it. */
static void test_sign(apr_pool_t *p)
{
    const char *body = "{\"test\": 2432232314}";

    is_str(wa_webhook_sign(p, (const unsigned char *)LINE1,
                           "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body),
           "v1,hK4CWvngkaAwjY1pABLuUbOIkEJjW9tAapq1no4ojG0=", "a signature");
}

static const struct {
    int tries, retry_after;
    int seconds; /* give or take a fifth */
} pauses[] = {
    { 1, 0, 5 },          { 2, 0, 300 },    { 3, 0, 1800 },   { 4, 0, 7200 },
    { 5, 0, 18000 },      { 6, 0, 36000 },  { 7, 0, 50400 },  { 8, 0, 72000 },
    { 9, 0, 86400 },      { 10, 0, 86400 }, { 99, 0, 86400 }, { 0, 0, 5 },
    { -1, 0, 5 },         { 1, 2, 5 },      { 2, 100, 300 },  { 3, 999999, 0 },
    { 1, 2147483647, 0 },
};

static void test_pause(void)
{
    size_t i;
    int n;

    for (i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        apr_interval_time_t middle = apr_time_from_sec(pauses[i].seconds);
        int in = 0;

        for (n = 0; n < MANY; n++) {
            apr_interval_time_t t = wa_webhook_pause(pauses[i].tries,
                                                     pauses[i].retry_after);

            in += middle ? t >= middle - middle / 5 && t <= middle + middle / 5
                         : t == apr_time_from_sec(3600);
        }
        is_int(in, MANY, "after %d tries, asked for %d s", pauses[i].tries,
               pauses[i].retry_after);
    }
}

static void test_request(apr_pool_t *p)
{
    wa_webhook_out o = { .id = OTHER, .webhook_id = ID };
    const char *sealed = NULL, *other = NULL;
    wa_fetch f;

    secrets.key = old_lines;
    wa_webhook_secret_make(&app, p, ID, &sealed);
    wa_webhook_secret_make(&app, p, ID, &other);
    o.url = "https://example.com/";
    o.event_id = OTHER;
    o.type = "message.sent";
    o.sequence = 7;
    o.data = "{\"id\":\"x\"}";
    o.occurred_at = apr_time_from_sec(1767323045);
    o.secret = sealed;
    is_int(wa_webhook_request(&app, p, &o, &f), APR_SUCCESS, "a request");
    is_str(f.body,
           "{\"id\":\"" OTHER "\",\"type\":\"message.sent\","
           "\"timestamp\":\"2026-01-02T03:04:05.000Z\",\"seq\":7,"
           "\"data\":{\"id\":\"x\"}}",
           "its body");
    is_str(apr_table_get(f.headers, "webhook-id"), OTHER, "its id");
    is_int((apr_int64_t)strlen(apr_table_get(f.headers, "webhook-signature")),
           47, "one signature");
    ok(!strncmp(apr_table_get(f.headers, "traceparent"), "00-" OTHER_DIGITS "-",
                36),
       "its trace, of the event");
    o.request_id = "req-7";
    o.trace = "4bf92f3577b34da6a3ce929d0e0e4736-01";
    wa_webhook_request(&app, p, &o, &f);
    ok(strstr(f.body, "\"seq\":7,\"request_id\":\"req-7\",\"data\":") != NULL,
       "with the request's id: %s", f.body);
    ok(!strncmp(apr_table_get(f.headers, "traceparent"),
                "00-4bf92f3577b34da6a3ce929d0e0e4736-", 36),
       "its trace, of the request");
    o.previous_secret = other;
    wa_webhook_request(&app, p, &o, &f);
    is_int((apr_int64_t)strlen(apr_table_get(f.headers, "webhook-signature")),
           95, "two with a space between");
    o.data = NULL;
    is_int(wa_webhook_request(&app, p, &o, &f), APR_ENOENT, "no event");
    o.data = "{}";
    secrets.key = new_lines;
    is_int(wa_webhook_request(&app, p, &o, &f), APR_EINVAL, "no secret");
    ok(f.error != NULL, "says: %s", f.error);
}

int main(void)
{
    apr_pool_t *p = tap_start();

    is_int(wa_crypto_init(), APR_SUCCESS, "libsodium starts");
    test_secret(p);
    test_sign(p);
    test_pause();
    test_request(p);
    return tap_done();
}
