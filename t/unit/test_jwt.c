/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <string.h>

#include <apr_strings.h>

#include "base/wa_crypto.h"
#include "base/wa_jwt.h"

#define KEY "0123456789abcdef0123456789abcdef"
#define NOW apr_time_from_sec(1800000000)
#define CLAIMS                                                                 \
    "\"iss\":\"mod_whatsapp\",\"aud\":\"mod_whatsapp\",\"sub\":\"u1\","        \
    "\"role\":\"user\",\"jti\":\"t1\",\"sid\":\"l1\""
#define TIMES "\"iat\":1800000000,\"exp\":1800000900"

static const wa_jwt_claims claims = {
    "u1", "user", "t1", "l1", NOW, NOW + APR_TIME_C(900000000)
};

static apr_status_t verify(apr_pool_t *p, const char *token)
{
    wa_jwt_claims c = { "x", "x", "x", "x", 1, 1 };
    apr_status_t rv = wa_jwt_verify(p, token, KEY, NOW, &c);

    if (rv != APR_SUCCESS && (c.subject || c.role || c.id || c.expires_at)) {
        return APR_EGENERAL; /* claims of a token that isn't good */
    }
    return rv;
}

/* A token whose payload is written as it is, rightly signed. */
static const char *sign(apr_pool_t *p, const char *header, const char *payload)
{
    const char *text = apr_pstrcat(p, wa_base64url(p, header, strlen(header)),
                                   ".", payload, NULL);
    unsigned char mac[32];

    wa_hmac_sha256(mac, KEY, strlen(KEY), text, strlen(text));
    return apr_pstrcat(p, text, ".", wa_base64url(p, mac, 32), NULL);
}

static const char *make(apr_pool_t *p, const char *header, const char *body)
{
    return sign(p, header, wa_base64url(p, body, strlen(body)));
}

static const char *kid(apr_pool_t *p)
{
    static const char label[] = "mod_whatsapp access token kid";
    unsigned char mac[32];

    wa_hmac_sha256(mac, KEY, strlen(KEY), label, strlen(label));
    return wa_base64url(p, mac, 9);
}

/* Our header with another algorithm or type. */
static const char *header(apr_pool_t *p, const char *alg, const char *typ)
{
    return apr_psprintf(p, "{\"alg\":\"%s\",\"kid\":\"%s\",\"typ\":\"%s\"}",
                        alg, kid(p), typ);
}

static const char *part(apr_pool_t *p, const char *token, int n)
{
    while (n--) {
        token = strchr(token, '.') + 1;
    }
    return apr_pstrmemdup(p, token, strcspn(token, "."));
}

static void test_good(apr_pool_t *p, const char *token)
{
    wa_jwt_claims c;

    ok(token
           && strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
                            "uvwxyz0123456789-_.")
                  == strlen(token),
       "a token for a header");
    is_int(wa_jwt_verify(p, token, KEY, NOW, &c), APR_SUCCESS, "is good");
    is_str(c.subject, "u1", "sub");
    is_str(c.role, "user", "role");
    is_str(c.id, "t1", "jti");
    is_int(c.issued_at, claims.issued_at, "iat");
    is_int(c.expires_at, claims.expires_at, "exp");
    is_str(make(p, header(p, "HS256", "JWT"),
                "{\"aud\":\"mod_whatsapp\",\"exp\":1800000900,"
                "\"iat\":1800000000,\"iss\":\"mod_whatsapp\",\"jti\":\"t1\","
                "\"role\":\"user\",\"sid\":\"l1\",\"sub\":\"u1\"}"),
           token, "the same by hand, from the RFCs");
}

