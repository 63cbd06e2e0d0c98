/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_file_name.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "wa_http_msg.h"
#include "wa_json.h"

#define UNSAFE "<>:\"|?*"

/* Bytes of the character at s, which is valid UTF-8, and its number. */
static apr_size_t character(const char *s, apr_uint32_t *c)
{
    const unsigned char *u = (const unsigned char *)s;
    apr_size_t n = *u < 0x80 ? 1 : *u < 0xe0 ? 2 : *u < 0xf0 ? 3 : 4, i;

    *c = n == 1 ? *u : (apr_uint32_t)(*u & (0xff >> (n + 1)));
    for (i = 1; i < n; i++) {
        *c = *c << 6 | (u[i] & 0x3f);
    }
    return n;
}

/* Invisible ones: controls, line separators, and the marks by which "gpj.exe"
 * is shown as "exe.jpg". */
static int is_dropped(apr_uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c
           || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e)
           || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff
           || (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f);
}

static const char *last_part(const char *name)
{
    const char *s;

    for (s = name; *s; s++) {
        if (*s == '/' || *s == '\\') {
            name = s + 1;
        }
    }
    return name;
}

static char *cleaned(apr_pool_t *p, const char *name)
{
    char *out = apr_palloc(p, strlen(name) + 1), *o = out;
    apr_uint32_t c;

    while (*name) {
        apr_size_t n = character(name, &c);

        if (c < 0x80 && c >= 0x20 && strchr(UNSAFE, (int)c)) {
            *o++ = '_';
        }
        else if (!is_dropped(c)) {
            memcpy(o, name, n);
            o += n;
        }
        name += n;
    }
    while (o > out && (o[-1] == ' ' || o[-1] == '.')) {
        o--;
    }
    *o = '\0';
    while (*out == ' ' || *out == '.') {
        out++;
    }
    return out;
}

/* Cut before the character that would go over max. */
static void shorten(char *name, apr_size_t max)
{
    if (strlen(name) > max) {
        while (max > 0 && ((unsigned char)name[max] & 0xc0) == 0x80) {
            max--;
        }
        name[max] = '\0';
    }
}

const char *wa_file_name_clean(apr_pool_t *p, const char *name)
{
    char *base = cleaned(p, last_part(name));

    shorten(base, WA_FILE_NAME_MAX);
    return *base ? base : NULL;
}

const char *wa_file_name_safe(apr_pool_t *p, const char *name,
                              const wa_file_type *type)
{
    char *base = cleaned(p, last_part(name ? name : ""));
    const char *ending = strrchr(base, '.');

    if (ending && wa_file_type_by_name(base) == type
        && strlen(ending) < WA_FILE_NAME_MAX) {
        ending = apr_pstrdup(p, ending);
        base[strlen(base) - strlen(ending)] = '\0';
    }
    else {
        ending = apr_pstrcat(p, ".", type->extension, NULL);
    }
    shorten(base, WA_FILE_NAME_MAX - strlen(ending));
    return apr_pstrcat(p, *base ? base : "file", ending, NULL);
}

/* RFC 8187, section 3.2.1: attr-char. */
static int is_plain(unsigned char c)
{
    return c < 0x80 && (apr_isalnum(c) || (c && strchr("!#$&+-.^_`|~", c)));
}

const char *wa_file_name_header(apr_pool_t *p, const char *name)
{
    static const char hex[] = "0123456789ABCDEF";
    apr_size_t len = strlen(name), i;
    char *ascii = apr_palloc(p, len + 1), *a = ascii;
    char *whole = apr_palloc(p, len * 3 + 1), *w = whole;

    for (i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];

        if (c < 0x80) {
            *a++ = name[i];
            if (c < 0x20 || c == 0x7f || strchr("\"\\%", c)) {
                a[-1] = '_';
            }
        }
        else if ((c & 0xc0) != 0x80) {
            *a++ = '_';
        }
        if (is_plain(c)) {
            *w++ = (char)c;
        }
        else {
            *w++ = '%';
            *w++ = hex[c >> 4];
            *w++ = hex[c & 15];
        }
    }
    *a = *w = '\0';
    return apr_psprintf(p, "attachment; filename=\"%s\"; filename*=UTF-8''%s",
                        ascii, whole);
}

/* Latin-1 in UTF-8; NUL ends it. */
static const char *from_latin1(apr_pool_t *p, const char *s)
{
    char *out = apr_palloc(p, strlen(s) * 2 + 1), *o = out;

    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;

        if (c < 0x80) {
            *o++ = (char)c;
        }
        else {
            *o++ = (char)(0xc0 | c >> 6);
            *o++ = (char)(0x80 | (c & 0x3f));
        }
    }
    *o = '\0';
    return out;
}

/* wa_percent_decode wants UTF-8, which Latin-1 is not. */
static const char *decode_bytes(apr_pool_t *p, const char *s)
{
    char *out = apr_palloc(p, strlen(s) + 1), *o = out;

    while (*s) {
        if (*s == '%') {
            char two[3] = { 0 };

            if (!apr_isxdigit(s[1]) || !apr_isxdigit(s[2])) {
                return NULL;
            }
            memcpy(two, s + 1, 2);
            *o = (char)apr_strtoi64(two, NULL, 16);
            if (!*o++) {
                return NULL;
            }
            s += 3;
        }
        else {
            *o++ = *s++;
        }
    }
    *o = '\0';
    return out;
}

const char *wa_file_name_extended(apr_pool_t *p, const char *value)
{
    const char *language = strchr(value, '\'');
    const char *text = language ? strchr(language + 1, '\'') : NULL;
    apr_size_t len = language ? (apr_size_t)(language - value) : 0;

    if (!text) {
        return NULL;
    }
    text++;
    if (len == 5 && !strncasecmp(value, "UTF-8", 5)) {
        return wa_percent_decode(p, text, strlen(text), 0);
    }
    if (len == 10 && !strncasecmp(value, "ISO-8859-1", 10)) {
        text = decode_bytes(p, text);
        return text ? from_latin1(p, text) : NULL;
    }
    return NULL;
}
