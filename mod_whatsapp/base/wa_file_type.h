/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_file_type.h
 * @brief The types of files that may be sent or kept: THE table of them.
 *
 * A file's type is what its content shows (core/wa_media_type.h), and must be
 * the one it was said to have.
 */
#ifndef WA_FILE_TYPE_H
#define WA_FILE_TYPE_H

#include <apr_pools.h>

/** What a message with such a file is by itself, and whose bound it has. */
typedef enum wa_file_kind {
    WA_KIND_IMAGE,
    WA_KIND_VIDEO,
    WA_KIND_AUDIO,
    WA_KIND_DOCUMENT,
    WA_KIND_COUNT
} wa_file_kind;

/** How a type is recognised. */
typedef enum wa_file_proof {
    WA_PROOF_MAGIC, /* by its first bytes */
    WA_PROOF_TEXT,  /* by having nothing in it but text */
    WA_PROOF_ZIP    /* by the directory of a ZIP archive */
} wa_file_proof;

typedef struct wa_file_type {
    const char *mime;
    const char *extension; /* the usual one */
    wa_file_kind kind;
    wa_file_proof proof;
} wa_file_type;

/** All types, ended by a row without mime. */
extern const wa_file_type wa_file_types[];

/** The type of a Content-Type: parameters don't count, other spellings of the
 * same type do. @return NULL when it is none of the table */
const wa_file_type *wa_file_type_by_mime(const char *mime);

/** The type by a file name's ending, or NULL. */
const wa_file_type *wa_file_type_by_name(const char *name);

/** Does the Content-Type say nothing: absent, or application/octet-stream? */
int wa_file_type_unsaid(const char *mime);

/** "image", "video", "audio", "document". */
const char *wa_file_kind_name(wa_file_kind kind);

#endif
