/* SPDX-License-Identifier: Apache-2.0 */
/* wa_bridge against canned answers of docs/bridge-api.md. */
#include "tap.h"

#include <signal.h>

#include "base/wa_log.h"
#include "gateway/wa_bridge.h"
#include "peer.h"

#define MSEC(n) apr_time_from_msec(n)
#define SESSION "0190a5b2-0000-7000-8000-000000000001"
#define STATE                                                                  \
    "{\"id\":\"" SESSION "\",\"engine\":\"baileys\",\"status\":\"connected\"," \
    "\"reason\":null,\"restricted\":true,\"phone_number\":\"+491701234567\","  \
    "\"push_name\":\"M\xc3\xbcller\",\"qr_code\":null,\"qr_expires_at\":"      \
    "null,"                                                                    \
    "\"connected_at\":\"2026-01-02T03:04:05.678Z\",\"last_active_at\":null}"

static apr_pool_t *root;
static wa_bridge bridge;
static peer *s;
static apr_array_header_t *logged;

static void remember(void *baton, wa_log_level level, const char *request_id,
                     const char *message)
{
    *(const char **)apr_array_push(logged) = apr_pstrdup(root, message);
}

static int was_logged(const char *part)
{
    int i;

    for (i = 0; i < logged->nelts; i++) {
        if (strstr(APR_ARRAY_IDX(logged, i, const char *), part)) {
            return 1;
        }
    }
    return 0;
}

static const char *http(int status, const char *headers, const char *body)
{
    return apr_psprintf(root, "HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n%s",
                        status, headers, (int)strlen(body), body);
}

static wa_send_outcome send_text(apr_interval_time_t wait, apr_time_t *sent_at,
                                 wa_result **r)
{
    const wa_bridge_send send = { SESSION, "3EB0AABBCC",
                                  "491701234567@s.whatsapp.net",
                                  "he said \"hi\"\n\xf0\x9f\x98\x80", wait };

    *r = wa_result_make(root);
    return wa_bridge_message_send(&bridge, root, "req-7", &send, sent_at, *r);
}

typedef struct row {
    const char *name;
    int status;
    const char *headers, *body;
    wa_send_outcome outcome;
    wa_code code;
    int retry_after; /* -1: any but none */
} row;

#define PROBLEM(code) "{\"code\":\"" code "\",\"detail\":\"why\"}"

static const row rows[] = {
    { "sent", 200, "",
      "{\"whatsapp_id\":\"3EB0AABBCC\",\"status\":\"sent\","
      "\"sent_at\":\"2026-01-02T03:04:05.678Z\",\"chat\":\"x\"}",
      WA_SEND_SENT, WA_OK, 0 },
    { "200 unreadable", 200, "", "{\"status\":", WA_SEND_UNKNOWN,
      WA_E_ACK_TIMEOUT, 0 },
    { "200 without a status", 200, "", "{}", WA_SEND_UNKNOWN, WA_E_ACK_TIMEOUT,
      0 },
    { "202", 202, "", "{}", WA_SEND_UNKNOWN, WA_E_ACK_TIMEOUT, 0 },
    { "302", 302, "Location: /\r\n", "", WA_SEND_UNKNOWN, WA_E_ACK_TIMEOUT, 0 },
    { "not on WhatsApp", 422, "", PROBLEM("not_on_whatsapp"), WA_SEND_PERMANENT,
      WA_E_NOT_ON_WHATSAPP, 0 },
    { "rejected", 422, "", PROBLEM("rejected"), WA_SEND_PERMANENT,
      WA_E_REJECTED, 0 },
    { "invalid recipient", 422, "", PROBLEM("invalid_recipient"),
      WA_SEND_PERMANENT, WA_E_RECIPIENT, 0 },
    { "no such session", 404, "", PROBLEM("session_not_found"),
      WA_SEND_PERMANENT, WA_E_NOT_LINKED, 0 },
    { "not linked", 409, "", PROBLEM("session_not_linked"), WA_SEND_PERMANENT,
      WA_E_NOT_LINKED, 0 },
    { "not supported", 501, "", PROBLEM("not_supported"), WA_SEND_PERMANENT,
      WA_E_NOT_SUPPORTED, 0 },
    { "unavailable", 503, "Retry-After: 9\r\n", PROBLEM("session_unavailable"),
      WA_SEND_TEMPORARY, WA_E_SESSION_UNAVAILABLE, 9 },
    { "503 of something else", 503, "", "<html>", WA_SEND_TEMPORARY,
      WA_E_BRIDGE_UNAVAILABLE, -1 },
    { "no acknowledgement", 504, "", PROBLEM("ack_timeout"), WA_SEND_UNKNOWN,
      WA_E_ACK_TIMEOUT, 0 },
    { "it left, nothing is known", 504, "", PROBLEM("outcome_unknown"),
      WA_SEND_UNKNOWN, WA_E_OUTCOME_UNKNOWN, 0 },
    { "internal error", 500, "", PROBLEM("internal_error"), WA_SEND_UNKNOWN,
      WA_E_ACK_TIMEOUT, 0 },
    { "502", 502, "", "", WA_SEND_UNKNOWN, WA_E_ACK_TIMEOUT, 0 },
    { "501 of something else", 501, "", "", WA_SEND_UNKNOWN, WA_E_ACK_TIMEOUT,
      0 },
    { "wrong secret", 401, "", PROBLEM("unauthorized"), WA_SEND_TEMPORARY,
      WA_E_BRIDGE_UNAVAILABLE, -1 },
    { "another server", 404, "", "<html>", WA_SEND_TEMPORARY,
      WA_E_BRIDGE_UNAVAILABLE, -1 },
    { "a request it can't read", 400, "", PROBLEM("malformed_json"),
      WA_SEND_PERMANENT, WA_E_INTERNAL, 0 },
    { "a field it doesn't know", 422, "", PROBLEM("validation_failed"),
      WA_SEND_PERMANENT, WA_E_INTERNAL, 0 },
};

