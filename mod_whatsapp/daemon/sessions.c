/* SPDX-License-Identifier: Apache-2.0 */
/* Starts sessions that should be up but hang in connecting: their start may
 * have been lost because the bridge was away. Starting a session that is
 * started already is harmless. Ends those in which nothing happens, where
 * WhatsAppSessionIdle asks for that. */
#include "wad.h"

#include <apr_strings.h>
#include <apr_tables.h>

#include "../core/wa_session_peek.h"
#include "../core/wa_sessions.h"

#define INTERVAL apr_time_from_sec(5)
#define BATCH "20"

typedef struct stuck {
    const char *id, *engine;
} stuck;

/* Write down what the bridge says. Also moves updated_at on, so that others
 * have their turn. */
static void keep(wa_app *app, apr_pool_t *p, const char *id,
                 const wa_bridge_state *state)
{
    wa_db *db = NULL;

    if (wa_db_open(&db, p, &app->db) == APR_SUCCESS) {
        wa_session_store(db, p, id, NULL, state);
        wa_session_changed(app, p, NULL);
    }
    wa_db_close(db);
}

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

static void find_idle(wa_app *app, apr_pool_t *p, apr_array_header_t *found)
{
    wa_db_rows *rows;
    wa_db *db = NULL;
    int i;

    if (wa_db_open(&db, p, &app->db) == APR_SUCCESS
        && WA_DB_RUN(db, WA_SQL_SESSIONS_IDLE, &rows,
                     wa_db_p_int(p, apr_time_sec(app->settings->session_idle)),
                     BATCH)
               == APR_SUCCESS) {
        for (i = 0; i < wa_db_count(rows); i++) {
            APR_ARRAY_PUSH(found, const char *) = apr_pstrdup(
                p, wa_db_str(rows, i, 0));
        }
    }
    wa_db_close(db);
}

static void start(wa_app *app, apr_pool_t *p, const stuck *s)
{
    wa_result *r = wa_result_make(p);
    const wa_bridge_start start = { .session = s->id, .engine = s->engine };
    wa_bridge_state state;

    if (wa_bridge_session_start(&app->bridge, p, NULL, &start, &state, r)
        == WA_OK) {
        keep(app, p, s->id, &state);
    }
}

/* The bridge knows best when something last happened, and decides. */
static void end_idle(wa_app *app, apr_pool_t *p, const char *id)
{
    wa_result *r = wa_result_make(p);
    wa_bridge_state state;

    if (wa_bridge_session_idle(&app->bridge, p, NULL, id,
                               apr_time_sec(app->settings->session_idle),
                               &state, r)
        == WA_OK) {
        keep(app, p, id, &state);
    }
}

apr_interval_time_t wad_sessions_run(wa_app *app, void *state, apr_pool_t *p)
{
    apr_array_header_t *found = apr_array_make(p, 4, sizeof(stuck));
    int i;

    find(app, p, found);
    for (i = 0; i < found->nelts && !wad_stopping(); i++) {
        start(app, p, &APR_ARRAY_IDX(found, i, stuck));
    }
    if (app->settings->session_idle) {
        apr_array_header_t *idle = apr_array_make(p, 4, sizeof(const char *));

        find_idle(app, p, idle);
        for (i = 0; i < idle->nelts && !wad_stopping(); i++) {
            end_idle(app, p, APR_ARRAY_IDX(idle, i, const char *));
        }
    }
    return INTERVAL;
}
