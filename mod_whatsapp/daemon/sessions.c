/* SPDX-License-Identifier: Apache-2.0 */
/* Starts sessions that should be up but hang in connecting: their start may
 * have been lost because the bridge was away. Starting a session that is
 * started already is harmless. */
#include "wad.h"

#include <apr_strings.h>
#include <apr_tables.h>

#include "../core/wa_sessions.h"

#define INTERVAL apr_time_from_sec(5)
#define BATCH "20"

typedef struct stuck {
    const char *id, *engine;
} stuck;

static void find(wa_app *app, apr_pool_t *p, apr_array_header_t *found)
{
    wa_db_rows *rows;
    wa_db *db = NULL;
    int i;

    if (wa_db_open(&db, p, &app->db) == APR_SUCCESS
        && WA_DB_RUN(db, WA_SQL_SESSIONS_STUCK, &rows, BATCH) == APR_SUCCESS) {
        for (i = 0; i < wa_db_count(rows); i++) {
            stuck *s = apr_array_push(found);

            s->id = apr_pstrdup(p, wa_db_str(rows, i, 0));
            s->engine = apr_pstrdup(p, wa_db_str(rows, i, 1));
        }
    }
    wa_db_close(db);
}

static void start(wa_app *app, apr_pool_t *p, const stuck *s)
{
    wa_result *r = wa_result_make(p);
    wa_bridge_state state;
    wa_db *db = NULL;

    if (wa_bridge_session_start(&app->bridge, p, NULL, s->id, s->engine, &state,
                                r)
            == WA_OK
        && wa_db_open(&db, p, &app->db) == APR_SUCCESS) {
        /* Also moves updated_at on, so that others have their turn. */
        wa_session_store(db, p, s->id, NULL, &state);
    }
    wa_db_close(db);
}

apr_interval_time_t wad_sessions_run(wa_app *app, void *state, apr_pool_t *p)
{
    apr_array_header_t *found = apr_array_make(p, 4, sizeof(stuck));
    int i;

    find(app, p, found);
    for (i = 0; i < found->nelts && !wad_stopping(); i++) {
        start(app, p, &APR_ARRAY_IDX(found, i, stuck));
    }
    return INTERVAL;
}
