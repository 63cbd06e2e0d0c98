/* SPDX-License-Identifier: Apache-2.0 */
/** @file form.h @brief Forms with a file (multipart/form-data). */
#ifndef WA_FORM_H
#define WA_FORM_H

#include "../base/wa_http_msg.h"
#include "../core/wa_media.h"

/** Read the body: the part "file" onto disk, the others into req->json, which
 * is checked against schema. An empty value counts as absent. An
 * Idempotency-Key stands from here on for what the form says: its fields, and
 * the file's content, type and name.
 * @param file what wa_media_keep takes; whether it is kept is up to the caller
 * @return WA_OK; what wa_multipart says; WA_E_INVALID; what
 *         wa_media_type_checked says; WA_E_STORAGE, …; WA_E_NOT_READY when too
 *         many wait already */
wa_code wa_form_read(wa_app *app, wa_req *req, const wa_field *schema,
                     wa_media_new *file, wa_result *r);

#endif
