/* SPDX-License-Identifier: Apache-2.0 */
/* Tells in the database that this daemon is at work; health reads it. */
#include "wad.h"

#include <apr_network_io.h>

#include "../base/wa_log.h"

#define INTERVAL apr_time_from_sec(5)

apr_interval_time_t wad_heartbeat_run(wa_app *app, void *state, apr_pool_t *p)
{
    char host[APRMAXHOSTLEN + 1];
    wa_db *db = NULL;
    apr_status_t rv = wa_db_open(&db, p, &app->db);

    if (rv == APR_SUCCESS) {
        if (apr_gethostname(host, sizeof(host), p) != APR_SUCCESS) {
            host[0] = '\0';
        }
        rv = WA_DB_RUN(db, WA_SQL_WORKER_SEEN, NULL, app->instance, host);
    }
    if (rv == APR_SUCCESS) {
        rv = wa_db_run(db, WA_SQL_WORKERS_PURGE, NULL, 0, NULL);
    }
    if (rv != APR_SUCCESS) {
        wa_log(WA_LOG_WARNING, NULL,
               "WA0411: the database does not take the heartbeat");
    }
    wa_db_close(db);
    return rv == APR_SUCCESS ? INTERVAL : apr_time_from_sec(1);
}
