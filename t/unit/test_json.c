/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <string.h>

#include <apr_strings.h>

#include "base/wa_json.h"

static json_t *parse(apr_pool_t *p, const char *text)
{
    json_t *j = NULL;

    wa_json_parse(&j, text, strlen(text), wa_result_make(p));
    return j;
}

/* --- parse ----------------------------------------------------------------*/

static const char *const good[] = {
    "{}",
    " \t\r\n{ } \n",
    "{\"a\":1}",
    "{\"a\":\"\\u00e9\\ud83d\\ude00 \xf0\x9f\x98\x80\"}",
    "{\"a\":[1,2.5,-3e2,true,false,null,\"\",{},[]]}",
    "{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[\\\\\"}",
    "{\"a\":\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"}",
    "{\"a\":9223372036854775807}",
};

static const char *const bad[] = {
    "",
    " ",
    "null",
    "1",
    "\"a\"",
    "[]",
    "[{}]",
    "{",
    "}",
    "{}}",
    "{} {}",
    "{}x",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{a:1}",
    "{'a':1}",
    "{\"a\":01}",
    "{\"a\":+1}",
    "{\"a\":1.}",
    "{\"a\":.5}",
    "{\"a\":NaN}",
    "{\"a\":Infinity}",
    "{\"a\":1e999}",
    "{\"a\":9223372036854775808}",
    "{\"a\":1,\"a\":2}",
    "{\"a\":1,\"\\u0061\":2}",
    "{\"a\":\"\\u0000\"}",
    "{\"a\\u0000b\":1}",
    "{\"a\":\"\\ud83d\"}",
    "{\"a\":\"\\ude00\"}",
    "{\"a\":\"\\x41\"}",
    "{\"a\":\"\n\"}",
    "{\"a\":\"\x01\"}",
    "{\"a\":\"\xff\"}",
    "{\"a\":\"\xc0\xaf\"}",
    "{\"a\":\"\xed\xa0\x80\"}",
    "{\"a\":\"\xf4\x90\x80\x80\"}",
    "{\"a\":\"",
    "{\"a\":\"\\",
    "{\"a\":\"\\\"",
    "{\"a\":1 /* no */}",
    "\xef\xbb\xbf{}",
};

static void test_parse(apr_pool_t *p)
{
    apr_size_t i;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ok(parse(p, good[i]) != NULL, "good text %d", (int)i);
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        wa_result *r = wa_result_make(p);
        json_t *j = (json_t *)p; /* must be cleared */
        wa_code code = wa_json_parse(&j, bad[i], strlen(bad[i]), r);
        ok(code == WA_E_MALFORMED_JSON && !j && r->code == code && r->detail
               && wa_utf8_valid(r->detail, strlen(r->detail)),
           "bad text %d: %s", (int)i, r->detail ? r->detail : "(NULL)");
    }
}

static void test_raw_nul(apr_pool_t *p)
{
    static const char in_string[] = "{\"a\":\"b\0c\"}";
    static const char after[] = "{}\0";
    wa_result *r = wa_result_make(p);
    json_t *j;

    is_int(wa_json_parse(&j, in_string, sizeof(in_string) - 1, r),
           WA_E_MALFORMED_JSON, "a NUL byte in a string");
    is_int(wa_json_parse(&j, after, sizeof(after) - 1, r), WA_E_MALFORMED_JSON,
           "a NUL byte after the object");
}

static void test_detail(apr_pool_t *p)
{
    static const char text[] = "{\n  \"a\": 1,\n  \"secret\": oops\n}";
    wa_result *r = wa_result_make(p);
    json_t *j;

    wa_json_parse(&j, text, sizeof(text) - 1, r);
    is_str(r->detail, "line 3, column 16: invalid token",
           "tells the place, repeats no input");
}

static char *nested(apr_pool_t *p, int depth, int closed)
{
    char *s = apr_pstrdup(p, "{\"a\":");
    char *mid = apr_pcalloc(p, (apr_size_t)depth);
    char *end = apr_pcalloc(p, (apr_size_t)depth);

    memset(mid, '[', (apr_size_t)depth - 1);
    memset(end, ']', (apr_size_t)depth - 1);
    return apr_pstrcat(p, s, mid, closed ? end : "", closed ? "}" : "", NULL);
}

