/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include "request.h"

#include "api/page.h"
#include "base/wa_crypto.h"

#define ID "01900000-0000-7000-8000-000000000000"

static const char *const keys[] = { "a secret of the server's, 32 or more",
                                    NULL };
static const wa_secrets secrets = { .key = keys };
static const wa_app app = { .secrets = &secrets };

static wa_code read_page(apr_pool_t *p, const char *list, const char *query,
                         wa_page *page)
{
    return wa_page_read(&app, request(p, "GET", "/users", query, NULL, NULL),
                        list, page, wa_result_make(p));
}

static const struct {
    const char *query;
    wa_code code;
    int limit;
} limits[] = {
    { NULL, WA_OK, 50 },
    { "", WA_OK, 50 },
    { "other=7", WA_OK, 50 },
    { "limit=1", WA_OK, 1 },
    { "limit=200", WA_OK, 200 },
    { "limit=%35", WA_OK, 5 },
    { "limit=0", WA_E_BAD_PARAMETER, 0 },
    { "limit=201", WA_E_BAD_PARAMETER, 0 },
    { "limit=-1", WA_E_BAD_PARAMETER, 0 },
    { "limit=", WA_E_BAD_PARAMETER, 0 },
    { "limit", WA_E_BAD_PARAMETER, 0 },
    { "limit=x", WA_E_BAD_PARAMETER, 0 },
    { "limit=5x", WA_E_BAD_PARAMETER, 0 },
    { "limit=5.0", WA_E_BAD_PARAMETER, 0 },
    { "limit=0x10", WA_E_BAD_PARAMETER, 0 },
    { "limit=99999999999999999999", WA_E_BAD_PARAMETER, 0 },
    { "limit=4294967297", WA_E_BAD_PARAMETER, 0 },
    { "limit=%zz", WA_E_BAD_PARAMETER, 0 },
    { "cursor=", WA_E_BAD_PARAMETER, 0 },
    { "cursor=x", WA_E_BAD_PARAMETER, 0 },
    { "cursor=~", WA_E_BAD_PARAMETER, 0 },
    { "cursor=AAAAAAAAAAAAAAAAAAAAAA", WA_E_BAD_PARAMETER, 0 },
    { "cursor=AAAAAAAAAAAAAAAAAAAAAA5~" ID, WA_E_BAD_PARAMETER, 0 },
};

static void test_read(apr_pool_t *p)
{
    size_t i;

    for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        wa_page page;
        const char *what = limits[i].query ? limits[i].query : "no query";

        if (is_int(read_page(p, "users", limits[i].query, &page),
                   limits[i].code, "%s", what)
            && limits[i].code == WA_OK) {
            is_int(page.limit, limits[i].limit, "%s: its limit", what);
            ok(!page.after_key && !page.after_id && !page.next,
               "%s: the first page", what);
        }
    }
}

static void test_cursor(apr_pool_t *p)
{
    apr_time_t at = APR_INT64_C(1800000000123456);
    const char *cursor = wa_page_cursor_time(&app, p, "users", at, ID);
    const char *query = apr_pstrcat(p, "limit=7&cursor=", cursor, NULL);
    wa_page page;
    int accepted = 0;
    size_t i;

    is_int((int)strspn(cursor, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
                               "uvwxyz0123456789-_.~"),
           (int)strlen(cursor), "a cursor needs no escaping");
    is_int(read_page(p, "users", query, &page), WA_OK, "a cursor is read");
    ok(page.after_time == at, "its time, to the microsecond");
    is_str(page.after_id, ID, "its id");
    is_int(page.limit, 7, "beside a limit");
    is_int(read_page(p, "messages", query, &page), WA_E_BAD_PARAMETER,
           "it is refused by another list");
    for (i = 0; i < strlen(cursor); i++) {
        char *other = apr_pstrdup(p, cursor);

        other[i] = other[i] == '1' ? '2' : '1';
        accepted += read_page(p, "users",
                              apr_pstrcat(p, "cursor=", other, NULL), &page)
                    == WA_OK;
    }
    is_int(accepted, 0, "another character anywhere is found out");

    cursor = wa_page_cursor(&app, p, "users:name", "name~with.tilde", ID);
    is_int(read_page(p, "users:name", apr_pstrcat(p, "cursor=", cursor, NULL),
                     &page),
           WA_OK, "a cursor by name is read");
    is_str(page.after_key, "name~with.tilde", "its key, also with a tilde");
}

static void test_answer(apr_pool_t *p)
{
    wa_req *req = request(p, "GET", "/users", "cursor=old&limit=7&sort=name",
                          NULL, NULL);
    wa_resp *resp = wa_resp_make(p);
    wa_page page = { .limit = 7 };

    wa_page_answer(req, resp, &page, json_array());
    is_str(resp->body, "{\"data\":[],\"next_cursor\":null}", "the last page");
    is_str(apr_table_get(resp->headers, "Link"), NULL, "has no Link");

    resp = wa_resp_make(p);
    page.next = "new";
    wa_page_answer(req, resp, &page, json_array());
    is_str(resp->body, "{\"data\":[],\"next_cursor\":\"new\"}",
           "a page before the last");
    is_str(apr_table_get(resp->headers, "Link"),
           "</api/users?limit=7&sort=name&cursor=new>; rel=\"next\"",
           "its Link keeps the other parameters");
}

int main(void)
{
    apr_pool_t *p = tap_start();

    is_int(wa_crypto_init(), APR_SUCCESS, "libsodium starts");
    test_read(p);
    test_cursor(p);
    test_answer(p);
    return tap_done();
}
