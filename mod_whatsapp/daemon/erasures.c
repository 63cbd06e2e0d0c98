/* SPDX-License-Identifier: Apache-2.0 */
/* Unlinks and erases sessions of deleted users whose bridge was away when
 * their user went. */
#include "wad.h"

#include <apr_strings.h>
#include <apr_tables.h>

#include "../core/wa_sessions.h"

#define INTERVAL apr_time_from_sec(10)
#define BATCH "20"

apr_interval_time_t wad_erasures_run(wa_app *app, void *state, apr_pool_t *p)
{
    apr_array_header_t *due = apr_array_make(p, 4, sizeof(const char *));
    wa_db_rows *rows;
    wa_db *db = NULL;
    int i;

    if (wa_db_open(&db, p, &app->db) == APR_SUCCESS
        && WA_DB_RUN(db, WA_SQL_ERASURES_DUE, &rows, BATCH) == APR_SUCCESS) {
        for (i = 0; i < wa_db_count(rows); i++) {
            APR_ARRAY_PUSH(due, const char *) = apr_pstrdup(
                p, wa_db_str(rows, i, 0));
        }
    }
    wa_db_close(db);
    for (i = 0; i < due->nelts && !wad_stopping(); i++) {
        if (wa_session_erase(app, p, NULL, APR_ARRAY_IDX(due, i, const char *))
            != WA_OK) {
            break; /* the bridge is away; the others would wait in vain too */
        }
    }
    return INTERVAL;
}
