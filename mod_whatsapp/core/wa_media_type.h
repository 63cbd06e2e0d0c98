/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_media_type.h @brief The type of a file, by its content. */
#ifndef WA_MEDIA_TYPE_H
#define WA_MEDIA_TYPE_H

#include <apr_file_io.h>

#include "../base/wa_file_type.h"
#include "wa_app.h"

/** What a file is, held against what it was said to be.
 * @param path, file the same file, open for reading
 * @param declared Content-Type it came with, or NULL
 * @param name file name it came with, or NULL; asked only when declared says
 *        nothing
 * @return WA_OK; WA_E_MEDIA_REFUSED when the type is none that may be sent;
 *         WA_E_MEDIA_MISMATCH when the content is of another type than
 *         declared, or of two at a time; WA_E_MEDIA_EMPTY; WA_E_STORAGE */
wa_code wa_media_type_find(wa_app *app, apr_pool_t *p, const char *path,
                           apr_file_t *file, apr_off_t size,
                           const char *declared, const char *name,
                           const wa_file_type **type, wa_result *r);

#endif