static void test_outcomes(void)
{
    apr_size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const row *w = &rows[i];
        apr_time_t sent_at;
        wa_result *r;

        peer_say(s, http(w->status, w->headers, w->body), 0);
        is_int(send_text(MSEC(500), &sent_at, &r), w->outcome, "%s", w->name);
        is_str(wa_code_name(r->code), wa_code_name(w->code), "%s: its code",
               w->name);
        if (w->retry_after < 0) {
            ok(r->retry_after > 0, "%s: Retry-After", w->name);
        }
        else {
            is_int(r->retry_after, w->retry_after, "%s: Retry-After", w->name);
        }
        ok((sent_at != 0) == (w->outcome == WA_SEND_SENT), "%s: time", w->name);
        if (w->code == WA_E_REJECTED) {
            is_str(r->detail, "why", "with WhatsApp's reason");
        }
        if (w->code == WA_E_INTERNAL) {
            ok(!r->detail || strcmp(r->detail, "why") != 0,
               "%s: nothing of ours for the client", w->name);
        }
    }
    ok(was_logged("WA0262"), "a wrong secret is logged");
    ok(!was_logged("s3cret") && !was_logged("49170") && !was_logged("said"),
       "the log has neither secret nor text nor number");
}

static void test_request(void)
{
    apr_time_t sent_at;
    const char *seen, *body;
    json_t *j;
    wa_result *r;

    peer_say(s, http(200, "", rows[0].body), 0);
    send_text(MSEC(1500), &sent_at, &r);
    ok(sent_at == APR_TIME_C(1767323045678000), "the time of the answer");
    seen = peer_request(s, root);
    ok(strstr(seen, "POST /v1/sessions/" SESSION "/messages HTTP/1.1\r\n")
           == seen,
       "method and path");
    ok(strstr(seen, "\r\nAuthorization: Bearer s3cret\r\n") != NULL, "secret");
    ok(strstr(seen, "\r\nX-Request-ID: req-7\r\n") != NULL, "request id");
    ok(strstr(seen, "\r\ntraceparent: 00-") != NULL, "traceparent");
    ok(strstr(seen, "\r\nContent-Type: application/json\r\n") != NULL, "type");
    body = strstr(seen, "\r\n\r\n") + 4;
    is_int(wa_json_parse(&j, body, strlen(body), r), WA_OK, "JSON");
    is_str(wa_json_str(j, "id"), "3EB0AABBCC", "id");
    is_str(wa_json_str(j, "to"), "491701234567@s.whatsapp.net", "to");
    is_str(wa_json_str(j, "type"), "text", "type");
    is_str(wa_json_str(j, "text"), "he said \"hi\"\n\xf0\x9f\x98\x80", "text");
    is_int(wa_json_int(j, "timeout_ms", 0), 1500, "timeout_ms");
    is_int((apr_int64_t)json_object_size(j), 5, "and no more");
}

