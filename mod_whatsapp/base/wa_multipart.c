/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_multipart.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "wa_file_name.h"

#define WINDOW ((apr_size_t)64 * 1024)
#define BOUNDARY_MAX 70
#define HEADERS_MAX 16
#define NAME_MAX_BYTES 64
#define EPILOGUE_MAX 1024

typedef enum place {
    AT_START,   /* before the first delimiter */
    IN_PART,    /* its bytes are being read */
    AFTER_PART, /* its delimiter was passed, "--" or CRLF is next */
    AT_END      /* the last delimiter was passed */
} place;

struct wa_multipart {
    wa_req *req;
    apr_off_t max;
    char delimiter[BOUNDARY_MAX + 5]; /* CRLF "--" boundary */
    apr_size_t delimiter_len;
    place at;
    int parts;
    wa_part part;
    char *window;
    apr_size_t begin, end; /* of what is in the window and not used */
    int eof;
};

static wa_code broken(wa_result *r, const char *why)
{
    return wa_fail(r, WA_E_MALFORMED, "multipart/form-data: %s", why);
}

/* --- the window ------------------------------------------------------------
 */

static wa_code too_large(const wa_multipart *mp, wa_result *r)
{
    return wa_fail(r, WA_E_BODY_TOO_LARGE,
                   "The body may have %" APR_OFF_T_FMT " bytes here", mp->max);
}

static wa_code read_failed(const wa_multipart *mp, apr_status_t rv,
                           wa_result *r)
{
    if (APR_STATUS_IS_TIMEUP(rv)) {
        return wa_fail(r, WA_E_BODY_TIMEOUT, NULL);
    }
    if (APR_STATUS_IS_ENOSPC(rv)) {
        return too_large(mp, r);
    }
    return wa_fail(r, WA_E_MALFORMED, "The body ended early or is broken");
}

/* Put some more into the window; eof is set when there is no more. */
static wa_code fill(wa_multipart *mp, wa_result *r)
{
    wa_body *body = &mp->req->body;
    apr_size_t len;
    apr_status_t rv;

    if (mp->begin) {
        memmove(mp->window, mp->window + mp->begin, mp->end - mp->begin);
        mp->end -= mp->begin;
        mp->begin = 0;
    }
    len = WINDOW - mp->end;
    rv = body->read(body->baton, mp->window + mp->end, &len);
    if (rv == APR_EOF) {
        mp->eof = 1;
        return WA_OK;
    }
    if (rv != APR_SUCCESS) {
        return read_failed(mp, rv, r);
    }
    mp->end += len;
    body->taken += (apr_off_t)len;
    return body->taken > mp->max ? too_large(mp, r) : WA_OK;
}

/* Have at least need bytes in the window, or all there are. */
static wa_code have(wa_multipart *mp, apr_size_t need, wa_result *r)
{
    wa_code code = WA_OK;

    while (code == WA_OK && mp->end - mp->begin < need && !mp->eof) {
        code = fill(mp, r);
    }
    return code;
}

static int starts_with(const wa_multipart *mp, const char *text, apr_size_t len)
{
    return mp->end - mp->begin >= len
           && !memcmp(mp->window + mp->begin, text, len);
}

/* --- the form's head -------------------------------------------------------
 */

/* RFC 2046, section 5.1.1: bchars. */
static int is_boundary(const char *s)
{
    apr_size_t len = strlen(s);

    if (!len || len > BOUNDARY_MAX || s[len - 1] == ' ') {
        return 0;
    }
    for (; *s; s++) {
        if (!apr_isalnum(*s) && !strchr("'()+_,-./:=? ", *s)) {
            return 0;
        }
    }
    return 1;
}

