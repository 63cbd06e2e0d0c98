/* SPDX-License-Identifier: Apache-2.0 */
#include "negotiate.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

/* In our order of preference, which decides between equal wishes. */
static const struct {
    const char *name, *type;
    wa_format format;
} forms[] = {
    { "svg", "image/svg+xml", WA_FORMAT_SVG },
    { "png", "image/png", WA_FORMAT_PNG },
    { "raw", "text/plain", WA_FORMAT_RAW },
    { "json", "application/json", WA_FORMAT_JSON },
};

#define FORMS (sizeof(forms) / sizeof(forms[0]))

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

wa_code wa_negotiate_qr(const wa_req *req, wa_format *format, wa_result *r)
{
    const char *accept = req->header(req, "Accept");
    const char *name;
    double best = 0.0;
    apr_size_t i;
    wa_code code = wa_req_query(req, "format", &name, r);

    if (code != WA_OK) {
        return code;
    }
    for (i = 0; name && i < FORMS; i++) {
        if (!strcmp(name, forms[i].name)) {
            *format = forms[i].format;
            return WA_OK;
        }
    }
    if (name) {
        return wa_fail(r, WA_E_BAD_PARAMETER,
                       "format is svg, png, raw or json");
    }
    *format = WA_FORMAT_SVG;
    if (!accept || !*accept) {
        return WA_OK;
    }
    for (i = 0; i < FORMS; i++) {
        double q = wish(req->pool, accept, forms[i].type);

        if (q > best) {
            best = q;
            *format = forms[i].format;
        }
    }
    if (best <= 0.0) {
        return wa_fail(r, WA_E_NOT_ACCEPTABLE,
                       "There are image/svg+xml, image/png, text/plain and"
                       " application/json");
    }
    return WA_OK;
}
