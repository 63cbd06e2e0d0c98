/* SPDX-License-Identifier: Apache-2.0 */
#include "api.h"

#include "../core/wa_bridge_events.h"

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
