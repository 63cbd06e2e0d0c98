/* SPDX-License-Identifier: Apache-2.0 */
/** @file form.h @brief Forms with a file (multipart/form-data). */
#ifndef WA_FORM_H
#define WA_FORM_H

#include "../base/wa_http_msg.h"
#include "../core/wa_media.h"

/** Read the body: the part "file" onto disk, the others into req->json, which
 * is checked against schema. An empty value counts as absent.
 * @param media what became of the file; never NULL with WA_OK
 * @return WA_OK; what wa_multipart says; WA_E_INVALID; what wa_media_keep
 *         says; WA_E_NOT_READY when too many wait already */
wa_code wa_form_read(wa_app *app, wa_req *req, const wa_field *schema,
                     wa_media **media, wa_result *r);

#endif
