/* SPDX-License-Identifier: Apache-2.0 */
#include "api.h"

#include "../core/wa_bridge_events.h"
#include "../core/wa_credentials.h"

WA_API_HANDLER(wa_api_internal_events)
{
    apr_int64_t acked = 0;
    json_t *j;
    wa_code code = wa_bridge_events_apply(app, req->pool, req->request_id,
                                          req->json, &acked, r);

    if (code == WA_OK) {
        j = json_object();
        wa_json_set_int(j, "acked", acked);
        wa_resp_json(resp, req->pool, 200, j);
    }
    return code;
}

WA_API_HANDLER(wa_api_internal_credentials_claim)
{
    json_t *j;
    wa_code code = wa_credentials_claim(app, req->pool, req->request_id,
                                        req->params[0], req->json, &j, r);

    if (code == WA_OK) {
        wa_resp_json(resp, req->pool, 200, json_incref(j));
    }
    return code;
}

WA_API_HANDLER(wa_api_internal_credentials_store)
{
    json_t *j;
    wa_code code = wa_credentials_store(app, req->pool, req->request_id,
                                        req->json, &j, r);

    if (code == WA_OK) {
        wa_resp_json(resp, req->pool, 200, json_incref(j));
    }
    return code;
}

WA_API_HANDLER(wa_api_internal_credentials_page)
{
    json_t *j;
    wa_code code = wa_credentials_page(app, req->pool, req->request_id,
                                       req->params[0], req->json, &j, r);

    if (code == WA_OK) {
        wa_resp_json(resp, req->pool, 200, json_incref(j));
    }
    return code;
}
