/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_json.h"

#include <string.h>

#include <apr_strings.h>

#include "wa_time.h"

#define WA_JSON_MAX_DEPTH 32
/* An empty object of two bytes costs some 300 in memory. */
#define WA_JSON_MAX_CONTAINERS 32768
/* How much of an unknown member's name is worth repeating. */
#define WA_JSON_MAX_NAME 64

/* --- reading --------------------------------------------------------------*/

static apr_status_t release(void *j)
{
    json_decref(j);
    return APR_SUCCESS;
}

json_t *wa_json_own(apr_pool_t *p, json_t *j)
{
    if (j) {
        apr_pool_cleanup_register(p, j, release, apr_pool_cleanup_null);
    }
    return j;
}

typedef struct shape {
    int depth, max_depth;
    int containers;
} shape;

/* The byte after the string that starts at s, or end. */
static const char *skip_string(const char *s, const char *end)
{
    for (s++; s < end && *s != '"'; s++) {
        if (*s == '\\') {
            s++;
        }
    }
    return s < end ? s + 1 : end;
}

/* Measure before parsing: jansson recurses once per level, and allocates for
 * each container. Whether the text is JSON doesn't matter here. */
static shape measure(const char *s, const char *end)
{
    shape m = { 0, 0, 0 };

    while (s < end) {
        if (*s == '"') {
            s = skip_string(s, end);
            continue;
        }
        if (*s == '{' || *s == '[') {
            m.containers++;
            m.depth++;
            if (m.depth > m.max_depth) {
                m.max_depth = m.depth;
            }
        }
        else if (*s == '}' || *s == ']') {
            m.depth--;
        }
        s++;
    }
    return m;
}

/* jansson ends its texts by a piece of the input, which may be anything. */
static wa_code fail_at(const json_error_t *e, wa_result *r)
{
    const char *near = strstr(e->text, " near ");
    int len = (int)(near ? (apr_size_t)(near - e->text) : strlen(e->text));

    return wa_fail(r, WA_E_MALFORMED_JSON, "line %d, column %d: %.*s", e->line,
                   e->column, len, e->text);
}

wa_code wa_json_parse(json_t **out, const char *text, apr_size_t len,
                      wa_result *r)
{
    shape m = measure(text, text + len);
    json_error_t error;
    json_t *j;

    *out = NULL;
    if (m.max_depth > WA_JSON_MAX_DEPTH) {
        return wa_fail(r, WA_E_MALFORMED_JSON, "nested deeper than %d levels",
                       WA_JSON_MAX_DEPTH);
    }
    if (m.containers > WA_JSON_MAX_CONTAINERS) {
        return wa_fail(r, WA_E_MALFORMED_JSON,
                       "more than %d objects and arrays",
                       WA_JSON_MAX_CONTAINERS);
    }
    j = wa_json_own(r->p,
                    json_loadb(text, len, JSON_REJECT_DUPLICATES, &error));
    if (!j) {
        return fail_at(&error, r);
    }
    if (!json_is_object(j)) {
        return wa_fail(r, WA_E_MALFORMED_JSON,
                       "line 1, column 1: an object is expected");
    }
    *out = j;
    return WA_OK;
}

const char *wa_json_str(const json_t *obj, const char *name)
{
    return json_string_value(json_object_get(obj, name));
}

apr_int64_t wa_json_int(const json_t *obj, const char *name, apr_int64_t dflt)
{
    const json_t *v = json_object_get(obj, name);

    return json_is_integer(v) ? json_integer_value(v) : dflt;
}

/* --- writing --------------------------------------------------------------*/

const char *wa_json_dump(apr_pool_t *p, const json_t *j, apr_size_t *len)
{
    const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY
                         | JSON_REAL_PRECISION(15);
    apr_size_t size = json_dumpb(j, NULL, 0, flags);
    char *text;

    if (!size) {
        return NULL;
    }
    text = apr_palloc(p, size + 1);
    size = json_dumpb(j, text, size, flags);
    text[size] = '\0';
    if (len) {
        *len = size;
    }
    return text;
}

