/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_tx.h"

static wa_code finish(wa_db *db, apr_status_t rv, const char *request_id,
                      wa_result *r)
{
    wa_code code = r->code;

    if (code == WA_OK && rv != APR_SUCCESS) {
        code = wa_db_fail(db, rv, request_id, r);
    }
    wa_db_close(db); /* rolls back what was not committed */
    return code;
}

wa_code wa_tx_run(wa_app *app, apr_pool_t *p, const char *request_id,
                  wa_tx_fn *fn, void *baton, wa_result *r)
{
    wa_db *db;
    apr_status_t rv;
    wa_code code = wa_db_open_or_fail(&db, p, &app->db, request_id, r);

    if (code != WA_OK) {
        return code;
    }
    rv = wa_db_begin(db);
    if (rv == APR_SUCCESS) {
        rv = fn(app, db, baton, r);
    }
    if (rv == APR_SUCCESS && r->code == WA_OK) {
        rv = wa_db_commit(db);
    }
    return finish(db, rv, request_id, r);
}

wa_code wa_tx_read(wa_app *app, apr_pool_t *p, const char *request_id,
                   wa_tx_fn *fn, void *baton, wa_result *r)
{
    wa_db *db;
    wa_code code = wa_db_open_or_fail(&db, p, &app->db, request_id, r);

    if (code != WA_OK) {
        return code;
    }
    return finish(db, fn(app, db, baton, r), request_id, r);
}

wa_code wa_tx_query(wa_app *app, apr_pool_t *p, const char *request_id,
                    wa_sql_id id, const char *const *args, int count,
                    wa_db_rows **rows, wa_result *r)
{
    wa_db *db;
    wa_code code = wa_db_open_or_fail(&db, p, &app->db, request_id, r);

    *rows = NULL;
    if (code != WA_OK) {
        return code;
    }
    return finish(db, wa_db_run(db, id, args, count, rows), request_id, r);
}
