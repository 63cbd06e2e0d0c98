/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_crypto.h"

#include <string.h>

#include <sodium.h>

#include <apr_file_io.h>
#include <apr_lib.h>

/* RFC 9106 calls for more where it can be had; this is OWASP's floor, so that
 * some logins at one time don't take the machine's memory. */
#define PASSWORD_PASSES 2
#define PASSWORD_MEMORY ((size_t)19 * 1024 * 1024)

/* A secret is a line of text, not a file of its own. */
#define SECRET_MAX 4096

_Static_assert(WA_PASSWORD_HASH_MAX >= crypto_pwhash_STRBYTES,
               "a hash has room");

/* Stands in for the hash of a user who doesn't exist. */
static char dummy_hash[crypto_pwhash_STRBYTES];

static int hash_password(char out[crypto_pwhash_STRBYTES], const char *password)
{
    return crypto_pwhash_str_alg(out, password, strlen(password),
                                 PASSWORD_PASSES, PASSWORD_MEMORY,
                                 crypto_pwhash_ALG_ARGON2ID13);
}

apr_status_t wa_crypto_init(void)
{
    char password[33];
    unsigned char raw[16];

    if (sodium_init() < 0) {
        return APR_EGENERAL;
    }
    if (dummy_hash[0]) {
        return APR_SUCCESS;
    }
    randombytes_buf(raw, sizeof(raw));
    sodium_bin2hex(password, sizeof(password), raw, sizeof(raw));
    return hash_password(dummy_hash, password) ? APR_EGENERAL : APR_SUCCESS;
}

void wa_wipe(void *buf, apr_size_t len)
{
    sodium_memzero(buf, len);
}

#define SEAL_NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define SEAL_TAG crypto_aead_xchacha20poly1305_ietf_ABYTES

const char *wa_seal(apr_pool_t *p, const char *secret, const char *purpose,
                    const char *context, const void *plain, apr_size_t len)
{
    unsigned char key[32];
    unsigned char *out = apr_palloc(p, SEAL_NONCE + len + SEAL_TAG);
    unsigned long long sealed;

    wa_hmac_sha256(key, secret, strlen(secret), purpose, strlen(purpose));
    randombytes_buf(out, SEAL_NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        out + SEAL_NONCE, &sealed, plain, len, (const unsigned char *)context,
        strlen(context), NULL, out, key);
    sodium_memzero(key, sizeof(key));
    return wa_hex(p, out, SEAL_NONCE + (apr_size_t)sealed);
}

const char *wa_unseal(apr_pool_t *p, const char *secret, const char *purpose,
                      const char *context, const char *sealed, apr_size_t *len)
{
    unsigned char key[32];
    apr_size_t size = strlen(sealed) / 2, got;
    unsigned char *in = apr_palloc(p, size + 1);
    unsigned char *out = apr_palloc(p, size + 1);
    unsigned long long plain;
    int failed;

    if (sodium_hex2bin(in, size, sealed, strlen(sealed), NULL, &got, NULL)
        || got < SEAL_NONCE + SEAL_TAG) {
        return NULL;
    }
    wa_hmac_sha256(key, secret, strlen(secret), purpose, strlen(purpose));
    failed = crypto_aead_xchacha20poly1305_ietf_decrypt(
        out, &plain, NULL, in + SEAL_NONCE, got - SEAL_NONCE,
        (const unsigned char *)context, strlen(context), in, key);
    sodium_memzero(key, sizeof(key));
    if (failed) {
        return NULL;
    }
    out[plain] = '\0';
    if (len) {
        *len = (apr_size_t)plain;
    }
    return (const char *)out;
}

const char *wa_password_dummy(void)
{
    return dummy_hash;
}

void wa_random(void *buf, apr_size_t len)
{
    randombytes_buf(buf, len);
}

void wa_hmac_sha256(unsigned char out[32], const void *key, apr_size_t key_len,
                    const void *msg, apr_size_t msg_len)
{
    crypto_auth_hmacsha256_state state;

    crypto_auth_hmacsha256_init(&state, key, key_len);
    crypto_auth_hmacsha256_update(&state, msg, msg_len);
    crypto_auth_hmacsha256_final(&state, out);
    sodium_memzero(&state, sizeof(state));
}

void wa_sha256(unsigned char out[32], const void *msg, apr_size_t msg_len)
{
    crypto_hash_sha256(out, msg, msg_len);
}

struct wa_sha256_state {
    crypto_hash_sha256_state sodium;
};

