/* SPDX-License-Identifier: Apache-2.0 */
/* Adds what was counted to the sums by day, hour and status. Nothing is wrong
 * while this is behind: readers add what is left. */
#include "wad.h"

#include "../base/wa_log.h"

#define INTERVAL apr_time_from_sec(1)
#define RETRY apr_time_from_sec(5)
#define BATCH 10000

apr_interval_time_t wad_usage_run(wa_app *app, void *state, apr_pool_t *p)
{
    wa_db_rows *rows;
    wa_db *db = NULL;
    apr_status_t rv = wa_db_open(&db, p, &app->db);
    apr_interval_time_t wait = RETRY;

    if (rv == APR_SUCCESS) {
        rv = WA_DB_RUN(db, WA_SQL_USAGE_FOLD, &rows, APR_STRINGIFY(BATCH));
    }
    if (rv == APR_SUCCESS) {
        wait = wa_db_int(rows, 0, 0, 0) < BATCH ? INTERVAL : 0;
    }
    else {
        wa_log(WA_LOG_WARNING, NULL,
               "WA0451: what was counted can't be added up at the moment");
    }
    wa_db_close(db);
    return wait;
}