/* How many bytes a character has by its first one, or 0. */
static apr_size_t utf8_size(unsigned char first)
{
    if (first < 0x80) {
        return first != 0;
    }
    if (first < 0xc2 || first > 0xf4) {
        return 0;
    }
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Second bytes that would make an overlong form, a surrogate or a number over
 * U+10FFFF. */
static int utf8_forbidden(unsigned char first, unsigned char second)
{
    return (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)
           || (first == 0xf0 && second < 0x90)
           || (first == 0xf4 && second > 0x8f);
}

/* The bytes of one valid character at s, or 0. */
static apr_size_t utf8_char(const char *text, apr_size_t left)
{
    const unsigned char *s = (const unsigned char *)text;
    apr_size_t n = utf8_size(s[0]), i;

    if (n > left || (n > 1 && utf8_forbidden(s[0], s[1]))) {
        return 0;
    }
    for (i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return n;
}

int wa_utf8_valid(const char *s, apr_size_t len)
{
    while (len) {
        apr_size_t n = utf8_char(s, len);
        if (!n) {
            return 0;
        }
        s += n;
        len -= n;
    }
    return 1;
}

apr_size_t wa_utf8_length(const char *s)
{
    apr_size_t n = 0;

    for (; *s; s++) {
        n += ((unsigned char)*s & 0xc0) != 0x80;
    }
    return n;
}

/* What came from outside must not make a member vanish from an answer. */
static json_t *string_repaired(const char *value)
{
    static const char replacement[3] = { '\xef', '\xbf', '\xbd' };
    apr_size_t left = strlen(value), n;
    apr_pool_t *tmp;
    json_t *j;
    char *buf, *o;

    if (apr_pool_create(&tmp, NULL) != APR_SUCCESS) {
        return json_null();
    }
    o = buf = apr_palloc(tmp, 3 * left + 1);
    for (; left; value += n, left -= n) {
        n = utf8_char(value, left);
        if (n) {
            memcpy(o, value, n);
            o += n;
            continue;
        }
        n = 1;
        memcpy(o, replacement, sizeof(replacement));
        o += sizeof(replacement);
    }
    j = json_stringn(buf, (apr_size_t)(o - buf));
    apr_pool_destroy(tmp);
    return j;
}

void wa_json_set_str(json_t *obj, const char *name, const char *value)
{
    json_t *j = value ? json_string(value) : json_null();

    if (!j && value) {
        j = string_repaired(value);
    }
    json_object_set_new(obj, name, j);
}

void wa_json_set_int(json_t *obj, const char *name, apr_int64_t value)
{
    json_object_set_new(obj, name, json_integer(value));
}

void wa_json_set_bool(json_t *obj, const char *name, int value)
{
    json_object_set_new(obj, name, json_boolean(value));
}

void wa_json_set_time(json_t *obj, const char *name, apr_time_t t)
{
    char text[WA_TIME_SIZE];

    wa_json_set_str(obj, name, t ? wa_time_format(text, t) : NULL);
}

void wa_json_set(json_t *obj, const char *name, json_t *value)
{
    json_object_set_new(obj, name, value);
}

/* --- checking -------------------------------------------------------------*/

/* RFC 6901: "~" and "/" of a name are written "~0" and "~1". */
static const char *pointer_to(apr_pool_t *p, const char *name)
{
    char *out = apr_palloc(p, 2 * WA_JSON_MAX_NAME + 2), *o = out;
    apr_size_t left = strlen(name), used = 0, n;

    *o++ = '/';
    for (; left; name += n, left -= n, used += n) {
        n = utf8_char(name, left);
        if (!n || used + n > WA_JSON_MAX_NAME) {
            break;
        }
        if (*name == '~' || *name == '/') {
            *o++ = '~';
            *o++ = *name == '~' ? '0' : '1';
            continue;
        }
        memcpy(o, name, n);
        o += n;
    }
    *o = '\0';
    return out;
}

static const wa_field *field_named(const wa_field *fields, const char *name)
{
    for (; fields->name; fields++) {
        if (!strcmp(fields->name, name)) {
            return fields;
        }
    }
    return NULL;
}

static int fits_type(const json_t *v, wa_field_type type)
{
    switch (type) {
    case WA_F_STRING:
        return json_is_string(v);
    case WA_F_INT:
        return json_is_integer(v);
    case WA_F_BOOL:
        return json_is_boolean(v);
    case WA_F_OBJECT:
        return json_is_object(v);
    case WA_F_ARRAY:
        return json_is_array(v);
    }
    return 0;
}

static const char *type_name(wa_field_type type)
{
    static const char *const names[] = { "a string", "an integer",
                                         "true or false", "an object",
                                         "an array" };

    return names[type];
}

/* What is bounded: a number's value, or how many of something. */
static apr_int64_t extent(const json_t *v, wa_field_type type)
{
    switch (type) {
    case WA_F_STRING:
        return (apr_int64_t)wa_utf8_length(json_string_value(v));
    case WA_F_INT:
        return json_integer_value(v);
    case WA_F_ARRAY:
        return (apr_int64_t)json_array_size(v);
    default:
        return 0;
    }
}

static const char *bounds_text(apr_pool_t *p, const wa_field *f)
{
    const char *what = f->type == WA_F_STRING  ? " characters"
                       : f->type == WA_F_ARRAY ? " elements"
                                               : "";
    const char *verb = f->type == WA_F_INT ? "be" : "have";

    if (f->max == APR_INT64_MAX) {
        return apr_psprintf(p, "must %s at least %" APR_INT64_T_FMT "%s", verb,
                            f->min, what);
    }
    if (f->min == f->max) {
        return apr_psprintf(p, "must %s exactly %" APR_INT64_T_FMT "%s", verb,
                            f->min, what);
    }
    return apr_psprintf(
        p, "must %s %s%" APR_INT64_T_FMT " to %" APR_INT64_T_FMT "%s", verb,
        f->type == WA_F_INT ? "from " : "", f->min, f->max, what);
}

static int is_one_of(const char *s, const char *const *values)
{
    for (; *values; values++) {
        if (!strcmp(*values, s)) {
            return 1;
        }
    }
    return 0;
}

static const char *values_text(apr_pool_t *p, const char *const *values)
{
    const char *text = "must be one of: ";
    const char *separator = "";

    for (; *values; values++) {
        text = apr_pstrcat(p, text, separator, *values, NULL);
        separator = ", ";
    }
    return text;
}

static void check_value(const json_t *v, const wa_field *f, wa_result *r)
{
    const char *pointer = pointer_to(r->p, f->name);
    int bounded = (f->min || f->max) && f->type != WA_F_BOOL
                  && f->type != WA_F_OBJECT;
    apr_int64_t n;

    if (!fits_type(v, f->type)) {
        wa_fail_field(r, pointer, "type", "must be %s", type_name(f->type));
        return;
    }
    n = extent(v, f->type);
    if (bounded && (n < f->min || n > f->max)) {
        wa_fail_field(r, pointer, f->type == WA_F_INT ? "range" : "length",
                      "%s", bounds_text(r->p, f));
        return;
    }
    if (f->type == WA_F_STRING && f->values
        && !is_one_of(json_string_value(v), f->values)) {
        wa_fail_field(r, pointer, "value", "%s", values_text(r->p, f->values));
    }
}

static void check_unknown(const json_t *obj, const wa_field *fields,
                          wa_result *r)
{
    const char *name;
    json_t *v;

    /* jansson's iterator isn't const; nothing is changed */
    json_object_foreach((json_t *)obj, name, v)
    {
        if (!field_named(fields, name)) {
            wa_fail_field(r, pointer_to(r->p, name), "unknown",
                          "is not a member of this request");
        }
    }
}

wa_code wa_json_check(const json_t *obj, const wa_field *fields, wa_result *r)
{
    const wa_field *f;

    for (f = fields; f->name; f++) {
        const json_t *v = json_object_get(obj, f->name);
        if (v && !json_is_null(v)) {
            check_value(v, f, r);
        }
        else if (f->required) {
            wa_fail_field(r, pointer_to(r->p, f->name), "required",
                          "is required");
        }
    }
    check_unknown(obj, fields, r);
    return r->code == WA_E_INVALID ? WA_E_INVALID : WA_OK;
}

json_t *wa_json_words(apr_pool_t *p, const char *text)
{
    json_t *j = json_array();
    char *copy = apr_pstrdup(p, text), *state, *one;

    for (one = apr_strtok(copy, " ", &state); one;
         one = apr_strtok(NULL, " ", &state)) {
        json_array_append_new(j, json_string(one));
    }
    return j;
}