static void test_time(apr_pool_t *p, const char *token)
{
    apr_time_t exp = claims.expires_at;
    wa_jwt_claims c;

    is_int(wa_jwt_verify(p, token, KEY, exp - 1, &c), APR_SUCCESS,
           "good until the last second");
    is_int(wa_jwt_verify(p, token, KEY, exp, &c), APR_TIMEUP, "not after it");
    ok(!c.subject, "an expired token's claims are not told");
    is_int(wa_jwt_verify(p, token, KEY, NOW - apr_time_from_sec(60), &c),
           APR_SUCCESS, "issued by a clock 60 s ahead");
    is_int(wa_jwt_verify(p, token, KEY, NOW - apr_time_from_sec(61), &c),
           APR_EINVAL, "but not more");
}

static void test_key(apr_pool_t *p, const char *token)
{
    wa_jwt_claims c;

    is_int(wa_jwt_verify(p, token, "0123456789abcdef0123456789abcdeX", NOW, &c),
           APR_EINVAL, "another key");
    is_int(wa_jwt_verify(p, token, "", NOW, &c), APR_EINVAL, "an empty key");
    is_int(wa_jwt_verify(p, token, NULL, NOW, &c), APR_EINVAL, "no key");
    ok(!wa_jwt_sign(p, &claims, ""), "nothing is signed by an empty key");
    ok(!wa_jwt_sign(p, &claims, NULL), "nor by none");
}

static void test_form(apr_pool_t *p, const char *token)
{
    const char *h = part(p, token, 0), *b = part(p, token, 1),
               *s = part(p, token, 2);
    const char *const bad[] = {
        NULL,
        "",
        ".",
        "..",
        "...",
        h,
        apr_pstrcat(p, h, ".", b, NULL),
        apr_pstrcat(p, h, ".", b, ".", NULL),
        apr_pstrcat(p, h, "..", s, NULL),
        apr_pstrcat(p, ".", b, ".", s, NULL),
        apr_pstrcat(p, token, ".", NULL),
        apr_pstrcat(p, token, ".", s, NULL),
        apr_pstrcat(p, token, "=", NULL),
        apr_pstrcat(p, token, "A", NULL),
        apr_pstrcat(p, " ", token, NULL),
        apr_pstrcat(p, token, "\n", NULL),
        apr_pstrcat(p, h, ".", b, "=.", s, NULL),
        apr_pstrcat(p, h, ".", b, ".", "+/", s + 2, NULL),
        apr_pstrcat(p, b, ".", h, ".", s, NULL),
        apr_pstrmemdup(p, token, strlen(token) - 1),
        apr_pstrcat(p, h, ".", b, ".AAAA", NULL),
        "\xc3\xa9.\xc3\xa9.\xc3\xa9",
    };
    apr_size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        is_int(verify(p, bad[i]), APR_EINVAL, "bad form %d", (int)i);
    }
}

/* Each single changed character must be noticed, also the last one, of which
 * two bits stand for nothing. */
static void test_altered(apr_pool_t *p, const char *token)
{
    apr_size_t len = strlen(token), i;
    int passed = 0;

    for (i = 0; i < len; i++) {
        char *t = apr_pstrdup(p, token);
        t[i] = t[i] == 'A' ? 'B' : 'A';
        passed += verify(p, t) != APR_EINVAL;
        t[i] = (char)(token[i] + 1);
        passed += verify(p, t) != APR_EINVAL;
    }
    is_int(passed, 0, "no altered character passes");
}

