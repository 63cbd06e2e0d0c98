/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_body.h @brief Request bodies: read within a bound, checked. */
#ifndef WA_BODY_H
#define WA_BODY_H

#include "../base/wa_http_msg.h"

/** Read the body as a JSON object into req->json. No body counts as {}.
 * @param max bytes, also for a body of undeclared length
 * @param schema NULL: any object
 * @return WA_OK, WA_E_MEDIA_TYPE, WA_E_BODY_TOO_LARGE, WA_E_BODY_TIMEOUT,
 *         WA_E_MALFORMED, WA_E_MALFORMED_JSON, WA_E_INVALID */
wa_code wa_body_read_json(wa_req *req, apr_size_t max, const wa_field *schema,
                          wa_result *r);

#endif