static void test_bounds(apr_pool_t *p)
{
    wa_result *r = wa_result_make(p);
    apr_size_t n = 40000;
    const char *text;
    char *wide;
    json_t *j;

    ok(parse(p, nested(p, 32, 1)) != NULL, "32 levels are fine");
    text = nested(p, 33, 1);
    is_int(wa_json_parse(&j, text, strlen(text), r), WA_E_MALFORMED_JSON,
           "33 are not");
    is_str(r->detail, "nested deeper than 32 levels", "and it says so");
    text = nested(p, 1000000, 0);
    is_int(wa_json_parse(&j, text, strlen(text), r), WA_E_MALFORMED_JSON,
           "nor a million, never closed");
    wide = apr_pcalloc(p, 3 * n + 1);
    while (n--) {
        memcpy(wide + 3 * n, "{},", 3);
    }
    text = apr_pstrcat(p, "{\"a\":[", wide, "1]}", NULL);
    is_int(wa_json_parse(&j, text, strlen(text), r), WA_E_MALFORMED_JSON,
           "40000 empty objects are too many");
}

/* --- access ---------------------------------------------------------------*/

static void test_get(apr_pool_t *p)
{
    json_t *j = parse(p, "{\"s\":\"x\",\"i\":7,\"z\":null,\"d\":1.5}");

    is_str(wa_json_str(j, "s"), "x", "a string");
    is_str(wa_json_str(j, "i"), NULL, "a number is no string");
    is_str(wa_json_str(j, "z"), NULL, "null is none");
    is_str(wa_json_str(j, "-"), NULL, "absent");
    is_str(wa_json_str(NULL, "s"), NULL, "no object");
    is_int(wa_json_int(j, "i", 1), 7, "an integer");
    is_int(wa_json_int(j, "d", 1), 1, "a real is no integer");
    is_int(wa_json_int(j, "s", 1), 1, "a string is no integer");
    is_int(wa_json_int(j, "-", -1), -1, "absent");
}

static void test_set(apr_pool_t *p)
{
    json_t *j = wa_json_own(p, json_object());
    apr_size_t len = 0;

    wa_json_set_str(j, "s", "\xc3\xa9\"\n</script>");
    wa_json_set_str(j, "bad", "a\xff\xc3(\xe2\x82");
    wa_json_set_str(j, "null", NULL);
    wa_json_set_int(j, "i", APR_INT64_MIN);
    wa_json_set_bool(j, "b", 2);
    wa_json_set_time(j, "t", apr_time_from_sec(1767323045));
    wa_json_set_time(j, "never", 0);
    wa_json_set(j, "o", json_array());
    is_str(wa_json_dump(p, j, &len),
           "{\"s\":\"\xc3\xa9\\\"\\n</script>\","
           "\"bad\":\"a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\","
           "\"null\":null,\"i\":-9223372036854775808,\"b\":true,"
           "\"t\":\"2026-01-02T03:04:05.000Z\",\"never\":null,\"o\":[]}",
           "all members in their order");
    is_int((apr_int64_t)len, (apr_int64_t)strlen(wa_json_dump(p, j, NULL)),
           "and the length");
    is_str(wa_json_dump(p, NULL, NULL), NULL, "nothing to dump");
    ok(!wa_json_own(p, NULL), "NULL stays NULL");
}

static void test_own(void)
{
    apr_pool_t *p;
    json_t *j = json_object();

    apr_pool_create(&p, NULL);
    json_incref(j);
    wa_json_own(p, j);
    apr_pool_destroy(p);
    is_int((apr_int64_t)j->refcount, 1, "the pool gives its reference back");
    json_decref(j);
}

static void test_utf8(void)
{
    static const char *const wrong[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc2",
        "\xe0\x9f\xbf",
        "\xe1\x80",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
        "\xc3(",
        "\xe2\x82(",
    };
    static const char *const right[] = {
        "",
        "a",
        "\x7f",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
    };
    apr_size_t i;

    for (i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        ok(wa_utf8_valid(right[i], strlen(right[i])), "UTF-8 %d", (int)i);
    }
    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ok(!wa_utf8_valid(wrong[i], strlen(wrong[i])), "not UTF-8 %d", (int)i);
    }
    ok(!wa_utf8_valid("a\0b", 3), "a NUL byte is refused");
    is_int((apr_int64_t)wa_utf8_length("a\xc3\xa9\xf0\x9f\x98\x80"), 3,
           "characters are counted, not bytes");
}

