/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_media.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_crypto.h"
#include "../base/wa_file_name.h"
#include "../base/wa_id.h"
#include "../gateway/wa_fetch.h"
#include "wa_idempotency.h"
#include "wa_media_type.h"
#include "wa_principal.h"
#include "wa_tx.h"

#define MIB ((apr_off_t)1024 * 1024)

apr_off_t wa_media_max(const wa_settings *s, wa_file_kind kind)
{
    const apr_off_t max[] = { s->media_image_max * MIB,
                              s->media_video_max * MIB,
                              s->media_audio_max * MIB,
                              s->media_document_max * MIB };
    apr_off_t most = 0;
    int i;

    if (kind < WA_KIND_COUNT) {
        return max[kind];
    }
    for (i = 0; i < WA_KIND_COUNT; i++) {
        most = max[i] > most ? max[i] : most;
    }
    return most;
}

wa_media *wa_media_from_row(apr_pool_t *p, const wa_db_rows *rows, int row)
{
    wa_media *m = apr_pcalloc(p, sizeof(*m));

    m->id = apr_pstrdup(p, wa_db_str(rows, row, 0));
    m->source = apr_pstrdup(p, wa_db_str(rows, row, 1));
    m->state = apr_pstrdup(p, wa_db_str(rows, row, 2));
    m->file = apr_pstrdup(p, wa_db_str(rows, row, 3));
    m->mime_type = apr_pstrdup(p, wa_db_str(rows, row, 4));
    m->size = (apr_off_t)wa_db_int(rows, row, 5, 0);
    m->sha256 = apr_pstrdup(p, wa_db_str(rows, row, 6));
    m->file_name = apr_pstrdup(p, wa_db_str(rows, row, 7));
    m->error_message = apr_pstrdup(p, wa_db_str(rows, row, 8));
    m->created_at = wa_db_time(rows, row, 9);
    m->last_used_at = wa_db_time(rows, row, 10);
    m->session_id = apr_pstrdup(p, wa_db_str(rows, row, 11));
    m->chat = apr_pstrdup(p, wa_db_str(rows, row, 12));
    m->whatsapp_id = apr_pstrdup(p, wa_db_str(rows, row, 13));
    m->user_id = apr_pstrdup(p, wa_db_str(rows, row, 14));
    m->url = apr_pstrdup(p, wa_db_str(rows, row, 15));
    m->attempts = (int)wa_db_int(rows, row, 16, 0);
    return m;
}

void wa_media_copy(apr_pool_t *p, const wa_media *from, wa_media *to)
{
    *to = *from;
    to->id = apr_pstrdup(p, from->id);
    to->source = apr_pstrdup(p, from->source);
    to->state = apr_pstrdup(p, from->state);
    to->file = apr_pstrdup(p, from->file);
    to->mime_type = apr_pstrdup(p, from->mime_type);
    to->sha256 = apr_pstrdup(p, from->sha256);
    to->file_name = apr_pstrdup(p, from->file_name);
    to->error_message = apr_pstrdup(p, from->error_message);
    to->session_id = apr_pstrdup(p, from->session_id);
    to->chat = apr_pstrdup(p, from->chat);
    to->whatsapp_id = apr_pstrdup(p, from->whatsapp_id);
    to->user_id = apr_pstrdup(p, from->user_id);
    to->url = apr_pstrdup(p, from->url);
}

const char *wa_media_url(apr_pool_t *p, const wa_media *m)
{
    return !strcmp(m->state, "stored") || !strcmp(m->state, "on_demand")
               ? apr_pstrcat(p, "/api/media/", m->id, NULL)
               : NULL;
}

json_t *wa_media_summary(apr_pool_t *p, const wa_media *m)
{
    json_t *j = json_object();

    wa_json_set_str(j, "id", m->id);
    wa_json_set_str(j, "mime_type", m->mime_type);
    wa_json_set(j, "size", m->size ? json_integer(m->size) : json_null());
    wa_json_set_str(j, "sha256", m->sha256);
    wa_json_set_str(j, "file_name", m->file_name);
    wa_json_set_str(j, "state", m->state);
    wa_json_set_str(j, "url", wa_media_url(p, m));
    return j;
}

/* --- keeping ---------------------------------------------------------------
 */

/* A content that is there already is put in its place once more: the same
 * bytes, and so whoever claimed it first may have died before he wrote it. */
