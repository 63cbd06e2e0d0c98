/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <string.h>

#include <apr_strings.h>

#include "base/wa_crypto.h"
#include "core/wa_key_format.h"

/* As wa_keys.h says: wak_, 43 characters, 6 of the checksum before them. */
static const char *make_key(apr_pool_t *p, unsigned char seed)
{
    unsigned char bytes[32], sum[4];
    const char *body;
    apr_uint32_t crc;

    memset(bytes, seed, sizeof(bytes));
    body = apr_pstrcat(p, "wak_", wa_base64url(p, bytes, sizeof(bytes)), NULL);
    crc = wa_crc32(body, strlen(body));
    sum[0] = (unsigned char)(crc >> 24);
    sum[1] = (unsigned char)(crc >> 16);
    sum[2] = (unsigned char)(crc >> 8);
    sum[3] = (unsigned char)crc;
    return apr_pstrcat(p, body, wa_base64url(p, sum, sizeof(sum)), NULL);
}

static void test_form(apr_pool_t *p)
{
    const char *key = make_key(p, 0x5a);
    int accepted = 0;
    size_t i;

    is_int((int)strlen(key), 53, "a key has 53 characters");
    ok(wa_key_well_formed(p, key), "a key is well formed");
    ok(wa_key_well_formed(p, make_key(p, 0)), "so is one of zeros");
    ok(wa_key_well_formed(p, make_key(p, 0xff)), "and one of ones");
    for (i = 0; i < strlen(key); i++) {
        char *other = apr_pstrdup(p, key);

        other[i] = other[i] == 'A' ? 'B' : 'A';
        accepted += wa_key_well_formed(p, other);
    }
    is_int(accepted, 0, "another character anywhere is found out");
    ok(!wa_key_well_formed(p, ""), "nothing is no key");
    ok(!wa_key_well_formed(p, "wak_"), "the prefix alone is no key");
    ok(!wa_key_well_formed(p, apr_pstrmemdup(p, key, 52)), "one too short");
    ok(!wa_key_well_formed(p, apr_pstrcat(p, key, "A", NULL)), "one too long");
    ok(!wa_key_well_formed(p, apr_pstrcat(p, key, " ", NULL)),
       "white space behind it");
    ok(!wa_key_well_formed(p, apr_pstrcat(p, "WAK_", key + 4, NULL)),
       "the prefix in capitals");
}

static void test_hash(apr_pool_t *p)
{
    const char *key = make_key(p, 1);
    const char *hash = wa_key_hash(p, "secret", key);
    unsigned char mac[32];

    is_int((int)strlen(hash), 64, "a hash is 64 digits");
    is_int((int)strspn(hash, "0123456789abcdef"), 64, "lower-case hex");
    wa_hmac_sha256(mac, "secret", 6, key, strlen(key));
    is_str(hash, wa_hex(p, mac, sizeof(mac)), "it is the HMAC of the key");
    ok(strcmp(hash, wa_key_hash(p, "secreT", key)) != 0,
       "another secret, another hash");
    ok(strcmp(hash, wa_key_hash(p, "secret", make_key(p, 2))) != 0,
       "another key, another hash");
}

int main(void)
{
    apr_pool_t *p = tap_start();

    is_int(wa_crypto_init(), APR_SUCCESS, "libsodium starts");
    test_form(p);
    test_hash(p);
    return tap_done();
}
