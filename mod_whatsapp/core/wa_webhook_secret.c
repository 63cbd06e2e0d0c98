/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_webhook_secret.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_crypto.h"

#define PURPOSE "webhook secret"

const char *wa_webhook_secret_make(const wa_app *app, apr_pool_t *p,
                                   const char *webhook_id, const char **sealed)
{
    unsigned char secret[WA_WEBHOOK_SECRET_LEN];

    wa_random(secret, sizeof(secret));
    *sealed = wa_seal(p, app->secrets->key[0], PURPOSE, webhook_id, secret,
                      sizeof(secret));
    return apr_pstrcat(p, "whsec_", wa_base64(p, secret, sizeof(secret)), NULL);
}

const unsigned char *wa_webhook_secret_open(const wa_app *app, apr_pool_t *p,
                                            const char *webhook_id,
                                            const char *sealed)
{
    const char *const *line;

    for (line = app->secrets->key; *line; line++) {
        apr_size_t len = 0;
        const char *secret = wa_unseal(p, *line, PURPOSE, webhook_id, sealed,
                                       &len);

        if (secret && len == WA_WEBHOOK_SECRET_LEN) {
            return (const unsigned char *)secret;
        }
    }
    return NULL;
}

const char *wa_webhook_sign(apr_pool_t *p, const unsigned char *secret,
                            const char *id, const char *timestamp,
                            const char *body)
{
    const char *all = apr_pstrcat(p, id, ".", timestamp, ".", body, NULL);
    unsigned char mac[32];

    wa_hmac_sha256(mac, secret, WA_WEBHOOK_SECRET_LEN, all, strlen(all));
    return apr_pstrcat(p, "v1,", wa_base64(p, mac, sizeof(mac)), NULL);
}
