/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <string.h>

#include <apr_file_io.h>
#include <apr_strings.h>

#include "core/wa_app.h"

static const struct {
    const char *name, *value;
    int good;
} cases[] = {
    { "WhatsAppMode", "sandbox", 1 },
    { "WhatsAppMode", "live", 1 },
    { "whatsappmode", "live", 1 },
    { "WhatsAppMode", "Live", 0 },
    { "WhatsAppMode", "", 0 },
    { "WhatsAppRedis", "unix:/run/redis.sock", 1 },
    { "WhatsAppRedis", "", 0 },
    { "WhatsAppBridge", "http://127.0.0.1:8082", 1 },
    { "WhatsAppBridge", "https://bridge.example.org", 1 },
    { "WhatsAppBridge", "127.0.0.1:8082", 0 },
    { "WhatsAppBridge", "ftp://127.0.0.1", 0 },
    { "WhatsAppBridge", "", 0 },
    { "WhatsAppDBConnections", "1", 1 },
    { "WhatsAppDBConnections", "1000", 1 },
    { "WhatsAppDBConnections", "0", 0 },
    { "WhatsAppDBConnections", "1001", 0 },
    { "WhatsAppDBConnections", "-1", 0 },
    { "WhatsAppDBConnections", "4x", 0 },
    { "WhatsAppDBConnections", "4.5", 0 },
    { "WhatsAppDBConnections", "four", 0 },
    { "WhatsAppDBConnections", "99999999999999999999", 0 },
    { "WhatsAppAnonymousRequestsPerMinute", "0", 1 },
    { "WhatsAppAnonymousRequestsPerMinute", "1000000", 1 },
    { "WhatsAppAnonymousRequestsPerMinute", "1000001", 0 },
    { "WhatsAppAnonymousRequestsPerMinute", "-1", 0 },
    { "WhatsAppAnonymousRequestsPerMinute", "Off", 0 },
    { "WhatsAppWaitingPlaces", "16", 1 },
    { "WhatsAppSendWait", "1", 1 },
    { "WhatsAppSendWait", "45", 1 },
    { "WhatsAppSendWait", "0", 0 },
    { "WhatsAppSendWait", "46", 0 },
    { "WhatsAppSendWait", "10s", 0 },
    { "WhatsAppMessageTTL", "2592000", 1 },
    { "WhatsAppMessageTTL", "2592001", 0 },
    { "WhatsAppTokenLifetime", "900", 1 },
    { "WhatsAppCORSOrigin", "https://a.example", 1 },
    { "WhatsAppCORSOrigin", "https://a.example  http://localhost:3000", 1 },
    { "WhatsAppCORSOrigin", "https://[2001:db8::1]:8443", 1 },
    { "WhatsAppCORSOrigin", "http://xn--bcher-kva.example:65535", 1 },
    { "WhatsAppCORSOrigin", "*", 0 },
    { "WhatsAppCORSOrigin", "null", 0 },
    { "WhatsAppCORSOrigin", "", 0 },
    { "WhatsAppCORSOrigin", " ", 0 },
    { "WhatsAppCORSOrigin", "a.example", 0 },
    { "WhatsAppCORSOrigin", "https://", 0 },
    { "WhatsAppCORSOrigin", "https://*.example", 0 },
    { "WhatsAppCORSOrigin", "https://a.example/", 0 },
    { "WhatsAppCORSOrigin", "https://a.example/x", 0 },
    { "WhatsAppCORSOrigin", "https://A.example", 0 },
    { "WhatsAppCORSOrigin", "HTTPS://a.example", 0 },
    { "WhatsAppCORSOrigin", "https://user@a.example", 0 },
    { "WhatsAppCORSOrigin", "https://a.example:443", 0 },
    { "WhatsAppCORSOrigin", "http://a.example:80", 0 },
    { "WhatsAppCORSOrigin", "https://a.example:", 0 },
    { "WhatsAppCORSOrigin", "https://a.example:0", 0 },
    { "WhatsAppCORSOrigin", "https://a.example:65536", 0 },
    { "WhatsAppCORSOrigin", "https://a.example:999999999999", 0 },
    { "WhatsAppCORSOrigin", "https://[::1", 0 },
    { "WhatsAppCORSOrigin", "https://[]", 0 },
    { "WhatsAppCORSOrigin", "file:///x", 0 },
    { "WhatsAppCORSOrigin", "https://a.example, https://b.example", 0 },
    { "WhatsAppFetchAllow", "10.0.0.0/8", 1 },
    { "WhatsAppFetchAllow", "10.0.0.0/8 fd00::/8", 1 },
    { "WhatsAppFetchAllow", "10.1.2.3/8", 0 },
    { "WhatsAppFetchAllow", "intranet", 0 },
    { "WhatsAppFetchAllow", "", 0 },
    { "WhatsAppWebhookPlain", "On", 1 },
    { "WhatsAppWebhookPlain", "off", 1 },
    { "WhatsAppWebhookPlain", "yes", 0 },
    { "WhatsAppDefaultEngine", "webjs", 1 },
    { "WhatsAppDefaultEngine", "baileys", 1 },
    { "WhatsAppDefaultEngine", "pigeon", 0 },
    { "WhatsAppSessionIdle", "3600", 1 },
    { "WhatsAppSessionIdle", "0", 0 },
    { "WhatsAppPaceMessages", "20", 1 },
    { "WhatsAppPaceMessages", "off", 1 },
    { "WhatsAppPaceMessages", "0", 0 },
    { "WhatsAppPaceMessages", "1001", 0 },
    { "WhatsAppPaceMessages", "20 a day", 0 },
    { "WhatsAppPaceNewChats", "1000", 1 },
    { "WhatsAppPaceNewChats", "-1", 0 },
    { "WhatsAppNothing", "x", 0 },
    { "", "x", 0 },
};

