/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_media_type.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "../gateway/wa_magic.h"
#include "../gateway/wa_zip.h"

#define HEAD ((apr_size_t)64 * 1024)
#define PIECE ((apr_size_t)16 * 1024)
#define MARKUP_WITHIN ((apr_size_t)4096)

typedef struct look {
    wa_app *app;
    apr_pool_t *p;
    const char *path;
    apr_file_t *file;
    apr_off_t size;
    const char *head;  /* the first bytes */
    apr_size_t len;    /* of head */
    const char *magic; /* what libmagic says, never NULL */
} look;

static wa_code refused(wa_result *r)
{
    return wa_fail(r, WA_E_MEDIA_REFUSED,
                   "Files of this type are not taken; GET /api/limits lists"
                   " those that are");
}

static wa_code mismatch(wa_result *r, const char *declared)
{
    return wa_fail(r, WA_E_MEDIA_MISMATCH,
                   "The file is not of the type %s that it was said to have",
                   declared);
}

/* --- archives --------------------------------------------------------------
 */

/* What the names in an archive tell. */
typedef struct archive {
    int content_types, word, excel, powerpoint; /* Office Open XML */
    int manifest, content;                      /* OpenDocument */
    char mimetype[129];
    int program; /* macros, Java, Android */
} archive;

static int has_prefix(const char *s, const char *prefix)
{
    return !strncmp(s, prefix, strlen(prefix));
}

static int has_suffix(const char *s, const char *suffix)
{
    apr_size_t len = strlen(s), n = strlen(suffix);

    return len >= n && !strcasecmp(s + len - n, suffix);
}

static int on_entry(void *baton, int index, const char *name,
                    const char *content)
{
    archive *a = baton;

    a->content_types |= !strcmp(name, "[Content_Types].xml");
    /* The numbers are Office Online's: word/document2.xml. */
    a->word |= has_prefix(name, "word/document") && has_suffix(name, ".xml");
    a->excel |= has_prefix(name, "xl/workbook") && has_suffix(name, ".xml");
    a->powerpoint |= has_prefix(name, "ppt/presentation")
                     && has_suffix(name, ".xml");
    a->manifest |= !strcmp(name, "META-INF/manifest.xml");
    a->content |= !strcmp(name, "content.xml");
    a->program |= has_suffix(name, "vbaProject.bin")
                  || !strcmp(name, "META-INF/MANIFEST.MF")
                  || !strcmp(name, "AndroidManifest.xml");
    if (!strcmp(name, "mimetype") && content) {
        apr_cpystrn(a->mimetype, content, sizeof(a->mimetype));
    }
    return 1;
}

#define OOXML "application/vnd.openxmlformats-officedocument."

/* @return NULL when it is an archive that isn't taken */
static const wa_file_type *archive_type(const archive *a)
{
    const wa_file_type *t;

    if (a->program) {
        return NULL;
    }
    if (a->content_types && a->word + a->excel + a->powerpoint == 1) {
        return wa_file_type_by_mime(a->word ? OOXML "wordprocessingml.document"
                                    : a->excel ? OOXML "spreadsheetml.sheet"
                                               : OOXML
                                        "presentationml.presentation");
    }
    if (*a->mimetype) {
        t = wa_file_type_by_mime(a->mimetype);
        return t && t->proof == WA_PROOF_ZIP && a->manifest && a->content
                   ? t
                   : NULL;
    }
    return wa_file_type_by_mime("application/zip");
}

static wa_code look_at_zip(const look *l, const wa_file_type **found,
                           wa_result *r)
{
    archive a;
    apr_status_t rv;

    memset(&a, 0, sizeof(a));
    rv = wa_zip_list(l->p, l->path, l->file, l->size, on_entry, &a);
    if (APR_STATUS_IS_ENOSPC(rv)) {
        return wa_fail(r, WA_E_MEDIA_REFUSED,
                       "The archive has more than %d entries",
                       WA_ZIP_ENTRIES_MAX);
    }
    if (rv != APR_SUCCESS) {
        return wa_fail(r, WA_E_MEDIA_MISMATCH,
                       "The file is a ZIP archive that is broken");
    }
    *found = archive_type(&a);
    return *found ? WA_OK : refused(r);
}

