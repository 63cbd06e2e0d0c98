/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include "request.h"

#include "flow/wa_body.h"

#define MAX 8192

/* A body that comes in pieces. */
typedef struct source {
    const char *text;
    apr_size_t len, piece;
    apr_status_t end; /* after the text: APR_EOF, or a fault */
    int reads;
} source;

static apr_status_t read_piece(void *baton, char *buf, apr_size_t *len)
{
    source *s = baton;
    apr_size_t n = s->len < s->piece ? s->len : s->piece;

    s->reads++;
    if (!s->len) {
        return s->end;
    }
    if (n > *len) {
        n = *len;
    }
    memcpy(buf, s->text, n);
    s->text += n;
    s->len -= n;
    *len = n;
    return APR_SUCCESS;
}

static const wa_field fields[] = {
    { "a", WA_F_STRING, 0, 0, 100000, NULL },
    { NULL, WA_F_STRING, 0, 0, 0, NULL },
};

static wa_req *body(apr_pool_t *p, const char *type, source *s,
                    apr_off_t declared)
{
    wa_req *req = request(p, "POST", "/", NULL, "Content-Type", type);

    req->body.read = read_piece;
    req->body.baton = s;
    req->body.declared = declared;
    return req;
}

/* {"a":"xxx…"} of a size. */
static const char *json_of(apr_pool_t *p, apr_size_t size)
{
    char *text = apr_palloc(p, size + 1);

    memset(text, 'x', size);
    memcpy(text, "{\"a\":\"", 6);
    memcpy(text + size - 2, "\"}", 3);
    return text;
}

static void test_pieces(apr_pool_t *p)
{
    static const apr_size_t pieces[] = { 1, 7, 4095, 4096, 4097, 100000 };
    static const apr_size_t sizes[] = { 8, 100, 4095, 4096, 4097, 8191, MAX };
    size_t i, j;

    for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        for (j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
            source s = { json_of(p, sizes[j]), sizes[j], pieces[i], APR_EOF,
                         0 };
            wa_req *req = body(p, "application/json", &s, -1);

            is_int(wa_body_read_json(req, MAX, fields, wa_result_make(p)),
                   WA_OK, "%d bytes by pieces of %d", (int)sizes[j],
                   (int)pieces[i]);
            is_int((apr_int64_t)strlen(wa_json_str(req->json, "a")),
                   (apr_int64_t)sizes[j] - 8, "they are all there");
        }
    }
}

static void test_bounds(apr_pool_t *p)
{
    source s = { json_of(p, MAX + 1), MAX + 1, 1000, APR_EOF, 0 };
    wa_result *r = wa_result_make(p);

    is_int(
        wa_body_read_json(body(p, "application/json", &s, -1), MAX, fields, r),
        WA_E_BODY_TOO_LARGE, "one byte too many, of undeclared length");
    s = (source){ json_of(p, 100000), 100000, 1000, APR_EOF, 0 };
    wa_body_read_json(body(p, "application/json", &s, -1), MAX, fields, r);
    ok(s.reads <= 12, "no more is read than it takes to see that (%d)",
       s.reads);
    s = (source){ "{}", 2, 10, APR_EOF, 0 };
    is_int(wa_body_read_json(body(p, "application/json", &s, MAX + 1), MAX,
                             fields, r),
           WA_E_BODY_TOO_LARGE, "a declared length over the bound");
    is_int(s.reads, 0, "nothing is read of it");
    s = (source){ json_of(p, 5000), 5000, 1000, APR_EOF, 0 };
    is_int(
        wa_body_read_json(body(p, "application/json", &s, 10), MAX, fields, r),
        WA_OK, "a declared length that was too small");
    s = (source){ "{}", 2, 10, APR_EOF, 0 };
    is_int(
        wa_body_read_json(body(p, "application/json", &s, MAX), MAX, fields, r),
        WA_OK, "a declared length that was too large");
}

static const struct {
    apr_status_t end;
    wa_code code;
} faults[] = {
    { APR_TIMEUP, WA_E_BODY_TIMEOUT },
    { APR_ENOSPC, WA_E_BODY_TOO_LARGE },
    { APR_ECONNRESET, WA_E_MALFORMED },
    { APR_EGENERAL, WA_E_MALFORMED },
};

static void test_faults(apr_pool_t *p)
{
    size_t i;

    for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        source s = { "{}", 2, 1, faults[i].end, 0 };
        wa_req *req = body(p, "application/json", &s, -1);

        is_int(wa_body_read_json(req, MAX, fields, wa_result_make(p)),
               faults[i].code, "reading fails with %d", faults[i].end);
        ok(!req->json, "and nothing is passed on");
    }
}

static const struct {
    const char *type, *text;
    wa_code code;
} types[] = {
    { "application/json", "{}", WA_OK },
    { "Application/JSON", "{}", WA_OK },
    { "application/json;charset=utf-8", "{}", WA_OK },
    { "application/json ; charset=utf-8", "{}", WA_OK },
    { "application/json", "", WA_OK },
    { NULL, "", WA_OK },
    { "text/plain", "", WA_OK },
    { NULL, "{}", WA_E_MEDIA_TYPE },
    { "", "{}", WA_E_MEDIA_TYPE },
    { "text/json", "{}", WA_E_MEDIA_TYPE },
    { "application/jsonx", "{}", WA_E_MEDIA_TYPE },
    { "application/jso", "{}", WA_E_MEDIA_TYPE },
    { "application/problem+json", "{}", WA_E_MEDIA_TYPE },
    { "text/plain", "not json", WA_E_MEDIA_TYPE },
    { "application/json", " ", WA_E_MALFORMED_JSON },
    { "application/json", "[]", WA_E_MALFORMED_JSON },
    { "application/json", "{\"a\":1}", WA_E_INVALID },
    { "application/json", "{\"b\":\"\"}", WA_E_INVALID },
};

static void test_types(apr_pool_t *p)
{
    size_t i;

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        source s = { types[i].text, strlen(types[i].text), 100, APR_EOF, 0 };
        wa_req *req = body(p, types[i].type, &s, -1);
        wa_code code = wa_body_read_json(req, MAX, fields, wa_result_make(p));

        is_int(code, types[i].code, "%s: %s",
               types[i].type ? types[i].type : "(no type)", types[i].text);
        ok(code != WA_OK || json_is_object(req->json),
           "what is good is an object");
    }
}

static void test_without_schema(apr_pool_t *p)
{
    source s = { "{\"any\":[1]}", 11, 100, APR_EOF, 0 };
    wa_req *req = body(p, "application/json", &s, -1);

    is_int(wa_body_read_json(req, MAX, NULL, wa_result_make(p)), WA_OK,
           "without a schema any object is good");
    ok(json_is_array(json_object_get(req->json, "any")), "and comes as it is");
}

int main(void)
{
    apr_pool_t *p = tap_start();

    test_pieces(p);
    test_bounds(p);
    test_faults(p);
    test_types(p);
    test_without_schema(p);
    return tap_done();
}
