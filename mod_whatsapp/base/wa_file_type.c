/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_file_type.h"

#include <string.h>

#define OOXML "application/vnd.openxmlformats-officedocument."
#define ODF "application/vnd.oasis.opendocument."

// clang-format off
const wa_file_type wa_file_types[] = {
    { "image/jpeg",                    "jpg",  WA_KIND_IMAGE,    WA_PROOF_MAGIC },
    { "image/png",                     "png",  WA_KIND_IMAGE,    WA_PROOF_MAGIC },
    { "image/webp",                    "webp", WA_KIND_IMAGE,    WA_PROOF_MAGIC },
    { "video/mp4",                     "mp4",  WA_KIND_VIDEO,    WA_PROOF_MAGIC },
    { "audio/ogg",                     "ogg",  WA_KIND_AUDIO,    WA_PROOF_MAGIC },
    { "audio/mpeg",                    "mp3",  WA_KIND_AUDIO,    WA_PROOF_MAGIC },
    { "application/pdf",               "pdf",  WA_KIND_DOCUMENT, WA_PROOF_MAGIC },
    { OOXML "wordprocessingml.document", "docx", WA_KIND_DOCUMENT, WA_PROOF_ZIP },
    { OOXML "spreadsheetml.sheet",     "xlsx", WA_KIND_DOCUMENT, WA_PROOF_ZIP },
    { OOXML "presentationml.presentation", "pptx", WA_KIND_DOCUMENT, WA_PROOF_ZIP },
    { ODF "text",                      "odt",  WA_KIND_DOCUMENT, WA_PROOF_ZIP },
    { ODF "spreadsheet",               "ods",  WA_KIND_DOCUMENT, WA_PROOF_ZIP },
    { ODF "presentation",              "odp",  WA_KIND_DOCUMENT, WA_PROOF_ZIP },
    { "application/zip",               "zip",  WA_KIND_DOCUMENT, WA_PROOF_ZIP },
    { "text/plain",                    "txt",  WA_KIND_DOCUMENT, WA_PROOF_TEXT },
    { "text/csv",                      "csv",  WA_KIND_DOCUMENT, WA_PROOF_TEXT },
    { NULL, NULL, WA_KIND_COUNT, WA_PROOF_MAGIC }
};

/* What clients call the same types. Windows' browsers say the last of .csv. */
static const char *const aliases[][2] = {
    { "image/jpg", "image/jpeg" },
    { "image/pjpeg", "image/jpeg" },
    { "image/x-png", "image/png" },
    { "audio/mp3", "audio/mpeg" },
    { "audio/x-mp3", "audio/mpeg" },
    { "audio/opus", "audio/ogg" },
    { "application/ogg", "audio/ogg" },
    { "application/x-pdf", "application/pdf" },
    { "application/x-zip", "application/zip" },
    { "application/x-zip-compressed", "application/zip" },
    { "application/csv", "text/csv" },
    { "text/x-csv", "text/csv" },
    { "text/comma-separated-values", "text/csv" },
    { "application/vnd.ms-excel", "text/csv" },
};

static const char *const endings[][2] = {
    { "jpeg", "image/jpeg" },
    { "jpe", "image/jpeg" },
    { "oga", "audio/ogg" },
    { "opus", "audio/ogg" },
    { "m4v", "video/mp4" },
    { "text", "text/plain" },
    { "log", "text/plain" },
    { "md", "text/plain" },
};
// clang-format on

static const wa_file_type *exactly(const char *mime, apr_size_t len)
{
    const wa_file_type *t;

    for (t = wa_file_types; t->mime; t++) {
        if (strlen(t->mime) == len && !strncasecmp(t->mime, mime, len)) {
            return t;
        }
    }
    return NULL;
}

const wa_file_type *wa_file_type_by_mime(const char *mime)
{
    apr_size_t len = mime ? strcspn(mime, "; \t") : 0, i;
    const wa_file_type *t = len ? exactly(mime, len) : NULL;

    for (i = 0; len && !t && i < sizeof(aliases) / sizeof(aliases[0]); i++) {
        if (strlen(aliases[i][0]) == len
            && !strncasecmp(aliases[i][0], mime, len)) {
            t = exactly(aliases[i][1], strlen(aliases[i][1]));
        }
    }
    return t;
}

const wa_file_type *wa_file_type_by_name(const char *name)
{
    const char *dot = name ? strrchr(name, '.') : NULL;
    const wa_file_type *t;
    apr_size_t i;

    if (!dot) {
        return NULL;
    }
    for (t = wa_file_types; t->mime; t++) {
        if (!strcasecmp(t->extension, dot + 1)) {
            return t;
        }
    }
    for (i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        if (!strcasecmp(endings[i][0], dot + 1)) {
            return exactly(endings[i][1], strlen(endings[i][1]));
        }
    }
    return NULL;
}

int wa_file_type_unsaid(const char *mime)
{
    apr_size_t len = mime ? strcspn(mime, "; \t") : 0;

    return !len
           || (len == strlen("application/octet-stream")
               && !strncasecmp(mime, "application/octet-stream", len))
           || (len == strlen("binary/octet-stream")
               && !strncasecmp(mime, "binary/octet-stream", len));
}

const char *wa_file_kind_name(wa_file_kind kind)
{
    static const char *const names[] = { "image", "video", "audio",
                                         "document" };

    return kind < WA_KIND_COUNT ? names[kind] : NULL;
}