static wa_code place(wa_app *app, apr_pool_t *p, const char *request_id,
                     const char *user_id, wa_spool *s, const char **claimed_at,
                     wa_result *r)
{
    wa_db_rows *rows;
    wa_code code = WA_TX_QUERY(
        app, p, request_id, WA_SQL_MEDIA_FILE_CLAIM, &rows, r, s->name, user_id,
        wa_hex(p, s->sha256, sizeof(s->sha256)), wa_db_p_int(p, s->size));

    if (code == WA_OK) {
        s->name = apr_pstrdup(p, wa_db_str(rows, 0, 0));
        *claimed_at = apr_pstrdup(p, wa_db_str(rows, 0, 1));
        code = wa_spool_keep(s, app, p, r);
    }
    return code;
}

wa_code wa_media_type_checked(wa_app *app, apr_pool_t *p, const wa_spool *s,
                              const wa_media_said *said,
                              const wa_file_type **type, wa_result *r)
{
    wa_code code = wa_media_type_find(app, p, s->path, s->file, s->size,
                                      said->type, said->name, type, r);

    if (code == WA_OK && s->size > wa_media_max(app->settings, (*type)->kind)) {
        code = wa_fail(r, WA_E_MEDIA_TOO_LARGE,
                       "A file of type %s may have %" APR_OFF_T_FMT " bytes",
                       (*type)->mime,
                       wa_media_max(app->settings, (*type)->kind));
    }
    return code;
}

wa_code wa_media_type_of_inbound(wa_app *app, apr_pool_t *p, const wa_spool *s,
                                 const wa_media_said *said,
                                 const wa_file_type **type, wa_result *r)
{
    static const wa_file_type bytes = { "application/octet-stream", "bin",
                                        WA_KIND_DOCUMENT, WA_PROOF_MAGIC };
    wa_result *why = wa_result_make(p);
    wa_code code = wa_media_type_find(app, p, s->path, s->file, s->size,
                                      said->type, said->name, type, why);

    if (code == WA_E_MEDIA_REFUSED || code == WA_E_MEDIA_MISMATCH) {
        *type = &bytes;
        return WA_OK;
    }
    return code == WA_OK ? WA_OK : wa_fail(r, code, "%s", wa_code_title(code));
}

typedef struct keeping {
    wa_req *req;
    const wa_media_new *n;
    wa_media *media; /* NULL: its file was dropped meanwhile */
    int known;       /* the key is */
} keeping;

static apr_status_t keep_row(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    keeping *k = baton;
    wa_req *req = k->req;
    wa_resp *answer;
    wa_db_rows *rows;
    int ours;
    apr_status_t rv = WA_DB_RUN(
        db, WA_SQL_MEDIA_INSERT, &rows, wa_id_uuid(req->pool),
        req->principal->user_id, "upload", k->n->spool->name, k->n->type->mime,
        wa_file_name_safe(req->pool, k->n->name, k->n->type));

    if (rv != APR_SUCCESS || !wa_db_count(rows)) {
        return rv;
    }
    k->media = wa_media_from_row(req->pool, rows, 0);
    if (!k->n->answer || !req->idem) {
        return APR_SUCCESS;
    }
    answer = wa_resp_make(req->pool);
    k->n->answer(req, answer, k->media);
    rv = wa_idem_store(app, db, req, answer, &ours);
    if (rv == APR_SUCCESS && !ours) {
        k->known = 1;
        wa_fail(r, WA_E_IN_PROGRESS, NULL); /* the caller knows; undo it */
    }
    return rv;
}

/* A file that was put in its place for nothing. */
typedef struct claim {
    apr_pool_t *p;
    const char *name, *at;
    int drop;
} claim;

/* Its row is locked first: then what sees no owner of it is right. Whoever came
 * with the same content before and has no row yet finds it dropped; one who
 * came later sees to it himself. */
static apr_status_t drop_claim(wa_app *app, wa_db *db, void *baton,
                               wa_result *r)
{
    claim *c = baton;
    wa_db_rows *rows;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_MEDIA_CLAIM_LOCK, &rows, c->name,
                                c->at);

    if (rv == APR_SUCCESS && wa_db_count(rows)) {
        rv = WA_DB_RUN(db, WA_SQL_MEDIA_FILE_DROP, &rows, c->name);
        c->drop = rv == APR_SUCCESS && wa_db_count(rows) > 0;
    }
    return rv;
}

