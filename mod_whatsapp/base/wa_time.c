/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_time.h"

#include <apr_lib.h>
#include <apr_strings.h>

const char *wa_time_format(char out[WA_TIME_SIZE], apr_time_t t)
{
    apr_int64_t msec = t / 1000 - (t % 1000 < 0); /* down, before 1970 too */
    int ms = (int)(msec % 1000);
    apr_time_exp_t x;

    if (ms < 0) {
        ms += 1000;
    }
    /* APR explodes a negative fraction wrongly: whole seconds only */
    apr_time_exp_gmt(&x, (msec - ms) * 1000);
    apr_snprintf(out, WA_TIME_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                 x.tm_year + 1900, x.tm_mon + 1, x.tm_mday, x.tm_hour, x.tm_min,
                 x.tm_sec, ms);
    return out;
}

const char *wa_time_rfc3339(apr_pool_t *p, apr_time_t t)
{
    return wa_time_format(apr_palloc(p, WA_TIME_SIZE), t);
}

/* Exactly n digits within [min, max]; moves *s on. */
static int number(const char **s, int n, int min, int max, int *value)
{
    int v = 0;

    for (; n; n--, (*s)++) {
        if (!apr_isdigit(**s)) {
            return 0;
        }
        v = v * 10 + (**s - '0');
    }
    *value = v;
    return v >= min && v <= max;
}

static int literal(const char **s, char c)
{
    if (**s != c) {
        return 0;
    }
    (*s)++;
    return 1;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

/* Days from 1970-01-01 in the proleptic Gregorian calendar: years counted
 * from March, so that the leap day is the last one. */
static apr_int64_t days_of(int year, int month, int day)
{
    apr_int64_t y = month > 2 ? year : year - 1;
    apr_int64_t m = month > 2 ? month - 3 : month + 9;
    apr_int64_t floor_4 = y >= 0 ? y / 4 : -1;
    apr_int64_t floor_100 = y >= 0 ? y / 100 : -1;
    apr_int64_t floor_400 = y >= 0 ? y / 400 : -1;

    return 365 * y + floor_4 - floor_100 + floor_400 + (153 * m + 2) / 5 + day
           - 1 - 719468;
}

static int date_of(const char **s, apr_int64_t *days)
{
    int year, month, day;

    if (!number(s, 4, 0, 9999, &year) || !literal(s, '-')
        || !number(s, 2, 1, 12, &month) || !literal(s, '-')
        || !number(s, 2, 1, days_in_month(year, month), &day)) {
        return 0;
    }
    *days = days_of(year, month, day);
    return 1;
}

static int fraction_of(const char **s, int *usec)
{
    int digits = 0, v = 0;

    *usec = 0;
    if (**s != '.') {
        return 1;
    }
    for ((*s)++; apr_isdigit(**s); (*s)++, digits++) {
        if (digits < 6) {
            v = v * 10 + (**s - '0');
        }
    }
    *usec = v;
    for (; *usec && digits < 6; digits++) {
        *usec *= 10;
    }
    return digits >= 1 && digits <= 9;
}

static int clock_of(const char **s, apr_int64_t *usec)
{
    int hour, minute, second, fraction;

    if (!number(s, 2, 0, 23, &hour) || !literal(s, ':')
        || !number(s, 2, 0, 59, &minute) || !literal(s, ':')
        || !number(s, 2, 0, 60, &second) || !fraction_of(s, &fraction)) {
        return 0;
    }
    if (second == 60) { /* POSIX time has no leap seconds */
        second = 59;
        fraction = 999000;
    }
    *usec = apr_time_from_sec(hour * 3600 + minute * 60 + second) + fraction;
    return 1;
}

static int offset_of(const char **s, int *minutes)
{
    int hour, minute, sign;

    *minutes = 0;
    if (literal(s, 'Z') || literal(s, 'z')) {
        return 1;
    }
    sign = **s == '-' ? -1 : 1;
    if ((!literal(s, '+') && !literal(s, '-')) || !number(s, 2, 0, 23, &hour)
        || !literal(s, ':') || !number(s, 2, 0, 59, &minute)) {
        return 0;
    }
    *minutes = sign * (hour * 60 + minute);
    return 1;
}

apr_status_t wa_time_parse(const char *s, apr_time_t *t)
{
    apr_int64_t days, usec;
    int minutes;

    if (!s || !date_of(&s, &days) || (!literal(&s, 'T') && !literal(&s, 't'))
        || !clock_of(&s, &usec) || !offset_of(&s, &minutes) || *s) {
        return APR_EINVAL;
    }
    *t = (days * 86400 - (apr_int64_t)minutes * 60) * 1000000 + usec;
    return APR_SUCCESS;
}
