/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_jwt.h
 * @brief Access tokens: JWT (RFC 7519) by libjwt, HS256 and nothing else.
 */
#ifndef WA_JWT_H
#define WA_JWT_H

#include <apr_pools.h>
#include <apr_time.h>

typedef struct wa_jwt_claims {
    const char *subject; /* user id */
    const char *role;    /* admin, user */
    const char *id;      /* jti */
    const char *login;   /* sid: the login that ends it server-side */
    apr_time_t issued_at;
    apr_time_t expires_at;
} wa_jwt_claims;

/** Sign claims (iss and aud "mod_whatsapp", typ "JWT", kid derived from the
 * key). @return the token in p, or NULL when memory is short */
const char *wa_jwt_sign(apr_pool_t *p, const wa_jwt_claims *claims,
                        const char *key);

/** Verify a token: algorithm, kid, signature, typ, iss, aud, iat, exp (no
 * leeway), nbf; the header must be the one that wa_jwt_sign writes. Claims are
 * empty unless all is well. @return APR_SUCCESS, APR_EINVAL for anything
 * wrong with it, APR_TIMEUP when it is only expired */
apr_status_t wa_jwt_verify(apr_pool_t *p, const char *token, const char *key,
                           apr_time_t now, wa_jwt_claims *claims);

#endif
