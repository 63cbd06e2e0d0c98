/* SPDX-License-Identifier: Apache-2.0 */
/** @file negotiate.h @brief Which form of an answer a client wants. */
#ifndef WA_NEGOTIATE_H
#define WA_NEGOTIATE_H

#include "../base/wa_http_msg.h"

typedef enum wa_format {
    WA_FORMAT_SVG,
    WA_FORMAT_PNG,
    WA_FORMAT_RAW,
    WA_FORMAT_JSON
} wa_format;

/** By ?format=svg|png|raw|json, else by Accept (RFC 9110, section 12.5.1);
 * SVG when the client has no wish.
 * @return WA_OK, WA_E_BAD_PARAMETER, WA_E_NOT_ACCEPTABLE */
wa_code wa_negotiate_qr(const wa_req *req, wa_format *format, wa_result *r);

typedef enum wa_list_format {
    WA_LIST_JSON, /* a page */
    WA_LIST_CSV,  /* all of it, as an attachment */
    WA_LIST_NDJSON
} wa_list_format;

/** The same for lists: ?format=json|csv|ndjson, JSON without a wish. */
wa_code wa_negotiate_list(const wa_req *req, wa_list_format *format,
                          wa_result *r);

#endif
