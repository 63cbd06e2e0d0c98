/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include "request.h"

#include "base/wa_multipart.h"

#define MAX ((apr_off_t)1024 * 1024)

/* A body that comes in pieces of a size. */
typedef struct source {
    const char *text;
    apr_size_t len, piece;
    apr_status_t end;
} source;

static apr_status_t read_piece(void *baton, char *buf, apr_size_t *len)
{
    source *s = baton;
    apr_size_t n = s->len < s->piece ? s->len : s->piece;

    if (!n) {
        return s->end;
    }
    n = n < *len ? n : *len;
    memcpy(buf, s->text, n);
    s->text += n;
    s->len -= n;
    *len = n;
    return APR_SUCCESS;
}

/* All that a form has, as one text: name|file name|type|bytes; for each part.
 * A failure is its code's name. */
static const char *whole(apr_pool_t *p, const char *type, const char *body,
                         apr_size_t len, apr_size_t piece, apr_off_t max)
{
    source s = { body, len, piece, APR_EOF };
    wa_req *req = request(p, "POST", "/", NULL, "Content-Type", type);
    wa_result *r = wa_result_make(p);
    const char *out = "";
    const wa_part *part;
    wa_multipart *mp;
    wa_code code;

    req->body.read = read_piece;
    req->body.baton = &s;
    code = wa_multipart_make(&mp, req, max, r);
    if (code == WA_OK) {
        code = wa_multipart_next(mp, &part, r);
    }
    while (code == WA_OK && part) {
        const char *data;
        apr_size_t n = 1;

        out = apr_pstrcat(
            p, out, part->name, "|", part->is_file ? part->file_name : "-", "|",
            part->content_type ? part->content_type : "-", "|", NULL);
        while (code == WA_OK && n) {
            code = wa_multipart_read(mp, &data, &n, r);
            if (code == WA_OK && n) {
                out = apr_pstrcat(p, out, apr_pstrmemdup(p, data, n), NULL);
            }
        }
        out = apr_pstrcat(p, out, ";", NULL);
        if (code == WA_OK) {
            code = wa_multipart_next(mp, &part, r);
        }
    }
    return code == WA_OK ? out : wa_code_name(code);
}

#define TYPE "multipart/form-data; boundary=xYz"
#define PART(name, more, body)                                                 \
    "--xYz\r\nContent-Disposition: form-data; name=\"" name "\"" more          \
    "\r\n\r\n" body "\r\n"
#define END "--xYz--\r\n"

typedef struct form {
    const char *what, *body, *expected;
} form;

static const form good[] = {
    { "one field", PART("a", "", "b") END, "a|-|-|b;" },
    { "two parts, one a file",
      PART("a", "", "b")
          PART("file", "; filename=\"x.txt\"\r\nContent-Type: text/plain",
               "hello") END,
      "a|-|-|b;file|x.txt|text/plain|hello;" },
    { "an empty part", PART("a", "", "") END, "a|-|-|;" },
    { "no part", END, "" },
    { "no line's end behind the last delimiter", PART("a", "", "b") "--xYz--",
      "a|-|-|b;" },
    { "a line's end before the first", "\r\n" PART("a", "", "b") END,
      "a|-|-|b;" },
    { "padding behind a delimiter",
      "--xYz \t \r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n" END,
      "a|-|-|b;" },
    { "what is nearly a delimiter",
      PART("a", "", "\r\n--xY\r\n-xYz\r\n\r\n-\r--xYz\n--xYz") END,
      "a|-|-|\r\n--xY\r\n-xYz\r\n\r\n-\r--xYz\n--xYz;" },
    { "CRs at the end", PART("a", "", "\r\r\r") END, "a|-|-|\r\r\r;" },
    { "names in capitals, other headers",
      "--xYz\r\nX-Other: 1\r\nCONTENT-DISPOSITION: FORM-DATA; NAME=\"a\";"
      " FILENAME=\"f\"\r\nContent-Transfer-Encoding: binary\r\n\r\nb\r\n" END,
      "a|f|-|b;" },
    { "an empty file name is a file", PART("f", "; filename=\"\"", "") END,
      "f||-|;" },
    { "a path as old browsers send it",
      PART("f", "; filename=\"C:\\dir\\x.txt\"", "") END,
      "f|C:\\dir\\x.txt|-|;" },
    { "a quote escaped", PART("f", "; filename=\"a\\\"b\"", "") END,
      "f|a\"b|-|;" },
    { "filename* goes before filename",
      PART("f", "; filename=\"x\"; filename*=UTF-8''%C3%A4%20b", "") END,
      "f|\xc3\xa4 b|-|;" },
    { "filename* in Latin-1",
      PART("f", "; filename*=iso-8859-1'de'%E4", "") END, "f|\xc3\xa4|-|;" },
};