static void test_set(apr_pool_t *p)
{
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wa_settings *s = wa_settings_make(p);
        const char *wrong = wa_settings_set(s, p, cases[i].name,
                                            cases[i].value);

        ok((wrong == NULL) == cases[i].good, "%s \"%s\" is %s (%s)",
           cases[i].name, cases[i].value, cases[i].good ? "taken" : "refused",
           wrong ? wrong : "no fault");
        ok(cases[i].good || (wrong && strstr(wrong, cases[i].name)),
           "%s \"%s\": a fault names its setting", cases[i].name,
           cases[i].value);
    }
}

static void test_values(apr_pool_t *p)
{
    wa_settings *s = wa_settings_make(p);
    const char *const *name;
    int n = 0;

    is_str(s->mode, "sandbox", "the sandbox, unless told otherwise");
    is_int(apr_time_sec(s->send_wait), 10, "a send waits ten seconds");
    wa_settings_set(s, p, "WhatsAppBridge", "http://127.0.0.1:1/");
    is_str(s->bridge_url, "http://127.0.0.1:1", "a slash at the end is cut");
    wa_settings_set(s, p, "WhatsAppCORSOrigin", "https://a.example http://b");
    is_str(s->cors_origins[0], "https://a.example", "the first origin");
    is_str(s->cors_origins[1], "http://b", "the second");
    is_str(s->cors_origins[2], NULL, "no third");
    wa_settings_set(s, p, "WhatsAppCORSOrigin", "https://c.example");
    is_str(s->cors_origins[0], "https://c.example", "the last list counts");
    is_str(s->cors_origins[1], NULL, "alone");
    wa_settings_set(s, p, "WhatsAppSendWait", "3");
    is_int(s->send_wait, apr_time_from_sec(3), "seconds become microseconds");
    wa_settings_set(s, p, "WhatsAppDBConnections", "9");
    is_int(s->db_connections, 9, "a number is a number");
    wa_settings_set(s, p, "WhatsAppDBConnections", "0");
    is_int(s->db_connections, 9, "a fault leaves what was there");
    for (name = wa_settings_names(); *name; name++, n++) {
        const char *wrong = wa_settings_set(s, p, *name, "");

        ok(wrong && strstr(wrong, "needs a value"), "%s is known", *name);
    }
    ok(n >= 13, "all names are listed (%d)", n);
}

