/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_media_fetch.h"

#include <string.h>

#include <apr_escape.h>
#include <apr_strings.h>

#include "../base/wa_file_name.h"
#include "../base/wa_id.h"
#include "../base/wa_log.h"
#include "../gateway/wa_fetch.h"
#include "wa_tx.h"

#define ATTEMPTS_MAX 5
#define PAUSE_SECONDS 5
#define LEASE_SECONDS 150
/* More than WhatsApp carries. */
#define INBOUND_CAP ((apr_off_t)2048 * 1024 * 1024)
#define REDIRECTS 3

/* Who waits for it. */
typedef struct job {
    wa_app *app;
    apr_pool_t *p;
    const char *request_id;
    const wa_media *media;
    int (*stop)(void *baton);
    wa_spool *spool;
    wa_result *r;
    int again; /* it may work later */
} job;

static int is_inbound(const wa_media *m)
{
    return !strcmp(m->source, "inbound");
}

apr_status_t wa_media_fetch_claim(wa_app *app, apr_pool_t *p, int max,
                                  apr_array_header_t **found)
{
    wa_db *db = NULL;
    wa_db_rows *rows;
    int i;
    apr_status_t rv = wa_db_open(&db, p, &app->db);

    if (rv == APR_SUCCESS) {
        rv = WA_DB_RUN(db, WA_SQL_MEDIA_FETCH_CLAIM, &rows, wa_db_p_int(p, max),
                       APR_STRINGIFY(LEASE_SECONDS));
    }
    if (rv == APR_SUCCESS) {
        *found = apr_array_make(p, wa_db_count(rows) + 1, sizeof(wa_media));
        for (i = 0; i < wa_db_count(rows); i++) {
            APR_ARRAY_PUSH(*found, wa_media) = *wa_media_from_row(p, rows, i);
        }
    }
    wa_db_close(db);
    return rv;
}

/* --- the call --------------------------------------------------------------
 */

static apr_status_t on_data(void *baton, const char *data, apr_size_t len)
{
    job *j = baton;

    return wa_spool_write(j->spool, data, len, j->r) == WA_OK ? APR_SUCCESS
                                                              : APR_ENOSPC;
}

static int on_stop(void *baton)
{
    job *j = baton;

    return j->stop && j->stop(NULL);
}

/* Our own bridge, wherever it is. */
static void ask_bridge(const job *j, wa_fetch *f)
{
    const wa_media *m = j->media;
    apr_table_t *headers = apr_table_make(j->p, 2);

    f->url = apr_pstrcat(j->p, j->app->bridge.url, "/v1/sessions/",
                         m->session_id, "/media/",
                         apr_pescape_urlencoded(j->p, m->whatsapp_id),
                         "?chat=", apr_pescape_urlencoded(j->p, m->chat), NULL);
    apr_table_setn(headers, "Authorization",
                   apr_pstrcat(j->p, "Bearer ", j->app->bridge.secret, NULL));
    if (j->request_id) {
        apr_table_setn(headers, "X-Request-ID", j->request_id);
    }
    f->headers = headers;
    (void)wa_nets_read(&f->allow, j->p, "0.0.0.0/0 ::/0");
}

static void ask_url(const job *j, wa_fetch *f)
{
    f->url = j->media->url;
    f->allow = j->app->settings->fetch_allow;
    f->redirects = REDIRECTS;
}

static wa_code later(job *j, wa_code code, const char *why)
{
    j->again = 1;
    return wa_fail_retry(j->r, code, 2, "%s", why);
}

static apr_off_t most(const job *j)
{
    return is_inbound(j->media) ? INBOUND_CAP
                                : wa_media_max(j->app->settings, WA_KIND_COUNT);
}