/* --- text ------------------------------------------------------------------
 */

/* What programs take for more than text. */
static const char *const not_text[] = {
    "text/html",          "text/xml",
    "text/x-shellscript", "text/x-php",
    "text/x-python",      "text/x-script.python",
    "text/x-perl",        "text/x-ruby",
    "text/x-msdos-batch", "text/x-tcl",
    "text/x-lua",         "text/x-java",
    "text/javascript",    "text/x-awk",
    "text/x-gawk",        "text/x-nawk",
    "text/rtf",           "text/calendar",
    "text/vnd.graphviz",  NULL
};

static int among(const char *s, const char *const *list)
{
    while (*list && strcmp(s, *list)) {
        list++;
    }
    return *list != NULL;
}

/* UTF-8 or one of the 8-bit encodings: no byte that isn't text in any. */
static int only_text(const char *s, apr_size_t len)
{
    for (; len; s++, len--) {
        unsigned char c = (unsigned char)*s;

        if ((c < 0x20 && !(c >= 0x08 && c <= 0x0d)) || c == 0x7f) {
            return 0;
        }
    }
    return 1;
}

static apr_status_t all_text(const look *l, int *is_text)
{
    char piece[PIECE];
    apr_off_t start = 0;
    apr_size_t n = sizeof(piece);
    apr_status_t rv = apr_file_seek(l->file, APR_SET, &start);

    *is_text = 1;
    while (rv == APR_SUCCESS && *is_text) {
        n = sizeof(piece);
        rv = apr_file_read(l->file, piece, &n);
        if (rv == APR_SUCCESS) {
            *is_text = only_text(piece, n);
        }
    }
    return rv == APR_EOF ? APR_SUCCESS : rv;
}

/* How a file begins that a browser or a shell would run. */
static int begins_as_code(const look *l)
{
    static const char *const begin[] = { "#!",    "<?",    "<!",
                                         "<html", "<svg",  "<script",
                                         "<head", "<body", "{\\rtf" };
    const char *s = l->head;
    apr_size_t len = l->len, i;

    if (len >= 3 && !memcmp(s, "\xef\xbb\xbf", 3)) {
        s += 3;
        len -= 3;
    }
    while (len && apr_isspace(*s)) {
        s++;
        len--;
    }
    for (i = 0; i < sizeof(begin) / sizeof(begin[0]); i++) {
        apr_size_t n = strlen(begin[i]);

        if (len >= n && !strncasecmp(s, begin[i], n)) {
            return 1;
        }
    }
    return 0;
}

/* @param said the type it is to be: CSV is told from text by that alone */
static wa_code look_at_text(const look *l, const wa_file_type *said,
                            wa_result *r)
{
    int is_text;

    if (begins_as_code(l) || among(l->magic, not_text)) {
        return refused(r);
    }
    if (all_text(l, &is_text) != APR_SUCCESS) {
        return wa_fail_retry(r, WA_E_STORAGE, 2, NULL);
    }
    return is_text ? WA_OK : mismatch(r, said->mime);
}

/* --- the rest --------------------------------------------------------------
 */

/* Markup or a script near the beginning of what is no text: a file that is
 * two things. */
static int has_markup(const look *l)
{
    static const char *const marks[] = { "<html",  "<script", "<?php",
                                         "<svg ",  "<svg>",   "<!doctype",
                                         "<iframe" };
    apr_size_t len = l->len < MARKUP_WITHIN ? l->len : MARKUP_WITHIN, i, at;

    for (at = 0; at < len; at++) {
        if (l->head[at] != '<') {
            continue;
        }
        for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
            apr_size_t n = strlen(marks[i]);

            if (n <= len - at && !strncasecmp(l->head + at, marks[i], n)) {
                return 1;
            }
        }
    }
    return 0;
}