static const char *file(apr_pool_t *p, const char *name, const char *text)
{
    const char *dir = NULL, *path;
    apr_file_t *f;

    apr_temp_dir_get(&dir, p);
    path = apr_psprintf(p, "%s/wa_test_settings.%ld.%s", dir,
                        (long)apr_time_now(), name);
    apr_file_open(&f, path, APR_FOPEN_WRITE | APR_FOPEN_CREATE | APR_FOPEN_EXCL,
                  APR_FPROT_UREAD | APR_FPROT_UWRITE, p);
    apr_file_puts(text, f);
    apr_file_close(f);
    return path;
}

#define LONG_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void test_secrets(apr_pool_t *p)
{
    wa_settings *s = wa_settings_make(p);
    const char *good = file(p, "good", LONG_A "\n");
    const char *two = file(p, "two", LONG_B "\r\n" LONG_A "\n\n");
    const char *weak = file(p, "weak", "short\n");
    const char *mixed = file(p, "mixed", LONG_A "\nshort\n");
    const char *why = NULL;
    wa_secrets secrets;

    memset(&secrets, 0, sizeof(secrets));
    ok(wa_secrets_read(&secrets, p, s, &why) != APR_SUCCESS,
       "no files are named: refused");
    is_str(why, "WhatsAppBridgeSecretFile is not set", "and told which");
    s->bridge_secret_file = s->internal_secret_file = good;
    s->key_secret_file = two;
    s->jwt_secret_file = "/nonexistent/secret";
    ok(wa_secrets_read(&secrets, p, s, &why) != APR_SUCCESS,
       "a file that is not there: refused");
    ok(strstr(why, "WhatsAppJWTSecretFile: /nonexistent/secret") != NULL,
       "and named: %s", why);
    s->jwt_secret_file = weak;
    ok(wa_secrets_read(&secrets, p, s, &why) != APR_SUCCESS,
       "a secret too short: refused");
    ok(strstr(why, "shorter than 32") && !strstr(why, "short\n"), "and why: %s",
       why);
    s->jwt_secret_file = mixed;
    ok(wa_secrets_read(&secrets, p, s, &why) != APR_SUCCESS,
       "an older secret too short: refused");
    s->jwt_secret_file = good;
    is_int(wa_secrets_read(&secrets, p, s, &why), APR_SUCCESS, "all are read");
    is_str(secrets.bridge, LONG_A, "without the line's end");
    is_str(secrets.key[0], LONG_B, "the present one first");
    is_str(secrets.key[1], LONG_A, "then the older one");
    is_str(secrets.key[2], NULL, "and no more");
    is_str(secrets.jwt[1], NULL, "one alone has none behind it");
    apr_file_remove(good, p);
    apr_file_remove(two, p);
    apr_file_remove(weak, p);
    apr_file_remove(mixed, p);
}

static void test_gate(apr_pool_t *p)
{
    apr_uint32_t inside = 0;

    (void)p;
    ok(wa_gate_enter(&inside, 2), "the first of two enters");
    ok(wa_gate_enter(&inside, 2), "the second too");
    ok(!wa_gate_enter(&inside, 2), "the third does not");
    is_int(inside, 2, "and is not counted");
    wa_gate_leave(&inside);
    ok(wa_gate_enter(&inside, 2), "one left, one enters");
    ok(!wa_gate_enter(&inside, 0), "a gate of none lets none in");
}

int main(void)
{
    apr_pool_t *p = tap_start();

    test_set(p);
    test_values(p);
    test_secrets(p);
    test_gate(p);
    return tap_done();
}
