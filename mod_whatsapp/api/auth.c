/* SPDX-License-Identifier: Apache-2.0 */
#include "api.h"

#include "../base/wa_id.h"
#include "../base/wa_jwt.h"
#include "../core/wa_users.h"

const wa_field wa_api_login_fields[] = {
    { "username", WA_F_STRING, 1, 1, 64, NULL },
    { "password", WA_F_STRING, 1, 1, WA_PASSWORD_MAX, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL }
};

WA_API_HANDLER(wa_api_login)
{
    wa_jwt_claims claims;
    wa_user *user;
    const char *token;
    json_t *j;
    wa_code code;

    code = wa_user_login(app, req->pool, req->request_id,
                         wa_json_str(req->json, "username"),
                         wa_json_str(req->json, "password"), &user, r);
    if (code != WA_OK) {
        return code;
    }
    claims.subject = user->id;
    claims.role = user->role;
    claims.id = wa_id_uuid(req->pool);
    claims.issued_at = req->received;
    claims.expires_at = req->received + app->settings->token_life;
    token = wa_jwt_sign(req->pool, &claims, app->secrets->jwt);
    if (!token) {
        return wa_fail(r, WA_E_INTERNAL, NULL);
    }
    j = json_object();
    wa_json_set_str(j, "access_token", token);
    wa_json_set_str(j, "token_type", "Bearer");
    wa_json_set_int(j, "expires_in", apr_time_sec(app->settings->token_life));
    wa_resp_json(resp, req->pool, 200, j);
    return WA_OK;
}