static int is_token(char c)
{
    return apr_isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* The value of a parameter: a token or a quoted string, in which browsers
 * leave a backslash alone and write %22 for a quote, while others escape.
 * @return what follows it, or NULL when it is broken */
static const char *read_value(apr_pool_t *p, const char *s, const char **value)
{
    char *out = apr_palloc(p, strlen(s) + 1), *o = out;

    *value = out;
    if (*s != '"') {
        while (is_token(*s)) {
            *o++ = *s++;
        }
        *o = '\0';
        return o > out ? s : NULL;
    }
    for (s++; *s && *s != '"'; s++) {
        if (*s == '\\' && (s[1] == '"' || s[1] == '\\')) {
            s++;
        }
        *o++ = *s;
    }
    *o = '\0';
    return *s ? s + 1 : NULL;
}

/* The parameters behind a header's first word, each once.
 * @return NULL when they are broken */
static apr_table_t *read_params(apr_pool_t *p, const char *s)
{
    apr_table_t *params = apr_table_make(p, 4);

    for (;;) {
        const char *name, *value;

        s += strspn(s, " \t");
        if (!*s) {
            return params;
        }
        if (*s++ != ';') {
            return NULL;
        }
        s += strspn(s, " \t");
        if (!*s) {
            return params; /* a semicolon at the end is often seen */
        }
        name = s;
        while (is_token(*s)) {
            s++;
        }
        if (s == name || *s != '=') {
            return NULL;
        }
        name = apr_pstrmemdup(p, name, (apr_size_t)(s - name));
        s = read_value(p, s + 1, &value);
        if (!s || apr_table_get(params, name)) {
            return NULL;
        }
        apr_table_setn(params, name, value);
    }
}

#define FORM "multipart/form-data"

int wa_multipart_is_form(const wa_req *req)
{
    const char *type = req->header(req, "Content-Type");

    return type && !strncasecmp(type, FORM, sizeof(FORM) - 1)
           && strcspn(type, "; \t") == sizeof(FORM) - 1;
}

wa_code wa_multipart_make(wa_multipart **pmp, wa_req *req, apr_off_t max,
                          wa_result *r)
{
    const char *type = req->header(req, "Content-Type");
    const char *boundary = NULL;
    apr_table_t *params;
    wa_multipart *mp;

    if (!wa_multipart_is_form(req)) {
        return wa_fail(r, WA_E_MEDIA_TYPE,
                       "Send the body as Content-Type: multipart/form-data");
    }
    params = read_params(req->pool, type + sizeof(FORM) - 1);
    if (params) {
        boundary = apr_table_get(params, "boundary");
    }
    if (!boundary || !is_boundary(boundary)) {
        return broken(r, "Content-Type has no proper boundary");
    }
    mp = apr_pcalloc(req->pool, sizeof(*mp));
    mp->req = req;
    mp->max = max;
    if (req->body.declared > max) {
        return too_large(mp, r);
    }
    apr_snprintf(mp->delimiter, sizeof(mp->delimiter), "\r\n--%s", boundary);
    mp->delimiter_len = strlen(mp->delimiter);
    mp->window = apr_palloc(req->pool, WINDOW);
    *pmp = mp;
    return WA_OK;
}

/* --- a part's headers ------------------------------------------------------
 */

static wa_code read_disposition(wa_multipart *mp, const char *value,
                                wa_result *r)
{
    static const char form[] = "form-data";
    apr_pool_t *p = mp->req->pool;
    wa_part *part = &mp->part;
    apr_table_t *params;
    const char *extended;

    if (part->name) {
        return broken(r, "a part has two Content-Dispositions");
    }
    if (strncasecmp(value, form, sizeof(form) - 1)
        || strcspn(value, "; \t") != sizeof(form) - 1) {
        return broken(r, "a part's Content-Disposition is not form-data");
    }
    params = read_params(p, value + sizeof(form) - 1);
    if (!params) {
        return broken(r, "a part's Content-Disposition can't be read");
    }
    part->name = apr_table_get(params, "name");
    part->file_name = apr_table_get(params, "filename");
    extended = apr_table_get(params, "filename*");
    if (extended) {
        part->file_name = wa_file_name_extended(p, extended);
        if (!part->file_name) {
            return broken(r, "a part's filename* can't be read");
        }
    }
    if (!part->name || !*part->name || strlen(part->name) > NAME_MAX_BYTES) {
        return broken(r, "a part has no name, or one over 64 bytes");
    }
    if (!wa_utf8_valid(part->name, strlen(part->name))
        || (part->file_name
            && !wa_utf8_valid(part->file_name, strlen(part->file_name)))) {
        return broken(r, "a name is not UTF-8");
    }
    part->is_file = part->file_name != NULL;
    return WA_OK;
}

static wa_code read_header(wa_multipart *mp, char *line, wa_result *r)
{
    char *colon = strchr(line, ':'), *s, *end;

    for (s = line; is_token(*s); s++) {
        ;
    }
    if (!colon || s != colon || s == line) {
        return broken(r, "a part's header is no header");
    }
    *colon = '\0';
    s = colon + 1 + strspn(colon + 1, " \t");
    end = s + strlen(s);
    while (end > s && (end[-1] == ' ' || end[-1] == '\t')) {
        *--end = '\0';
    }
    if (!strcasecmp(line, "Content-Disposition")) {
        return read_disposition(mp, s, r);
    }
    if (!strcasecmp(line, "Content-Type")) {
        if (mp->part.content_type) {
            return broken(r, "a part has two Content-Types");
        }
        mp->part.content_type = s;
    }
    else if (!strcasecmp(line, "Content-Transfer-Encoding")
             && strcasecmp(s, "binary") && strcasecmp(s, "8bit")
             && strcasecmp(s, "7bit")) {
        return broken(r, "a part has a Content-Transfer-Encoding");
    }
    return WA_OK;
}

/* One line without its CRLF, in the request's pool; budget is what the
 * headers may still have. */
static wa_code read_line(wa_multipart *mp, apr_size_t *budget, char **line,
                         wa_result *r)
{
    apr_size_t len = 0;

    for (;;) {
        const char *s = mp->window + mp->begin;

        while (len + 1 < mp->end - mp->begin
               && (s[len] != '\r' || s[len + 1] != '\n')) {
            if (s[len] == '\0' || s[len] == '\n' || s[len] == '\r') {
                return broken(r, "a part's header has a stray character");
            }
            len++;
        }
        if (len + 2 > *budget) {
            return broken(r, "a part's headers are over 8 KiB");
        }
        if (len + 1 < mp->end - mp->begin) {
            break;
        }
        if (mp->eof) {
            return broken(r, "it ends within a part's headers");
        }
        if (WA_OK != fill(mp, r)) {
            return r->code;
        }
    }
    *line = apr_pstrmemdup(mp->req->pool, mp->window + mp->begin, len);
    mp->begin += len + 2;
    *budget -= len + 2;
    return WA_OK;
}

static wa_code read_headers(wa_multipart *mp, wa_result *r)
{
    apr_size_t budget = WA_PART_HEADERS_MAX;
    wa_code code = WA_OK;
    int i;

    memset(&mp->part, 0, sizeof(mp->part));
    for (i = 0; code == WA_OK; i++) {
        char *line = NULL;

        code = read_line(mp, &budget, &line, r);
        if (code != WA_OK || !line || !*line) {
            break;
        }
        code = i < HEADERS_MAX ? read_header(mp, line, r)
                               : broken(r, "a part has more than 16 headers");
    }
    if (code == WA_OK && !mp->part.name) {
        code = broken(r, "a part has no Content-Disposition");
    }
    return code;
}

/* --- delimiters ------------------------------------------------------------
 */

/* After the last delimiter there may be a little that means nothing. */
static wa_code read_epilogue(wa_multipart *mp, wa_result *r)
{
    apr_size_t seen = 0;

    mp->at = AT_END;
    while (!mp->eof) {
        seen += mp->end - mp->begin;
        mp->begin = mp->end;
        if (seen > EPILOGUE_MAX) {
            return broken(r, "there is something behind its end");
        }
        if (WA_OK != fill(mp, r)) {
            return r->code;
        }
    }
    return WA_OK;
}

/* Behind a delimiter: "--" ends the form; else CRLF, perhaps after some
 * padding, and a part's headers. */
static wa_code after_delimiter(wa_multipart *mp, wa_result *r)
{
    apr_size_t padding = 0;
    wa_code code = have(mp, 2, r);

    if (code != WA_OK) {
        return code;
    }
    if (starts_with(mp, "--", 2)) {
        mp->begin += 2;
        return read_epilogue(mp, r);
    }
    while (code == WA_OK && padding < 64
           && (starts_with(mp, " ", 1) || starts_with(mp, "\t", 1))) {
        mp->begin++;
        padding++;
        code = have(mp, 2, r);
    }
    if (code != WA_OK) {
        return code;
    }
    if (!starts_with(mp, "\r\n", 2)) {
        return broken(r, mp->eof ? "it ends within a delimiter"
                                 : "a delimiter is not followed by a line's"
                                   " end");
    }
    mp->begin += 2;
    if (++mp->parts > WA_PARTS_MAX) {
        return broken(r, "it has more than 20 parts");
    }
    mp->at = IN_PART;
    return read_headers(mp, r);
}

/* The first delimiter has no CRLF before it. */
static wa_code first_delimiter(wa_multipart *mp, wa_result *r)
{
    wa_code code = have(mp, mp->delimiter_len, r);

    if (code != WA_OK) {
        return code;
    }
    if (starts_with(mp, "\r\n", 2)) {
        mp->begin += 2;
        code = have(mp, mp->delimiter_len - 2, r);
    }
    if (code == WA_OK
        && !starts_with(mp, mp->delimiter + 2, mp->delimiter_len - 2)) {
        return broken(r, "it does not begin with its boundary");
    }
    mp->begin += mp->delimiter_len - 2;
    mp->at = AFTER_PART;
    return code;
}

wa_code wa_multipart_next(wa_multipart *mp, const wa_part **part, wa_result *r)
{
    wa_code code = WA_OK;

    *part = NULL;
    if (mp->at == AT_START) {
        code = first_delimiter(mp, r);
    }
    while (code == WA_OK && mp->at == IN_PART) {
        const char *data;
        apr_size_t len;

        code = wa_multipart_read(mp, &data, &len, r);
    }
    if (code == WA_OK && mp->at == AFTER_PART) {
        code = after_delimiter(mp, r);
    }
    if (code == WA_OK && mp->at == IN_PART) {
        *part = &mp->part;
    }
    return code;
}

/* Where the delimiter, or what may become one, begins in the window. */
static apr_size_t find_delimiter(const wa_multipart *mp, int *whole)
{
    const char *base = mp->window + mp->begin;
    apr_size_t len = mp->end - mp->begin, at = 0;

    *whole = 0;
    while (at < len) {
        const char *cr = memchr(base + at, '\r', len - at);
        apr_size_t rest, n;

        if (!cr) {
            return len;
        }
        at = (apr_size_t)(cr - base);
        rest = len - at;
        n = rest < mp->delimiter_len ? rest : mp->delimiter_len;
        if (!memcmp(cr, mp->delimiter, n)) {
            *whole = n == mp->delimiter_len;
            return at;
        }
        at++;
    }
    return len;
}

wa_code wa_multipart_read(wa_multipart *mp, const char **data, apr_size_t *len,
                          wa_result *r)
{
    *len = 0;
    while (mp->at == IN_PART) {
        int whole;
        apr_size_t n = find_delimiter(mp, &whole);

        if (n) {
            *data = mp->window + mp->begin;
            *len = n;
            mp->begin += n;
            return WA_OK;
        }
        if (whole) {
            mp->begin += mp->delimiter_len;
            mp->at = AFTER_PART;
            return WA_OK;
        }
        if (mp->eof) {
            return broken(r, "it ends within a part");
        }
        if (WA_OK != fill(mp, r)) {
            return r->code;
        }
    }
    return WA_OK;
}
