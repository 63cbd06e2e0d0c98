/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_file_io.h>
#include <apr_strings.h>

#include "base/wa_crypto.h"

/* FIPS 180-4 and NIST's examples */
static void test_sha256(apr_pool_t *p)
{
    static const char *const table[][2] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb924"
              "27ae41e4649b934ca495991b7852b855" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223"
                 "b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039"
          "a33ce45964ff2167f6ecedd419db06c1" },
    };
    unsigned char out[32];
    apr_size_t i;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        wa_sha256(out, table[i][0], strlen(table[i][0]));
        is_str(wa_hex(p, out, 32), table[i][1], "SHA-256 of \"%s\"",
               table[i][0]);
    }
}

typedef struct mac_row {
    int key_byte, key_len; /* key_byte 0: the text */
    const char *key, *msg, *mac;
} mac_row;

/* RFC 4231, cases 1, 2, 6, 7 */
static const mac_row macs[] = {
    { 0x0b, 20, NULL, "Hi There",
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
    { 0, 4, "Jefe", "what do ya want for nothing?",
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
    { 0xaa, 131, NULL, "Test Using Larger Than Block-Size Key - Hash Key First",
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
    { 0xaa, 131, NULL,
      "This is a test using a larger than block-size key and a larger than "
      "block-size data. The key needs to be hashed before being used by the "
      "HMAC algorithm.",
      "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },
};

static void test_hmac(apr_pool_t *p)
{
    unsigned char key[131], out[32];
    apr_size_t i;

    for (i = 0; i < sizeof(macs) / sizeof(macs[0]); i++) {
        const mac_row *m = &macs[i];
        memset(key, m->key_byte, sizeof(key));
        wa_hmac_sha256(out, m->key ? m->key : (const char *)key,
                       (apr_size_t)m->key_len, m->msg, strlen(m->msg));
        is_str(wa_hex(p, out, 32), m->mac, "HMAC, RFC 4231 vector %d", (int)i);
    }
    wa_hmac_sha256(out, "", 0, "", 0);
    is_str(wa_hex(p, out, 32),
           "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad",
           "HMAC of nothing with no key");
}

static void test_text(apr_pool_t *p)
{
    /* RFC 4648, section 10, without the padding */
    static const char *const table[][2] = {
        { "", "" },
        { "f", "Zg" },
        { "fo", "Zm8" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg" },
        { "fooba", "Zm9vYmE" },
        { "foobar", "Zm9vYmFy" },
        { "\xfb\xff\xbf", "-_-_" },
    };
    apr_size_t i;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        is_str(wa_base64url(p, table[i][0], strlen(table[i][0])), table[i][1],
               "base64url %d", (int)i);
    }
    is_str(wa_hex(p, "\x00\x7f\xff", 3), "007fff", "hex");
    is_str(wa_hex(p, "", 0), "", "hex of nothing");
    is_int(wa_crc32("123456789", 9), 0xcbf43926, "CRC-32, check value");
    is_int(wa_crc32("", 0), 0, "CRC-32 of nothing");
}

static void test_equal(void)
{
    ok(wa_equal("ab\0c", 4, "ab\0c", 4), "equal bytes");
    ok(!wa_equal("ab\0c", 4, "ab\0d", 4), "another byte");
    ok(!wa_equal("abc", 3, "abcd", 4), "another length");
    ok(wa_equal("", 0, "", 0), "nothing equals nothing");
    ok(wa_equal_str("abc", "abc"), "equal strings");
    ok(!wa_equal_str("abc", "ab"), "a prefix is not equal");
    ok(!wa_equal_str("", "a"), "the empty string neither");
    ok(!wa_equal_str(NULL, NULL), "NULL equals nothing");
    ok(!wa_equal_str("a", NULL), "NULL equals nothing, second");
}

static void test_random(apr_pool_t *p)
{
    unsigned char a[32] = { 0 }, b[32] = { 0 };

    wa_random(a, sizeof(a));
    wa_random(b, sizeof(b));
    ok(memcmp(a, b, sizeof(a)) != 0, "two draws differ");
    ok(strspn(wa_hex(p, a, 32), "0") < 16, "and are drawn at all");
}

static void test_password(apr_pool_t *p)
{
    const char *hash = wa_password_hash(p, "correct horse");

    ok(hash && !strncmp(hash, "$argon2id$v=19$m=19456,t=2,p=1$", 31),
       "a PHC string of Argon2id, 19 MiB, 2 passes");
    ok(wa_password_verify(hash, "correct horse"), "the password fits");
    ok(!wa_password_verify(hash, "correct horsf"), "another doesn't");
    ok(!wa_password_verify(hash, ""), "the empty one doesn't");
    ok(wa_password_verify(wa_password_hash(p, ""), ""), "empty against empty");
    ok(strcmp(hash, wa_password_hash(p, "correct horse")) != 0, "salted");
    ok(!wa_password_verify(NULL, "correct horse"), "no hash, no");
    ok(!wa_password_verify(NULL, ""), "no hash, no, second");
    ok(!wa_password_verify("", "x"), "an empty hash fits nothing");
    ok(!wa_password_verify("correct horse", "correct horse"),
       "a hash is not a password");
    ok(!wa_password_verify(apr_pstrcat(p, hash, hash, NULL), "correct horse"),
       "nor is a hash with something behind it one");
    ok(!wa_password_stale(hash), "of today");
    ok(wa_password_stale("$argon2id$v=19$m=8192,t=1,p=1$KzFUD99QIKAzou3F25rz7Q"
                         "$/yngdkaSlsNvDnYyiS0vNW9F17HJePHbFVFSEDdSm4E"),
       "at another cost");
    ok(wa_password_stale("$argon2i$v=19$m=19456,t=2,p=1$Ij7l1R6eBlgiB6axYUk86A"
                         "$r8ep2UlRZDfY/LfvbI5yKNHANBUyGGxKpKb5/NMaOuc"),
       "by another function");
    ok(wa_password_stale("nonsense"), "nonsense");
    ok(!strncmp(wa_password_dummy(), hash, 31),
       "an unknown user is checked at the same cost");
}

static const char *write_file(apr_pool_t *p, const char *text, apr_size_t len)
{
    const char *path = apr_psprintf(
        p, "%s/wa-secret-%d", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp",
        (int)getpid());
    apr_file_t *f;

    apr_file_remove(path, p);
    apr_file_open(&f, path, APR_FOPEN_WRITE | APR_FOPEN_CREATE | APR_FOPEN_EXCL,
                  APR_FPROT_UREAD | APR_FPROT_UWRITE, p);
    apr_file_write_full(f, text, len, NULL);
    apr_file_close(f);
    return path;
}

/* A secret file of that text: what is read of it, or NULL. */
static const char *read_back(apr_pool_t *p, const char *text, apr_size_t len,
                             apr_size_t min, apr_status_t *rv)
{
    const char *path = write_file(p, text, len);
    const char *secret = NULL;

    *rv = wa_secret_read(p, path, min, &secret);
    apr_file_remove(path, p);
    return secret;
}

static void test_secret(apr_pool_t *p)
{
    char large[5000];
    const char *secret = NULL;
    apr_status_t rv;

    is_str(read_back(p, "s3cret \r\n\n", 10, 6, &rv), "s3cret",
           "white space at the end is cut");
    is_str(read_back(p, " a b", 4, 1, &rv), " a b", "elsewhere it stays");
    is_str(read_back(p, "s3cret\n", 7, 7, &rv), NULL, "too short");
    is_int(rv, APR_EINVAL, "and says so");
    is_str(read_back(p, "", 0, 0, &rv), NULL, "empty");
    is_int(rv, APR_EINVAL, "is never a secret");
    is_str(read_back(p, "abc\0def", 7, 1, &rv), NULL, "a NUL byte");
    memset(large, 'x', sizeof(large));
    is_str(read_back(p, large, sizeof(large), 1, &rv), NULL, "5000 bytes");
    is_int(rv, APR_EINVAL, "are not a secret");
    is_int((apr_int64_t)strlen(read_back(p, large, 4096, 1, &rv)), 4096,
           "4096 are");
    rv = wa_secret_read(p, "/nonexistent/secret", 1, &secret);
    ok(APR_STATUS_IS_ENOENT(rv) && !secret, "no file");
    rv = wa_secret_read(p, "/", 1, &secret);
    ok(rv != APR_SUCCESS && !secret, "a directory");
}

int main(void)
{
    apr_pool_t *p = tap_start();

    is_int(wa_crypto_init(), APR_SUCCESS, "start");
    is_int(wa_crypto_init(), APR_SUCCESS, "start again");
    test_sha256(p);
    test_hmac(p);
    test_text(p);
    test_equal();
    test_random(p);
    test_password(p);
    test_secret(p);
    return tap_done();
}
