/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_audit_list.h"

#include <apr_strings.h>

#include "wa_tx.h"

typedef struct list_job {
    apr_pool_t *p;
    const wa_audit_query *q;
    apr_array_header_t *rows;
} list_job;

static void read_row(apr_pool_t *p, const wa_db_rows *rows, int i,
                     wa_audit_row *row)
{
    row->id = apr_pstrdup(p, wa_db_str(rows, i, 0));
    row->at = wa_db_time(rows, i, 11);
    row->actor_id = apr_pstrdup(p, wa_db_str(rows, i, 2));
    row->actor = apr_pstrdup(p, wa_db_str(rows, i, 3));
    row->address = apr_pstrdup(p, wa_db_str(rows, i, 4));
    row->action = apr_pstrdup(p, wa_db_str(rows, i, 5));
    row->target_type = apr_pstrdup(p, wa_db_str(rows, i, 6));
    row->target_id = apr_pstrdup(p, wa_db_str(rows, i, 7));
    row->detail = apr_pstrdup(p, wa_db_str(rows, i, 8));
    row->request_id = apr_pstrdup(p, wa_db_str(rows, i, 9));
}

static apr_status_t do_list(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    list_job *job = baton;
    const wa_audit_query *q = job->q;
    wa_db_rows *rows;
    apr_status_t rv;
    int i;

    rv = WA_DB_RUN(db, WA_SQL_AUDIT_LIST, &rows, q->actor_id, q->action,
                   q->target_id, wa_db_p_time(job->p, q->from),
                   wa_db_p_time(job->p, q->until), q->before_id,
                   apr_itoa(job->p, q->limit));
    if (rv != APR_SUCCESS) {
        return rv;
    }
    job->rows = apr_array_make(job->p, wa_db_count(rows), sizeof(wa_audit_row));
    for (i = 0; i < wa_db_count(rows); i++) {
        read_row(job->p, rows, i, apr_array_push(job->rows));
    }
    return rv;
}

wa_code wa_audit_list(wa_app *app, apr_pool_t *p, const char *request_id,
                      const wa_audit_query *q, apr_array_header_t **rows,
                      wa_result *r)
{
    list_job job = { p, q, NULL };
    wa_code code = wa_tx_read(app, p, request_id, do_list, &job, r);

    *rows = job.rows;
    return code;
}