/* --- check ----------------------------------------------------------------*/

static const char *const colours[] = { "red", "green", NULL };

static const wa_field fields[] = {
    { "to", WA_F_STRING, 1, 1, 5, NULL },
    { "pin", WA_F_STRING, 0, 4, 4, NULL },
    { "free", WA_F_STRING, 0, 0, 0, NULL },
    { "colour", WA_F_STRING, 0, 0, 0, colours },
    { "n", WA_F_INT, 0, -1, 10, NULL },
    { "big", WA_F_INT, 0, 1, APR_INT64_MAX, NULL },
    { "flag", WA_F_BOOL, 0, 0, 0, NULL },
    { "o", WA_F_OBJECT, 0, 0, 0, NULL },
    { "a", WA_F_ARRAY, 0, 1, 2, NULL },
    { NULL },
};

/* All faults as "pointer code detail; …" */
static const char *faults(apr_pool_t *p, const char *text)
{
    wa_result *r = wa_result_make(p);
    const char *out = "";
    int i;

    if (wa_json_check(parse(p, text), fields, r) == WA_OK) {
        return r->errors ? "errors, but WA_OK" : "";
    }
    for (i = 0; i < r->errors->nelts; i++) {
        const wa_field_error *e = &APR_ARRAY_IDX(r->errors, i, wa_field_error);
        out = apr_pstrcat(p, out, i ? "; " : "", e->pointer, " ", e->code, " ",
                          e->detail, NULL);
    }
    return out;
}

static void test_check(apr_pool_t *p)
{
    static const char *const table[][2] = {
        { "{\"to\":\"x\"}", "" },
        { "{\"to\":\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\",\"pin\":"
          "\"1234\",\"free\":\"\",\"colour\":\"green\",\"n\":-1,\"big\":"
          "9223372036854775807,\"flag\":false,\"o\":{\"x\":1},\"a\":[1,2]}",
          "" },
        { "{\"to\":\"x\",\"pin\":null,\"n\":null,\"flag\":null}", "" },
        { "{}", "/to required is required" },
        { "{\"to\":null}", "/to required is required" },
        { "{\"to\":1}", "/to type must be a string" },
        { "{\"to\":\"\"}", "/to length must have 1 to 5 characters" },
        { "{\"to\":\"123456\"}", "/to length must have 1 to 5 characters" },
        { "{\"to\":\"x\",\"pin\":\"123\"}",
          "/pin length must have exactly 4 characters" },
        { "{\"to\":\"x\",\"colour\":\"blue\"}",
          "/colour value must be one of: red, green" },
        { "{\"to\":\"x\",\"colour\":\"\"}",
          "/colour value must be one of: red, green" },
        { "{\"to\":\"x\",\"n\":11}", "/n range must be from -1 to 10" },
        { "{\"to\":\"x\",\"n\":1.0}", "/n type must be an integer" },
        { "{\"to\":\"x\",\"n\":\"1\"}", "/n type must be an integer" },
        { "{\"to\":\"x\",\"big\":0}", "/big range must be at least 1" },
        { "{\"to\":\"x\",\"flag\":1}", "/flag type must be true or false" },
        { "{\"to\":\"x\",\"o\":[]}", "/o type must be an object" },
        { "{\"to\":\"x\",\"a\":{}}", "/a type must be an array" },
        { "{\"to\":\"x\",\"a\":[]}", "/a length must have 1 to 2 elements" },
        { "{\"to\":\"x\",\"To\":1}",
          "/To unknown is not a member of this request" },
        { "{\"to\":\"x\",\"\":null}",
          "/ unknown is not a member of this request" },
        { "{\"to\":\"x\",\"a/b~c\":1}",
          "/a~1b~0c unknown is not a member of this request" },
        { "{\"n\":\"x\",\"q\":1}",
          "/to required is required; /n type must be an integer; "
          "/q unknown is not a member of this request" },
    };
    apr_size_t i;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        is_str(faults(p, table[i][0]), table[i][1], "%s", table[i][0]);
    }
}