static void test_states(void)
{
    wa_result *r = wa_result_make(root);
    wa_bridge_start start = { .session = SESSION, .engine = "webjs" };
    wa_bridge_state st;

    peer_say(s, http(202, "", STATE), 0);
    is_int(wa_bridge_session_start(&bridge, root, NULL, &start, &st, r), WA_OK,
           "start");
    ok(strstr(peer_request(s, root), "{\"engine\":\"webjs\"}") != NULL,
       "with an engine");
    start.engine = NULL;
    start.phone_number = "+491701234567";
    is_int(wa_bridge_session_start(&bridge, root, NULL, &start, &st, r), WA_OK,
           "start by number");
    ok(strstr(peer_request(s, root), "{\"phone_number\":\"+491701234567\"}")
           != NULL,
       "with the number");
    start.phone_number = NULL;
    is_str(st.status, "connected", "status");
    ok(st.reason == NULL, "no reason");
    is_int(st.restricted, 1, "restricted");
    is_str(st.phone_number, "+491701234567", "phone number");
    is_str(st.push_name, "M\xc3\xbcller", "push name");
    ok(st.qr_code == NULL && st.qr_expires_at == 0, "no QR code");
    ok(st.connected_at == APR_TIME_C(1767323045678000), "connected at");
    is_int(wa_bridge_session_start(&bridge, root, NULL, &start, &st, r), WA_OK,
           "start");
    ok(strstr(peer_request(s, root), "PUT /v1/sessions/" SESSION " ") != NULL
           && strstr(peer_request(s, root), "\r\n\r\n{}") != NULL,
       "with the default engine");
    is_int(wa_bridge_session_get(&bridge, root, NULL, SESSION, &st, r), WA_OK,
           "get");
    ok(strstr(peer_request(s, root), "GET /v1/sessions/" SESSION " ") != NULL,
       "its path");
    is_int(wa_bridge_session_disconnect(&bridge, root, NULL, SESSION, &st, r),
           WA_OK, "disconnect");
    ok(strstr(peer_request(s, root), "/disconnect HTTP") != NULL, "its path");
    is_int(wa_bridge_session_logout(&bridge, root, NULL, SESSION, &st, r),
           WA_OK, "logout");
    ok(strstr(peer_request(s, root), "/logout HTTP") != NULL, "its path");
    is_int(wa_bridge_session_idle(&bridge, root, NULL, SESSION, 60, &st, r),
           WA_OK, "idle");
    ok(strstr(peer_request(s, root), "/idle HTTP") != NULL
           && strstr(peer_request(s, root), "{\"seconds\":60}") != NULL,
       "its path and seconds");
}

static wa_code get_code(const char *answer, wa_result **r)
{
    wa_bridge_state st;

    peer_say(s, answer, 0);
    *r = wa_result_make(root);
    return wa_bridge_session_get(&bridge, root, NULL, SESSION, &st, *r);
}

