/* SPDX-License-Identifier: Apache-2.0 */
#include "usage_json.h"

static void set_counts(json_t *j, const wa_counts *c)
{
    wa_json_set_int(j, "messages_sent", c->messages_sent);
    wa_json_set_int(j, "messages_failed", c->messages_failed);
    wa_json_set_int(j, "messages_received", c->messages_received);
    wa_json_set_int(j, "media_sent", c->media_sent);
    wa_json_set_int(j, "api_requests", c->api_requests);
}

json_t *wa_api_counts_json(const wa_counts *counts)
{
    json_t *j = json_object();

    set_counts(j, counts);
    return j;
}

json_t *wa_api_span_json(const wa_usage_span *span)
{
    json_t *j = json_object();

    if (span->day) {
        wa_json_set_str(j, "day", span->day);
    }
    else {
        wa_json_set_time(j, "hour", span->hour);
    }
    set_counts(j, &span->counts);
    return j;
}
