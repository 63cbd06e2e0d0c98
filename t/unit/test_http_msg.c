/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <string.h>

#include <apr_strings.h>

#include "base/wa_http_msg.h"

static void test_decode(apr_pool_t *p)
{
    static const char *const table[][2] = {
        { "", "" },
        { "abc", "abc" },
        { "a%20b", "a b" },
        { "a+b", "a+b" },
        { "%41%4a%4A", "AJJ" },
        { "%2F%2e%2E", "/.." },
        { "%25%32%35", "%25" },
        { "%C3%A9", "\xc3\xa9" },
        { "%0a", "\n" },
        { "%", NULL },
        { "%4", NULL },
        { "a%4", NULL },
        { "%4g", NULL },
        { "%g4", NULL },
        { "%%", NULL },
        { "%-1", NULL },
        { "% 1", NULL },
        { "%00", NULL },
        { "a%00b", NULL },
        { "%ff", NULL },
        { "%c0%af", NULL },
        { "%ed%a0%80", NULL },
    };
    apr_size_t i;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        is_str(wa_percent_decode(p, table[i][0], strlen(table[i][0]), 0),
               table[i][1], "decode \"%s\"", table[i][0]);
    }
    is_str(wa_percent_decode(p, "a+b%2B", 6, 1), "a b+", "plus is space");
    is_str(wa_percent_decode(p, "ab%41", 2, 0), "ab", "up to the length");
    is_str(wa_percent_decode(p, "ab%41", 4, 0), NULL, "an escape cut by it");
    is_str(wa_percent_decode(p, "a\0b", 3, 0), NULL, "a raw NUL byte");
}

static void test_query(apr_pool_t *p)
{
    static const char *const table[][3] = {
        { NULL, "a", NULL },
        { "", "a", NULL },
        { "a=1", "a", "1" },
        { "a=1", "A", NULL },
        { "a=1", "aa", NULL },
        { "aa=1", "a", NULL },
        { "b=2&a=1", "a", "1" },
        { "a=1&a=2", "a", "1" },
        { "a", "a", "" },
        { "a=", "a", "" },
        { "a=&b=1", "a", "" },
        { "&&a=1&&", "a", "1" },
        { "=1&a=2", "a", "2" },
        { "a=b=c", "a", "b=c" },
        { "a=x+y%2Bz", "a", "x y+z" },
        { "%61=1", "a", "1" },
        { "a%3Db=1", "a=b", "1" },
        { "a;b=1", "b", NULL },
        { "b=%zz&a=1", "a", "1" },
        { "%zz=1&a=1", "a", "1" },
        { "a=%zz", "a", "!" },
        { "a=%00", "a", "!" },
        { "a=%ff", "a", "!" },
        { "a=%4&b=1", "a", "!" },
    };
    wa_req req = { .pool = p };
    apr_size_t i;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        wa_result *r = wa_result_make(p);
        const char *value = "unset";
        wa_code code;
        req.query = table[i][0];
        code = wa_req_query(&req, table[i][1], &value, r);
        if (code == WA_E_BAD_PARAMETER && r->code == code && !value) {
            value = "!";
        }
        is_str(value, table[i][2], "%s of \"%s\"", table[i][1],
               table[i][0] ? table[i][0] : "");
    }
}

static const char *header(const wa_resp *resp, const char *name)
{
    return apr_table_get(resp->headers, name);
}

static void test_json(apr_pool_t *p)
{
    wa_resp *resp = wa_resp_make(p);

    ok(resp->status == 200 && !resp->content_type && !resp->body
           && !resp->body_len,
       "an answer starts empty");
    wa_resp_json(resp, p, 201, json_pack("{s:i}", "a", 1));
    is_int(resp->status, 201, "status");
    is_str(resp->content_type, "application/json", "type");
    is_str(resp->body, "{\"a\":1}", "body");
    is_int((apr_int64_t)resp->body_len, 7, "length");
    wa_resp_json(resp, p, 200, NULL);
    is_int(resp->status, 500, "nothing to send is told as a fault");
    is_str(resp->content_type, "application/problem+json", "as a problem");
}