#define BAD "malformed_request"

static const form bad[] = {
    { "nothing at all", "", BAD },
    { "no end", PART("a", "", "b"), BAD },
    { "an end within a part",
      "--xYz\r\nContent-Disposition: form-data; name=a\r\n\r\nb", BAD },
    { "an end within headers", "--xYz\r\nContent-Disposition: form-da", BAD },
    { "an end within a delimiter", PART("a", "", "b") "--xYz", BAD },
    { "half an end", PART("a", "", "b") "--xYz-", BAD },
    { "another boundary", "--other\r\n\r\n", BAD },
    { "a preamble", "hello\r\n" PART("a", "", "b") END, BAD },
    { "a boundary that goes on", PART("a", "", "b") "--xYzz\r\n" END, BAD },
    { "no name", "--xYz\r\nContent-Disposition: form-data\r\n\r\nb\r\n" END,
      BAD },
    { "an empty name", PART("", "", "b") END, BAD },
    { "no disposition", "--xYz\r\nContent-Type: text/plain\r\n\r\nb\r\n" END,
      BAD },
    { "no headers", "--xYz\r\n\r\nb\r\n" END, BAD },
    { "another disposition",
      "--xYz\r\nContent-Disposition: attachment; name=a\r\n\r\nb\r\n" END,
      BAD },
    { "two dispositions",
      "--xYz\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition:"
      " form-data; name=b\r\n\r\nb\r\n" END,
      BAD },
    { "two names", PART("a", "; name=b", "c") END, BAD },
    { "a folded header",
      "--xYz\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\nb\r\n" END,
      BAD },
    { "a bare LF in the headers",
      "--xYz\r\nContent-Disposition: form-data; name=a\nX: y\r\n\r\nb\r\n" END,
      BAD },
    { "a bare LF behind the delimiter",
      "--xYz\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n" END, BAD },
    { "base64", PART("a", "\r\nContent-Transfer-Encoding: base64", "Yg==") END,
      BAD },
    { "a quote without its end",
      "--xYz\r\nContent-Disposition: form-data; name=\"a\r\n\r\nb\r\n" END,
      BAD },
    { "a name that is not UTF-8", PART("\xff", "", "") END, BAD },
    { "a file name that is not UTF-8", PART("f", "; filename=\"\xe4\"", "") END,
      BAD },
    { "filename* that can't be read",
      PART("f", "; filename*=UTF-8''%C3%", "") END, BAD },
    { "filename* of another encoding",
      PART("f", "; filename*=KOI8-R''%C3", "") END, BAD },
};

static void test_forms(apr_pool_t *p, const form *forms, size_t count)
{
    static const apr_size_t pieces[] = { 1, 2, 3, 7, 4096 };
    size_t i, j;

    for (i = 0; i < count; i++) {
        for (j = 0; j < sizeof(pieces) / sizeof(pieces[0]); j++) {
            is_str(whole(p, TYPE, forms[i].body, strlen(forms[i].body),
                         pieces[j], MAX),
                   forms[i].expected, "%s, by pieces of %d", forms[i].what,
                   (int)pieces[j]);
        }
    }
}

