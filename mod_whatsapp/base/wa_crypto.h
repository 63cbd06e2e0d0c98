/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_crypto.h
 * @brief Hashes, MACs, randomness, passwords: by libsodium.
 */
#ifndef WA_CRYPTO_H
#define WA_CRYPTO_H

#include <apr_pools.h>

/** Start libsodium; call once per process before any other call here.
 * @return APR_SUCCESS or APR_EGENERAL */
apr_status_t wa_crypto_init(void);

/** Fill buf from the kernel's CSPRNG. */
void wa_random(void *buf, apr_size_t len);

/** HMAC-SHA-256 (RFC 2104). */
void wa_hmac_sha256(unsigned char out[32], const void *key, apr_size_t key_len,
                    const void *msg, apr_size_t msg_len);

/** SHA-256 (FIPS 180-4). */
void wa_sha256(unsigned char out[32], const void *msg, apr_size_t msg_len);

/** Encrypt with a secret of the server (XChaCha20-Poly1305, RFC 8439 with a
 * 24-byte nonce); purpose and context must be the same when it is opened.
 * @param secret any text; the key is its HMAC for this purpose
 * @param context what the content belongs to, so that it can't be moved
 * @return nonce, ciphertext and tag as lower-case hex in p */
const char *wa_seal(apr_pool_t *p, const char *secret, const char *purpose,
                    const char *context, const void *plain, apr_size_t len);
/** Open what wa_seal made. @param len of the content, or NULL
 * @return the content in p, NUL-terminated; NULL when it was altered or comes
 *         from another secret, purpose or context */
const char *wa_unseal(apr_pool_t *p, const char *secret, const char *purpose,
                      const char *context, const char *sealed, apr_size_t *len);

/** Overwrite a secret that is needed no more, whatever the compiler thinks. */
void wa_wipe(void *buf, apr_size_t len);

/** SHA-256 of what comes in pieces. */
typedef struct wa_sha256_state wa_sha256_state;
wa_sha256_state *wa_sha256_begin(apr_pool_t *p);
void wa_sha256_add(wa_sha256_state *state, const void *data, apr_size_t len);
/** Once, at the end. */
void wa_sha256_end(wa_sha256_state *state, unsigned char out[32]);

/** Equal? In time that depends on the lengths only. */
int wa_equal(const void *a, apr_size_t a_len, const void *b, apr_size_t b_len);
/** Equal strings? NULL equals nothing. */
int wa_equal_str(const char *a, const char *b);

/** Lower-case hex of len bytes. */
const char *wa_hex(apr_pool_t *p, const void *bytes, apr_size_t len);
/** base64url without padding (RFC 4648, section 5). */
const char *wa_base64url(apr_pool_t *p, const void *bytes, apr_size_t len);

/** Its bytes, with a NUL after them; NULL unless it is the one text that
 * wa_base64url makes of them: no padding, no bits left over, nothing else.
 * @param len characters of text @param size bytes that came of it */
const char *wa_base64url_decode(apr_pool_t *p, const char *text, apr_size_t len,
                                apr_size_t *size);

/** base64 with padding (RFC 4648, section 4). */
const char *wa_base64(apr_pool_t *p, const void *bytes, apr_size_t len);

/** Bytes of a password's hash with its NUL, at most. */
#define WA_PASSWORD_HASH_MAX 128

/** Argon2id (RFC 9106) of a password, 19 MiB, 2 passes, as a PHC string.
 * @return NULL when memory is short */
const char *wa_password_hash(apr_pool_t *p, const char *password);
/** Does the password fit the PHC string? With hash NULL a verification of the
 * same cost is done against a dummy, and the answer is no. */
int wa_password_verify(const char *hash, const char *password);

/** Was the PHC string made by another function or at another cost than
 * wa_password_hash has today? @return 1 or 0 */
int wa_password_stale(const char *hash);

/** The hash that stands in for an unknown user's; nothing fits it. */
const char *wa_password_dummy(void);

/** Read a secret file: trailing white space is cut.
 * @param min refused when shorter (bytes)
 * @return APR_SUCCESS, APR_ENOENT…, APR_EINVAL when too short */
apr_status_t wa_secret_read(apr_pool_t *p, const char *path, apr_size_t min,
                            const char **secret);

/** CRC-32 (IEEE 802.3), for the checksum in API keys. */
apr_uint32_t wa_crc32(const void *bytes, apr_size_t len);

#endif
