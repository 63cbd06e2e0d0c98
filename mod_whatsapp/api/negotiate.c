/* SPDX-License-Identifier: Apache-2.0 */
#include "negotiate.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

/* A form: its name in ?format=, its media type, what it is for us. */
typedef struct form {
    const char *name, *type;
    int value;
} form;

/* In our order of preference, which decides between equal wishes. */
static const form qr_forms[] = {
    { "svg", "image/svg+xml", WA_FORMAT_SVG },
    { "png", "image/png", WA_FORMAT_PNG },
    { "raw", "text/plain", WA_FORMAT_RAW },
    { "json", "application/json", WA_FORMAT_JSON },
};

static const form list_forms[] = {
    { "json", "application/json", WA_LIST_JSON },
    { "csv", "text/csv", WA_LIST_CSV },
    { "ndjson", "application/x-ndjson", WA_LIST_NDJSON },
};

#define FORMS(table) (table), sizeof(table) / sizeof((table)[0])

/* How well a range names a type: 3 exactly, 2 by type, 1 by anything, 0 not. */
static int precision(const char *range, apr_size_t len, const char *type)
{
    apr_size_t major = (apr_size_t)(strchr(type, '/') - type) + 1;

    if (len == strlen(type) && !strncasecmp(range, type, len)) {
        return 3;
    }
    if (len == major + 1 && range[major] == '*'
        && !strncasecmp(range, type, major)) {
        return 2;
    }
    return len == 3 && !strncmp(range, "*/*", 3) ? 1 : 0;
}

static double quality(const char *params)
{
    const char *q = strstr(params, "q=");

    return q ? strtod(q + 2, NULL) : 1.0;
}

/* The quality the most precise range of the header gives a type. */
static double wish(apr_pool_t *p, const char *accept, const char *type)
{
    char *copy = apr_pstrdup(p, accept), *state, *range;
    double q = 0.0;
    int best = 0;

    for (range = apr_strtok(copy, ",", &state); range;
         range = apr_strtok(NULL, ",", &state)) {
        apr_size_t len;
        int fit;

        range += strspn(range, " \t");
        len = strcspn(range, "; \t");
        fit = precision(range, len, type);
        if (fit > best) {
            best = fit;
            q = quality(range + len);
        }
    }
    return q;
}

/* The names or types of all forms, for people. */
static const char *all_of(apr_pool_t *p, const form *forms, apr_size_t count,
                          int types)
{
    const char *text = "";
    apr_size_t i;

    for (i = 0; i < count; i++) {
        const char *before = !i ? "" : i + 1 < count ? ", " : " and ";

        text = apr_pstrcat(p, text, before,
                           types ? forms[i].type : forms[i].name, NULL);
    }
    return text;
}

/* The first form is for who has no wish. */
static wa_code negotiate(const wa_req *req, const form *forms, apr_size_t count,
                         int *value, wa_result *r)
{
    const char *accept = req->header(req, "Accept");
    const char *name;
    double best = 0.0;
    apr_size_t i;
    wa_code code = wa_req_query(req, "format", &name, r);

    if (code != WA_OK) {
        return code;
    }
    for (i = 0; name && i < count; i++) {
        if (!strcmp(name, forms[i].name)) {
            *value = forms[i].value;
            return WA_OK;
        }
    }
    if (name) {
        return wa_fail(r, WA_E_BAD_PARAMETER, "format: there are %s",
                       all_of(r->p, forms, count, 0));
    }
    *value = forms[0].value;
    if (!accept || !*accept) {
        return WA_OK;
    }
    for (i = 0; i < count; i++) {
        double q = wish(req->pool, accept, forms[i].type);

        if (q > best) {
            best = q;
            *value = forms[i].value;
        }
    }
    if (best <= 0.0) {
        return wa_fail(r, WA_E_NOT_ACCEPTABLE, "There are %s",
                       all_of(r->p, forms, count, 1));
    }
    return WA_OK;
}

wa_code wa_negotiate_qr(const wa_req *req, wa_format *format, wa_result *r)
{
    int value = WA_FORMAT_SVG;
    wa_code code = negotiate(req, FORMS(qr_forms), &value, r);

    *format = (wa_format)value;
    return code;
}

wa_code wa_negotiate_list(const wa_req *req, wa_list_format *format,
                          wa_result *r)
{
    int value = WA_LIST_JSON;
    wa_code code = negotiate(req, FORMS(list_forms), &value, r);

    *format = (wa_list_format)value;
    return code;
}