static void test_types(apr_pool_t *p)
{
    static const char *const types[][2] = {
        { "multipart/form-data; boundary=xYz", "a|-|-|b;" },
        { "Multipart/Form-Data;boundary=\"xYz\"; charset=utf-8", "a|-|-|b;" },
        { "multipart/form-data", "malformed_request" },
        { "multipart/form-data; boundary=", "malformed_request" },
        { "multipart/form-data; boundary=\"\"", "malformed_request" },
        { "multipart/form-data; boundary=\"a;b\"", "malformed_request" },
        { "multipart/form-data; boundary=xYz; boundary=b",
          "malformed_request" },
        { "multipart/form-data; boundary=01234567890123456789012345678901234567"
          "890123456789012345678901234567890",
          "malformed_request" },
        { "multipart/form-data-x; boundary=xYz", "unsupported_media_type" },
        { "multipart/mixed; boundary=xYz", "unsupported_media_type" },
        { "application/json", "unsupported_media_type" },
        { NULL, "unsupported_media_type" },
    };
    static const char body[] = PART("a", "", "b") END;
    size_t i;

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        is_str(whole(p, types[i][0], body, strlen(body), 100, MAX), types[i][1],
               "%s", types[i][0] ? types[i][0] : "no type");
    }
}

/* Many parts, long headers, much behind the end, much in all. */
static void test_bounds(apr_pool_t *p)
{
    const char *many = "", *body;
    char *longer = apr_palloc(p, 9001);
    int i;

    memset(longer, 'x', 9000);
    longer[9000] = '\0';
    for (i = 0; i < WA_PARTS_MAX; i++) {
        many = apr_pstrcat(p, many, PART("a", "", "b"), NULL);
    }
    body = apr_pstrcat(p, many, END, NULL);
    is_int((apr_int64_t)strlen(whole(p, TYPE, body, strlen(body), 100, MAX)),
           8 * WA_PARTS_MAX, "%d parts", WA_PARTS_MAX);
    body = apr_pstrcat(p, many, PART("a", "", "b") END, NULL);
    is_str(whole(p, TYPE, body, strlen(body), 100, MAX), BAD, "one more");
    body = apr_pstrcat(p, "--xYz\r\nX-A: ", longer, "\r\n\r\n", NULL);
    is_str(whole(p, TYPE, body, strlen(body), 100, MAX), BAD,
           "headers over 8 KiB");
    body = apr_pstrcat(p, PART("a", "", "b") END, longer, NULL);
    is_str(whole(p, TYPE, body, strlen(body), 100, MAX), BAD,
           "9 KB behind the end");
    body = apr_pstrcat(p, PART("a", "", "b") END, "--xYz--", NULL);
    is_str(whole(p, TYPE, body, strlen(body), 100, MAX), "a|-|-|b;",
           "a little behind the end");
    body = PART("a", "", "0123456789") END;
    is_str(whole(p, TYPE, body, strlen(body), 7, (apr_off_t)strlen(body)),
           "a|-|-|0123456789;", "as long as it may be");
    is_str(whole(p, TYPE, body, strlen(body), 7, (apr_off_t)strlen(body) - 1),
           "body_too_large", "a byte longer, without a length");
}

