/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_http_msg.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#define PROBLEM_BASE "/api/docs/problems#"
#define REALM "Bearer realm=\"mod_whatsapp\""

/* --- answers --------------------------------------------------------------*/

wa_resp *wa_resp_make(apr_pool_t *p)
{
    wa_resp *resp = apr_pcalloc(p, sizeof(*resp));

    resp->status = 200;
    resp->headers = apr_table_make(p, 8);
    return resp;
}

/* Put the text of j into the answer, and drop j. */
static void fill(wa_resp *resp, apr_pool_t *p, int status, const char *type,
                 json_t *j)
{
    resp->status = status;
    resp->content_type = type;
    resp->produce = NULL;
    resp->file = NULL;
    resp->body_len = 0;
    resp->body = wa_json_dump(p, j, &resp->body_len);
    json_decref(j);
    if (!resp->body) { /* no memory for it */
        resp->status = 500;
        resp->content_type = "application/problem+json";
        resp->body = "{\"title\":\"Something went wrong on our side\","
                     "\"status\":500,\"code\":\"internal_error\"}";
        resp->body_len = strlen(resp->body);
    }
}

void wa_resp_json(wa_resp *resp, apr_pool_t *p, int status, json_t *j)
{
    fill(resp, p, status, "application/json", j);
}

void wa_resp_json_text(wa_resp *resp, int status, const wa_json_text *t)
{
    resp->status = status;
    resp->content_type = "application/json";
    resp->produce = NULL;
    resp->file = NULL;
    resp->body = t->text;
    resp->body_len = t->len;
}

void wa_resp_stream(wa_resp *resp, const char *content_type,
                    wa_produce_fn *produce, void *baton)
{
    resp->content_type = content_type;
    resp->body = NULL;
    resp->body_len = 0;
    resp->produce = produce;
    resp->producer = baton;
}

void wa_resp_file(wa_resp *resp, const char *content_type, apr_file_t *file,
                  apr_off_t len)
{
    resp->content_type = content_type;
    resp->body = NULL;
    resp->body_len = 0;
    resp->file = file;
    resp->file_len = len;
}

static json_t *errors_json(const apr_array_header_t *errors)
{
    json_t *list = json_array();
    int i;

    for (i = 0; i < errors->nelts; i++) {
        const wa_field_error *e = &APR_ARRAY_IDX(errors, i, wa_field_error);
        json_t *item = json_object();
        wa_json_set_str(item, "pointer", e->pointer);
        wa_json_set_str(item, "code", e->code);
        if (e->detail) {
            wa_json_set_str(item, "detail", e->detail);
        }
        json_array_append_new(list, item);
    }
    return list;
}

json_t *wa_problem_json(const wa_req *req, const wa_result *r)
{
    const char *code = wa_code_name(r->code);
    json_t *j = json_object();

    wa_json_set_str(j, "type", apr_pstrcat(r->p, PROBLEM_BASE, code, NULL));
    wa_json_set_str(j, "title", wa_code_title(r->code));
    wa_json_set_int(j, "status", wa_code_status(r->code));
    if (r->detail) {
        wa_json_set_str(j, "detail", r->detail);
    }
    wa_json_set_str(j, "code", code);
    if (req->request_id) {
        wa_json_set_str(j, "request_id", req->request_id);
    }
    if (r->errors && r->errors->nelts) {
        wa_json_set(j, "errors", errors_json(r->errors));
    }
    return j;
}

/* RFC 6750, section 3: no error where no credential came with the request. */
static const char *challenge(wa_code code)
{
    if (code == WA_E_BAD_KEY || code == WA_E_BAD_TOKEN) {
        return REALM ", error=\"invalid_token\"";
    }
    return REALM;
}

void wa_resp_problem(wa_resp *resp, const wa_req *req, const wa_result *r)
{
    fill(resp, req->pool, wa_code_status(r->code), "application/problem+json",
         wa_problem_json(req, r));
    apr_table_setn(resp->headers, "Cache-Control", "no-store");
    if (r->retry_after > 0) {
        apr_table_setn(resp->headers, "Retry-After",
                       apr_itoa(req->pool, r->retry_after));
    }
    if (r->allow) {
        apr_table_set(resp->headers, "Allow", r->allow);
    }
    if (resp->status == 401) {
        apr_table_setn(resp->headers, "WWW-Authenticate", challenge(r->code));
    }
}

/* --- requests -------------------------------------------------------------*/

static int hex_digit(char c)
{
    if (apr_isdigit(c)) {
        return c - '0';
    }
    return apr_isxdigit(c) ? apr_tolower(c) - 'a' + 10 : -1;
}

/* The byte of an escape "%hh" of which left bytes are there, or -1. */
static int escaped_byte(const char *s, apr_size_t left)
{
    int high, low;

    if (left < 3) {
        return -1;
    }
    high = hex_digit(s[1]);
    low = hex_digit(s[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

const char *wa_percent_decode(apr_pool_t *p, const char *s, apr_size_t len,
                              int plus_is_space)
{
    char *out = apr_palloc(p, len + 1), *o = out;

    while (len) {
        apr_size_t n = 1;
        int c = (unsigned char)*s;
        if (c == '%') {
            c = escaped_byte(s, len);
            n = 3;
            if (c < 0) {
                return NULL;
            }
        }
        else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        *o++ = (char)c;
        s += n;
        len -= n;
    }
    *o = '\0';
    return wa_utf8_valid(out, (apr_size_t)(o - out)) ? out : NULL;
}

wa_code wa_req_query(const wa_req *req, const char *name, const char **value,
                     wa_result *r)
{
    const char *s = req->query;

    *value = NULL;
    while (s && *s) {
        apr_size_t len = strcspn(s, "&");
        const char *equals = memchr(s, '=', len);
        apr_size_t key_len = equals ? (apr_size_t)(equals - s) : len;
        const char *key = wa_percent_decode(req->pool, s, key_len, 1);
        if (key && !strcmp(key, name)) {
            *value = equals ? wa_percent_decode(req->pool, equals + 1,
                                                len - key_len - 1, 1)
                            : "";
            return *value ? WA_OK
                          : wa_fail(r, WA_E_BAD_PARAMETER,
                                    "%s: not percent-encoded UTF-8", name);
        }
        s += len + (s[len] == '&');
    }
    return WA_OK;
}
