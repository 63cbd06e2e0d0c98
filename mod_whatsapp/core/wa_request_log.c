/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_request_log.h"

#include <apr_strings.h>

#include "wa_tx.h"

typedef struct page_job {
    apr_pool_t *p;
    const wa_log_query *q;
    apr_array_header_t *rows;
} page_job;

static void read_row(apr_pool_t *p, const wa_db_rows *rows, int i,
                     wa_log_row *row)
{
    row->id = apr_pstrdup(p, wa_db_str(rows, i, 0));
    row->at = wa_db_time(rows, i, 1);
    row->user_id = apr_pstrdup(p, wa_db_str(rows, i, 2));
    row->key_id = apr_pstrdup(p, wa_db_str(rows, i, 3));
    row->method = apr_pstrdup(p, wa_db_str(rows, i, 4));
    row->endpoint = apr_pstrdup(p, wa_db_str(rows, i, 5));
    row->status = (int)wa_db_int(rows, i, 6, 0);
    row->duration = wa_db_int(rows, i, 7, 0);
    row->bytes_in = wa_db_int(rows, i, 8, 0);
    row->bytes_out = wa_db_int(rows, i, 9, 0);
    row->address = apr_pstrdup(p, wa_db_str(rows, i, 10));
    row->request_id = apr_pstrdup(p, wa_db_str(rows, i, 11));
}

static wa_sql_id statement(const wa_log_query *q)
{
    if (q->request_id) {
        return WA_SQL_LOG_PAGE_OF_REQUEST;
    }
    return q->user_id ? WA_SQL_LOG_PAGE_OF_USER : WA_SQL_LOG_PAGE;
}

static apr_status_t do_page(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    page_job *job = baton;
    const wa_log_query *q = job->q;
    apr_pool_t *p = job->p;
    wa_db_rows *rows;
    apr_status_t rv;
    int i;

    rv = WA_DB_RUN(db, statement(q), &rows, q->user_id, q->key_id, q->endpoint,
                   q->method, apr_itoa(p, q->status_min),
                   apr_itoa(p, q->status_max ? q->status_max : 999),
                   wa_db_p_time(p, q->from), wa_db_p_time(p, q->until),
                   q->request_id, wa_db_p_time(p, q->after_at), q->after_id,
                   apr_itoa(p, q->limit));
    if (rv != APR_SUCCESS) {
        return rv;
    }
    job->rows = apr_array_make(p, wa_db_count(rows), sizeof(wa_log_row));
    for (i = 0; i < wa_db_count(rows); i++) {
        read_row(p, rows, i, apr_array_push(job->rows));
    }
    return rv;
}

wa_code wa_request_log_page(wa_app *app, apr_pool_t *p, const char *request_id,
                            const wa_log_query *q, apr_array_header_t **rows,
                            wa_result *r)
{
    page_job job = { p, q, NULL };
    wa_code code = wa_tx_read(app, p, request_id, do_page, &job, r);

    *rows = job.rows;
    return code;
}
