/* SPDX-License-Identifier: Apache-2.0 */
/* GET /limits: all bounds at a glance, and where the asking user's stand. */
#include "api.h"

#include "../core/wa_limits.h"
#include "../core/wa_media.h"
#include "../core/wa_messages.h"

static json_t *window_json(const wa_window *w)
{
    json_t *j = json_object();

    wa_json_set_int(j, "limit", w->limit);
    wa_json_set_int(j, "remaining",
                    w->used < w->limit ? w->limit - w->used : 0);
    wa_json_set_int(j, "reset", w->reset);
    return j;
}

static json_t *types_json(const wa_settings *s)
{
    const wa_file_type *t;
    json_t *list = json_array();

    for (t = wa_file_types; t->mime; t++) {
        json_t *j = json_object();

        wa_json_set_str(j, "mime_type", t->mime);
        wa_json_set_str(j, "extension", t->extension);
        wa_json_set_str(j, "type", wa_file_kind_name(t->kind));
        wa_json_set_int(j, "max_bytes", wa_media_max(s, t->kind));
        json_array_append_new(list, j);
    }
    return list;
}

WA_API_HANDLER(wa_api_limits)
{
    json_t *j;
    wa_code code = wa_limits_look(app, req->pool, req->request_id,
                                  req->principal, req->limits, r);

    if (code != WA_OK) {
        return code;
    }
    j = json_object();
    wa_json_set(j, "requests_per_minute", window_json(&req->limits->requests));
    wa_json_set(j, "messages_per_minute", window_json(&req->limits->minute));
    wa_json_set(j, "messages_per_day", window_json(&req->limits->day));
    wa_json_set_int(j, "text_max_characters", WA_TEXT_MAX);
    wa_json_set_int(j, "caption_max_characters", WA_CAPTION_MAX);
    wa_json_set_int(j, "media_days", app->settings->media_days);
    wa_json_set(j, "media_types", types_json(app->settings));
    wa_resp_json(resp, req->pool, 200, j);
    return WA_OK;
}
