/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_scope.h"

#include <string.h>

#include <apr_strings.h>

#define ROW(symbol, bit, name, meaning) { bit, name },
static const struct {
    unsigned bit;
    const char *name;
} scopes_table[] = { WA_SCOPE_LIST(ROW) };
#undef ROW

#define SCOPES (sizeof(scopes_table) / sizeof(scopes_table[0]))

static unsigned by_name(const char *name, apr_size_t len)
{
    apr_size_t i;

    for (i = 0; i < SCOPES; i++) {
        if (strlen(scopes_table[i].name) == len
            && !strncmp(scopes_table[i].name, name, len)) {
            return scopes_table[i].bit;
        }
    }
    return 0;
}

wa_code wa_scopes_read(const json_t *names, unsigned *scopes, wa_result *r)
{
    const json_t *j;
    size_t i;

    *scopes = 0;
    json_array_foreach(names, i, j)
    {
        const char *name = json_string_value(j);
        unsigned bit = name ? by_name(name, strlen(name)) : 0;

        if (!bit) {
            wa_fail_field(r, apr_psprintf(r->p, "/scopes/%d", (int)i), "value",
                          "is not the name of a scope");
        }
        *scopes |= bit;
    }
    if (!*scopes && r->code == WA_OK) {
        wa_fail_field(r, "/scopes", "length", "must name a scope");
    }
    return r->code;
}

json_t *wa_scopes_json(unsigned scopes)
{
    json_t *j = json_array();
    apr_size_t i;

    for (i = 0; i < SCOPES; i++) {
        if (scopes & scopes_table[i].bit) {
            json_array_append_new(j, json_string(scopes_table[i].name));
        }
    }
    return j;
}

const char *wa_scopes_sql(apr_pool_t *p, unsigned scopes)
{
    const char *list = "";
    apr_size_t i;

    for (i = 0; i < SCOPES; i++) {
        if (scopes & scopes_table[i].bit) {
            list = apr_pstrcat(p, list, *list ? "," : "", scopes_table[i].name,
                               NULL);
        }
    }
    return apr_pstrcat(p, "{", list, "}", NULL);
}

unsigned wa_scopes_from_sql(const char *literal)
{
    unsigned scopes = 0;

    while (literal && *literal) {
        apr_size_t len;

        literal += strspn(literal, "{},\"");
        len = strcspn(literal, "{},\"");
        scopes |= by_name(literal, len);
        literal += len;
    }
    return scopes;
}

const char *wa_scope_name(wa_scope scope)
{
    apr_size_t i;

    for (i = 0; i < SCOPES; i++) {
        if (scopes_table[i].bit == (unsigned)scope) {
            return scopes_table[i].name;
        }
    }
    return "none";
}
