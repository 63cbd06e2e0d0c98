/* SPDX-License-Identifier: Apache-2.0 */
#include "filter.h"

#include <string.h>

#include "../base/wa_id.h"
#include "../base/wa_time.h"

wa_code wa_filter_text(const wa_req *req, const char *name, apr_size_t max,
                       const char **value, wa_result *r)
{
    wa_code code = wa_req_query(req, name, value, r);

    if (code == WA_OK && *value && (!**value || strlen(*value) > max)) {
        return wa_fail(r, WA_E_BAD_PARAMETER,
                       "%s has 1 to %" APR_SIZE_T_FMT " bytes", name, max);
    }
    return code;
}

wa_code wa_filter_id(const wa_req *req, const char *name, const char **value,
                     wa_result *r)
{
    wa_code code = wa_req_query(req, name, value, r);

    if (code == WA_OK && *value && !wa_id_is_uuid(*value)) {
        return wa_fail(r, WA_E_BAD_PARAMETER, "%s is not an id", name);
    }
    return code;
}

wa_code wa_filter_time(const wa_req *req, const char *name, apr_time_t *value,
                       wa_result *r)
{
    const char *text;
    wa_code code = wa_req_query(req, name, &text, r);

    *value = 0;
    /* PostgreSQL knows no year 0, and nothing of ours is that old. */
    if (code == WA_OK && text
        && (wa_time_parse(text, value) != APR_SUCCESS || *value <= 0)) {
        return wa_fail(r, WA_E_BAD_PARAMETER,
                       "%s is a time as 2026-01-02T03:04:05Z", name);
    }
    return code;
}

wa_code wa_filter_range(const wa_req *req, apr_time_t *from, apr_time_t *until,
                        wa_result *r)
{
    wa_code code = wa_filter_time(req, "from", from, r);

    if (code == WA_OK) {
        code = wa_filter_time(req, "to", until, r);
    }
    if (code == WA_OK && *from && *until && *from >= *until) {
        return wa_fail(r, WA_E_BAD_PARAMETER, "from is before to");
    }
    return code;
}
