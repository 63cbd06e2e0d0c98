/* SPDX-License-Identifier: Apache-2.0 */
/* What httpd refuses before our handler sees it is answered as a problem too
 * (RFC 9457), where the path is ours: a filter puts it in place of httpd's
 * HTML. A request that can't be read has no path for httpd yet, so that is
 * taken from its first line. */
#include "mod_whatsapp.h"

#include <string.h>

#include <apr_strings.h>
#include <ap_expr.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_core.h>
#include <util_filter.h>

#include "../base/wa_id.h"
#include "../base/wa_json.h"

#define FILTER "WHATSAPP_PROBLEM"

/* The code that fits a status of httpd's; the nearest where none does. */
static wa_code code_for(int status)
{
    static const wa_code all[] = { WA_E_MALFORMED,    WA_E_UNAUTHORIZED,
                                   WA_E_FORBIDDEN,    WA_E_NOT_FOUND,
                                   WA_E_METHOD,       WA_E_NOT_ACCEPTABLE,
                                   WA_E_BODY_TIMEOUT, WA_E_CONFLICT,
                                   WA_E_PRECONDITION, WA_E_BODY_TOO_LARGE,
                                   WA_E_MEDIA_TYPE,   WA_E_RATE_LIMITED,
                                   WA_E_NOT_READY };
    size_t i;

    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (wa_code_status(all[i]) == status) {
            return all[i];
        }
    }
    return status < 500 ? WA_E_MALFORMED : WA_E_INTERNAL;
}

/* The path of the request line, as it came; NULL when there is none. */
static const char *path_of(const request_rec *r)
{
    const char *at = r->the_request ? strchr(r->the_request, ' ') : NULL;
    const char *host;

    while (at && *at == ' ') {
        at++;
    }
    if (at && *at != '/') {
        host = strstr(at, "://");
        at = host ? strchr(host + 3, '/') : NULL;
    }
    return at ? apr_pstrndup(r->pool, at, strcspn(at, " ?")) : NULL;
}

static const char *handler_of(request_rec *r)
{
    const core_dir_config *conf = ap_get_core_module_config(r->per_dir_config);
    const char *wrong = NULL;

    if (!conf->expr_handler) {
        return conf->handler;
    }
    return ap_expr_str_exec(r, conf->expr_handler, &wrong);
}

/* Would it have come to our handler? The request is left as it was. */
static int is_ours(request_rec *r)
{
    ap_conf_vector_t *config = r->per_dir_config;
    char *uri = r->uri;
    const char *path = path_of(r), *handler = NULL;

    if (!path) {
        return 0;
    }
    r->uri = apr_pstrdup(r->pool, path);
    r->per_dir_config = r->server->lookup_defaults;
    if (ap_location_walk(r) == OK) {
        handler = handler_of(r);
    }
    r->uri = uri;
    r->per_dir_config = config;
    return handler && mod_whatsapp_is_ours(handler);
}

/* Whose pages an administrator has for it stay. */
static void insert_error_filter(request_rec *r)
{
    if (r->status >= 400
        && !ap_response_code_string(r, ap_index_of_response(r->status))
        && is_ours(r)) {
        ap_add_output_filter(FILTER, NULL, r, r->connection);
    }
}

static const char *problem(request_rec *r)
{
    const char *id = apr_table_get(r->subprocess_env, "WHATSAPP_REQUEST_ID");
    wa_result *result = wa_result_make(r->pool);
    wa_req req;
    json_t *j;

    memset(&req, 0, sizeof(req));
    req.pool = r->pool;
    req.request_id = id ? id : wa_id_uuid(r->pool);
    /* "414 Request-URI Too Long" */
    wa_fail(result, code_for(r->status), "Refused by the server: %s",
            ap_get_status_line(r->status));
    apr_table_setn(r->headers_out, "X-Request-ID", req.request_id);
    j = wa_json_own(r->pool, wa_problem_json(&req, result));
    wa_json_set_int(j, "status", r->status);
    return wa_json_dump(r->pool, j, NULL);
}

/* The first that comes is replaced, and the rest is dropped. */
static apr_status_t replace(ap_filter_t *f, apr_bucket_brigade *bb)
{
    request_rec *r = f->r;
    apr_bucket_alloc_t *alloc = f->c->bucket_alloc;
    const char *text;

    apr_brigade_cleanup(bb);
    if (f->ctx) {
        return APR_SUCCESS;
    }
    f->ctx = f;
    text = problem(r);
    ap_set_content_type(r, "application/problem+json");
    ap_set_content_length(r, (apr_off_t)strlen(text));
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    APR_BRIGADE_INSERT_TAIL(
        bb, apr_bucket_pool_create(text, strlen(text), r->pool, alloc));
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(alloc));
    return ap_pass_brigade(f->next, bb);
}

void mod_whatsapp_errors_register(void)
{
    ap_register_output_filter(FILTER, replace, NULL, AP_FTYPE_CONTENT_SET);
    ap_hook_insert_error_filter(insert_error_filter, NULL, NULL, APR_HOOK_LAST);
}