static void test_check_bounds(apr_pool_t *p)
{
    json_t *j = wa_json_own(p, json_object());
    wa_result *r = wa_result_make(p);
    char name[3001];
    int i;

    memset(name, '/', sizeof(name));
    name[3000] = '\0';
    wa_json_set_str(j, "to", "x");
    wa_json_set_int(j, name, 1);
    wa_json_check(j, fields, r);
    is_int((apr_int64_t)strlen(
               APR_ARRAY_IDX(r->errors, 0, wa_field_error).pointer),
           129, "a long name is cut, its escapes are not");
    for (i = 0; i < 100; i++) {
        wa_json_set_int(j, apr_itoa(p, i), 1);
    }
    r = wa_result_make(p);
    is_int(wa_json_check(j, fields, r), WA_E_INVALID, "a hundred unknowns");
    is_int(r->errors->nelts, WA_MAX_FIELD_ERRORS, "are told up to a bound");
}

/* What is written is what jansson would have said. */
static void test_text(apr_pool_t *p)
{
    static const char *const values[] = {
        NULL,
        "",
        "plain",
        "\"quoted\" \\ / and\x7f",
        "\b\t\n\v\f\r\x01\x1f",
        "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
        "\xff broken \xc3",
        "\xed\xa0\x80",
    };
    wa_json_text *t = wa_json_text_make(p, 1);
    json_t *j = wa_json_own(p, json_object()), *list = json_array();
    const char *expected;
    apr_size_t i, len;
    char name[3] = "s0";

    wa_json_text_open(t, NULL, '{');
    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++, name[1]++) {
        wa_json_text_str(t, name, values[i]);
        wa_json_set_str(j, name, values[i]);
    }
    wa_json_text_int(t, "n", -42);
    wa_json_set_int(j, "n", -42);
    wa_json_text_time(t, "at", apr_time_from_sec(1767323045) + 678900);
    wa_json_set_time(j, "at", apr_time_from_sec(1767323045) + 678900);
    wa_json_text_time(t, "never", 0);
    wa_json_set_time(j, "never", 0);
    wa_json_text_open(t, "list", '[');
    for (i = 0; i < 3; i++) {
        wa_json_text_json(t, NULL, json_pack("{s:i}", "i", (int)i));
        json_array_append_new(list, json_pack("{s:i}", "i", (int)i));
    }
    wa_json_text_open(t, NULL, '{');
    wa_json_text_end(t, '}');
    json_array_append_new(list, json_object());
    wa_json_text_end(t, ']');
    wa_json_set(j, "list", list);
    wa_json_text_json(t, "real", json_real(0.1));
    wa_json_set(j, "real", json_real(0.1));
    wa_json_text_end(t, '}');
    expected = wa_json_dump(p, j, &len);
    is_int((apr_int64_t)t->len, (apr_int64_t)len, "written: as long");
    is_str(apr_pstrmemdup(p, t->text, t->len), expected, "written: the same");
}

/* A text of every size around those of the buffers. */
static void test_dump_sizes(apr_pool_t *p)
{
    int n, wrong = 0;

    for (n = 1000; n < 5000; n += 7) {
        char *s = apr_palloc(p, (apr_size_t)n + 1);
        const char *text;
        apr_size_t len;

        memset(s, 'x', (apr_size_t)n);
        s[n] = '\0';
        text = wa_json_dump(p, wa_json_own(p, json_string(s)), &len);
        wrong += len != (apr_size_t)n + 2 || strlen(text) != len
                 || strncmp(text + 1, s, (apr_size_t)n) != 0;
    }
    is_int(wrong, 0, "dumps of many sizes are whole");
}

int main(void)
{
    apr_pool_t *p = tap_start();

    test_parse(p);
    test_raw_nul(p);
    test_detail(p);
    test_bounds(p);
    test_get(p);
    test_set(p);
    test_own();
    test_utf8();
    test_text(p);
    test_dump_sizes(p);
    test_check(p);
    test_check_bounds(p);
    apr_pool_destroy(p);
    return tap_done();
}
