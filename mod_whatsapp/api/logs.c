/* SPDX-License-Identifier: Apache-2.0 */
/* The log of API requests: one's own, for admins everybody's. */
#include "api.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "../base/wa_id.h"
#include "../base/wa_time.h"
#include "../core/wa_principal.h"
#include "../core/wa_request_log.h"
#include "../core/wa_scope.h"
#include "filter.h"
#include "list.h"

#define ENDPOINT_MAX 200
#define METHOD_MAX 15

static double milliseconds(const wa_log_row *row)
{
    return (double)row->duration / 1000.0;
}

static void row_json(apr_pool_t *p, const void *element, wa_json_text *t)
{
    const wa_log_row *row = element;

    wa_json_text_open(t, NULL, '{');
    wa_json_text_str(t, "id", row->id);
    wa_json_text_time(t, "at", row->at);
    wa_json_text_str(t, "user_id", row->user_id);
    wa_json_text_str(t, "key_id", row->key_id);
    wa_json_text_str(t, "method", row->method);
    wa_json_text_str(t, "endpoint", row->endpoint);
    wa_json_text_int(t, "status", row->status);
    wa_json_text_json(t, "duration_ms", json_real(milliseconds(row)));
    wa_json_text_int(t, "bytes_in", row->bytes_in);
    wa_json_text_int(t, "bytes_out", row->bytes_out);
    wa_json_text_str(t, "address", row->address);
    wa_json_text_str(t, "request_id", row->request_id);
    wa_json_text_end(t, '}');
}

static const char *const columns[] = {
    "id",     "at",          "user_id",  "key_id",    "method",  "endpoint",
    "status", "duration_ms", "bytes_in", "bytes_out", "address", "request_id",
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static void row_values(apr_pool_t *p, const void *element, const char **v)
{
    const wa_log_row *row = element;

    v[0] = row->id;
    v[1] = wa_time_rfc3339(p, row->at);
    v[2] = row->user_id;
    v[3] = row->key_id;
    v[4] = row->method;
    v[5] = row->endpoint;
    v[6] = apr_itoa(p, row->status);
    v[7] = apr_psprintf(p, "%.3f", milliseconds(row));
    v[8] = apr_psprintf(p, "%" APR_INT64_T_FMT, row->bytes_in);
    v[9] = apr_psprintf(p, "%" APR_INT64_T_FMT, row->bytes_out);
    v[10] = row->address;
    v[11] = row->request_id;
}

static void place(const void *element, wa_list_place *at)
{
    const wa_log_row *row = element;

    at->at = row->at;
    at->id = row->id;
}

static wa_code page(wa_app *app, apr_pool_t *p, const char *request_id,
                    const void *query, const wa_list_place *from,
                    apr_array_header_t **rows, wa_result *r)
{
    wa_log_query q = *(const wa_log_query *)query;

    q.after_at = from->at;
    q.after_id = from->id;
    q.limit = from->limit;
    return wa_request_log_page(app, p, request_id, &q, rows, r);
}

static const wa_list list = { "logs", columns,  (int)COLUMNS, page,
                              place,  row_json, row_values };

/* "404" or "4xx". */
static wa_code read_status(const wa_req *req, wa_log_query *q, wa_result *r)
{
    const char *text;
    wa_code code = wa_req_query(req, "status", &text, r);

    if (code != WA_OK || !text) {
        return code;
    }
    if (strlen(text) == 3 && text[0] >= '1' && text[0] <= '5') {
        int class = (text[0] - '0') * 100;

        if (!strcmp(text + 1, "xx")) {
            q->status_min = class;
            q->status_max = class + 99;
            return WA_OK;
        }
        if (apr_isdigit(text[1]) && apr_isdigit(text[2])) {
            q->status_min = class + (text[1] - '0') * 10 + (text[2] - '0');
            q->status_max = q->status_min;
            return WA_OK;
        }
    }
    return wa_fail(r, WA_E_BAD_PARAMETER, "status is one as 404, or 4xx");
}

/* Whose rows: an admin's choice, else one's own. */
static wa_code read_user(const wa_req *req, wa_log_query *q, wa_result *r)
{
    const wa_principal *who = req->principal;
    wa_code code = wa_filter_id(req, "user_id", &q->user_id, r);

    if (code != WA_OK
        || (!strcmp(who->role, "admin") && (who->scopes & WA_SCOPE_ADMIN))) {
        return code;
    }
    if (q->user_id && strcasecmp(q->user_id, who->user_id)) {
        return wa_fail(r, WA_E_FORBIDDEN,
                       "Only an admin may see other users' requests");
    }
    q->user_id = who->user_id;
    return WA_OK;
}

static wa_code read_query(const wa_req *req, wa_log_query *q, wa_result *r)
{
    wa_code code = read_user(req, q, r);

    if (code == WA_OK) {
        code = wa_filter_id(req, "key_id", &q->key_id, r);
    }
    if (code == WA_OK) {
        code = wa_filter_text(req, "endpoint", ENDPOINT_MAX, &q->endpoint, r);
    }
    if (code == WA_OK) {
        code = wa_filter_text(req, "method", METHOD_MAX, &q->method, r);
    }
    if (code == WA_OK) {
        code = read_status(req, q, r);
    }
    if (code == WA_OK) {
        code = wa_req_query(req, "request_id", &q->request_id, r);
    }
    if (code == WA_OK && q->request_id && !wa_id_is_request_id(q->request_id)) {
        code = wa_fail(r, WA_E_BAD_PARAMETER,
                       "request_id has 1 to 128 of A-Z a-z 0-9 . _ -");
    }
    return code == WA_OK ? wa_filter_range(req, &q->from, &q->until, r) : code;
}

WA_API_HANDLER(wa_api_logs)
{
    wa_log_query *q = apr_pcalloc(req->pool, sizeof(*q));
    wa_code code = read_query(req, q, r);

    return code == WA_OK ? wa_list_answer(app, req, resp, &list, q, r) : code;
}
