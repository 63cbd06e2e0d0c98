/* SPDX-License-Identifier: Apache-2.0 */
/* Takes away what has had its time. */
#include "wad.h"

#include "../base/wa_log.h"

#define INTERVAL apr_time_from_sec(3600)
#define RETRY apr_time_from_sec(60)

apr_interval_time_t wad_cleanup_run(wa_app *app, void *state, apr_pool_t *p)
{
    wa_db *db = NULL;
    apr_status_t rv = wa_db_open(&db, p, &app->db);

    if (rv == APR_SUCCESS) {
        rv = wa_db_run(db, WA_SQL_LOGINS_PURGE, NULL, 0, NULL);
    }
    wa_db_close(db);
    if (rv != APR_SUCCESS) {
        wa_log(WA_LOG_WARNING, NULL,
               "WA0441: old logins could not be taken away");
    }
    return rv == APR_SUCCESS ? INTERVAL : RETRY;
}
