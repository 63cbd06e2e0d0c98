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

#define DUMP_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15))
#define DUMP_ROOM 1024

wa_json_text *wa_json_text_make(apr_pool_t *p, apr_size_t room)
{
    wa_json_text *t = apr_palloc(p, sizeof(*t));

    t->p = p;
    t->text = apr_palloc(p, room);
    t->len = 0;
    t->room = room;
    return t;
}

/* Room for so many bytes more. */
static char *room_for(wa_json_text *t, apr_size_t more)
{
    if (more > t->room - t->len) {
        char *old = t->text;

        t->room = 2 * t->room + more;
        t->text = apr_palloc(t->p, t->room);
        memcpy(t->text, old, t->len);
    }
    return t->text + t->len;
}

static int append(const char *data, size_t len, void *text)
{
    wa_json_text *t = text;

    memcpy(room_for(t, len), data, len);
    t->len += len;
    return 0;
}

const char *wa_json_dump(apr_pool_t *p, const json_t *j, apr_size_t *len)
{
    wa_json_text *t = wa_json_text_make(p, DUMP_ROOM);

    if (json_dump_callback(j, append, t, DUMP_FLAGS) != 0) {
        return NULL;
    }
    if (len) {
        *len = t->len;
    }
    append("", 1, t);
    return t->text;
}

/* U+FFFD */
static const char replacement[3] = { '\xef', '\xbf', '\xbd' };

/* What came from outside must not make a member vanish from an answer. */
static json_t *string_repaired(const char *value)
{
    apr_size_t left = strlen(value), n;
    apr_pool_t *tmp;
    json_t *j;
    char *buf, *o;

    if (apr_pool_create(&tmp, NULL) != APR_SUCCESS) {
        return json_null();
    }
    o = buf = apr_palloc(tmp, 3 * left + 1);
    for (; left; value += n, left -= n) {
        n = wa_utf8_char(value, left);
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

static char *put_bytes(char *o, const char *s, apr_size_t len)
{
    memcpy(o, s, len);
    return o + len;
}

/* The letter that stands for a byte behind a backslash, or 0. */
static char letter_of(unsigned char c)
{
    static const char letters[] = "btn\0fr"; /* of 8 to 13 */

    if (c == '"') {
        return '"';
    }
    if (c == '\\') {
        return '\\';
    }
    if (c >= '\b' && c <= '\r') {
        return letters[c - '\b'];
    }
    return 0;
}

/* What a byte below 0x80 becomes: itself, its letter, or u00XX. */
static char *put_ascii(char *o, unsigned char c)
{
    static const char hex[] = "0123456789ABCDEF";
    char letter = letter_of(c);

    if (c >= 0x20 && !letter) {
        *o++ = (char)c;
        return o;
    }
    *o++ = '\\';
    if (letter) {
        *o++ = letter;
        return o;
    }
    *o++ = 'u';
    *o++ = '0';
    *o++ = '0';
    *o++ = hex[c >> 4];
    *o++ = hex[c & 15];
    return o;
}

/* One of several bytes; what is none of UTF-8 becomes U+FFFD.
 * @param n bytes of it */
static char *put_character(char *o, const char *s, apr_size_t left,
                           apr_size_t *n)
{
    *n = wa_utf8_char(s, left);
    if (*n) {
        return put_bytes(o, s, *n);
    }
    *n = 1;
    return put_bytes(o, replacement, sizeof(replacement));
}

/* @param o six bytes for each of the text, and two for its quotes
 * @return behind the last one */
static char *put_string(char *o, const char *s, apr_size_t left)
{
    apr_size_t n;

    *o++ = '"';
    for (; left; s += n, left -= n) {
        n = 1;
        if ((unsigned char)*s < 0x80) {
            o = put_ascii(o, (unsigned char)*s);
        }
        else {
            o = put_character(o, s, left, &n);
        }
    }
    *o++ = '"';
    return o;
}

/* A comma, where something stands before, and the name.
 * @param more bytes that follow, at most */
static char *put_name(wa_json_text *t, const char *name, apr_size_t more)
{
    apr_size_t len = name ? strlen(name) : 0;
    char *o = room_for(t, len + 4 + more);

    if (t->len && o[-1] != '{' && o[-1] != '[') {
        *o++ = ',';
    }
    if (name) {
        *o++ = '"';
        o = put_bytes(o, name, len);
        *o++ = '"';
        *o++ = ':';
    }
    return o;
}

static void put(wa_json_text *t, const char *name, const char *text,
                apr_size_t len)
{
    char *o = put_bytes(put_name(t, name, len), text, len);

    t->len = (apr_size_t)(o - t->text);
}

void wa_json_text_open(wa_json_text *t, const char *name, char open)
{
    put(t, name, &open, 1);
}

void wa_json_text_end(wa_json_text *t, char end)
{
    append(&end, 1, t);
}

void wa_json_text_str(wa_json_text *t, const char *name, const char *value)
{
    apr_size_t len;
    char *o;

    if (!value) {
        put(t, name, "null", 4);
        return;
    }
    len = strlen(value);
    o = put_name(t, name, 6 * len + 2);
    t->len = (apr_size_t)(put_string(o, value, len) - t->text);
}

void wa_json_text_int(wa_json_text *t, const char *name, apr_int64_t value)
{
    char text[24];
    int len = apr_snprintf(text, sizeof(text), "%" APR_INT64_T_FMT, value);

    put(t, name, text, (apr_size_t)len);
}

void wa_json_text_time(wa_json_text *t, const char *name, apr_time_t value)
{
    char text[WA_TIME_SIZE];

    wa_json_text_str(t, name, value ? wa_time_format(text, value) : NULL);
}

void wa_json_text_json(wa_json_text *t, const char *name, json_t *j)
{
    apr_size_t len;
    const char *text = wa_json_dump(t->p, j, &len);

    json_decref(j);
    put(t, name, text ? text : "null", text ? len : 4);
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
        n = wa_utf8_char(name, left);
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
