/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_webhook_secret.h
 * @brief Secrets of webhooks: made, kept sealed, signed with.
 *
 * They are sealed under a key made from the first line of
 * WhatsAppKeySecretFile, and read under any of its lines.
 */
#ifndef WA_WEBHOOK_SECRET_H
#define WA_WEBHOOK_SECRET_H

#include "wa_app.h"

/** Bytes of a secret. */
#define WA_WEBHOOK_SECRET_LEN 32

/** Make one. @param sealed hex, for the database
 * @return as the user is shown it, once: whsec_ and base64 */
const char *wa_webhook_secret_make(const wa_app *app, apr_pool_t *p,
                                   const char *webhook_id, const char **sealed);

/** Read a sealed one.
 * @return its WA_WEBHOOK_SECRET_LEN bytes, or NULL when no line of the server's
 *         secret is the one it was sealed under */
const unsigned char *wa_webhook_secret_open(const wa_app *app, apr_pool_t *p,
                                            const char *webhook_id,
                                            const char *sealed);

/** A signature of Standard Webhooks: "v1," and base64 of the HMAC-SHA-256 over
 * id, timestamp and body with full stops between. */
const char *wa_webhook_sign(apr_pool_t *p, const unsigned char *secret,
                            const char *id, const char *timestamp,
                            const char *body);

#endif
