/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include "request.h"

#include "flow/wa_route.h"

static wa_code handler(wa_app *app, wa_req *req, wa_resp *resp, wa_result *r)
{
    return WA_OK;
}

#define ROW(method, path)                                                      \
    {                                                                          \
        method, path, WA_CALLER_PUBLIC, 0, 0, NULL, handler                    \
    }

static const wa_route table[] = {
    ROW("GET", "/a"),
    ROW("POST", "/a"),
    ROW("GET", "/a/{id}"),
    ROW("POST", "/a/special"),
    ROW("DELETE", "/a/{id}/b/{other}"),
    ROW(NULL, NULL),
};

static const struct {
    const char *method, *path;
    wa_code code;
    int row;               /* of the table, when it is found */
    const char *one, *two; /* parameters, or Allow in one */
} cases[] = {
    { "GET", "/a", WA_OK, 0, NULL, NULL },
    { "POST", "/a", WA_OK, 1, NULL, NULL },
    { "GET", "/v1/a", WA_OK, 0, NULL, NULL },
    { "GET", "/a/x", WA_OK, 2, "x", NULL },
    { "GET", "/a/x%2Fy%20z", WA_OK, 2, "x/y z", NULL },
    { "GET", "/a/+", WA_OK, 2, "+", NULL },
    { "GET", "/a/special", WA_OK, 2, "special", NULL },
    { "POST", "/a/special", WA_OK, 3, NULL, NULL },
    { "DELETE", "/a/1/b/2", WA_OK, 4, "1", "2" },
    { "DELETE", "/v1/a/1/b/2", WA_OK, 4, "1", "2" },
    { "GET", "/", WA_E_NOT_FOUND, 0, NULL, NULL },
    { "GET", "", WA_E_NOT_FOUND, 0, NULL, NULL },
    { "GET", "/A", WA_E_NOT_FOUND, 0, NULL, NULL },
    { "GET", "/a/", WA_E_NOT_FOUND, 0, NULL, NULL },
    { "GET", "/ab", WA_E_NOT_FOUND, 0, NULL, NULL },
    { "GET", "/a/x/", WA_E_NOT_FOUND, 0, NULL, NULL },
    { "GET", "/a//b/2", WA_E_NOT_FOUND, 0, NULL, NULL },
    { "DELETE", "/a/1/b/", WA_E_NOT_FOUND, 0, NULL, NULL },
    { "DELETE", "/a/1/b/2/3", WA_E_NOT_FOUND, 0, NULL, NULL },
    { "GET", "/v1", WA_E_NOT_FOUND, 0, NULL, NULL },
    { "GET", "/v1/v1/a", WA_E_NOT_FOUND, 0, NULL, NULL },
    { "GET", "/v2/a", WA_E_NOT_FOUND, 0, NULL, NULL },
    { "PUT", "/a", WA_E_METHOD, 0, "GET, HEAD, POST", NULL },
    { "get", "/a", WA_E_METHOD, 0, "GET, HEAD, POST", NULL },
    { "PUT", "/a/x", WA_E_METHOD, 0, "GET, HEAD", NULL },
    { "PUT", "/a/special", WA_E_METHOD, 0, "GET, HEAD, POST", NULL },
    { "GET", "/a/1/b/2", WA_E_METHOD, 0, "DELETE", NULL },
    { "GET", "/a/%zz", WA_E_MALFORMED, 0, NULL, NULL },
    { "GET", "/a/%", WA_E_MALFORMED, 0, NULL, NULL },
    { "GET", "/a/%ff", WA_E_MALFORMED, 0, NULL, NULL },
    { "GET", "/a/x%00y", WA_E_MALFORMED, 0, NULL, NULL },
    { "DELETE", "/a/1/b/%4", WA_E_MALFORMED, 0, NULL, NULL },
};

static void test_find(apr_pool_t *p)
{
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wa_req *req = request(p, cases[i].method, cases[i].path, NULL, NULL,
                              NULL);
        wa_result *r = wa_result_make(p);
        const char *what = apr_pstrcat(p, cases[i].method, " ", cases[i].path,
                                       NULL);

        if (!is_int(wa_route_find(table, req, r), cases[i].code, "%s", what)) {
            continue;
        }
        if (cases[i].code == WA_OK) {
            ok(req->route == &table[cases[i].row], "%s: its row", what);
            is_str(req->params[0], cases[i].one, "%s: first parameter", what);
            is_str(req->params[1], cases[i].two, "%s: second parameter", what);
        }
        else {
            is_str(r->allow, cases[i].one, "%s: Allow", what);
        }
    }
}

/* Every row of the real table is found by its own path, and asks for what it
 * can be asked: a schema only where a body is read. */
static void test_table(apr_pool_t *p, const wa_route *routes)
{
    const wa_route *row;

    for (row = routes; row->method; row++) {
        wa_req *req = request(p, row->method, row->path, NULL, NULL, NULL);

        is_int(wa_route_find(routes, req, wa_result_make(p)), WA_OK,
               "%s %s is found", row->method, row->path);
        ok(req->route == row, "%s %s: no row before it takes its place",
           row->method, row->path);
        ok(row->handler != NULL, "%s %s has a handler", row->method, row->path);
        ok(row->body_max || !row->schema, "%s %s reads what it checks",
           row->method, row->path);
    }
}

int main(void)
{
    apr_pool_t *p = tap_start();

    test_find(p);
    test_table(p, wa_routes_api);
    test_table(p, wa_routes_internal);
    return tap_done();
}
