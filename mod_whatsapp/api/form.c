/* SPDX-License-Identifier: Apache-2.0 */
#include "form.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_crypto.h"
#include "../base/wa_file_name.h"
#include "../base/wa_multipart.h"
#include "../core/wa_idempotency.h"

/* For all that is not the file. */
#define FIELDS_MAX ((apr_size_t)512 * 1024)
#define FIELD_MAX ((apr_size_t)256 * 1024)

typedef struct form {
    wa_app *app;
    wa_req *req;
    wa_multipart *mp;
    json_t *fields;
    wa_spool *spool;
    wa_media_said said;
} form;

static wa_code read_field(form *f, const wa_part *part, wa_result *r)
{
    char *value = NULL;
    apr_size_t used = 0, room = 0;

    for (;;) {
        const char *data;
        apr_size_t len;
        wa_code code = wa_multipart_read(f->mp, &data, &len, r);

        if (code != WA_OK) {
            return code;
        }
        if (!len) {
            break;
        }
        if (len > FIELD_MAX - used) {
            return wa_fail(r, WA_E_BODY_TOO_LARGE,
                           "A field may have %" APR_SIZE_T_FMT " bytes",
                           FIELD_MAX);
        }
        if (used + len > room) {
            char *bigger;

            room = (used + len) * 2;
            bigger = apr_palloc(f->req->pool, room);
            if (used) {
                memcpy(bigger, value, used);
            }
            value = bigger;
        }
        memcpy(value + used, data, len);
        used += len;
    }
    if (used && !wa_utf8_valid(value, used)) {
        return wa_fail(r, WA_E_MALFORMED, "The field %s is not UTF-8",
                       part->name);
    }
    if (json_object_get(f->fields, part->name)) {
        return wa_fail(r, WA_E_MALFORMED, "The field %s is there twice",
                       part->name);
    }
    if (used) {
        wa_json_set_str(f->fields, part->name,
                        apr_pstrmemdup(f->req->pool, value, used));
    }
    return WA_OK;
}

/* What is refused by its type or length alone is refused before it is read. */
static wa_code begin_file(form *f, const wa_part *part, wa_result *r)
{
    const wa_body *body = &f->req->body;
    wa_file_kind kind = WA_KIND_COUNT;
    apr_off_t max;

    if (!wa_file_type_unsaid(part->content_type)) {
        const wa_file_type *type = wa_file_type_by_mime(part->content_type);

        if (!type) {
            return wa_fail(r, WA_E_MEDIA_REFUSED,
                           "Files of this type are not taken; GET /api/limits"
                           " lists those that are");
        }
        kind = type->kind;
    }
    max = wa_media_max(f->app->settings, kind);
    /* What is in the window counts as taken. */
    if (body->declared - body->taken > max + (apr_off_t)FIELDS_MAX) {
        return wa_fail(r, WA_E_MEDIA_TOO_LARGE,
                       "The file may have %" APR_OFF_T_FMT " bytes", max);
    }
    f->said.type = part->content_type;
    f->said.name = part->file_name;
    return wa_spool_make(&f->spool, f->app, f->req->pool, max, r);
}

static wa_code read_file(form *f, const wa_part *part, wa_result *r)
{
    wa_code code;

    if (!part->is_file || strcmp(part->name, "file")) {
        return wa_fail_field(r, apr_pstrcat(r->p, "/", part->name, NULL),
                             part->is_file ? "unknown" : "type",
                             "The file is the part named file, and that has a"
                             " filename");
    }
    if (f->spool) {
        return wa_fail_field(r, "/file", "length", "There can be one file");
    }
    code = begin_file(f, part, r);
    while (code == WA_OK) {
        const char *data;
        apr_size_t len;

        code = wa_multipart_read(f->mp, &data, &len, r);
        if (code != WA_OK || !len) {
            break;
        }
        code = wa_spool_write(f->spool, data, len, r);
    }
    return code;
}

static wa_code read_parts(form *f, wa_result *r)
{
    const wa_part *part;
    wa_code code = wa_multipart_next(f->mp, &part, r);

    while (code == WA_OK && part) {
        code = part->is_file || !strcmp(part->name, "file")
                   ? read_file(f, part, r)
                   : read_field(f, part, r);
        if (code == WA_OK) {
            code = wa_multipart_next(f->mp, &part, r);
        }
    }
    return code;
}

/* Another boundary makes it no other request. */
static wa_code read_key(wa_req *req, const wa_media_new *n, wa_result *r)
{
    const wa_spool *s = n->spool;

    req->text = apr_pstrcat(
        req->pool, "form ", wa_hex(req->pool, s->sha256, sizeof(s->sha256)),
        " ", n->type->mime, " ", wa_file_name_safe(req->pool, n->name, n->type),
        " ", wa_json_dump(req->pool, req->json, NULL), NULL);
    req->text_len = strlen(req->text);
    return wa_idem_read(req, &req->idem, r);
}

static wa_code read_all(form *f, const wa_field *schema, wa_media_new *file,
                        wa_result *r)
{
    wa_req *req = f->req;
    wa_code code = read_parts(f, r);

    req->json = f->fields;
    if (code == WA_OK && !f->spool) {
        code = wa_fail_field(r, "/file", "required", "A file is needed");
    }
    if (code == WA_OK) {
        code = wa_json_check(f->fields, schema, r);
    }
    if (code == WA_OK) {
        code = wa_media_type_checked(f->app, req->pool, f->spool, &f->said,
                                     &file->type, r);
    }
    if (code == WA_OK) {
        code = wa_spool_finish(f->spool, r);
    }
    if (code == WA_OK) {
        file->spool = f->spool;
        file->name = f->said.name;
        code = read_key(req, file, r);
    }
    if (code != WA_OK && f->spool) {
        wa_spool_drop(f->spool);
    }
    return code;
}

wa_code wa_form_read(wa_app *app, wa_req *req, const wa_field *schema,
                     wa_media_new *file, wa_result *r)
{
    form f = { app, req, NULL, NULL, NULL, { NULL, NULL } };
    wa_code code = wa_multipart_make(
        &f.mp, req,
        wa_media_max(app->settings, WA_KIND_COUNT) + (apr_off_t)FIELDS_MAX, r);

    memset(file, 0, sizeof(*file));
    if (code != WA_OK) {
        return code;
    }
    if (!wa_place_take(app)) {
        return wa_fail_retry(r, WA_E_NOT_READY, 1,
                             "Too many uploads are under way");
    }
    f.fields = wa_json_own(req->pool, json_object());
    code = read_all(&f, schema, file, r);
    wa_place_give(app);
    return code;
}
