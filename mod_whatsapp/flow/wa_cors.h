/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_cors.h
 * @brief CORS (Fetch standard, section 3.2): pages of other origins.
 *
 * Off until WhatsAppCORSOrigin names origins. Such a page then calls the API
 * with a key or token that it has; never with the cookie, for credentials are
 * not allowed.
 */
#ifndef WA_CORS_H
#define WA_CORS_H

#include "../base/wa_http_msg.h"
#include "../core/wa_app.h"

/** Answer a preflight of an origin that is allowed.
 * @param methods what the path can do, as in Allow
 * @return 1 when it was one and resp is the answer, else 0 */
int wa_cors_preflight(const wa_app *app, const wa_req *req, wa_resp *resp,
                      const char *methods);

/** The headers of every answer, errors too: which origin may read it. */
void wa_cors_headers(const wa_app *app, const wa_req *req, wa_resp *resp);

#endif
