/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_file_name.h @brief File names: foreign ones made safe, ours told.
 */
#ifndef WA_FILE_NAME_H
#define WA_FILE_NAME_H

#include <apr_pools.h>

#include "wa_file_type.h"

/** Longest name, in bytes of UTF-8. */
#define WA_FILE_NAME_MAX 200

/** A name that does no harm wherever it is shown or saved: the last part of a
 * path, without control characters, marks that turn the reading direction and
 * the characters that file systems keep for themselves, not hidden, not too
 * long, and with an ending of its type (one is added when it has another).
 * @param name valid UTF-8, or NULL
 * @return never NULL; "file.pdf" when nothing is left of it */
const char *wa_file_name_safe(apr_pool_t *p, const char *name,
                              const wa_file_type *type);

/** The same without a care for its ending, for a file whose type is not known
 * yet. @return NULL when nothing is left of it */
const char *wa_file_name_clean(apr_pool_t *p, const char *name);

/** Content-Disposition of a download (RFC 6266): an ASCII name for old
 * clients, and the whole one as filename* (RFC 8187). */
const char *wa_file_name_header(apr_pool_t *p, const char *name);

/** Decode an extended value (RFC 8187), UTF-8''%41 or ISO-8859-1''%E4.
 * @return NULL when it is none */
const char *wa_file_name_extended(apr_pool_t *p, const char *value);

#endif
