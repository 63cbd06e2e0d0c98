/* SPDX-License-Identifier: Apache-2.0 */
/* POST /messages/send-media: a file in a form, one that was uploaded before,
 * or one that is fetched from a URL. What follows is as with a text. */
#include "api.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_multipart.h"
#include "../core/wa_media.h"
#include "../core/wa_messages.h"
#include "../core/wa_principal.h"
#include "form.h"

#define COMMON                                                                 \
    { "recipient", WA_F_STRING, 1, 1, 64, NULL },                              \
        { "caption", WA_F_STRING, 0, 1, WA_CAPTION_MAX, NULL },                \
        { "type", WA_F_STRING, 0, 1, 16, wa_media_send_types },                \
        { "session", WA_F_STRING, 0, 1, 64, NULL },                            \
        { "scheduled_at", WA_F_STRING, 0, 1, 64, NULL },                       \
    {                                                                          \
        "client_ref", WA_F_STRING, 0, 1, 255, NULL                             \
    }

const wa_field wa_api_send_media_fields[] = {
    COMMON,
    { "media_id", WA_F_STRING, 0, 36, 36, NULL },
    { "url", WA_F_STRING, 0, 1, 2048, NULL },
    { "file_name", WA_F_STRING, 0, 1, 255, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

static const wa_field form_fields[] = { COMMON,
                                        { NULL, WA_F_STRING, 0, 0, 0, NULL } };

/* One that is there. */
static wa_code find_media(wa_app *app, wa_req *req, const char *id,
                          wa_media **media, wa_result *r)
{
    wa_result *why = wa_result_make(req->pool);
    wa_code code = wa_media_get(app, req->pool, req->request_id,
                                req->principal->user_id, id, media, why);

    if (code == WA_OK || code == WA_E_NOT_FOUND) {
        return wa_media_check_there(*media, id, r);
    }
    *r = *why;
    return code;
}

/* The name of what a URL leads to, by its path. */
static const char *name_in_url(apr_pool_t *p, const char *url)
{
    const char *path = strstr(url, "://");
    const char *name = path ? strchr(path + 3, '/') : NULL;
    apr_size_t len = name ? strcspn(name, "?#") : 0;

    if (!len) {
        return NULL;
    }
    path = apr_pstrmemdup(p, name, len);
    name = strrchr(path, '/') + 1;
    return *name ? wa_percent_decode(p, name, strlen(name), 0) : NULL;
}

static wa_code order_url(wa_app *app, wa_req *req, const char *url,
                         wa_media **media, wa_result *r)
{
    const char *name = wa_json_str(req->json, "file_name");

    return wa_media_order_url(
        app, req->pool, req->request_id, req->principal->user_id, url,
        name ? name : name_in_url(req->pool, url), media, r);
}

static wa_code read_json(wa_app *app, wa_req *req, wa_media **media,
                         wa_result *r)
{
    const char *id = wa_json_str(req->json, "media_id");
    const char *url = wa_json_str(req->json, "url");

    if (!id == !url) {
        return wa_fail_field(r, id ? "/url" : "/media_id",
                             id ? "unknown" : "required",
                             "One of media_id and url is needed");
    }
    if (id) {
        return find_media(app, req, id, media, r);
    }
    return order_url(app, req, url, media, r);
}

/* What the message is sent with; NULL when the request is a repeat, and was
 * answered as that: then no file is looked for, kept or fetched. */
static wa_code read_media(wa_app *app, wa_req *req, wa_resp *resp,
                          wa_media **media, wa_result *r)
{
    int is_form = wa_multipart_is_form(req);
    wa_media_new file;
    wa_code code = is_form ? wa_form_read(app, req, form_fields, &file, r)
                           : WA_OK;

    if (code != WA_OK) {
        return code;
    }
    code = wa_api_order_repeated(app, req, resp, r);
    if (code == WA_E_NOT_FOUND) {
        code = is_form ? wa_media_keep(app, req, &file, media, r)
                       : read_json(app, req, media, r);
    }
    if (is_form) {
        wa_spool_drop(file.spool);
    }
    return code;
}

/* What was only made for a message that did not come about, or was there. */
static void let_go(wa_app *app, wa_req *req, const wa_media *m)
{
    (void)wa_media_delete(app, req->pool, req->request_id,
                          req->principal->user_id, m->id,
                          wa_result_make(req->pool));
}

WA_API_HANDLER(wa_api_send_media)
{
    wa_message_order order;
    wa_media *media = NULL;
    wa_code code = read_media(app, req, resp, &media, r);

    if (code != WA_OK || !media) {
        return code;
    }
    wa_api_order_read(app, req, &order, resp);
    order.media = media;
    order.text = wa_json_str(req->json, "caption");
    order.async |= !strcmp(media->state, "fetching");
    code = wa_media_send_type(media, wa_json_str(req->json, "type"), order.text,
                              &order.type, r);
    if (code == WA_OK) {
        code = wa_api_order_send(app, req, resp, &order, r);
    }
    if (!order.sent && !wa_json_str(req->json, "media_id")) {
        let_go(app, req, media);
    }
    return code;
}