/* Remove a dropped file. What fails here whatsappd does later. */
static void remove_dropped(wa_app *app, apr_pool_t *p, const char *request_id,
                           const char *name)
{
    wa_db_rows *rows;

    if (wa_media_file_remove(app, p, name) == APR_SUCCESS) {
        (void)WA_TX_QUERY(app, p, request_id, WA_SQL_MEDIA_FILE_GONE, &rows,
                          wa_result_make(p), name);
    }
}

/* The upload came to nothing: its file goes at once, if it is nobody else's.
 * What fails here whatsappd does an hour later. */
static void give_back(wa_app *app, wa_req *req, const char *name,
                      const char *claimed_at)
{
    claim c = { req->pool, name, claimed_at, 0 };

    if (wa_tx_run(app, req->pool, req->request_id, drop_claim, &c,
                  wa_result_make(req->pool))
            == WA_OK
        && c.drop) {
        remove_dropped(app, req->pool, req->request_id, name);
    }
}

wa_code wa_media_keep(wa_app *app, wa_req *req, const wa_media_new *n,
                      wa_media **media, wa_result *r)
{
    keeping k = { req, n, NULL, 0 };
    wa_result *why = wa_result_make(req->pool);
    const char *claimed_at = NULL;
    wa_code code = place(app, req->pool, req->request_id,
                         req->principal->user_id, n->spool, &claimed_at, r);

    *media = NULL;
    if (code == WA_OK) {
        code = wa_tx_run(app, req->pool, req->request_id, keep_row, &k, why);
        if (code != WA_OK && !k.known) {
            *r = *why;
        }
    }
    if (code != WA_OK && claimed_at) {
        give_back(app, req, n->spool->name, claimed_at);
    }
    if (code == WA_OK && !k.media) {
        /* The same content was deleted at this very moment, maybe by another
         * request with the same key, which then is known. */
        (void)wa_media_file_remove(app, req->pool, n->spool->name);
        if (!n->answer || !req->idem) {
            return wa_fail_retry(r, WA_E_STORAGE, 1, NULL);
        }
    }
    if (code == WA_OK) {
        *media = k.media;
    }
    return k.known ? WA_OK : code;
}

wa_code wa_media_fill(wa_app *app, apr_pool_t *p, const char *request_id,
                      const wa_media *m, wa_spool *s, const wa_file_type *type,
                      wa_media **filled, wa_result *r)
{
    const char *claimed_at;
    wa_db_rows *rows;
    wa_code code = wa_spool_finish(s, r);

    if (code == WA_OK) {
        code = place(app, p, request_id, m->user_id, s, &claimed_at, r);
    }
    if (code == WA_OK) {
        code = WA_TX_QUERY(app, p, request_id, WA_SQL_MEDIA_FILL, &rows, r,
                           m->id, s->name, type->mime,
                           wa_file_name_safe(p, m->file_name, type));
    }
    if (code != WA_OK) {
        return code;
    }
    if (!wa_db_count(rows)) {
        return wa_fail(r, WA_E_MEDIA_GONE, NULL);
    }
    *filled = wa_media_from_row(p, rows, 0);
    return WA_OK;
}

wa_code wa_media_order_url(wa_app *app, apr_pool_t *p, const char *request_id,
                           const char *user_id, const char *url,
                           const char *file_name, wa_media **media,
                           wa_result *r)
{
    const char *wrong = wa_fetch_url_wrong(p, url, 1,
                                           app->settings->fetch_allow);
    wa_db_rows *rows;
    wa_code code;

    if (wrong) {
        return wa_fail_field(r, "/url", "value", "%s", wrong);
    }
    code = WA_TX_QUERY(app, p, request_id, WA_SQL_MEDIA_INSERT_URL, &rows, r,
                       wa_id_uuid(p), user_id, url, file_name);
    if (code == WA_OK) {
        *media = wa_media_from_row(p, rows, 0);
    }
    return code;
}

/* --- looking up ------------------------------------------------------------
 */