/* A file with every byte, over the window's size: not one gets lost. */
static void test_bytes(apr_pool_t *p)
{
    static const apr_size_t sizes[] = { 65530, 65536, 65537, 200000 };
    static const char head[] =
        "--xYz\r\nContent-Disposition: form-data; name=file; filename=f"
        "\r\n\r\n";
    static const char tail[] = "\r\n" END;
    size_t i;

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        apr_size_t len = sizeof(head) - 1 + sizes[i] + sizeof(tail) - 1;
        apr_size_t at = 0, n = 1, k;
        char *body = apr_palloc(p, len), *bytes = body + sizeof(head) - 1;
        source s = { body, len, 8191, APR_EOF };
        wa_req *req = request(p, "POST", "/", NULL, "Content-Type", TYPE);
        wa_result *r = wa_result_make(p);
        const wa_part *part;
        const char *data;
        wa_multipart *mp;
        int same = 1;

        memcpy(body, head, sizeof(head) - 1);
        for (k = 0; k < sizes[i]; k++) {
            bytes[k] = k % 7 ? (char)(k * 31 + (k >> 8)) : '\r';
        }
        memcpy(bytes + sizes[i], tail, sizeof(tail) - 1);
        req->body.read = read_piece;
        req->body.baton = &s;
        is_int(wa_multipart_make(&mp, req, MAX, r), WA_OK, "a form");
        is_int(wa_multipart_next(mp, &part, r), WA_OK, "its file");
        while (n && wa_multipart_read(mp, &data, &n, r) == WA_OK) {
            same &= at + n <= sizes[i] && !memcmp(bytes + at, data, n);
            at += n;
        }
        ok(same, "the bytes are those sent");
        is_int((apr_int64_t)at, (apr_int64_t)sizes[i], "and all of them");
        is_int(wa_multipart_next(mp, &part, r), WA_OK, "and then");
        ok(part == NULL, "the end");
        is_int(req->body.taken, (apr_int64_t)len, "the body was counted");
    }
}

/* Every single byte of a form altered, cut and left out: it is read or
 * refused, never anything else. */
static void test_fuzz(apr_pool_t *p)
{
    static const char body[] = PART("a", "", "b")
        PART("file",
             "; filename=\"x\"; filename*=UTF-8''%41\r\n"
             "Content-Type: text/plain",
             "he\r\n--xYllo") END;
    static const char with[] = { '\0', '\r', '\n', '"', ';', '-', ' ', '\xff' };
    apr_size_t len = sizeof(body) - 1, i, j;
    int strange = 0;
    apr_pool_t *scratch;

    apr_pool_create(&scratch, p);
    for (i = 0; i < len; i++) {
        for (j = 0; j <= sizeof(with) + 1; j++) {
            char *copy = apr_pstrmemdup(scratch, body, len);
            apr_size_t n = len;
            const char *got;

            if (j < sizeof(with)) {
                copy[i] = with[j];
            }
            else if (j == sizeof(with)) {
                n = i;
            }
            else {
                memmove(copy + i, copy + i + 1, len - i);
                n = len - 1;
            }
            got = whole(scratch, TYPE, copy, n, 1 + (i + j) % 9, MAX);
            strange += strcmp(got, BAD) && !strchr(got, '|');
            apr_pool_clear(scratch);
        }
    }
    is_int(strange, 0, "%d altered forms are read or refused",
           (int)(len * (sizeof(with) + 2)));
    apr_pool_destroy(scratch);
}

static void test_faults(apr_pool_t *p)
{
    static const apr_status_t ends[] = { APR_TIMEUP, APR_ENOSPC, APR_EGENERAL };
    static const wa_code codes[] = { WA_E_BODY_TIMEOUT, WA_E_BODY_TOO_LARGE,
                                     WA_E_MALFORMED };
    size_t i;

    for (i = 0; i < 3; i++) {
        static const char text[] = "--xYz\r\nContent-Disp";
        source s = { text, sizeof(text) - 1, 5, ends[i] };
        wa_req *req = request(p, "POST", "/", NULL, "Content-Type", TYPE);
        wa_result *r = wa_result_make(p);
        const wa_part *part;
        wa_multipart *mp;

        req->body.read = read_piece;
        req->body.baton = &s;
        is_int(wa_multipart_make(&mp, req, MAX, r), WA_OK, "a form");
        is_int(wa_multipart_next(mp, &part, r), codes[i],
               "a fault of reading: %s", wa_code_name(codes[i]));
    }
}

int main(void)
{
    apr_pool_t *p = tap_start();

    test_forms(p, good, sizeof(good) / sizeof(good[0]));
    test_forms(p, bad, sizeof(bad) / sizeof(bad[0]));
    test_types(p);
    test_bounds(p);
    test_bytes(p);
    test_fuzz(p);
    test_faults(p);
    return tap_done();
}