static void test_header(apr_pool_t *p)
{
    static const char body[] = "{" CLAIMS "," TIMES "}";
    const char *none = header(p, "none", "JWT");
    const char *const bad[] = {
        header(p, "HS384", "JWT"),
        header(p, "HS512", "JWT"),
        header(p, "RS256", "JWT"),
        header(p, "hs256", "JWT"),
        header(p, "", "JWT"),
        header(p, "HS256", "at+jwt"),
        header(p, "HS256", ""),
        none,
        "{}",
        "{\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"typ\":\"JWT\"}",
        "{\"alg\":\"HS256\",\"kid\":\"other\",\"typ\":\"JWT\"}",
        apr_psprintf(p, "{\"alg\":\"HS256\",\"kid\":\"%s\"}", kid(p)),
        apr_psprintf(p,
                     "{\"alg\":\"HS256\",\"crit\":[\"x\"],\"kid\":\"%s\","
                     "\"typ\":\"JWT\",\"x\":1}",
                     kid(p)),
        apr_psprintf(p,
                     "{\"alg\":\"HS256\",\"kid\":\"%s\",\"typ\":\"JWT\","
                     "\"jwk\":{}}",
                     kid(p)),
        apr_psprintf(p,
                     "{\"alg\":\"none\",\"alg\":\"HS256\",\"kid\":\"%s\","
                     "\"typ\":\"JWT\"}",
                     kid(p)),
        "[]",
        "x",
    };
    const char *h = wa_base64url(p, none, strlen(none));
    const char *b = wa_base64url(p, body, strlen(body));
    apr_size_t i;

    is_int(verify(p, make(p, header(p, "HS256", "JWT"), body)), APR_SUCCESS,
           "the right header, by hand");
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        is_int(verify(p, make(p, bad[i], body)), APR_EINVAL, "bad header %s",
               bad[i]);
    }
    is_int(verify(p, apr_pstrcat(p, h, ".", b, ".", NULL)), APR_EINVAL,
           "alg none, no signature");
    is_int(verify(p, apr_pstrcat(p, h, ".", b, NULL)), APR_EINVAL,
           "alg none, two parts");
}

static void test_claims(apr_pool_t *p)
{
    static const char *const bad[] = {
        "",
        "x",
        "[]",
        "{}",
        "null",
        "{" TIMES "}",
        "{" CLAIMS "}",
        "{" CLAIMS ",\"iat\":1800000000}",
        "{" CLAIMS ",\"exp\":1800000900}",
        "{" CLAIMS ",\"iat\":1800000000,\"exp\":\"1800000900\"}",
        "{" CLAIMS ",\"iat\":1800000000,\"exp\":1800000900.5}",
        "{" CLAIMS ",\"iat\":1800000000,\"exp\":null}",
        "{" CLAIMS ",\"iat\":1800000000,\"exp\":-1}",
        "{" CLAIMS ",\"iat\":1800000000,\"exp\":0}",
        "{" CLAIMS ",\"iat\":1800000000,\"exp\":99999999999999999999}",
        "{" CLAIMS ",\"iat\":1800000061,\"exp\":1800000900}",
        "{" CLAIMS ",\"iat\":1800000000,\"exp\":1799999999}",
        "{" CLAIMS "," TIMES ",\"nbf\":1800000001}",
        "{" CLAIMS "," TIMES ",\"nbf\":\"1800000001\"}",
        "{" CLAIMS "," TIMES ",\"nbf\":-1}",
        "{" CLAIMS "," TIMES ",\"exp\":1800000900}",
        "{" CLAIMS "," TIMES ",\"sub\":\"u2\"}",
        "{" CLAIMS "," TIMES ",\"x\":\"\\u0000\"}",
        "{" CLAIMS "," TIMES "}{}",
        "{\"iss\":\"other\",\"aud\":\"mod_whatsapp\",\"sub\":\"u\","
        "\"role\":\"user\",\"jti\":\"t\"," TIMES "}",
        "{\"iss\":\"mod_whatsapp\",\"aud\":\"other\",\"sub\":\"u\","
        "\"role\":\"user\",\"jti\":\"t\"," TIMES "}",
        "{\"iss\":\"mod_whatsapp\",\"aud\":[\"mod_whatsapp\"],\"sub\":\"u\","
        "\"role\":\"user\",\"jti\":\"t\"," TIMES "}",
        "{\"aud\":\"mod_whatsapp\",\"sub\":\"u\",\"role\":\"user\","
        "\"jti\":\"t\"," TIMES "}",
        "{\"iss\":\"mod_whatsapp\",\"aud\":\"mod_whatsapp\","
        "\"role\":\"user\",\"jti\":\"t\"," TIMES "}",
        "{\"iss\":\"mod_whatsapp\",\"aud\":\"mod_whatsapp\",\"sub\":\"\","
        "\"role\":\"user\",\"jti\":\"t\"," TIMES "}",
        "{\"iss\":\"mod_whatsapp\",\"aud\":\"mod_whatsapp\",\"sub\":7,"
        "\"role\":\"user\",\"jti\":\"t\"," TIMES "}",
        "{\"iss\":\"mod_whatsapp\",\"aud\":\"mod_whatsapp\",\"sub\":\"u\","
        "\"jti\":\"t\"," TIMES "}",
        "{\"iss\":\"mod_whatsapp\",\"aud\":\"mod_whatsapp\",\"sub\":\"u\","
        "\"role\":\"user\"," TIMES "}",
    };
    const char *h = header(p, "HS256", "JWT");
    apr_size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        is_int(verify(p, make(p, h, bad[i])), APR_EINVAL, "bad claims %s",
               bad[i]);
    }
    is_int(verify(p, make(p, h,
                          "{" CLAIMS ",\"iat\":1799990000,"
                          "\"exp\":1800000000}")),
           APR_TIMEUP, "expired, and nothing else wrong");
    is_int(verify(p, make(p, h,
                          "{\"iss\":\"other\",\"iat\":1799990000,"
                          "\"exp\":1800000000}")),
           APR_EINVAL, "expired is not all that is wrong");
    is_int(verify(p, make(p, h, "{" CLAIMS "," TIMES ",\"more\":[1]}")),
           APR_SUCCESS, "a further claim does no harm");
}

