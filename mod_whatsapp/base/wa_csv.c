/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_csv.h"

#include <string.h>

static int is_formula(const char *value)
{
    return *value && strchr("=+-@\t\r", *value) != NULL;
}

/* Bytes of a value with its quotes, the guard and a comma. */
static apr_size_t value_size(const char *value)
{
    apr_size_t size = 4;

    for (; *value; value++) {
        size += *value == '"' ? 2 : 1;
    }
    return size;
}

static char *put_value(char *at, const char *value)
{
    *at++ = '"';
    if (is_formula(value)) {
        *at++ = '\'';
    }
    for (; *value; value++) {
        if (*value == '"') {
            *at++ = '"';
        }
        *at++ = *value;
    }
    *at++ = '"';
    return at;
}

const char *wa_csv_line(apr_pool_t *p, const char *const *values, int count,
                        apr_size_t *len)
{
    apr_size_t size = 3;
    char *line, *at;
    int i;

    for (i = 0; i < count; i++) {
        size += value_size(values[i] ? values[i] : "");
    }
    line = at = apr_palloc(p, size);
    for (i = 0; i < count; i++) {
        if (i) {
            *at++ = ',';
        }
        at = put_value(at, values[i] ? values[i] : "");
    }
    *at++ = '\r';
    *at++ = '\n';
    *at = '\0';
    *len = (apr_size_t)(at - line);
    return line;
}
