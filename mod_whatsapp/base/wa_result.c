/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_result.h"

#include <stdarg.h>
#include <string.h>

#include <apr_strings.h>

typedef struct code_row {
    int status;
    const char *name;
    const char *title;
} code_row;

#define WA_CODE_ROW(symbol, status, name, title) { status, name, title },
static const code_row codes[] = { { 200, "ok", "OK" },
                                  WA_CODE_LIST(WA_CODE_ROW) };
#undef WA_CODE_ROW

_Static_assert(sizeof(codes) / sizeof(codes[0]) == WA_CODE_COUNT,
               "the table and the enum of codes differ");

/* A code that doesn't exist is a fault of ours, and told as one. */
static const code_row *row_of(wa_code code)
{
    unsigned i = (unsigned)code;

    return &codes[i < WA_CODE_COUNT ? i : WA_E_INTERNAL];
}

int wa_code_status(wa_code code)
{
    return row_of(code)->status;
}

const char *wa_code_name(wa_code code)
{
    return row_of(code)->name;
}

const char *wa_code_title(wa_code code)
{
    return row_of(code)->title;
}

wa_code wa_code_by_name(const char *name)
{
    int i;

    for (i = 1; name && i < WA_CODE_COUNT; i++) {
        if (!strcmp(codes[i].name, name)) {
            return (wa_code)i;
        }
    }
    return WA_OK;
}

wa_result *wa_result_make(apr_pool_t *p)
{
    wa_result *r = apr_pcalloc(p, sizeof(*r));

    r->p = p;
    return r;
}

static const char *format(apr_pool_t *p, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static const char *format(apr_pool_t *p, const char *fmt, va_list ap)
{
    return fmt ? apr_pvsprintf(p, fmt, ap) : NULL;
}

/* What an earlier failure left must not show up in this one's answer. */
static wa_code record(wa_result *r, wa_code code, int seconds,
                      const char *detail)
{
    r->code = code;
    r->detail = detail;
    r->retry_after = seconds;
    if (code != WA_E_INVALID) {
        r->errors = NULL;
    }
    return code;
}

wa_code wa_fail(wa_result *r, wa_code code, const char *fmt, ...)
{
    const char *detail;
    va_list ap;

    va_start(ap, fmt);
    detail = format(r->p, fmt, ap);
    va_end(ap);
    return record(r, code, 0, detail);
}

wa_code wa_fail_retry(wa_result *r, wa_code code, int seconds, const char *fmt,
                      ...)
{
    const char *detail;
    va_list ap;

    va_start(ap, fmt);
    detail = format(r->p, fmt, ap);
    va_end(ap);
    return record(r, code, seconds, detail);
}

wa_code wa_fail_field(wa_result *r, const char *pointer, const char *code,
                      const char *fmt, ...)
{
    wa_field_error *e;
    va_list ap;

    if (r->code != WA_E_INVALID) {
        record(r, WA_E_INVALID, 0, NULL);
    }
    if (!r->errors) {
        r->errors = apr_array_make(r->p, 4, sizeof(wa_field_error));
    }
    if (r->errors->nelts >= WA_MAX_FIELD_ERRORS) {
        return WA_E_INVALID;
    }
    e = &APR_ARRAY_PUSH(r->errors, wa_field_error);
    e->pointer = apr_pstrdup(r->p, pointer);
    e->code = code;
    va_start(ap, fmt);
    e->detail = format(r->p, fmt, ap);
    va_end(ap);
    return WA_E_INVALID;
}