/* Never a word of what the other side said: it may be one of ours. */
static wa_code judge_url(job *j, const wa_fetch *f)
{
    wa_result *r = j->r;

    if (r->code != WA_OK) { /* of the spool: too large, or no room */
        j->again = wa_code_status(r->code) >= 500;
        return r->code;
    }
    if (f->rv == APR_SUCCESS && f->status >= 200 && f->status < 300) {
        return WA_OK;
    }
    if (f->rv == APR_SUCCESS) {
        j->again = f->status >= 500 || f->status == 408 || f->status == 429;
        return wa_fail(r, WA_E_MEDIA_FETCH, "The URL answered with status %d",
                       f->status);
    }
    if (APR_STATUS_IS_ENOSPC(f->rv) || f->length > most(j)) {
        return wa_fail(r, WA_E_MEDIA_TOO_LARGE, NULL);
    }
    if (APR_STATUS_IS_EINVAL(f->rv) || APR_STATUS_IS_EACCES(f->rv)) {
        return wa_fail(r, WA_E_MEDIA_FETCH,
                       "The URL does not lead to a public address");
    }
    return later(j, WA_E_MEDIA_FETCH, "The URL could not be reached");
}

static wa_code judge_bridge(job *j, const wa_fetch *f)
{
    wa_result *r = j->r;

    if (r->code != WA_OK) {
        j->again = wa_code_status(r->code) >= 500;
        return r->code;
    }
    if (f->rv != APR_SUCCESS) {
        return later(j, WA_E_BRIDGE_UNAVAILABLE,
                     "The bridge could not bring the file");
    }
    switch (f->status) {
    case 200:
        return WA_OK;
    case 404:
    case 410:
        return wa_fail(r, WA_E_MEDIA_GONE, "WhatsApp has the file no more");
    case 501:
        return wa_fail(r, WA_E_NOT_SUPPORTED, NULL);
    default:
        return later(j, WA_E_BRIDGE_UNAVAILABLE,
                     "The bridge could not bring the file");
    }
}

/* The bytes are in the spool with WA_OK. */
static wa_code bring(job *j, wa_media_said *said)
{
    wa_fetch f;
    wa_code code = wa_spool_make(&j->spool, j->app, j->p, most(j), j->r);

    if (code != WA_OK) {
        j->again = 1;
        return code;
    }
    memset(&f, 0, sizeof(f));
    f.plain = 1;
    f.timeout = apr_time_from_sec(WA_MEDIA_FETCH_SECONDS);
    f.max_body = most(j);
    f.sink = on_data;
    f.sink_baton = j;
    f.stop = on_stop;
    f.baton = j;
    if (is_inbound(j->media)) {
        ask_bridge(j, &f);
    }
    else {
        ask_url(j, &f);
    }
    (void)wa_fetch_do(j->p, &f);
    /* What a server says of a file is often wrong; a type that we know counts
     * as said, any other says nothing. */
    said->type = f.content_type && wa_file_type_by_mime(f.content_type)
                     ? f.content_type
                     : NULL;
    said->name = j->media->file_name;
    return is_inbound(j->media) ? judge_bridge(j, &f) : judge_url(j, &f);
}

/* --- the outcome -----------------------------------------------------------
 */

/* A message that was to be an image must have got one. */
static wa_code check_wanted(job *j, const wa_file_type *type)
{
    wa_db_rows *rows;
    const char *wanted, *kind = wa_file_kind_name(type->kind);
    wa_code code = WA_TX_QUERY(j->app, j->p, j->request_id,
                               WA_SQL_MEDIA_WANTED_TYPE, &rows, j->r,
                               j->media->id);

    if (code != WA_OK || !wa_db_count(rows)) {
        j->again = code != WA_OK;
        return code;
    }
    wanted = wa_db_str(rows, 0, 0);
    if (!strcmp(wanted, "document") || !strcmp(wanted, kind)
        || (!strcmp(wanted, "voice") && !strcmp(type->mime, "audio/ogg"))) {
        return WA_OK;
    }
    return wa_fail(j->r, WA_E_MEDIA_MISMATCH,
                   "The URL has a file of type %s, which can't be sent as %s",
                   type->mime, wanted);
}

static wa_code keep(job *j, const wa_media_said *said, wa_media **filled)
{
    const wa_file_type *type = NULL;
    wa_code code = is_inbound(j->media)
                       ? wa_media_type_of_inbound(j->app, j->p, j->spool, said,
                                                  &type, j->r)
                       : wa_media_type_checked(j->app, j->p, j->spool, said,
                                               &type, j->r);

    if (code == WA_OK && !is_inbound(j->media)) {
        code = check_wanted(j, type);
    }
    if (code == WA_OK) {
        code = wa_media_fill(j->app, j->p, j->request_id, j->media, j->spool,
                             type, filled, j->r);
    }
    j->again |= code != WA_OK && wa_code_status(code) >= 500;
    return code;
}

