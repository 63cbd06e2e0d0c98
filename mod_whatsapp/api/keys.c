/* SPDX-License-Identifier: Apache-2.0 */
#include "api.h"

#include "../base/wa_id.h"
#include "../base/wa_time.h"
#include "../core/wa_keys.h"

const wa_field wa_api_key_fields[] = {
    { "name", WA_F_STRING, 1, 1, 100, NULL },
    { "expires_at", WA_F_STRING, 0, 20, 40, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

static wa_code read_expiry(const wa_req *req, apr_time_t *expires_at,
                           wa_result *r)
{
    const char *text = wa_json_str(req->json, "expires_at");

    *expires_at = 0;
    if (!text) {
        return WA_OK;
    }
    if (wa_time_parse(text, expires_at) != APR_SUCCESS) {
        return wa_fail_field(r, "/expires_at", "format",
                             "must be a time as 2026-01-02T03:04:05Z");
    }
    if (*expires_at <= req->received) {
        return wa_fail_field(r, "/expires_at", "range",
                             "must be in the future");
    }
    return WA_OK;
}

WA_API_HANDLER(wa_api_key_create)
{
    apr_time_t expires_at;
    wa_key *key;
    json_t *j;
    wa_code code = read_expiry(req, &expires_at, r);

    if (code == WA_OK && !wa_id_is_uuid(req->params[0])) {
        code = wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    if (code == WA_OK) {
        code = wa_key_create(app, req->pool, req->request_id, req->params[0],
                             wa_json_str(req->json, "name"), expires_at, &key,
                             r);
    }
    if (code != WA_OK) {
        return code;
    }
    j = json_object();
    wa_json_set_str(j, "id", key->id);
    wa_json_set_str(j, "user_id", req->params[0]);
    wa_json_set_str(j, "name", key->name);
    wa_json_set_str(j, "key", key->key);
    wa_json_set_str(j, "hint", key->hint);
    wa_json_set_time(j, "created_at", key->created_at);
    wa_json_set_time(j, "expires_at", key->expires_at);
    wa_resp_json(resp, req->pool, 201, j);
    return WA_OK;
}
