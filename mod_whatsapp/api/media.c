/* SPDX-License-Identifier: Apache-2.0 */
#include "api.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_file_name.h"
#include "../core/wa_idempotency.h"
#include "../core/wa_media.h"
#include "../core/wa_media_fetch.h"
#include "../core/wa_principal.h"
#include "form.h"
#include "page.h"

static const wa_field upload_fields[] = { { NULL, WA_F_STRING, 0, 0, 0,
                                            NULL } };

json_t *wa_api_media_json(apr_pool_t *p, const wa_media *m)
{
    json_t *j = json_object();

    wa_json_set_str(j, "id", m->id);
    wa_json_set_str(j, "source", m->source);
    wa_json_set_str(j, "state", m->state);
    wa_json_set_str(j, "mime_type", m->mime_type);
    wa_json_set(j, "size", m->size ? json_integer(m->size) : json_null());
    wa_json_set_str(j, "sha256", m->sha256);
    wa_json_set_str(j, "file_name", m->file_name);
    wa_json_set_str(j, "url", wa_media_url(p, m));
    wa_json_set_time(j, "created_at", m->created_at);
    return j;
}

static void answer_upload(wa_req *req, wa_resp *resp, const wa_media *m)
{
    apr_table_setn(resp->headers, "Location",
                   apr_pstrcat(req->pool, "/api/media/", m->id, NULL));
    wa_resp_json(resp, req->pool, 201, wa_api_media_json(req->pool, m));
}

/* A key is known by the whole file only. So of equal uploads at a time each is
 * read; the first to be whole is kept, the others get its answer. */
WA_API_HANDLER(wa_api_media_upload)
{
    wa_media *m = NULL;
    wa_idem_found *found = NULL;
    wa_media_new file;
    wa_code code = wa_form_read(app, req, upload_fields, &file, r);

    if (code != WA_OK) {
        return code;
    }
    file.answer = answer_upload;
    if (req->idem) {
        code = wa_idem_find(app, req, req->idem, &found, r);
    }
    if (code == WA_OK && !found) {
        code = wa_media_keep(app, req, &file, &m, r);
    }
    if (code == WA_OK && !found && !m) {
        code = wa_idem_find(app, req, req->idem, &found, r);
    }
    wa_spool_drop(file.spool);
    if (code != WA_OK) {
        return code;
    }
    if (m) {
        answer_upload(req, resp, m);
        return WA_OK;
    }
    if (!found) {
        return wa_fail_retry(r, WA_E_IN_PROGRESS, 1, NULL);
    }
    wa_idem_replay(req, resp, found);
    return WA_OK;
}

WA_API_HANDLER(wa_api_media_list)
{
    apr_array_header_t *found;
    json_t *data;
    wa_page page;
    int i;
    wa_code code = wa_page_read(app, req, "media", &page, r);

    if (code == WA_OK) {
        code = wa_media_page(app, req->pool, req->request_id,
                             req->principal->user_id, page.after_time,
                             page.after_id, page.limit + 1, &found, r);
    }
    if (code != WA_OK) {
        return code;
    }
    data = json_array();
    for (i = 0; i < found->nelts && i < page.limit; i++) {
        const wa_media *m = &APR_ARRAY_IDX(found, i, wa_media);

        json_array_append_new(data, wa_api_media_json(req->pool, m));
        if (i == page.limit - 1 && found->nelts > page.limit) {
            page.next = wa_page_cursor_time(app, req->pool, "media",
                                            m->created_at, m->id);
        }
    }
    wa_page_answer(req, resp, &page, data);
    return WA_OK;
}

/* If-None-Match (RFC 9110, 13.1.2). Our tags have no comma in them. */
static int is_known(const wa_req *req, const char *etag)
{
    const char *tags = req->header(req, "If-None-Match");
    char *copy, *state, *tag;

    if (!tags) {
        return 0;
    }
    copy = apr_pstrdup(req->pool, tags);
    for (tag = apr_strtok(copy, ", \t", &state); tag;
         tag = apr_strtok(NULL, ", \t", &state)) {
        if (!strcmp(tag, "*") || !strcmp(tag, etag)
            || (!strncmp(tag, "W/", 2) && !strcmp(tag + 2, etag))) {
            return 1;
        }
    }
    return 0;
}

/* Whatever is in it, a browser saves it and does nothing else with it. */
static wa_code answer_file(wa_app *app, wa_req *req, wa_resp *resp,
                           const wa_media *m, wa_result *r)
{
    const char *etag = apr_pstrcat(req->pool, "\"", m->sha256, "\"", NULL);
    apr_file_t *file;
    wa_code code = wa_media_open(app, req->pool, req->request_id, m, &file, r);

    if (code != WA_OK) {
        return code;
    }
    apr_table_setn(resp->headers, "ETag", etag);
    if (is_known(req, etag)) {
        resp->status = 304;
        return WA_OK;
    }
    apr_table_setn(resp->headers, "Content-Disposition",
                   wa_file_name_header(req->pool, m->file_name));
    apr_table_setn(resp->headers, "Content-Security-Policy",
                   "default-src 'none'; sandbox");
    wa_resp_file(resp, m->mime_type, file, m->size);
    return WA_OK;
}

/* It is at WhatsApp still; whoever waits for it takes a place. */
static wa_code fetch_now(wa_app *app, wa_req *req, wa_media **m, wa_result *r)
{
    wa_code code;

    if (!wa_place_take(app)) {
        return wa_fail_retry(r, WA_E_NOT_READY, 1,
                             "Too many requests wait for the bridge");
    }
    code = wa_media_fetch_now(app, req->pool, req->request_id, m, r);
    wa_place_give(app);
    return code;
}

WA_API_HANDLER(wa_api_media_get)
{
    wa_media *m = NULL;
    wa_code code = wa_media_get(app, req->pool, req->request_id,
                                req->principal->user_id, req->params[0], &m, r);

    if (code == WA_OK && !strcmp(m->state, "on_demand")) {
        code = fetch_now(app, req, &m, r);
    }
    return code == WA_OK ? answer_file(app, req, resp, m, r) : code;
}

WA_API_HANDLER(wa_api_media_delete)
{
    wa_code code = wa_media_delete(app, req->pool, req->request_id,
                                   req->principal->user_id, req->params[0], r);

    if (code == WA_OK) {
        resp->status = 204;
    }
    return code;
}

/* The bridge is told nothing but that it has to do without. */
WA_API_HANDLER(wa_api_internal_media)
{
    wa_media *m = NULL;
    apr_file_t *file;
    wa_code code = wa_media_get_any(app, req->pool, req->request_id,
                                    req->params[0], &m, r);

    if (code == WA_OK) {
        code = wa_media_open(app, req->pool, req->request_id, m, &file, r);
        if (code == WA_E_MEDIA_GONE) {
            code = wa_fail(r, WA_E_NOT_FOUND, NULL);
        }
    }
    if (code == WA_OK) {
        wa_resp_file(resp, m->mime_type, file, m->size);
    }
    return code;
}
