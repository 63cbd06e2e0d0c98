/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <string.h>

#include "base/wa_csv.h"

/* A value, and how it stands in a line. */
static const char *const table[][2] = {
    { "", "\"\"" },
    { "a", "\"a\"" },
    { "a,b", "\"a,b\"" },
    { "say \"x\"", "\"say \"\"x\"\"\"" },
    { "\"", "\"\"\"\"" },
    { "two\r\nlines", "\"two\r\nlines\"" },
    { " =1+1", "\" =1+1\"" },
    { "=1+1", "\"'=1+1\"" },
    { "+4917012345", "\"'+4917012345\"" },
    { "-2", "\"'-2\"" },
    { "@SUM(A1)", "\"'@SUM(A1)\"" },
    { "\tx", "\"'\tx\"" },
    { "\rx", "\"'\rx\"" },
    { "\nx", "\"\nx\"" },
    { "=\"\"", "\"'=\"\"\"\"\"" },
    { "1-2", "\"1-2\"" },
    { "\xc3\xa9", "\"\xc3\xa9\"" },
};

static void test_values(apr_pool_t *p)
{
    apr_size_t i, len;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const char *line = wa_csv_line(p, table[i], 1, &len);
        apr_size_t want = strlen(table[i][1]);

        ok(len == want + 2 && !strncmp(line, table[i][1], want)
               && !strcmp(line + want, "\r\n"),
           "value %d: %s", (int)i, table[i][1]);
    }
}

static void test_line(apr_pool_t *p)
{
    const char *const values[] = { "a", NULL, "b" };
    apr_size_t len;
    const char *line = wa_csv_line(p, values, 3, &len);

    is_str(line, "\"a\",\"\",\"b\"\r\n", "commas between, NULL is empty");
    is_int((apr_int64_t)len, (apr_int64_t)strlen(line), "the length is told");
    is_str(wa_csv_line(p, values, 0, &len), "\r\n", "no value");
}

int main(void)
{
    apr_pool_t *p = tap_start();

    test_values(p);
    test_line(p);
    return tap_done();
}