/* The bits that stand for nothing, and padding, in what was signed. */
static void test_canonical(apr_pool_t *p)
{
    static const char body[] = "{" CLAIMS "," TIMES ",\"more\":\"%s\"}";
    const char *h = header(p, "HS256", "JWT"), *pad;
    int i;

    for (i = 1, pad = "x"; i <= 3; i++, pad = apr_pstrcat(p, pad, "x", NULL)) {
        const char *text = apr_psprintf(p, body, pad);
        char *payload = apr_pstrdup(p, wa_base64url(p, text, strlen(text)));
        apr_size_t len = strlen(payload);

        is_int(verify(p, sign(p, h, payload)), APR_SUCCESS, "%d more", i);
        is_int(verify(p, sign(p, h, apr_pstrcat(p, payload, "=", NULL))),
               APR_EINVAL, "with padding");
        is_int(verify(p, sign(p, h, apr_pstrcat(p, payload, "A", NULL))),
               APR_EINVAL, "with a character more");
        if (len % 4) {
            payload[len - 1]++;
            is_int(verify(p, sign(p, h, payload)), APR_EINVAL,
                   "with a bit that stands for nothing");
        }
    }
}

static void test_size(apr_pool_t *p)
{
    char *pad = apr_pcalloc(p, 1000001);
    const char *body;

    memset(pad, 'x', 1000000);
    body = apr_psprintf(p, "{" CLAIMS "," TIMES ",\"pad\":\"%.4000s\"}", pad);
    is_int(verify(p, make(p, header(p, "HS256", "JWT"), body)), APR_EINVAL,
           "over 4 KiB");
    is_int(verify(p, pad), APR_EINVAL, "a megabyte of nothing");
    memset(pad, '.', 1000000);
    is_int(verify(p, pad), APR_EINVAL, "a megabyte of dots");
}

int main(void)
{
    apr_pool_t *p = tap_start();
    const char *token;

    is_int(wa_crypto_init(), APR_SUCCESS, "start");
    token = wa_jwt_sign(p, &claims, KEY);
    test_good(p, token);
    test_time(p, token);
    test_key(p, token);
    test_form(p, token);
    test_altered(p, token);
    test_header(p);
    test_claims(p);
    test_canonical(p);
    test_size(p);
    return tap_done();
}
