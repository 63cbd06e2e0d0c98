/* SPDX-License-Identifier: Apache-2.0 */
/* Takes away what has had its time. */
#include "wad.h"

#include <apr_general.h>

#include "../base/wa_log.h"
#include "../core/wa_media_store.h"

#define INTERVAL apr_time_from_sec(3600)
#define RETRY apr_time_from_sec(60)
/* Rows taken away by one statement: a fraction of a second. */
#define BATCH 5000
#define BATCH_TEXT APR_STRINGIFY(BATCH)
/* Days that a webhook's delivery is kept; its retries take three. */
#define DELIVERY_DAYS "30"
/* Between two batches, so that the requests' own rows get through. */
#define BREATHE apr_time_from_msec(50)

/* No upload takes so long. */
#define UPLOAD_MAX apr_time_from_sec(86400)

/* Everything there is to do at a time, each with a connection of its own.
 * @param more set when there is more to do at once */
typedef apr_status_t step_fn(wa_app *app, apr_pool_t *p, wa_db *db, int *more);

static apr_status_t old_logins(wa_app *app, apr_pool_t *p, wa_db *db, int *more)
{
    return wa_db_run(db, WA_SQL_LOGINS_PURGE, NULL, 0, NULL);
}

static apr_status_t old_sums(wa_app *app, apr_pool_t *p, wa_db *db, int *more)
{
    return wa_db_run(db, WA_SQL_USAGE_HOURLY_PURGE, NULL, 0, NULL);
}

static apr_status_t old_requests(wa_app *app, apr_pool_t *p, wa_db *db,
                                 int *more)
{
    wa_db_rows *rows;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_LOG_PURGE, &rows,
                                wa_db_p_int(p, app->settings->log_days),
                                BATCH_TEXT);

    *more = rv == APR_SUCCESS && wa_db_affected(rows) >= BATCH;
    return rv;
}

/* The requests of users that were deleted. */
static apr_status_t erased_users(wa_app *app, apr_pool_t *p, wa_db *db,
                                 int *more)
{
    wa_db_rows *rows;
    const char *user;
    apr_status_t rv = wa_db_run(db, WA_SQL_USAGE_ERASURE_DUE, NULL, 0, &rows);

    if (rv != APR_SUCCESS || !wa_db_count(rows)) {
        return rv;
    }
    *more = 1;
    user = wa_db_str(rows, 0, 0);
    rv = WA_DB_RUN(db, WA_SQL_LOG_PURGE_USER, &rows, user, BATCH_TEXT);
    if (rv == APR_SUCCESS && wa_db_affected(rows) < BATCH) {
        rv = WA_DB_RUN(db, WA_SQL_USAGE_ERASURE_DONE, NULL, user);
    }
    return rv;
}

static apr_status_t old_idempotency_keys(wa_app *app, apr_pool_t *p, wa_db *db,
                                         int *more)
{
    wa_db_rows *rows;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_IDEM_EXPIRE, &rows, BATCH_TEXT);

    *more = rv == APR_SUCCESS && wa_db_affected(rows) >= BATCH;
    return rv;
}

/* What was posted to webhooks, with its attempts. */
static apr_status_t old_deliveries(wa_app *app, apr_pool_t *p, wa_db *db,
                                   int *more)
{
    wa_db_rows *rows;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_WEBHOOK_DELIVERIES_PURGE, &rows,
                                DELIVERY_DAYS, BATCH_TEXT);

    *more = rv == APR_SUCCESS && wa_db_affected(rows) >= BATCH;
    return rv;
}

/* Each user's oldest ones, so that what is left has no gap. */
static apr_status_t old_events(wa_app *app, apr_pool_t *p, wa_db *db, int *more)
{
    const char *days = wa_db_p_int(p, app->settings->event_days);
    wa_db_rows *rows;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_EVENTS_OLD, &rows, days, "100");
    int i, count = rv == APR_SUCCESS ? wa_db_count(rows) : 0;

    *more = count > 0;
    for (i = 0; i < count && rv == APR_SUCCESS && !wad_stopping(); i++) {
        rv = WA_DB_RUN(db, WA_SQL_EVENTS_PURGE, NULL, wa_db_str(rows, i, 0),
                       days, BATCH_TEXT);
    }
    return rv;
}

/* What nobody used for long: its row first, then the file behind it. */
static apr_status_t old_media(wa_app *app, apr_pool_t *p, wa_db *db, int *more)
{
    const char *days = wa_db_p_int(p, app->settings->media_days);
    wa_db_rows *rows;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_MEDIA_AGE, &rows, days, BATCH_TEXT);

    *more = rv == APR_SUCCESS && wa_db_affected(rows) >= BATCH;
    if (rv == APR_SUCCESS) {
        rv = WA_DB_RUN(db, WA_SQL_MEDIA_FORGET, NULL, days, BATCH_TEXT);
    }
    if (rv == APR_SUCCESS) {
        rv = WA_DB_RUN(db, WA_SQL_MEDIA_FILES_ABANDONED, NULL, BATCH_TEXT);
    }
    wa_media_sweep(app, p, apr_time_now() - UPLOAD_MAX);
    return rv;
}

static apr_status_t old_changes(wa_app *app, apr_pool_t *p, wa_db *db,
                                int *more)
{
    wa_db_rows *rows;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_MESSAGE_CHANGES_EXPIRE, &rows,
                                BATCH_TEXT);

    *more = rv == APR_SUCCESS && wa_db_affected(rows) >= BATCH;
    return rv;
}

static step_fn *const steps[] = {
    old_logins, old_sums,  old_requests,   erased_users, old_idempotency_keys,
    old_events, old_media, old_deliveries, old_changes
};

static apr_status_t run_step(wa_app *app, apr_pool_t *p, step_fn *step)
{
    apr_pool_t *scratch;
    apr_status_t rv;
    wa_db *db;
    int more;

    apr_pool_create(&scratch, p);
    do {
        more = 0;
        apr_pool_clear(scratch);
        rv = wa_db_open(&db, scratch, &app->db);
        if (rv == APR_SUCCESS) {
            rv = step(app, scratch, db, &more);
        }
        wa_db_close(db);
        if (more) {
            apr_sleep(BREATHE);
        }
    } while (rv == APR_SUCCESS && more && !wad_stopping());
    apr_pool_destroy(scratch);
    return rv;
}

apr_interval_time_t wad_cleanup_run(wa_app *app, void *state, apr_pool_t *p)
{
    apr_status_t rv = APR_SUCCESS;
    apr_size_t i;

    for (i = 0; i < sizeof(steps) / sizeof(steps[0]) && rv == APR_SUCCESS;
         i++) {
        rv = run_step(app, p, steps[i]);
    }
    if (rv != APR_SUCCESS) {
        wa_log(WA_LOG_WARNING, NULL,
               "WA0441: what has had its time could not be taken away");
    }
    return rv == APR_SUCCESS ? INTERVAL : RETRY;
}