static wa_code fetch(job *j, wa_media **filled)
{
    wa_media_said said = { NULL, NULL };
    wa_code code = bring(j, &said);

    if (code == WA_OK) {
        code = keep(j, &said, filled);
    }
    if (j->spool) {
        wa_spool_drop(j->spool);
    }
    return code;
}

/* That it is tried again, or never. */
static void record(const job *j)
{
    const wa_media *m = j->media;
    const char *text = j->r->detail ? j->r->detail : wa_code_title(j->r->code);
    wa_result *r = wa_result_make(j->p);
    wa_db_rows *rows;
    int again = j->again && m->attempts < ATTEMPTS_MAX;
    wa_code code;

    if (again) {
        code = WA_TX_QUERY(
            j->app, j->p, j->request_id, WA_SQL_MEDIA_FETCH_LATER, &rows, r,
            m->id, wa_db_p_int(j->p, PAUSE_SECONDS << (m->attempts - 1)), text);
    }
    else {
        code = WA_TX_QUERY(j->app, j->p, j->request_id,
                           is_inbound(m) && j->again
                               ? WA_SQL_MEDIA_ON_DEMAND
                               : WA_SQL_MEDIA_FETCH_FAILED,
                           &rows, r, m->id, wa_code_name(j->r->code), text);
    }
    if (code != WA_OK) {
        wa_log(WA_LOG_WARNING, m->id,
               "WA0621: what came of fetching a file could not be stored; it"
               " will be fetched again");
    }
}

void wa_media_fetch(wa_app *app, apr_pool_t *p, const wa_media *media,
                    int (*stop)(void *baton))
{
    job j = { app, p, media->id, media, stop, NULL, wa_result_make(p), 0 };
    wa_media *filled;

    if (fetch(&j, &filled) != WA_OK && !on_stop(&j)) {
        record(&j);
    }
}

/* Several may have asked for it at a time: the first one filled it. */
static int is_there(const job *j, wa_media **media)
{
    const wa_media *m = j->media;
    wa_media *now = NULL;

    if (wa_media_get(j->app, j->p, j->request_id, m->user_id, m->id, &now,
                     wa_result_make(j->p))
            != WA_OK
        || !now->file) {
        return 0;
    }
    *media = now;
    return 1;
}

wa_code wa_media_fetch_now(wa_app *app, apr_pool_t *p, const char *request_id,
                           wa_media **media, wa_result *r)
{
    wa_result *why = wa_result_make(p);
    job j = { app, p, request_id, *media, NULL, NULL, why, 0 };
    wa_code code = fetch(&j, media);

    if (code == WA_E_MEDIA_GONE) {
        if (is_there(&j, media)) {
            return WA_OK;
        }
        record(&j);
    }
    if (code != WA_OK) {
        *r = *why;
    }
    return code;
}

/* --- what comes in ---------------------------------------------------------
 */

apr_status_t wa_media_inbound(const wa_settings *s, wa_db *db, apr_pool_t *p,
                              const char *session, const char *sender,
                              const json_t *data)
{
    const json_t *media = json_object_get(data, "media");
    const char *mime = wa_json_str(media, "mime_type");
    const char *name = wa_json_str(media, "file_name");
    apr_int64_t size = wa_json_int(media, "size", 0);
    int at_once = !strcmp(s->inbound_media, "at-once")
                  && size <= (apr_int64_t)s->inbound_media_max * 1024 * 1024;

    if (!json_is_object(media)) {
        return APR_SUCCESS;
    }
    return WA_DB_RUN(db, WA_SQL_MEDIA_INBOUND, NULL, wa_id_uuid(p), session,
                     wa_json_str(data, "chat"), sender,
                     wa_json_str(data, "whatsapp_id"),
                     at_once ? "fetching" : "on_demand", mime,
                     size > 0 ? wa_db_p_int(p, size) : NULL,
                     name ? wa_file_name_clean(p, name) : NULL);
}
