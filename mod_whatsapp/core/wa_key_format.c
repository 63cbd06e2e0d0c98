/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_key_format.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_crypto.h"

#define PREFIX "wak_"
#define PREFIX_LEN 4
#define RANDOM_BYTES 32
#define RANDOM_LEN 43  /* base64url of 32 bytes */
#define CHECKSUM_LEN 6 /* base64url of a CRC-32 */
#define KEY_LEN (PREFIX_LEN + RANDOM_LEN + CHECKSUM_LEN)

/* The checksum lets secret scanners and us tell a key from a mistyped one
 * without asking the database; it proves nothing. */
static void checksum(const char *key, char out[4])
{
    apr_uint32_t crc = wa_crc32(key, PREFIX_LEN + RANDOM_LEN);

    out[0] = (char)(crc >> 24);
    out[1] = (char)(crc >> 16);
    out[2] = (char)(crc >> 8);
    out[3] = (char)crc;
}

const char *wa_key_mint(apr_pool_t *p)
{
    unsigned char bytes[RANDOM_BYTES];
    const char *body;
    char sum[4];

    wa_random(bytes, sizeof(bytes));
    body = apr_pstrcat(p, PREFIX, wa_base64url(p, bytes, sizeof(bytes)), NULL);
    checksum(body, sum);
    return apr_pstrcat(p, body, wa_base64url(p, sum, sizeof(sum)), NULL);
}

int wa_key_well_formed(apr_pool_t *p, const char *key)
{
    char sum[4];

    if (strlen(key) != KEY_LEN || strncmp(key, PREFIX, PREFIX_LEN)) {
        return 0;
    }
    checksum(key, sum);
    return !strcmp(key + PREFIX_LEN + RANDOM_LEN,
                   wa_base64url(p, sum, sizeof(sum)));
}

const char *wa_key_hash(apr_pool_t *p, const char *secret, const char *key)
{
    unsigned char mac[32];

    wa_hmac_sha256(mac, secret, strlen(secret), key, strlen(key));
    return wa_hex(p, mac, sizeof(mac));
}
