/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <string.h>

#include "base/wa_file_name.h"
#include "base/wa_json.h"

static void test_safe(apr_pool_t *p)
{
    static const char *const cases[][3] = {
        { "photo.jpg", "image/jpeg", "photo.jpg" },
        { "photo.JPEG", "image/jpeg", "photo.JPEG" },
        { "../../etc/passwd", "text/plain", "passwd.txt" },
        { "C:\\Users\\me\\scan.pdf", "application/pdf", "scan.pdf" },
        { "/", "application/pdf", "file.pdf" },
        { "..", "application/pdf", "file.pdf" },
        { "", "application/pdf", "file.pdf" },
        { NULL, "application/pdf", "file.pdf" },
        { ".htaccess", "text/plain", "htaccess.txt" },
        { "a\r\nb\tc.txt", "text/plain", "abc.txt" },
        { "evil.exe", "image/png", "evil.exe.png" },
        { "x.png", "application/pdf", "x.png.pdf" },
        { "\xe2\x80\xaegpj.exe", "image/png", "gpj.exe.png" },
        { "a\xe2\x81\xa6"
          "b.png",
          "image/png", "ab.png" },
        { "\xef\xbb\xbf"
          "a.csv",
          "text/csv", "a.csv" },
        { "\xc3\x9c"
          "bersicht 2026.xlsx",
          "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
          "\xc3\x9c"
          "bersicht 2026.xlsx" },
        { "a<b>:\"|?*.txt", "text/plain", "a_b______.txt" },
        { "name. . ", "text/plain", "name.txt" },
        { ".pdf", "application/pdf", "pdf.pdf" },
    };
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_str(wa_file_name_safe(p, cases[i][0],
                                 wa_file_type_by_mime(cases[i][1])),
               cases[i][2], "%s", cases[i][0] ? cases[i][0] : "no name");
    }
}

static void test_long(apr_pool_t *p)
{
    char name[1005];
    const char *got;
    size_t i;

    for (i = 0; i < 1000; i += 2) {
        memcpy(name + i, "\xc3\xa4", 2);
    }
    memcpy(name + 1000, ".pdf", 5);
    got = wa_file_name_safe(p, name, wa_file_type_by_mime("application/pdf"));
    is_int((apr_int64_t)strlen(got), WA_FILE_NAME_MAX, "a long name is cut");
    is_str(got + strlen(got) - 4, ".pdf", "its ending stays");
    ok(wa_utf8_valid(got, strlen(got)), "no character is cut in two");
    memset(name, '.', 1000);
    got = wa_file_name_safe(p, name, wa_file_type_by_mime("application/pdf"));
    is_str(got, "pdf.pdf", "a thousand dots");
}

static void test_header(apr_pool_t *p)
{
    is_str(wa_file_name_header(p, "a b.pdf"),
           "attachment; filename=\"a b.pdf\"; filename*=UTF-8''a%20b.pdf",
           "a plain name");
    is_str(wa_file_name_header(p, "\xc3\x9c\"\\%.pdf"),
           "attachment; filename=\"____.pdf\";"
           " filename*=UTF-8''%C3%9C%22%5C%25.pdf",
           "what a quoted string can't have");
}

static void test_types(void)
{
    static const char *const cases[][2] = {
        { "image/jpeg", "image/jpeg" },
        { "IMAGE/JPEG", "image/jpeg" },
        { "image/jpg", "image/jpeg" },
        { "audio/ogg; codecs=opus", "audio/ogg" },
        { "text/csv;charset=utf-8", "text/csv" },
        { "application/vnd.ms-excel", "text/csv" },
        { "image/svg+xml", NULL },
        { "text/html", NULL },
        { "image/jpegx", NULL },
        { "image", NULL },
        { "", NULL },
        { NULL, NULL },
    };
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const wa_file_type *t = wa_file_type_by_mime(cases[i][0]);

        is_str(t ? t->mime : NULL, cases[i][1], "%s",
               cases[i][0] ? cases[i][0] : "none");
    }
    ok(wa_file_type_unsaid(NULL), "no type says nothing");
    ok(wa_file_type_unsaid("application/octet-stream"), "bytes say nothing");
    ok(!wa_file_type_unsaid("text/plain"), "text says something");
    is_str(wa_file_type_by_name("A.TXT")->mime, "text/plain", "by its ending");
    ok(!wa_file_type_by_name("A.exe"), "an ending of none of them");
    ok(!wa_file_type_by_name("pdf"), "no ending");
    is_str(wa_file_kind_name(WA_KIND_VIDEO), "video", "a kind's name");
}

static void test_extended(apr_pool_t *p)
{
    is_str(wa_file_name_extended(p, "UTF-8''%e2%82%ac"), "\xe2\x82\xac",
           "UTF-8");
    is_str(wa_file_name_extended(p, "utf-8'en'a"), "a", "with a language");
    is_str(wa_file_name_extended(p, "ISO-8859-1''%A3"), "\xc2\xa3", "Latin-1");
    is_str(wa_file_name_extended(p, "UTF-8''%ff"), NULL, "not UTF-8");
    is_str(wa_file_name_extended(p, "UTF-8''%00"), NULL, "NUL");
    is_str(wa_file_name_extended(p, "ISO-8859-1''%00"), NULL, "NUL, Latin-1");
    is_str(wa_file_name_extended(p, "UTF-8'%41"), NULL, "one quote");
    is_str(wa_file_name_extended(p, "x"), NULL, "none");
}

int main(void)
{
    apr_pool_t *p = tap_start();

    test_safe(p);
    test_long(p);
    test_header(p);
    test_types();
    test_extended(p);
    return tap_done();
}
