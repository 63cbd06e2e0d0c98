/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_time.h>

#include "base/wa_crypto.h"
#include "base/wa_id.h"

#define HEX "0123456789abcdef"

static apr_int64_t uuid_msec(apr_pool_t *p, const char *id)
{
    return apr_strtoi64(apr_psprintf(p, "%.8s%.4s", id, id + 9), NULL, 16);
}

static void test_uuid(apr_pool_t *p)
{
    apr_int64_t before = apr_time_as_msec(apr_time_now());
    const char *id = wa_id_uuid(p);
    apr_int64_t msec = uuid_msec(p, id);
    apr_hash_t *seen = apr_hash_make(p);
    int i, wrong = 0;

    ok(msec >= before && msec <= apr_time_as_msec(apr_time_now()),
       "its time is now");
    for (i = 0; i < 10000; i++) {
        id = wa_id_uuid(p);
        wrong += strspn(id, HEX "-") != 36 || !wa_id_is_uuid(id)
                 || id[14] != '7' || !strchr("89ab", id[19]);
        apr_hash_set(seen, id, APR_HASH_KEY_STRING, id);
    }
    is_int(wrong, 0, "form, version 7 and variant 10 of 10000");
    is_int(apr_hash_count(seen), 10000, "no two are the same");
}

static void test_is_uuid(void)
{
    static const char *const bad[] = {
        NULL,
        "",
        "0189d6c4-7b3a-7c1e-9f00-00000000000",
        "0189d6c4-7b3a-7c1e-9f00-0000000000000",
        "0189d6c47b3a7c1e9f00000000000000",
        "0189d6c4-7b3a-7c1e-9f00-00000000000g",
        "0189d6c4-7b3a-7c1e-9f000-0000000000",
        "{189d6c4-7b3a-7c1e-9f00-000000000000",
        "0189d6c4_7b3a_7c1e_9f00_000000000000",
        "0189d6c4-7b3a-7c1e-9f00-00000000000\n",
        "------------------------------------",
    };
    apr_size_t i;

    ok(wa_id_is_uuid("0189d6c4-7b3a-7c1e-9f00-000000000000"), "lower case");
    ok(wa_id_is_uuid("0189D6C4-7B3A-4C1E-9F00-ABCDEF000000"), "upper case");
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ok(!wa_id_is_uuid(bad[i]), "not a UUID (%d)", (int)i);
    }
}

static void test_whatsapp(apr_pool_t *p)
{
    const char *id = wa_id_whatsapp(p);

    ok(!strncmp(id, "3EB0", 4), "starts as those of WhatsApp's own clients");
    is_int((apr_int64_t)strspn(id, "0123456789ABCDEF"), 22, "upper-case hex");
    is_int((apr_int64_t)strlen(id), 22, "22 characters");
    ok(strcmp(id, wa_id_whatsapp(p)) != 0, "the next one differs");
}

static void test_request_id(void)
{
    char s[130];

    memset(s, 'a', sizeof(s));
    s[129] = '\0';
    ok(!wa_id_is_request_id(s), "129 characters are too many");
    s[128] = '\0';
    ok(wa_id_is_request_id(s), "128 are not");
    ok(wa_id_is_request_id("aZ09._-"), "every kind of character");
    ok(!wa_id_is_request_id(""), "empty");
    ok(!wa_id_is_request_id(NULL), "NULL");
    ok(!wa_id_is_request_id("a b"), "a space");
    ok(!wa_id_is_request_id("a\r\nb"), "a line end");
    ok(!wa_id_is_request_id("a/b"), "a slash");
    ok(!wa_id_is_request_id("\xc3\xa9"), "not ASCII");
}

int main(void)
{
    apr_pool_t *p = tap_start();

    is_int(wa_crypto_init(), APR_SUCCESS, "start");
    test_uuid(p);
    test_is_uuid();
    test_whatsapp(p);
    test_request_id();
    return tap_done();
}