static void test_state_failures(void)
{
    wa_result *r;

    is_int(get_code(http(404, "", PROBLEM("session_not_found")), &r),
           WA_E_NOT_FOUND, "no such session");
    is_int(get_code(http(409, "", PROBLEM("session_not_linked")), &r),
           WA_E_NOT_LINKED, "not linked");
    is_str(r->detail, "why", "with the bridge's detail");
    is_int(get_code(http(401, "", PROBLEM("unauthorized")), &r),
           WA_E_BRIDGE_UNAVAILABLE, "a wrong secret is not the client's");
    is_int(get_code(http(400, "", PROBLEM("bad_parameter")), &r), WA_E_INTERNAL,
           "nor is a request it refuses");
    is_int(get_code(http(500, "", PROBLEM("internal_error")), &r),
           WA_E_BRIDGE_UNAVAILABLE, "a broken bridge");
    ok(r->retry_after > 0, "is to be tried again");
    is_int(get_code(http(409, "", PROBLEM("conflict")), &r), WA_E_CONFLICT,
           "linked by another engine");
    is_int(get_code(http(501, "", PROBLEM("not_supported")), &r),
           WA_E_NOT_SUPPORTED, "not this engine");
    is_str(r->detail, "why", "with the bridge's reason");
    is_int(
        get_code(http(503, "Retry-After: 30\r\n", PROBLEM("bridge_full")), &r),
        WA_E_BRIDGE_FULL, "no room for one more");
    is_int(r->retry_after, 30, "and when to ask again");
    is_int(get_code(http(200, "", "[]"), &r), WA_E_BRIDGE_UNAVAILABLE,
           "no object");
    is_int(get_code(http(200, "", "{}"), &r), WA_E_BRIDGE_UNAVAILABLE,
           "no state");
}

static void test_health(void)
{
    wa_result *r = wa_result_make(root);
    apr_interval_time_t latency = 0;
    const char *mode;

    peer_say(s, http(200, "", "{\"status\":\"ok\",\"mode\":\"sandbox\"}"), 0);
    is_int(wa_bridge_health(&bridge, root, NULL, &latency, &mode, r), WA_OK,
           "health");
    is_str(mode, "sandbox", "its mode");
    ok(latency > 0 && latency < MSEC(500), "its latency");
    peer_say(s, "", PEER_HANG);
    is_int(wa_bridge_health(&bridge, root, NULL, &latency, &mode, r),
           WA_E_BRIDGE_UNAVAILABLE, "a hung bridge");
    ok(latency < MSEC(900), "within a bound");
    ok(mode == NULL, "no mode");
}

static void test_lost(void)
{
    apr_time_t sent_at, start = apr_time_now();
    wa_result *r;
    apr_int64_t took;
    wa_bridge away = bridge;
    const wa_bridge_send send = { SESSION, "3EB0", "x", "y", MSEC(100) };

    peer_say(s, "", PEER_HANG);
    is_int(send_text(MSEC(100), &sent_at, &r), WA_SEND_UNKNOWN, "no answer");
    took = apr_time_as_msec(apr_time_now() - start);
    ok(took >= 2090 && took < 2600, "after the wait and 2 s (%d ms)",
       (int)took);
    is_int(r->code, WA_E_ACK_TIMEOUT, "its code");
    peer_say(s, "", PEER_CLOSE);
    is_int(send_text(MSEC(100), &sent_at, &r), WA_SEND_UNKNOWN,
           "closed after the request");
    peer_say(s, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", PEER_CLOSE);
    is_int(send_text(MSEC(100), &sent_at, &r), WA_SEND_UNKNOWN,
           "closed within the answer");
    peer_say(s, http(200, "", rows[0].body), 0);
    send_text(MSEC(100), &sent_at, &r);
    peer_hang_up(s);
    is_int(send_text(MSEC(100), &sent_at, &r), WA_SEND_SENT,
           "a connection closed idle is no matter");
    peer_stop(s);
    is_int(send_text(MSEC(100), &sent_at, &r), WA_SEND_TEMPORARY,
           "nobody there");
    is_int(r->code, WA_E_BRIDGE_UNAVAILABLE, "its code");
    ok(r->retry_after > 0, "Retry-After");
    away.url = "ftp://x";
    is_int(wa_bridge_message_send(&away, root, NULL, &send, &sent_at, r),
           WA_SEND_TEMPORARY, "a URL that is none");
    ok(was_logged("WA0261"), "is logged");
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    root = tap_start();
    logged = apr_array_make(root, 16, sizeof(const char *));
    wa_log_set(remember, NULL, WA_LOG_DEBUG);
    is_int(wa_http_init(), APR_SUCCESS, "libcurl starts");
    s = peer_start(root);
    bridge = (wa_bridge){ wa_http_make(root, 2),
                          apr_psprintf(root, "http://127.0.0.1:%d", s->port),
                          "s3cret" };
    test_outcomes();
    test_request();
    test_states();
    test_state_failures();
    test_health();
    test_lost();
    return tap_done();
}