static wa_code one(apr_pool_t *p, wa_code code, const wa_db_rows *rows,
                   wa_media **media, wa_result *r)
{
    if (code != WA_OK) {
        return code;
    }
    if (!wa_db_count(rows)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    *media = wa_media_from_row(p, rows, 0);
    return WA_OK;
}

wa_code wa_media_get(wa_app *app, apr_pool_t *p, const char *request_id,
                     const char *user_id, const char *id, wa_media **media,
                     wa_result *r)
{
    wa_db_rows *rows = NULL;
    wa_code code;

    if (!wa_id_is_uuid(id)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    code = WA_TX_QUERY(app, p, request_id, WA_SQL_MEDIA_BY_ID, &rows, r,
                       user_id, id);
    return one(p, code, rows, media, r);
}

wa_code wa_media_get_any(wa_app *app, apr_pool_t *p, const char *request_id,
                         const char *id, wa_media **media, wa_result *r)
{
    wa_db_rows *rows = NULL;
    wa_code code;

    if (!wa_id_is_uuid(id)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    code = WA_TX_QUERY(app, p, request_id, WA_SQL_MEDIA_FOR_BRIDGE, &rows, r,
                       id);
    return one(p, code, rows, media, r);
}

wa_code wa_media_open(wa_app *app, apr_pool_t *p, const char *request_id,
                      const wa_media *m, apr_file_t **file, wa_result *r)
{
    wa_db_rows *rows;

    if (!strcmp(m->state, "fetching")) {
        return wa_fail_retry(r, WA_E_MEDIA_NOT_READY, 2, NULL);
    }
    if (!m->file) {
        wa_fail(r, WA_E_MEDIA_GONE, NULL);
        r->detail = m->error_message;
        return WA_E_MEDIA_GONE;
    }
    if (m->last_used_at < apr_time_now() - apr_time_from_sec(3600)) {
        wa_result *ignored = wa_result_make(p);

        (void)WA_TX_QUERY(app, p, request_id, WA_SQL_MEDIA_TOUCH, &rows,
                          ignored, m->id);
    }
    return wa_media_file_open(file, app, p, m->file, r);
}

wa_code wa_media_page(wa_app *app, apr_pool_t *p, const char *request_id,
                      const char *user_id, apr_time_t after_at,
                      const char *after_id, int limit,
                      apr_array_header_t **found, wa_result *r)
{
    wa_db_rows *rows;
    int i;
    wa_code code = WA_TX_QUERY(app, p, request_id, WA_SQL_MEDIA_PAGE, &rows, r,
                               user_id, wa_db_p_time(p, after_at), after_id,
                               wa_db_p_int(p, limit));

    if (code != WA_OK) {
        return code;
    }
    *found = apr_array_make(p, wa_db_count(rows) + 1, sizeof(wa_media));
    for (i = 0; i < wa_db_count(rows); i++) {
        APR_ARRAY_PUSH(*found, wa_media) = *wa_media_from_row(p, rows, i);
    }
    return WA_OK;
}

wa_code wa_media_get_many(wa_app *app, const wa_req *req,
                          const apr_array_header_t *ids, apr_hash_t **found,
                          wa_result *r)
{
    const char **uuids = apr_palloc(req->pool, ((apr_size_t)ids->nelts + 1)
                                                   * sizeof(const char *));
    wa_db_rows *rows;
    int i, n = 0;
    wa_code code;

    *found = apr_hash_make(req->pool);
    for (i = 0; i < ids->nelts; i++) {
        const char *id = APR_ARRAY_IDX(ids, i, const char *);

        if (wa_id_is_uuid(id)) {
            uuids[n++] = id;
        }
    }
    if (!n) {
        return WA_OK;
    }
    code = WA_TX_QUERY(app, req->pool, req->request_id, WA_SQL_MEDIA_BY_IDS,
                       &rows, r, req->principal->user_id,
                       wa_db_p_array(req->pool, uuids, n));
    for (i = 0; code == WA_OK && i < wa_db_count(rows); i++) {
        const wa_media *m = wa_media_from_row(req->pool, rows, i);

        apr_hash_set(*found, m->id, APR_HASH_KEY_STRING, m);
    }
    return code;
}

/* --- sending ---------------------------------------------------------------
 */

const char *const wa_media_send_types[] = { "image", "video",    "audio",
                                            "voice", "document", NULL };

wa_code wa_media_check_there(const wa_media *m, const char *id, wa_result *r)
{
    if (!m) {
        return wa_fail(r, WA_E_MEDIA_NOT_FOUND, "There is no media %s", id);
    }
    if (!strcmp(m->state, "fetching")) {
        return wa_fail_retry(r, WA_E_MEDIA_NOT_READY, 2, NULL);
    }
    return m->file ? WA_OK
                   : wa_fail(r, WA_E_MEDIA_NOT_FOUND,
                             "The file of media %s is not there", id);
}

wa_code wa_media_send_type(const wa_media *m, const char *wanted,
                           const char *caption, const char **type, wa_result *r)
{
    const wa_file_type *t = m->mime_type ? wa_file_type_by_mime(m->mime_type)
                                         : wa_file_type_by_name(m->file_name);
    const char *kind = t ? wa_file_kind_name(t->kind) : "document";

    *type = wanted ? wanted : kind;
    if (m->mime_type && strcmp(*type, "document") && strcmp(*type, kind)
        && (strcmp(*type, "voice") || strcmp(m->mime_type, "audio/ogg"))) {
        return wa_fail_field(r, "/type", "value",
                             "A file of type %s can't be sent as %s",
                             m->mime_type, *type);
    }
    return caption && (!strcmp(*type, "audio") || !strcmp(*type, "voice"))
               ? wa_fail_field(r, "/caption", "value",
                               "Audio and voice notes have no caption")
               : WA_OK;
}

/* --- letting go ------------------------------------------------------------
 */

typedef struct removal {
    apr_pool_t *p;
    const char *user_id, *id;
    const char *file; /* to be removed from disk, or NULL */
} removal;

/* The file's row is locked first: then what sees no other owner of it is
 * right, and whoever comes with the same content waits. */
static apr_status_t delete_row(wa_app *app, wa_db *db, void *baton,
                               wa_result *r)
{
    removal *d = baton;
    const char *file = NULL;
    wa_db_rows *rows;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_MEDIA_LOCK_FILE, &rows, d->user_id,
                                d->id);

    if (rv == APR_SUCCESS && wa_db_count(rows)) {
        file = apr_pstrdup(d->p, wa_db_str(rows, 0, 0));
    }
    if (rv == APR_SUCCESS) {
        rv = WA_DB_RUN(db, WA_SQL_MEDIA_DELETE, &rows, d->user_id, d->id);
    }
    if (rv == APR_SUCCESS && !wa_db_affected(rows)) {
        wa_fail(r, WA_E_NOT_FOUND, NULL);
        return rv;
    }
    if (rv == APR_SUCCESS && file) {
        rv = WA_DB_RUN(db, WA_SQL_MEDIA_FILE_DROP, &rows, file);
        d->file = rv == APR_SUCCESS && wa_db_count(rows) ? file : NULL;
    }
    if (rv == APR_SUCCESS) {
        rv = WA_DB_RUN(db, WA_SQL_MEDIA_IN_USE, &rows, d->id);
        if (rv == APR_SUCCESS && wa_db_count(rows)) {
            d->file = NULL;
            wa_fail(r, WA_E_MEDIA_IN_USE, NULL);
        }
    }
    return rv;
}

wa_code wa_media_delete(wa_app *app, apr_pool_t *p, const char *request_id,
                        const char *user_id, const char *id, wa_result *r)
{
    removal d = { p, user_id, id, NULL };
    wa_code code;

    if (!wa_id_is_uuid(id)) {
        return wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    code = wa_tx_run(app, p, request_id, delete_row, &d, r);
    if (code == WA_OK && d.file) {
        remove_dropped(app, p, request_id, d.file);
    }
    return code;
}

int wa_media_remove_dropped(wa_app *app, apr_pool_t *p, int max)
{
    wa_db *db = NULL;
    wa_db_rows *rows;
    int i, n = -1;

    if (wa_db_open(&db, p, &app->db) == APR_SUCCESS
        && WA_DB_RUN(db, WA_SQL_MEDIA_FILES_DROPPED, &rows, wa_db_p_int(p, max))
               == APR_SUCCESS) {
        n = wa_db_count(rows);
        for (i = 0; i < n; i++) {
            const char *name = apr_pstrdup(p, wa_db_str(rows, i, 0));

            if (wa_media_file_remove(app, p, name) != APR_SUCCESS
                || WA_DB_RUN(db, WA_SQL_MEDIA_FILE_GONE, NULL, name)
                       != APR_SUCCESS) {
                n = -1;
            }
        }
    }
    wa_db_close(db);
    return n;
}
