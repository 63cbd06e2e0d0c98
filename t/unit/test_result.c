/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <string.h>

#include "base/wa_result.h"

static void test_codes(void)
{
    int i;

    is_int(wa_code_status(WA_OK), 200, "WA_OK is 200");
    is_int(wa_code_status(WA_E_NOT_FOUND), 404, "status of a code");
    is_str(wa_code_name(WA_E_NOT_FOUND), "not_found", "name of a code");
    is_int(wa_code_status((wa_code)9999), 500, "no such code: ours to blame");
    is_str(wa_code_name((wa_code)-1), "internal_error", "no negative code");
    for (i = 1; i < WA_CODE_COUNT; i++) {
        wa_code code = (wa_code)i;
        const char *name = wa_code_name(code);
        int status = wa_code_status(code);
        ok(status >= 400 && status < 600 && *wa_code_title(code)
               && strspn(name, "abcdefghijklmnopqrstuvwxyz_") == strlen(name)
               && wa_code_by_name(name) == code,
           "%s has a status, a title and a name of its own", name);
    }
    is_int(wa_code_by_name("nonsense"), WA_OK, "no code of that name");
    is_int(wa_code_by_name("ok"), WA_OK, "success is not an error's name");
    is_int(wa_code_by_name(NULL), WA_OK, "no name");
}

static void test_fail(apr_pool_t *p)
{
    wa_result *r = wa_result_make(p);

    ok(r->code == WA_OK && !r->detail && !r->errors, "a result starts empty");
    is_int(wa_fail_retry(r, WA_E_RATE_LIMITED, 7, "slow %s", "down"),
           WA_E_RATE_LIMITED, "wa_fail_retry returns the code");
    is_int(r->retry_after, 7, "seconds are kept");
    is_str(r->detail, "slow down", "detail is formatted");
    wa_fail(r, WA_E_NOT_FOUND, NULL);
    ok(r->code == WA_E_NOT_FOUND && !r->detail && !r->retry_after,
       "the next failure replaces it wholly");
}

static void test_fields(apr_pool_t *p)
{
    wa_result *r = wa_result_make(p);
    wa_field_error *e;
    int i;

    wa_fail_retry(r, WA_E_RATE_LIMITED, 7, "x");
    is_int(wa_fail_field(r, "/to", "required", "is %s", "required"),
           WA_E_INVALID, "wa_fail_field returns its code");
    is_int(r->retry_after, 0, "nothing is left of the failure before");
    wa_fail_field(r, "/text", "length", NULL);
    is_int(r->errors->nelts, 2, "both fields are told");
    e = &APR_ARRAY_IDX(r->errors, 0, wa_field_error);
    is_str(e->pointer, "/to", "pointer");
    is_str(e->code, "required", "code");
    is_str(e->detail, "is required", "detail");
    wa_fail(r, WA_E_INVALID, "again");
    ok(r->errors != NULL, "the same code keeps the fields");
    for (i = 0; i < 1000; i++) {
        wa_fail_field(r, "/x", "unknown", "x");
    }
    is_int(r->errors->nelts, WA_MAX_FIELD_ERRORS, "their number is bounded");
    wa_fail(r, WA_E_CONFLICT, "no");
    ok(!r->errors, "another code drops them");
}

int main(void)
{
    apr_pool_t *p = tap_start();

    test_codes();
    test_fail(p);
    test_fields(p);
    return tap_done();
}
