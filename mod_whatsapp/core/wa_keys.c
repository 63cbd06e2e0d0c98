/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_keys.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_crypto.h"
#include "../base/wa_id.h"

#define PREFIX "wak_"
#define PREFIX_LEN 4
#define RANDOM_BYTES 32
#define RANDOM_LEN 43   /* base64url of 32 bytes */
#define CHECKSUM_LEN 6  /* base64url of a CRC-32 */
#define KEY_LEN (PREFIX_LEN + RANDOM_LEN + CHECKSUM_LEN)
#define HINT_LEN 8

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

static const char *mint(apr_pool_t *p)
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

const char *wa_key_hash(const wa_app *app, apr_pool_t *p, const char *key)
{
    unsigned char mac[32];

    wa_hmac_sha256(mac, app->secrets->key, strlen(app->secrets->key), key,
                   strlen(key));
    return wa_hex(p, mac, sizeof(mac));
}

wa_code wa_key_create(wa_app *app, apr_pool_t *p, const char *request_id,
                      const char *user_id, const char *name,
                      apr_time_t expires_at, wa_key **pkey, wa_result *r)
{
    wa_key *key = apr_pcalloc(p, sizeof(*key));
    wa_db *db;
    wa_db_rows *rows;
    apr_status_t rv;
    wa_code code;

    key->id = wa_id_uuid(p);
    key->name = name;
    key->key = mint(p);
    key->hint = apr_pstrmemdup(p, key->key, PREFIX_LEN + HINT_LEN);
    key->expires_at = expires_at;

    code = wa_db_open_or_fail(&db, p, &app->db, request_id, r);
    if (code != WA_OK) {
        return code;
    }
    rv = WA_DB_RUN(db, WA_SQL_KEY_INSERT, &rows, key->id, user_id, key->name,
                   wa_key_hash(app, p, key->key), key->hint,
                   wa_db_p_time(p, expires_at));
    if (rv != APR_SUCCESS) {
        code = wa_db_fail(db, rv, request_id, r);
    }
    else if (!wa_db_count(rows)) {
        code = wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    else {
        key->created_at = wa_db_time(rows, 0, 0);
        *pkey = key;
    }
    wa_db_close(db);
    return code;
}