static wa_resp *problem(apr_pool_t *p, const wa_result *r)
{
    wa_req req = { .pool = p, .request_id = "req-1" };
    wa_resp *resp = wa_resp_make(p);

    apr_table_setn(resp->headers, "X-RateLimit-Limit", "5");
    wa_resp_problem(resp, &req, r);
    return resp;
}

static void test_problem(apr_pool_t *p)
{
    wa_result *r = wa_result_make(p);
    wa_resp *resp;

    wa_fail(r, WA_E_NOT_FOUND, "no message %s", "x");
    resp = problem(p, r);
    is_int(resp->status, 404, "status");
    is_str(resp->content_type, "application/problem+json", "type");
    is_str(resp->body,
           "{\"type\":\"/api/docs/problems#not_found\","
           "\"title\":\"There is no such resource\",\"status\":404,"
           "\"detail\":\"no message x\",\"code\":\"not_found\","
           "\"request_id\":\"req-1\"}",
           "body");
    is_int((apr_int64_t)resp->body_len, (apr_int64_t)strlen(resp->body), "len");
    is_str(header(resp, "Cache-Control"), "no-store", "is not kept");
    is_str(header(resp, "X-RateLimit-Limit"), "5", "other headers stay");
    is_str(header(resp, "Retry-After"), NULL, "no Retry-After");
    is_str(header(resp, "WWW-Authenticate"), NULL, "no challenge");
    is_str(header(resp, "Allow"), NULL, "no Allow");
}

static void test_problem_errors(apr_pool_t *p)
{
    wa_result *r = wa_result_make(p);

    wa_fail_field(r, "/to", "required", "is required");
    wa_fail_field(r, "/\xff", "unknown", NULL);
    is_str(problem(p, r)->body,
           "{\"type\":\"/api/docs/problems#validation_failed\","
           "\"title\":\"The request has invalid fields\",\"status\":422,"
           "\"code\":\"validation_failed\",\"request_id\":\"req-1\","
           "\"errors\":[{\"pointer\":\"/to\",\"code\":\"required\","
           "\"detail\":\"is required\"},{\"pointer\":\"/\xef\xbf\xbd\","
           "\"code\":\"unknown\"}]}",
           "fields are listed, broken text is repaired");
}

static void test_problem_headers(apr_pool_t *p)
{
    wa_result *r = wa_result_make(p);

    wa_fail_retry(r, WA_E_RATE_LIMITED, 30, NULL);
    is_str(header(problem(p, r), "Retry-After"), "30", "Retry-After");
    wa_fail(r, WA_E_METHOD, NULL);
    r->allow = "GET, HEAD";
    is_str(header(problem(p, r), "Allow"), "GET, HEAD", "Allow");
    wa_fail(r, WA_E_UNAUTHORIZED, NULL);
    is_str(header(problem(p, r), "WWW-Authenticate"),
           "Bearer realm=\"mod_whatsapp\"", "no credential");
    wa_fail(r, WA_E_BAD_LOGIN, NULL);
    is_str(header(problem(p, r), "WWW-Authenticate"),
           "Bearer realm=\"mod_whatsapp\"", "wrong password");
    wa_fail(r, WA_E_BAD_KEY, NULL);
    is_str(header(problem(p, r), "WWW-Authenticate"),
           "Bearer realm=\"mod_whatsapp\", error=\"invalid_token\"",
           "wrong key");
    wa_fail(r, WA_E_BAD_TOKEN, NULL);
    is_str(header(problem(p, r), "WWW-Authenticate"),
           "Bearer realm=\"mod_whatsapp\", error=\"invalid_token\"",
           "wrong token");
}

int main(void)
{
    apr_pool_t *p = tap_start();

    test_decode(p);
    test_query(p);
    test_json(p);
    test_problem(p);
    test_problem_errors(p);
    test_problem_headers(p);
    return tap_done();
}
