/* SPDX-License-Identifier: Apache-2.0 */
/* Who did what: the audit, for admins. */
#include "api.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_time.h"
#include "../core/wa_audit_list.h"
#include "filter.h"
#include "list.h"

#define ACTION_MAX 64
#define TARGET_MAX 128

static void row_json(apr_pool_t *p, const void *element, wa_json_text *t)
{
    const wa_audit_row *row = element;
    wa_result *ignored = wa_result_make(p);
    json_t *detail = NULL;

    wa_json_text_open(t, NULL, '{');
    wa_json_text_str(t, "id", row->id);
    wa_json_text_time(t, "at", row->at);
    wa_json_text_str(t, "actor_id", row->actor_id);
    wa_json_text_str(t, "actor", row->actor);
    wa_json_text_str(t, "address", row->address);
    wa_json_text_str(t, "action", row->action);
    wa_json_text_str(t, "target_type", row->target_type);
    wa_json_text_str(t, "target_id", row->target_id);
    if (row->detail) {
        wa_json_parse(&detail, row->detail, strlen(row->detail), ignored);
    }
    wa_json_text_json(t, "detail", detail ? json_incref(detail) : json_null());
    wa_json_text_str(t, "request_id", row->request_id);
    wa_json_text_end(t, '}');
}

static const char *const columns[] = {
    "id",     "at",          "actor_id",  "actor",  "address",
    "action", "target_type", "target_id", "detail", "request_id",
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static void row_values(apr_pool_t *p, const void *element, const char **v)
{
    const wa_audit_row *row = element;

    v[0] = row->id;
    v[1] = wa_time_rfc3339(p, row->at);
    v[2] = row->actor_id;
    v[3] = row->actor;
    v[4] = row->address;
    v[5] = row->action;
    v[6] = row->target_type;
    v[7] = row->target_id;
    v[8] = row->detail;
    v[9] = row->request_id;
}

static void place(const void *element, wa_list_place *at)
{
    const wa_audit_row *row = element;

    at->at = row->at;
    at->id = row->id;
}

static wa_code page(wa_app *app, apr_pool_t *p, const char *request_id,
                    const void *query, const wa_list_place *from,
                    apr_array_header_t **rows, wa_result *r)
{
    wa_audit_query q = *(const wa_audit_query *)query;

    q.before_id = from->id;
    q.limit = from->limit;
    return wa_audit_list(app, p, request_id, &q, rows, r);
}

static const wa_list list = { "audit", columns,  (int)COLUMNS, page,
                              place,   row_json, row_values };

static wa_code read_query(const wa_req *req, wa_audit_query *q, wa_result *r)
{
    wa_code code = wa_filter_id(req, "actor_id", &q->actor_id, r);

    if (code == WA_OK) {
        code = wa_filter_text(req, "action", ACTION_MAX, &q->action, r);
    }
    if (code == WA_OK) {
        code = wa_filter_text(req, "target_id", TARGET_MAX, &q->target_id, r);
    }
    return code == WA_OK ? wa_filter_range(req, &q->from, &q->until, r) : code;
}

WA_API_HANDLER(wa_api_audit)
{
    wa_audit_query *q = apr_pcalloc(req->pool, sizeof(*q));
    wa_code code = read_query(req, q, r);

    return code == WA_OK ? wa_list_answer(app, req, resp, &list, q, r) : code;
}