static int is_two_things(const look *l, const wa_file_type *found)
{
    if (found->proof != WA_PROOF_MAGIC) {
        return 0;
    }
    return has_markup(l) || wa_zip_at_end(l->file, l->size)
           || (!strcmp(found->mime, "application/pdf")
               && (l->len < 5 || memcmp(l->head, "%PDF-", 5)));
}

static wa_code look_closer(const look *l, const wa_file_type **found,
                           wa_result *r)
{
    if (l->len >= 4 && !memcmp(l->head, "PK\3\4", 4)) {
        return look_at_zip(l, found, r);
    }
    *found = wa_file_type_by_mime(l->magic);
    if (*found && is_two_things(l, *found)) {
        return wa_fail(r, WA_E_MEDIA_MISMATCH,
                       "The file is of two types at a time");
    }
    return WA_OK;
}

/* Every office file is a ZIP archive, too. */
static int agrees(const wa_file_type *found, const wa_file_type *said)
{
    return found == said
           || (found->proof == WA_PROOF_ZIP
               && !strcmp(said->mime, "application/zip"));
}

static wa_code read_head(look *l, wa_result *r)
{
    apr_size_t want = l->size < (apr_off_t)HEAD ? (apr_size_t)l->size : HEAD;
    char *head = apr_palloc(l->p, want);
    apr_off_t start = 0;

    l->head = head;
    l->len = want;
    if (apr_file_seek(l->file, APR_SET, &start) != APR_SUCCESS
        || apr_file_read_full(l->file, head, want, NULL) != APR_SUCCESS
        || wa_magic_type(l->app->magic, l->p, head, want, &l->magic)
               != APR_SUCCESS) {
        return wa_fail_retry(r, WA_E_STORAGE, 2, NULL);
    }
    return WA_OK;
}

static wa_code find(look *l, const wa_file_type *said, const char *declared,
                    const wa_file_type **type, wa_result *r)
{
    const wa_file_type *found = NULL;
    wa_code code = look_closer(l, &found, r);

    if (code != WA_OK) {
        return code;
    }
    /* Nothing else is known of it, and it may be text. */
    if (!said && !found && has_prefix(l->magic, "text/")) {
        said = wa_file_type_by_mime("text/plain");
    }
    if (said && said->proof == WA_PROOF_TEXT
        && (!found || found->proof == WA_PROOF_TEXT)) {
        *type = said;
        return look_at_text(l, said, r);
    }
    if (!found) {
        return said ? mismatch(r, said->mime) : refused(r);
    }
    if (said && !agrees(found, said)) {
        return mismatch(r, declared ? declared : said->mime);
    }
    *type = said ? said : found;
    return (*type)->proof == WA_PROOF_TEXT ? look_at_text(l, *type, r) : WA_OK;
}

wa_code wa_media_type_find(wa_app *app, apr_pool_t *p, const char *path,
                           apr_file_t *file, apr_off_t size,
                           const char *declared, const char *name,
                           const wa_file_type **type, wa_result *r)
{
    look l = { app, p, path, file, size, NULL, 0, "" };
    const wa_file_type *said;
    int unsaid = wa_file_type_unsaid(declared);
    wa_code code;

    if (size <= 0) {
        return wa_fail(r, WA_E_MEDIA_EMPTY, NULL);
    }
    said = unsaid ? wa_file_type_by_name(name) : wa_file_type_by_mime(declared);
    if (!said && !unsaid) {
        return refused(r);
    }
    code = read_head(&l, r);
    if (code == WA_OK) {
        code = find(&l, said, unsaid ? NULL : said->mime, type, r);
    }
    return code;
}
