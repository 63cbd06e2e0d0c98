/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include "base/wa_time.h"

typedef struct row {
    const char *text;
    apr_time_t usec;
} row;

#define SEC(n) ((apr_time_t)(n)*1000000)

static const row good[] = {
    { "1970-01-01T00:00:00Z", 0 },
    { "1970-01-01t00:00:00z", 0 },
    { "1970-01-01T00:00:00-00:00", 0 },
    { "1985-04-12T23:20:50.52Z", SEC(482196050) + 520000 },
    { "1996-12-19T16:39:57-08:00", SEC(851042397) },
    { "1937-01-01T12:00:27.87+00:20", SEC(-1041337173) + 870000 },
    { "2000-02-29T00:00:00Z", SEC(951782400) },
    { "2026-01-02T03:04:05.678Z", SEC(1767323045) + 678000 },
    { "2026-01-02T08:34:05.678+05:30", SEC(1767323045) + 678000 },
    { "2026-01-02T03:04:05.123456789Z", SEC(1767323045) + 123456 },
    { "2026-01-02T03:04:05.000000001Z", SEC(1767323045) },
    { "1990-12-31T23:59:60Z", SEC(662687999) + 999000 },
    { "1990-12-31T15:59:60.5-08:00", SEC(662687999) + 999000 },
    { "1969-12-31T23:59:59.999Z", -1000 },
    { "0001-01-01T00:00:00Z", SEC(-62135596800) },
    { "0000-01-01T00:00:00Z", SEC(-62167219200) },
    { "0000-03-01T00:00:00Z", SEC(-62162035200) },
    { "9999-12-31T23:59:59Z", SEC(253402300799) },
    { "2038-01-19T03:14:08Z", SEC(2147483648) },
};

static const char *const bad[] = {
    "",
    "2026",
    "2026-01-02",
    "2026-01-02T03:04:05",
    "2026-01-02 03:04:05Z",
    "2026-01-02T03:04Z",
    "2026-1-2T03:04:05Z",
    "02026-01-02T03:04:05Z",
    "2026-00-02T03:04:05Z",
    "2026-13-02T03:04:05Z",
    "2026-01-00T03:04:05Z",
    "2026-01-32T03:04:05Z",
    "2026-04-31T03:04:05Z",
    "2025-02-29T00:00:00Z",
    "1900-02-29T00:00:00Z",
    "2026-01-02T24:00:00Z",
    "2026-01-02T03:60:05Z",
    "2026-01-02T03:04:61Z",
    "2026-01-02T03:04:05.Z",
    "2026-01-02T03:04:05,5Z",
    "2026-01-02T03:04:05.1234567890Z",
    "2026-01-02T03:04:05+5:30",
    "2026-01-02T03:04:05+0530",
    "2026-01-02T03:04:05+24:00",
    "2026-01-02T03:04:05+05:60",
    "2026-01-02T03:04:05+05",
    "2026-01-02T03:04:05Zx",
    "2026-01-02T03:04:05Z ",
    " 2026-01-02T03:04:05Z",
    "-026-01-02T03:04:05Z",
    "2026-01-02T+3:04:05Z",
    "2026-01-02T03:04:05.99999999999999999999999999999Z",
    "\xd9\xa2\xd9\xa0\xd9\xa2\xd9\xa6-01-02T03:04:05Z",
};

static void test_parse(void)
{
    apr_time_t t;
    apr_size_t i;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        t = 1;
        is_int(wa_time_parse(good[i].text, &t), APR_SUCCESS, "%s is read",
               good[i].text);
        is_int(t, good[i].usec, "%s is right", good[i].text);
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        is_int(wa_time_parse(bad[i], &t), APR_EINVAL, "\"%s\" is refused",
               bad[i]);
    }
    is_int(wa_time_parse(NULL, &t), APR_EINVAL, "NULL is refused");
}

static void test_format(apr_pool_t *p)
{
    is_str(wa_time_rfc3339(p, SEC(1767323045) + 678901),
           "2026-01-02T03:04:05.678Z", "milliseconds, cut");
    is_str(wa_time_rfc3339(p, 0), "1970-01-01T00:00:00.000Z", "the epoch");
    is_str(wa_time_rfc3339(p, -1), "1969-12-31T23:59:59.999Z", "before it");
    is_str(wa_time_rfc3339(p, -1000), "1969-12-31T23:59:59.999Z", "-1 ms");
    is_str(wa_time_rfc3339(p, -1001), "1969-12-31T23:59:59.998Z", "-1.001 ms");
    is_str(wa_time_rfc3339(p, SEC(-1)), "1969-12-31T23:59:59.000Z", "-1 s");
    is_str(wa_time_rfc3339(p, SEC(253402300799)), "9999-12-31T23:59:59.000Z",
           "the last year");
}

/* Every day of 800 years, there and back: a leap year too many would show. */
static void test_round_trip(apr_pool_t *p)
{
    char text[WA_TIME_SIZE];
    apr_time_t t, back;
    int wrong = 0;

    for (t = SEC(-11676096000); t < SEC(13569465600);
         t += SEC(86400) + 1000 * 1000 * 7 + 1000) {
        back = 0;
        wrong += wa_time_parse(wa_time_format(text, t), &back) != APR_SUCCESS
                 || back != t;
    }
    is_int(wrong, 0, "each day from 1600 to 2400 comes back as it went");
}

int main(void)
{
    apr_pool_t *p = tap_start();

    test_parse();
    test_format(p);
    test_round_trip(p);
    return tap_done();
}