wa_sha256_state *wa_sha256_begin(apr_pool_t *p)
{
    wa_sha256_state *state = apr_palloc(p, sizeof(*state));

    crypto_hash_sha256_init(&state->sodium);
    return state;
}

void wa_sha256_add(wa_sha256_state *state, const void *data, apr_size_t len)
{
    crypto_hash_sha256_update(&state->sodium, data, len);
}

void wa_sha256_end(wa_sha256_state *state, unsigned char out[32])
{
    crypto_hash_sha256_final(&state->sodium, out);
}

int wa_equal(const void *a, apr_size_t a_len, const void *b, apr_size_t b_len)
{
    return a_len == b_len && sodium_memcmp(a, b, a_len) == 0;
}

int wa_equal_str(const char *a, const char *b)
{
    return a && b && wa_equal(a, strlen(a), b, strlen(b));
}

const char *wa_hex(apr_pool_t *p, const void *bytes, apr_size_t len)
{
    apr_size_t size = 2 * len + 1;

    return sodium_bin2hex(apr_palloc(p, size), size, bytes, len);
}

const char *wa_base64url(apr_pool_t *p, const void *bytes, apr_size_t len)
{
    const int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
    apr_size_t size = sodium_base64_encoded_len(len, variant);

    return sodium_bin2base64(apr_palloc(p, size), size, bytes, len, variant);
}

const char *wa_base64url_decode(apr_pool_t *p, const char *text, apr_size_t len,
                                apr_size_t *size)
{
    unsigned char *out = apr_palloc(p, len + 1);

    if (sodium_base642bin(out, len, text, len, NULL, size, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING)) {
        return NULL;
    }
    out[*size] = '\0';
    return (const char *)out;
}

const char *wa_base64(apr_pool_t *p, const void *bytes, apr_size_t len)
{
    const int variant = sodium_base64_VARIANT_ORIGINAL;
    apr_size_t size = sodium_base64_encoded_len(len, variant);

    return sodium_bin2base64(apr_palloc(p, size), size, bytes, len, variant);
}

const char *wa_password_hash(apr_pool_t *p, const char *password)
{
    char *out = apr_pcalloc(p, crypto_pwhash_STRBYTES);

    return hash_password(out, password) ? NULL : out;
}

int wa_password_verify(const char *hash, const char *password)
{
    int known = hash != NULL;
    int fits = crypto_pwhash_str_verify(known ? hash : dummy_hash, password,
                                        strlen(password))
               == 0;

    return known && fits;
}

int wa_password_stale(const char *hash)
{
    /* libsodium compares the cost only, within Argon2i's own terms too. */
    return strncmp(hash, crypto_pwhash_argon2id_STRPREFIX,
                   strlen(crypto_pwhash_argon2id_STRPREFIX))
           || crypto_pwhash_str_needs_rehash(hash, PASSWORD_PASSES,
                                             PASSWORD_MEMORY);
}

/* Read the whole of a small file. @return APR_EINVAL when it is large */
static apr_status_t read_small(apr_pool_t *p, const char *path, char **text,
                               apr_size_t *len)
{
    char *buf = apr_pcalloc(p, SECRET_MAX + 2);
    apr_file_t *f;
    apr_status_t rv;

    rv = apr_file_open(&f, path, APR_FOPEN_READ, APR_FPROT_OS_DEFAULT, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = apr_file_read_full(f, buf, SECRET_MAX + 1, len);
    apr_file_close(f);
    if (rv != APR_SUCCESS && !APR_STATUS_IS_EOF(rv)) {
        return rv;
    }
    *text = buf;
    return *len > SECRET_MAX ? APR_EINVAL : APR_SUCCESS;
}

apr_status_t wa_secret_read(apr_pool_t *p, const char *path, apr_size_t min,
                            const char **secret)
{
    apr_size_t len = 0;
    char *text = NULL;
    apr_status_t rv;

    rv = read_small(p, path, &text, &len);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (memchr(text, '\0', len)) {
        return APR_EINVAL; /* would be used up to there only */
    }
    while (len && apr_isspace(text[len - 1])) {
        text[--len] = '\0';
    }
    if (!len || len < min) {
        return APR_EINVAL;
    }
    *secret = text;
    return APR_SUCCESS;
}

apr_uint32_t wa_crc32(const void *bytes, apr_size_t len)
{
    const unsigned char *b = bytes;
    apr_uint32_t crc = 0xffffffffU;
    int i;

    for (; len; len--, b++) {
        crc ^= *b;
        for (i = 0; i < 8; i++) {
            crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320U : 0);
        }
    }
    return ~crc;
}
