/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_bulk.h"

#include "../base/wa_trace.h"
#include "wa_tx.h"

wa_code wa_bulk_charge(wa_app *app, wa_req *req, wa_bulk_item *items, int n,
                       int *charged, wa_result *r)
{
    wa_result *why = wa_result_make(req->pool);
    int wanted = 0, seen = 0, i;
    wa_code code;

    *charged = 0;
    for (i = 0; i < n; i++) {
        wanted += items[i].message != NULL;
    }
    if (!wanted) {
        return WA_OK;
    }
    code = wa_limits_charge_some(app, req->pool, req->request_id,
                                 req->principal, wanted, charged, req->limits,
                                 why);
    if (code != WA_OK && code != WA_E_QUOTA_MINUTE && code != WA_E_QUOTA_DAY) {
        *r = *why;
        return code;
    }
    for (i = 0; i < n; i++) {
        if (items[i].message && ++seen > *charged) {
            items[i].message = NULL;
            items[i].r = why;
        }
    }
    return WA_OK;
}

/* The columns of what is stored. */
enum {
    COL_ID,
    COL_TYPE,
    COL_RECIPIENT,
    COL_CHAT,
    COL_CONTENT,
    COL_WHATSAPP_ID,
    COL_REF,
    COL_SCHEDULED,
    COL_MEDIA,
    COLUMNS
};

typedef struct storing {
    wa_req *req;
    const char *session;
    const wa_resp *answer;
    const char *columns[COLUMNS]; /* each an array's parameter text */
    int count;
    int known;      /* the key is */
    int not_linked; /* no phone is */
} storing;

static void gather(apr_pool_t *p, const wa_bulk_item *items, int n, storing *s)
{
    const char **values[COLUMNS];
    int i, c;

    for (c = 0; c < COLUMNS; c++) {
        values[c] = apr_pcalloc(p, (apr_size_t)n * sizeof(const char *));
    }
    for (i = 0; i < n; i++) {
        const wa_message *m = items[i].message;

        if (m) {
            values[COL_ID][s->count] = m->id;
            values[COL_TYPE][s->count] = m->type;
            values[COL_RECIPIENT][s->count] = m->recipient;
            values[COL_CHAT][s->count] = m->chat;
            values[COL_CONTENT][s->count] = m->content;
            values[COL_WHATSAPP_ID][s->count] = m->whatsapp_id;
            values[COL_REF][s->count] = m->client_ref;
            values[COL_SCHEDULED][s->count] = wa_db_p_time(p, m->scheduled_at);
            values[COL_MEDIA][s->count++] = m->media_id;
        }
    }
    for (c = 0; c < COLUMNS; c++) {
        s->columns[c] = wa_db_p_array(p, values[c], s->count);
    }
}

static apr_status_t store(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    storing *s = baton;
    const wa_req *req = s->req;
    apr_interval_time_t ttl = app->settings->message_ttl;
    wa_db_rows *rows;
    apr_status_t rv;
    int ours = 1;

    if (req->idem) {
        rv = wa_idem_store(app, db, req, s->answer, &ours);
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    s->known = !ours;
    if (s->known || !s->count) {
        return APR_SUCCESS;
    }
    rv = WA_DB_RUN(db, WA_SQL_MESSAGES_ACCEPT, &rows, req->principal->user_id,
                   s->session, s->columns[COL_ID], s->columns[COL_TYPE],
                   s->columns[COL_RECIPIENT], s->columns[COL_CHAT],
                   s->columns[COL_CONTENT], s->columns[COL_WHATSAPP_ID],
                   s->columns[COL_REF], s->columns[COL_SCHEDULED],
                   s->columns[COL_MEDIA], req->request_id,
                   wa_db_p_int(req->pool, apr_time_sec(ttl)),
                   wa_trace_keep(req->pool, req->request_id));
    if (rv == APR_SUCCESS && !wa_db_count(rows)) {
        s->not_linked = 1;
        wa_fail(r, WA_E_NOT_LINKED, NULL); /* told by the caller; undo it */
    }
    return rv;
}

wa_code wa_bulk_store(wa_app *app, wa_req *req, const char *session,
                      const wa_bulk_item *items, int n, const wa_resp *answer,
                      wa_idem_found **found, wa_result *r)
{
    storing s = { .req = req, .session = session, .answer = answer };
    wa_result *why = wa_result_make(req->pool);
    wa_code code;

    *found = NULL;
    gather(req->pool, items, n, &s);
    code = wa_tx_run(app, req->pool, req->request_id, store, &s, why);
    if (s.not_linked) {
        return wa_message_not_linked(app, req, session, r);
    }
    if (code != WA_OK) {
        *r = *why;
        return code;
    }
    if (s.known) {
        code = wa_idem_find(app, req, req->idem, found, r);
        if (code == WA_OK && !*found) {
            return wa_fail_retry(r, WA_E_IN_PROGRESS, 1, NULL);
        }
    }
    return code;
}
