/* SPDX-License-Identifier: Apache-2.0 */
#include "api.h"

#include <string.h>

#include <apr_strings.h>

#include "../core/wa_webhooks.h"
#include "etag.h"

#define URL_MAX 2048
#define DESCRIPTION_MAX 500
#define EVENTS_MAX 50

const wa_field wa_api_webhook_fields[] = {
    { "url", WA_F_STRING, 1, 1, URL_MAX, NULL },
    { "events", WA_F_ARRAY, 0, 0, EVENTS_MAX, NULL },
    { "description", WA_F_STRING, 0, 0, DESCRIPTION_MAX, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

const wa_field wa_api_webhook_change_fields[] = {
    { "url", WA_F_STRING, 0, 1, URL_MAX, NULL },
    { "events", WA_F_ARRAY, 0, 0, EVENTS_MAX, NULL },
    { "description", WA_F_STRING, 0, 0, DESCRIPTION_MAX, NULL },
    { "is_active", WA_F_BOOL, 0, 0, 0, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

const wa_field wa_api_webhook_rotate_fields[] = {
    { "overlap_seconds", WA_F_INT, 0, 0, WA_WEBHOOK_OVERLAP_MAX, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

static json_t *webhook_json(const wa_req *req, const wa_webhook *w)
{
    json_t *j = json_object();

    wa_json_set_str(j, "id", w->id);
    wa_json_set_str(j, "url", w->url);
    wa_json_set(j, "events", wa_json_words(req->pool, w->events));
    wa_json_set_str(j, "description", w->description);
    if (w->secret) {
        wa_json_set_str(j, "secret", w->secret);
    }
    wa_json_set_time(j, "previous_secret_expires_at", w->previous_until);
    wa_json_set_bool(j, "is_active", w->is_active);
    wa_json_set_str(j, "disabled_reason", w->disabled_reason);
    wa_json_set_time(j, "failing_since", w->failing_since);
    wa_json_set_time(j, "created_at", w->created_at);
    wa_json_set_time(j, "updated_at", w->updated_at);
    return j;
}

static wa_code answer(const wa_req *req, wa_resp *resp, wa_code code,
                      int status, const wa_webhook *w)
{
    if (code == WA_OK) {
        wa_resp_json(resp, req->pool, status, webhook_json(req, w));
        wa_etag_set(req, resp, w->version);
    }
    return code;
}

WA_API_HANDLER(wa_api_webhook_create)
{
    wa_webhook w;
    wa_code code;

    memset(&w, 0, sizeof(w));
    w.url = wa_json_str(req->json, "url");
    w.description = wa_json_str(req->json, "description");
    wa_webhook_url_check(app, w.url, r);
    code = wa_webhook_events_read(json_object_get(req->json, "events"),
                                  &w.events, r);
    if (code == WA_OK) {
        code = wa_webhook_create(app, req, &w, r);
    }
    if (code == WA_OK) {
        apr_table_setn(resp->headers, "Location",
                       apr_pstrcat(req->pool, "/api/webhooks/", w.id, NULL));
    }
    return answer(req, resp, code, 201, &w);
}

WA_API_HANDLER(wa_api_webhooks_list)
{
    apr_array_header_t *webhooks = NULL;
    json_t *j, *data;
    int i;
    wa_code code = wa_webhook_list(app, req, &webhooks, r);

    if (code != WA_OK) {
        return code;
    }
    j = json_object();
    data = json_array();
    for (i = 0; i < webhooks->nelts; i++) {
        json_array_append_new(
            data, webhook_json(req, &APR_ARRAY_IDX(webhooks, i, wa_webhook)));
    }
    wa_json_set(j, "data", data);
    wa_json_set(j, "next_cursor", json_null());
    wa_resp_json(resp, req->pool, 200, j);
    return WA_OK;
}

WA_API_HANDLER(wa_api_webhook_get)
{
    wa_webhook *w = NULL;
    wa_code code = wa_webhook_get(app, req, req->params[0], &w, r);

    return answer(req, resp, code, 200, w);
}

WA_API_HANDLER(wa_api_webhook_update)
{
    const json_t *active = json_object_get(req->json, "is_active");
    const json_t *events = json_object_get(req->json, "events");
    wa_webhook_change c;
    wa_webhook *w = NULL;
    apr_int64_t version;
    wa_code code = wa_etag_if_match(req, &version, r);

    if (code != WA_OK) {
        return code;
    }
    memset(&c, 0, sizeof(c));
    c.url = wa_json_str(req->json, "url");
    c.description = wa_json_str(req->json, "description");
    c.active = json_is_boolean(active) ? wa_db_p_bool(json_is_true(active))
                                       : NULL;
    if (c.url) {
        wa_webhook_url_check(app, c.url, r);
    }
    if (json_is_array(events)) {
        wa_webhook_events_read(events, &c.events, r);
    }
    code = r->code;
    if (code == WA_OK) {
        code = wa_webhook_update(app, req, req->params[0], version, &c, &w, r);
    }
    return answer(req, resp, code, 200, w);
}

WA_API_HANDLER(wa_api_webhook_delete)
{
    wa_code code = wa_webhook_delete(app, req, req->params[0], r);

    if (code == WA_OK) {
        resp->status = 204;
    }
    return code;
}

WA_API_HANDLER(wa_api_webhook_rotate)
{
    int overlap = (int)wa_json_int(req->json, "overlap_seconds",
                                   WA_WEBHOOK_OVERLAP);
    wa_webhook *w = NULL;
    wa_code code = wa_webhook_rotate(app, req, req->params[0], overlap, &w, r);

    return answer(req, resp, code, 200, w);
}
