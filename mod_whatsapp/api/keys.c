/* SPDX-License-Identifier: Apache-2.0 */
#include "api.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_time.h"
#include "../core/wa_keys.h"
#include "../core/wa_networks.h"

const wa_field wa_api_key_fields[] = {
    { "name", WA_F_STRING, 1, 1, 100, NULL },
    { "scopes", WA_F_ARRAY, 0, 1, 20, NULL },
    { "networks", WA_F_ARRAY, 0, 0, 50, NULL },
    { "expires_at", WA_F_STRING, 0, 20, 40, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

const wa_field wa_api_key_rename_fields[] = {
    { "name", WA_F_STRING, 1, 1, 100, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

const wa_field wa_api_key_rotate_fields[] = {
    { "overlap_seconds", WA_F_INT, 0, 0, WA_KEY_OVERLAP_MAX, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

static json_t *key_json(const wa_req *req, const wa_key *k)
{
    json_t *j = json_object();

    wa_json_set_str(j, "id", k->id);
    wa_json_set_str(j, "user_id", k->user_id);
    wa_json_set_str(j, "name", k->name);
    if (k->key) {
        wa_json_set_str(j, "key", k->key);
    }
    wa_json_set_str(j, "hint", k->hint);
    wa_json_set(j, "scopes", wa_scopes_json(k->scopes));
    wa_json_set(j, "networks", wa_json_words(req->pool, k->networks));
    wa_json_set_time(j, "created_at", k->created_at);
    wa_json_set_time(j, "expires_at", k->expires_at);
    wa_json_set_time(j, "revoked_at", k->revoked_at);
    wa_json_set_time(j, "last_used_at", k->last_used_at);
    wa_json_set_str(j, "last_used_ip", k->last_used_ip);
    wa_json_set_str(j, "rotated_to", k->rotated_to);
    return j;
}

static void read_expiry(const wa_req *req, apr_time_t *expires_at, wa_result *r)
{
    const char *text = wa_json_str(req->json, "expires_at");

    *expires_at = 0;
    if (!text) {
        return;
    }
    if (wa_time_parse(text, expires_at) != APR_SUCCESS) {
        wa_fail_field(r, "/expires_at", "format",
                      "must be a time as 2026-01-02T03:04:05Z");
    }
    else if (*expires_at <= req->received) {
        wa_fail_field(r, "/expires_at", "range", "must be in the future");
    }
}

static wa_code read_key(const wa_req *req, wa_key *k, wa_result *r)
{
    const json_t *scopes = json_object_get(req->json, "scopes");

    memset(k, 0, sizeof(*k));
    k->name = wa_json_str(req->json, "name");
    k->scopes = WA_SCOPES_DEFAULT;
    if (json_is_array(scopes)) {
        wa_scopes_read(scopes, &k->scopes, r);
    }
    wa_networks_read(json_object_get(req->json, "networks"), &k->networks, r);
    read_expiry(req, &k->expires_at, r);
    return r->code;
}

/* Whose key a call may mean: an admin's any, everybody's own. */
static const char *owner(const wa_req *req)
{
    const wa_principal *who = req->principal;

    return !strcmp(who->role, "admin") && (who->scopes & WA_SCOPE_ADMIN)
               ? NULL
               : who->user_id;
}

static wa_code create(wa_app *app, wa_req *req, wa_resp *resp,
                      const char *user_id, wa_result *r)
{
    wa_key key;
    wa_code code = read_key(req, &key, r);

    /* Nobody hands out more than it has itself. */
    if (code == WA_OK && (key.scopes & ~req->principal->scopes)) {
        code = wa_fail(r, WA_E_SCOPE,
                       "A key can't be given scopes that you don't have");
    }
    if (code == WA_OK) {
        code = wa_key_create(app, req, user_id, &key, r);
    }
    if (code == WA_OK) {
        wa_resp_json(resp, req->pool, 201, key_json(req, &key));
        apr_table_setn(resp->headers, "Location",
                       apr_pstrcat(req->pool, "/api/keys/", key.id, NULL));
    }
    return code;
}

static wa_code list(wa_app *app, wa_req *req, wa_resp *resp,
                    const char *user_id, wa_result *r)
{
    apr_array_header_t *keys;
    json_t *j, *data;
    int i;
    wa_code code = wa_key_list(app, req, user_id, &keys, r);

    if (code != WA_OK) {
        return code;
    }
    j = json_object();
    data = json_array();
    for (i = 0; i < keys->nelts; i++) {
        json_array_append_new(data,
                              key_json(req, &APR_ARRAY_IDX(keys, i, wa_key)));
    }
    wa_json_set(j, "data", data);
    wa_json_set(j, "next_cursor", json_null());
    wa_resp_json(resp, req->pool, 200, j);
    return WA_OK;
}

WA_API_HANDLER(wa_api_key_create)
{
    return create(app, req, resp, req->params[0], r);
}

WA_API_HANDLER(wa_api_own_key_create)
{
    return create(app, req, resp, req->principal->user_id, r);
}

WA_API_HANDLER(wa_api_keys_of_user)
{
    return list(app, req, resp, req->params[0], r);
}

WA_API_HANDLER(wa_api_keys_own)
{
    return list(app, req, resp, req->principal->user_id, r);
}

static wa_code answer(const wa_req *req, wa_resp *resp, wa_code code,
                      int status, const wa_key *key)
{
    if (code == WA_OK) {
        wa_resp_json(resp, req->pool, status, key_json(req, key));
    }
    return code;
}

WA_API_HANDLER(wa_api_key_get)
{
    wa_key *key = NULL;
    wa_code code = wa_key_get(app, req, req->params[0], owner(req), &key, r);

    return answer(req, resp, code, 200, key);
}

WA_API_HANDLER(wa_api_key_rename)
{
    wa_key *key = NULL;
    wa_code code = wa_key_rename(app, req, req->params[0], owner(req),
                                 wa_json_str(req->json, "name"), &key, r);

    return answer(req, resp, code, 200, key);
}

WA_API_HANDLER(wa_api_key_revoke)
{
    wa_key *key = NULL;
    wa_code code = wa_key_revoke(app, req, req->params[0], owner(req), &key, r);

    if (code == WA_OK) {
        resp->status = 204;
    }
    return code;
}

WA_API_HANDLER(wa_api_key_rotate)
{
    int overlap = (int)wa_json_int(req->json, "overlap_seconds", 86400);
    wa_key *key = NULL;
    wa_code code = wa_key_rotate(app, req, req->params[0], owner(req), overlap,
                                 &key, r);

    return answer(req, resp, code, 201, key);
}
