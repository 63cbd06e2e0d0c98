/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_db_rows.c @brief Values out of results and into parameters. */
#include <apr_strings.h>
#include <libpq-fe.h>
#include <stdlib.h>

#include "wa_db_private.h"

struct wa_db_rows {
    PGresult *res;
};

static apr_status_t rows_clear(void *data)
{
    PQclear(data);
    return APR_SUCCESS;
}

wa_db_rows *wa_db_rows_make(apr_pool_t *p, struct pg_result *res)
{
    wa_db_rows *rows = apr_palloc(p, sizeof(*rows));

    rows->res = res;
    apr_pool_cleanup_register(p, res, rows_clear, apr_pool_cleanup_null);
    return rows;
}

int wa_db_affected(const wa_db_rows *rows)
{
    return (int)strtol(PQcmdTuples(rows->res), NULL, 10);
}

int wa_db_count(const wa_db_rows *rows)
{
    if (PQresultStatus(rows->res) == PGRES_TUPLES_OK) {
        return PQntuples(rows->res);
    }
    return wa_db_affected(rows);
}

const char *wa_db_str(const wa_db_rows *rows, int row, int col)
{
    if (PQgetisnull(rows->res, row, col)) {
        return NULL;
    }
    return PQgetvalue(rows->res, row, col);
}

apr_int64_t wa_db_int(const wa_db_rows *rows, int row, int col,
                      apr_int64_t dflt)
{
    const char *s = wa_db_str(rows, row, col);

    return s ? apr_strtoi64(s, NULL, 10) : dflt;
}

int wa_db_bool(const wa_db_rows *rows, int row, int col)
{
    const char *s = wa_db_str(rows, row, col);

    return s && *s == 't';
}

apr_time_t wa_db_time(const wa_db_rows *rows, int row, int col)
{
    return wa_db_int(rows, row, col, 0);
}

const char *wa_db_p_int(apr_pool_t *p, apr_int64_t v)
{
    return apr_psprintf(p, "%" APR_INT64_T_FMT, v);
}

const char *wa_db_p_time(apr_pool_t *p, apr_time_t t)
{
    apr_time_exp_t x;

    if (t == 0) {
        return NULL;
    }
    apr_time_exp_gmt(&x, t);
    return apr_psprintf(p, "%04d-%02d-%02d %02d:%02d:%02d.%06d+00",
                        x.tm_year + 1900, x.tm_mon + 1, x.tm_mday, x.tm_hour,
                        x.tm_min, x.tm_sec, x.tm_usec);
}

/* The bytes a text takes as an array's element, quotes and comma included. */
static apr_size_t element_size(const char *value)
{
    apr_size_t size = 3;

    if (!value) {
        return sizeof("NULL,") - 1;
    }
    for (; *value; value++) {
        size += *value == '"' || *value == '\\' ? 2 : 1;
    }
    return size;
}

static char *put_element(char *at, const char *value)
{
    if (!value) {
        *at++ = 'N';
        *at++ = 'U';
        *at++ = 'L';
        *at++ = 'L';
        return at;
    }
    *at++ = '"';
    for (; *value; value++) {
        if (*value == '"' || *value == '\\') {
            *at++ = '\\';
        }
        *at++ = *value;
    }
    *at++ = '"';
    return at;
}

const char *wa_db_p_array(apr_pool_t *p, const char *const *values, int count)
{
    apr_size_t size = 3;
    char *text, *at;
    int i;

    for (i = 0; i < count; i++) {
        size += element_size(values[i]);
    }
    text = at = apr_palloc(p, size);
    *at++ = '{';
    for (i = 0; i < count; i++) {
        if (i) {
            *at++ = ',';
        }
        at = put_element(at, values[i]);
    }
    *at++ = '}';
    *at = '\0';
    return text;
}

const char *wa_db_p_bool(int v)
{
    return v ? "t" : "f";
}
