/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_body.h"

#include <string.h>

#include <apr_strings.h>

#define FIRST_CHUNK 4096

static wa_code too_large(apr_size_t max, wa_result *r)
{
    return wa_fail(r, WA_E_BODY_TOO_LARGE,
                   "The body may have %" APR_SIZE_T_FMT " bytes here", max);
}

static wa_code read_failed(apr_status_t rv, apr_size_t max, wa_result *r)
{
    if (APR_STATUS_IS_TIMEUP(rv)) {
        return wa_fail(r, WA_E_BODY_TIMEOUT, NULL);
    }
    if (APR_STATUS_IS_ENOSPC(rv)) {
        return too_large(max, r);
    }
    return wa_fail(r, WA_E_MALFORMED, "The body ended early or is broken");
}

/* The buffer doubles as the body comes, so that a small body costs little and
 * no declared length is believed. */
static wa_code read_all(wa_req *req, apr_size_t max, const char **text,
                        apr_size_t *len, wa_result *r)
{
    apr_size_t size = FIRST_CHUNK, used = 0;
    char *buf;

    if (req->body.declared > (apr_off_t)max) {
        return too_large(max, r);
    }
    if (req->body.declared > 0) {
        size = (apr_size_t)req->body.declared + 1;
    }
    buf = apr_palloc(req->pool, size);
    for (;;) {
        apr_size_t room = size - used;
        apr_status_t rv;

        if (!room) {
            char *bigger = apr_palloc(req->pool, size * 2);

            memcpy(bigger, buf, used);
            buf = bigger;
            room = size;
            size *= 2;
        }
        rv = req->body.read(req->body.baton, buf + used, &room);
        if (rv == APR_EOF) {
            break;
        }
        if (rv != APR_SUCCESS) {
            return read_failed(rv, max, r);
        }
        used += room;
        req->body.taken = (apr_off_t)used;
        if (used > max) {
            return too_large(max, r);
        }
    }
    *text = buf;
    *len = used;
    return WA_OK;
}

static int is_json(const char *type)
{
    apr_size_t len = strcspn(type, "; \t");

    return len == 16 && !strncasecmp(type, "application/json", 16);
}

wa_code wa_body_read_json(wa_req *req, apr_size_t max, const wa_field *schema,
                          wa_result *r)
{
    const char *type = req->header(req, "Content-Type");
    const char *text = NULL;
    apr_size_t len = 0;
    wa_code code = read_all(req, max, &text, &len, r);

    if (code != WA_OK) {
        return code;
    }
    req->text = text;
    req->text_len = len;
    if (!len) {
        req->json = wa_json_own(req->pool, json_object());
    }
    else if (!type || !is_json(type)) {
        return wa_fail(r, WA_E_MEDIA_TYPE,
                       "Send the body as Content-Type: application/json");
    }
    else {
        code = wa_json_parse(&req->json, text, len, r);
        if (code != WA_OK) {
            return code;
        }
    }
    return schema ? wa_json_check(req->json, schema, r) : WA_OK;
}
