/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_multipart.h
 * @brief multipart/form-data (RFC 7578), read as it comes.
 *
 * Part after part, and each part's bytes in pieces: memory is one window, no
 * matter how long the body is or how it was cut on its way. What is not exactly
 * as the RFCs have it is refused, for two readers that disagree on a form are
 * how things get past one of them.
 */
#ifndef WA_MULTIPART_H
#define WA_MULTIPART_H

#include "wa_http_msg.h"

/** Most parts of a form, and bytes of one part's headers. */
#define WA_PARTS_MAX 20
#define WA_PART_HEADERS_MAX 8192

typedef struct wa_multipart wa_multipart;

typedef struct wa_part {
    const char *name;
    int is_file;              /* it came with a file name, be it empty */
    const char *file_name;    /* as it was sent, UTF-8; or NULL */
    const char *content_type; /* or NULL */
} wa_part;

/** Does the request say that its body is a form? */
int wa_multipart_is_form(const wa_req *req);

/** Begin to read req's body.
 * @param max bytes of the whole body, also when it doesn't say its length
 * @return WA_OK, WA_E_MEDIA_TYPE when it is no form, WA_E_MALFORMED when it
 *         has no proper boundary, WA_E_BODY_TOO_LARGE by its length */
wa_code wa_multipart_make(wa_multipart **mp, wa_req *req, apr_off_t max,
                          wa_result *r);

/** The next part; what is left of the one before is passed over.
 * @param part NULL after the last one, when the body has ended as it should
 * @return WA_OK, WA_E_MALFORMED, WA_E_BODY_TOO_LARGE, WA_E_BODY_TIMEOUT */
wa_code wa_multipart_next(wa_multipart *mp, const wa_part **part, wa_result *r);

/** The part's next bytes, which stay where they are until the next call.
 * @param len 0 when the part has ended
 * @return as wa_multipart_next */
wa_code wa_multipart_read(wa_multipart *mp, const char **data, apr_size_t *len,
                          wa_result *r);

#endif
