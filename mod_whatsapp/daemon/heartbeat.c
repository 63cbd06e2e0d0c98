/* SPDX-License-Identifier: Apache-2.0 */
/* Tells in the database that this daemon is at work; health reads it. Frees
 * what a daemon that died has leased.
 *
 * Each daemon holds an advisory lock on a connection of its own, which
 * PostgreSQL lets go of with the connection, and so when the process dies. One
 * that lives may lose its connection, too, with all others when PostgreSQL is
 * started again: it has a new one within a second. So only who is without its
 * lock for LOST takes is dead. Where that is wrong after all, a message is
 * attempted twice under one WhatsApp id, which the bridge sends once; the
 * number of the attempt keeps the slower one from changing anything. */
#include "wad.h"

#include <string.h>

#include <apr_network_io.h>
#include <apr_strings.h>
#include <apr_uuid.h>

#include "../base/wa_log.h"

#define INTERVAL apr_time_from_sec(5)
#define LOOK apr_time_from_sec(1)
#define LOST apr_time_from_msec(2500)
#define SUSPECTS 100 /* as many as are asked for */

typedef struct suspect {
    char id[APR_UUID_FORMATTED_LENGTH + 1];
    apr_time_t since;
} suspect;

typedef struct heartbeat {
    wa_db_pool db;   /* one connection, for the lock */
    apr_time_t next; /* beat */
    suspect suspects[SUSPECTS];
    int nsuspects;
} heartbeat;

static apr_status_t beat(wa_app *app, heartbeat *h, apr_pool_t *p, wa_db *db)
{
    char host[APRMAXHOSTLEN + 1];
    apr_status_t rv;

    if (apr_gethostname(host, sizeof(host), p) != APR_SUCCESS) {
        host[0] = '\0';
    }
    rv = WA_DB_RUN(db, WA_SQL_WORKER_SEEN, NULL, app->instance, host);
    if (rv == APR_SUCCESS) {
        rv = wa_db_run(db, WA_SQL_WORKERS_PURGE, NULL, 0, NULL);
    }
    if (rv == APR_SUCCESS) {
        h->next = apr_time_now() + INTERVAL;
    }
    return rv;
}

/* Since when it is without its lock. */
static apr_time_t since(const heartbeat *h, const char *id)
{
    int i;

    for (i = 0; i < h->nsuspects; i++) {
        if (!strcmp(h->suspects[i].id, id)) {
            return h->suspects[i].since;
        }
    }
    return apr_time_now();
}

static apr_status_t bury(wa_db *db, const char *id)
{
    wa_db_rows *rows;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_WORKER_LEASES_END, &rows, id);

    if (rv == APR_SUCCESS) {
        wa_log(WA_LOG_NOTICE, NULL,
               "WA0412: whatsappd %s is no more; %" APR_INT64_T_FMT
               " messages and %" APR_INT64_T_FMT
               " deliveries that it had begun are due again",
               id, wa_db_int(rows, 0, 0, 0), wa_db_int(rows, 0, 1, 0));
        rv = WA_DB_RUN(db, WA_SQL_WORKER_GONE, NULL, id);
    }
    return rv;
}

static apr_status_t look_for_lost(wa_app *app, heartbeat *h, apr_pool_t *p,
                                  wa_db *db)
{
    suspect seen[SUSPECTS];
    wa_db_rows *rows;
    apr_status_t rv = wa_db_run(db, WA_SQL_WORKERS_LOST, NULL, 0, &rows);
    int i, n = 0;

    memset(seen, 0, sizeof(seen));
    for (i = 0; rv == APR_SUCCESS && i < wa_db_count(rows); i++) {
        const char *id = wa_db_str(rows, i, 0);

        if (!strcmp(id, app->instance)) {
            rv = beat(app, h, p, db); /* ours went with its connection */
            continue;
        }
        seen[n].since = since(h, id);
        if (apr_time_now() - seen[n].since >= LOST) {
            rv = bury(db, id);
        }
        else {
            apr_cpystrn(seen[n++].id, id, sizeof(seen[0].id));
        }
    }
    memcpy(h->suspects, seen, sizeof(seen[0]) * (apr_size_t)n);
    h->nsuspects = n;
    return rv;
}

static apr_status_t work(wa_app *app, heartbeat *h, apr_pool_t *p)
{
    wa_db *db = NULL;
    apr_status_t rv = wa_db_open(&db, p, &h->db);

    if (rv == APR_SUCCESS && apr_time_now() >= h->next) {
        rv = beat(app, h, p, db);
    }
    if (rv == APR_SUCCESS) {
        rv = look_for_lost(app, h, p, db);
    }
    wa_db_close(db);
    if (rv != APR_SUCCESS) {
        h->nsuspects = 0; /* the others may have lost theirs like we did */
    }
    return rv;
}

/* Before any job claims something, so that no lease is without its worker. */
void *wad_heartbeat_start(wa_app *app, apr_pool_t *p)
{
    heartbeat *h = apr_pcalloc(p, sizeof(*h));
    apr_pool_t *scratch;

    h->db = app->db;
    if (wa_db_source_make(&h->db.source, p, app->settings->db_conninfo, 1)
            != APR_SUCCESS
        || apr_pool_create(&scratch, p) != APR_SUCCESS) {
        return NULL;
    }
    h->db.breaker = wa_db_breaker_make(p);
    (void)work(app, h, scratch);
    apr_pool_destroy(scratch);
    return h;
}

apr_interval_time_t wad_heartbeat_run(wa_app *app, void *state, apr_pool_t *p)
{
    heartbeat *h = state;

    if (!h) {
        return INTERVAL;
    }
    if (work(app, h, p) != APR_SUCCESS) {
        wa_log(WA_LOG_WARNING, NULL,
               "WA0411: the database does not take the heartbeat");
    }
    return LOOK;
}
