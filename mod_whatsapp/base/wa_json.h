/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_json.h
 * @brief JSON by jansson; the only file that includes jansson.h.
 */
#ifndef WA_JSON_H
#define WA_JSON_H

#include <apr_pools.h>
#include <jansson.h>

#include "wa_result.h"
#include "wa_utf8.h"

/** Tie a reference to a pool: json_decref runs at the pool's cleanup.
 * @return j (NULL stays NULL) */
json_t *wa_json_own(apr_pool_t *p, json_t *j);

/** Parse a whole text as one JSON object (RFC 8259).
 * Refuses duplicate names, NUL in strings, nesting over 32, trailing bytes.
 * @param out owned by r->p
 * @return WA_OK or WA_E_MALFORMED_JSON with line and column in the detail */
wa_code wa_json_parse(json_t **out, const char *text, apr_size_t len,
                      wa_result *r);

/** Compact text of j in p, NUL-terminated. @param len bytes, may be NULL */
const char *wa_json_dump(apr_pool_t *p, const json_t *j, apr_size_t *len);

/** Member's text or NULL (absent, null or not a string). */
const char *wa_json_str(const json_t *obj, const char *name);
/** Member's integer, or dflt. */
apr_int64_t wa_json_int(const json_t *obj, const char *name, apr_int64_t dflt);

/** Set a string member; NULL becomes JSON null, and what is not UTF-8 is
 * replaced by U+FFFD. */
void wa_json_set_str(json_t *obj, const char *name, const char *value);
/** Set an integer member. */
void wa_json_set_int(json_t *obj, const char *name, apr_int64_t value);
/** Set a boolean member. */
void wa_json_set_bool(json_t *obj, const char *name, int value);
/** Set a time member as RFC 3339; 0 becomes JSON null. */
void wa_json_set_time(json_t *obj, const char *name, apr_time_t t);
/** Set a member, taking over the reference to value. */
void wa_json_set(json_t *obj, const char *name, json_t *value);

/** JSON that is written as it goes, for answers of many objects: the text that
 * wa_json_dump would make of them, without making them. What stands between
 * two members or elements puts itself there. */
typedef struct wa_json_text {
    apr_pool_t *p;
    char *text; /* not terminated */
    apr_size_t len, room;
} wa_json_text;

/** Begin a text in p. @param room bytes to begin with */
wa_json_text *wa_json_text_make(apr_pool_t *p, apr_size_t room);
/** Begin an object or array. @param name of the member, NULL where it is none
 * @param open '{' or '[' */
void wa_json_text_open(wa_json_text *t, const char *name, char open);
/** End it. @param end '}' or ']' */
void wa_json_text_end(wa_json_text *t, char end);
/** Members as wa_json_set_… makes them; names need no escaping. */
void wa_json_text_str(wa_json_text *t, const char *name, const char *value);
void wa_json_text_int(wa_json_text *t, const char *name, apr_int64_t value);
void wa_json_text_time(wa_json_text *t, const char *name, apr_time_t value);
/** Any value; takes over the reference to j. @param name NULL: an element */
void wa_json_text_json(wa_json_text *t, const char *name, json_t *j);

typedef enum wa_field_type {
    WA_F_STRING, /* min/max: Unicode characters */
    WA_F_INT,    /* min/max: value */
    WA_F_BOOL,
    WA_F_OBJECT,
    WA_F_ARRAY /* min/max: elements */
} wa_field_type;

/** What one member of a request body must be. A table ends with name NULL.
 * min and max both 0 mean no bounds. */
typedef struct wa_field {
    const char *name;
    wa_field_type type;
    int required;              /* absent or null is an error */
    apr_int64_t min, max;      /* see the type */
    const char *const *values; /* strings only: the allowed ones, or NULL */
} wa_field;

/** Check an object against a table; every fault is reported, not just the
 * first. Unknown members are errors. null counts as absent.
 * @return WA_OK or WA_E_INVALID with r->errors */
wa_code wa_json_check(const json_t *obj, const wa_field *fields, wa_result *r);

/** The words of a text, with spaces between, as an array of strings. */
json_t *wa_json_words(apr_pool_t *p, const char *text);

#endif
