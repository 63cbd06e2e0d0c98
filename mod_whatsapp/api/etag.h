/* SPDX-License-Identifier: Apache-2.0 */
/** @file etag.h @brief ETag and If-Match of what has a version. */
#ifndef WA_ETAG_H
#define WA_ETAG_H

#include "../base/wa_http_msg.h"

/** Answer with the version as ETag. */
void wa_etag_set(const wa_req *req, wa_resp *resp, apr_int64_t version);

/** If-Match (RFC 9110, section 13.1.1): the version the client has seen.
 * @param version 0 when any will do
 * @return WA_OK or WA_E_PRECONDITION */
wa_code wa_etag_if_match(const wa_req *req, apr_int64_t *version, wa_result *r);

#endif
