/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_jwt.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <jwt.h>

#include "wa_crypto.h"
#include "wa_json.h"

#define ISSUER "mod_whatsapp"
#define AUDIENCE "mod_whatsapp"
/* Ours have some 400 bytes; what is far larger isn't worth decoding. */
#define TOKEN_MAX 4096
/* Two machines' clocks may differ by so many seconds. */
#define CLOCK_SKEW 60

/* Names the key without telling of it, so that a token signed by a replaced
 * secret is told apart from a forged one in the header already. */
static const char *key_id(apr_pool_t *p, const char *key)
{
    static const char label[] = "mod_whatsapp access token kid";
    unsigned char mac[32];

    wa_hmac_sha256(mac, key, strlen(key), label, sizeof(label) - 1);
    return wa_base64url(p, mac, 9);
}

/* --- signing --------------------------------------------------------------*/

static int add_claims(jwt_t *jwt, const wa_jwt_claims *c)
{
    return jwt_add_grant(jwt, "iss", ISSUER)
           || jwt_add_grant(jwt, "aud", AUDIENCE)
           || jwt_add_grant(jwt, "sub", c->subject)
           || jwt_add_grant(jwt, "role", c->role)
           || jwt_add_grant(jwt, "jti", c->id)
           || jwt_add_grant(jwt, "sid", c->login)
           || jwt_add_grant_int(jwt, "iat", (long)apr_time_sec(c->issued_at))
           || jwt_add_grant_int(jwt, "exp", (long)apr_time_sec(c->expires_at));
}

static const char *encode(apr_pool_t *p, jwt_t *jwt)
{
    char *text = jwt_encode_str(jwt);
    const char *copy = text ? apr_pstrdup(p, text) : NULL;

    free(text);
    return copy;
}

const char *wa_jwt_sign(apr_pool_t *p, const wa_jwt_claims *claims,
                        const char *key)
{
    const char *token = NULL;
    jwt_t *jwt = NULL;

    if (!key || !*key || jwt_new(&jwt)) {
        return NULL;
    }
    /* libjwt writes typ "JWT" by itself, and accepts no other */
    if (!jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)key,
                     (int)strlen(key))
        && !jwt_add_header(jwt, "kid", key_id(p, key))
        && !add_claims(jwt, claims)) {
        token = encode(p, jwt);
    }
    jwt_free(jwt);
    return token;
}

/* --- verifying ------------------------------------------------------------*/

/* Three non-empty parts of base64url: libjwt also takes fewer and padding. */
static int looks_like_token(const char *token)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "abcdefghijklmnopqrstuvwxyz0123456789-_";
    int part;

    if (!token || strlen(token) > TOKEN_MAX) {
        return 0;
    }
    for (part = 0; part < 3; part++) {
        apr_size_t len = strspn(token, alphabet);
        if (!len || token[len] != (part < 2 ? '.' : '\0')) {
            return 0;
        }
        token += len + 1;
    }
    return 1;
}

/* There is one header that we write: any other (alg, typ, kid, crit, jku, …)
 * is refused before a key is used on it. Compared by its text, since that is
 * what libjwt makes of the same members, in the order of their names. */
static int header_is_ours(apr_pool_t *p, const char *token, const char *key)
{
    const char *header = apr_psprintf(
        p, "{\"alg\":\"HS256\",\"kid\":\"%s\",\"typ\":\"JWT\"}",
        key_id(p, key));
    const char *encoded = wa_base64url(p, header, strlen(header));

    return wa_equal(token, strcspn(token, "."), encoded, strlen(encoded));
}

/* The claims as they were signed: one JSON object in canonical base64url,
 * without duplicate names. libjwt decodes more than that, and its reader takes
 * the last of two. @return NULL if it is anything else */
static const json_t *read_payload(apr_pool_t *p, const char *token)
{
    const char *payload = token + strcspn(token, ".") + 1;
    json_t *claims = NULL;
    apr_size_t len;
    const char *text = wa_base64url_decode(p, payload, strcspn(payload, "."),
                                           &len);

    if (text) {
        (void)wa_json_parse(&claims, text, len, wa_result_make(p));
    }
    return claims;
}

static int claim_is(const json_t *claims, const char *name,
                    const char *expected)
{
    const char *value = wa_json_str(claims, name);

    return value && !strcmp(value, expected);
}

/* A time in seconds, or -1 when there is none. */
static apr_int64_t claim_time(const json_t *claims, const char *name)
{
    apr_int64_t v = wa_json_int(claims, name, -1);

    return v > 0 ? v : -1;
}

static const char *claim_str(apr_pool_t *p, const json_t *claims,
                             const char *name)
{
    const char *value = wa_json_str(claims, name);

    return value && *value ? apr_pstrdup(p, value) : NULL;
}

/* Has its time not come yet, or can't that be read? */
static int is_early(const json_t *claims, apr_int64_t now)
{
    apr_int64_t from = claim_time(claims, "nbf");

    return json_object_get(claims, "nbf") && (from < 0 || from > now);
}

/* The claims of a token whose signature is right. */
static apr_status_t read_claims(apr_pool_t *p, const json_t *claims,
                                apr_int64_t now, wa_jwt_claims *c)
{
    apr_int64_t issued = claim_time(claims, "iat");
    apr_int64_t expires = claim_time(claims, "exp");

    if (!claim_is(claims, "iss", ISSUER) || !claim_is(claims, "aud", AUDIENCE)
        || issued < 0 || expires < issued || issued > now + CLOCK_SKEW
        || is_early(claims, now)) {
        return APR_EINVAL;
    }
    c->subject = claim_str(p, claims, "sub");
    c->role = claim_str(p, claims, "role");
    c->id = claim_str(p, claims, "jti");
    c->login = claim_str(p, claims, "sid");
    if (!c->subject || !c->role || !c->id || !c->login) {
        return APR_EINVAL;
    }
    c->issued_at = apr_time_from_sec(issued);
    c->expires_at = apr_time_from_sec(expires);
    return expires > now ? APR_SUCCESS : APR_TIMEUP;
}

apr_status_t wa_jwt_verify(apr_pool_t *p, const char *token, const char *key,
                           apr_time_t now, wa_jwt_claims *claims)
{
    apr_status_t rv = APR_EINVAL;
    const json_t *payload;
    jwt_t *jwt = NULL;

    memset(claims, 0, sizeof(*claims));
    /* without a key libjwt would take an unsigned token */
    if (!key || !*key || !looks_like_token(token)
        || !header_is_ours(p, token, key)) {
        return APR_EINVAL;
    }
    if (jwt_decode(&jwt, token, (const unsigned char *)key, (int)strlen(key))) {
        return APR_EINVAL;
    }
    payload = jwt_get_alg(jwt) == JWT_ALG_HS256 ? read_payload(p, token) : NULL;
    if (payload) {
        rv = read_claims(p, payload, apr_time_sec(now), claims);
    }
    jwt_free(jwt);
    if (rv != APR_SUCCESS) {
        memset(claims, 0, sizeof(*claims));
    }
    return rv;
}
