/* SPDX-License-Identifier: Apache-2.0 */
/** @file wad.h @brief What the files of whatsappd share. */
#ifndef WAD_H
#define WAD_H

#include <apr_pools.h>
#include <apr_time.h>

#include "../core/wa_app.h"

/** Has the daemon been told to end? Safe from every thread. */
int wad_stopping(void);

/** Read a configuration file: "Name value" lines, values may be quoted,
 * # starts a comment.
 * @param why what is wrong with which line, for people
 * @return APR_SUCCESS, APR_EINVAL, or why the file can't be read */
apr_status_t wad_config_read(wa_settings *settings, apr_pool_t *p,
                             const char *path, const char **why);

/** A job: its own thread calls it over and over until the daemon ends.
 * @param p emptied after each call
 * @return how long to pause before the next call */
typedef apr_interval_time_t wad_job_fn(wa_app *app, void *state, apr_pool_t *p);

typedef struct wad_job {
    const char *name;
    wad_job_fn *run;
    /** Make the job's state, before any job runs, or NULL when it needs none.
     */
    void *(*start)(wa_app *app, apr_pool_t *p);
    /** Finish what is under way when the daemon ends, or NULL. */
    void (*end)(wa_app *app, void *state);
} wad_job;

/** Run all jobs until wad_stopping; returns when each has ended. */
apr_status_t wad_jobs_run(wa_app *app, apr_pool_t *p);

/* outbox.c: sends what the inline attempt could not */
void *wad_outbox_start(wa_app *app, apr_pool_t *p);
wad_job_fn wad_outbox_run;
void wad_outbox_end(wa_app *app, void *state);

/* heartbeat.c: tells that this daemon is at work, finds those that died */
void *wad_heartbeat_start(wa_app *app, apr_pool_t *p);
wad_job_fn wad_heartbeat_run;

/* erasures.c: unlinks the sessions of deleted users */
wad_job_fn wad_erasures_run;

/* sessions.c: starts sessions whose start was lost, ends idle ones */
wad_job_fn wad_sessions_run;

/* usage.c: adds up what was counted */
wad_job_fn wad_usage_run;

/* media_fetch.c: fetches files by URL, and those that came in */
void *wad_media_fetch_start(wa_app *app, apr_pool_t *p);
wad_job_fn wad_media_fetch_run;

/* media.c: removes files that nobody has any more */
wad_job_fn wad_media_run;

/* cleanup.c: takes away what has had its time */
wad_job_fn wad_cleanup_run;
wad_job_fn wad_configuration_run;

/* webhooks.c: posts events to users' webhooks */
void *wad_webhooks_start(wa_app *app, apr_pool_t *p);
void *wad_webhooks_failing_start(wa_app *app, apr_pool_t *p);
wad_job_fn wad_webhooks_run;
void wad_webhooks_end(wa_app *app, void *state);

/** Make the first admin; a user of that name is left as it is.
 * @return the program's exit status */
int wad_create_admin(wa_app *app, apr_pool_t *p, const char *username,
                     const char *password_file);

/** Walk the audit's chain and say whether it is unbroken.
 * @return the program's exit status */
int wad_verify_audit(wa_app *app, apr_pool_t *p);

#endif
