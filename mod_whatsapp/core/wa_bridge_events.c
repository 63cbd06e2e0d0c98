/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_bridge_events.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_id.h"
#include "../base/wa_log.h"
#include "../base/wa_time.h"
#include "wa_media_fetch.h"
#include "wa_receipts.h"
#include "wa_session_peek.h"
#include "wa_sessions.h"

/* One event, as far as all kinds are alike. */
typedef struct event {
    apr_int64_t seq;
    const char *session, *type;
    apr_time_t at;
    const json_t *data;
    const char *bridge_id;
    const wa_settings *settings;
} event;

/* What all events of a batch have in common. */
typedef struct context {
    const wa_settings *settings;
    int guarded; /* each event has a savepoint of its own */
} context;

/* @return APR_EINVAL when the event makes no sense, database errors */
typedef apr_status_t event_fn(wa_db *db, apr_pool_t *p, const event *e);

/* What a bridge still says of a session that moved to another one. */
static apr_status_t is_elsewhere(wa_db *db, const event *e, int *elsewhere)
{
    wa_db_rows *rows;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_CREDENTIALS_ELSEWHERE, &rows,
                                e->session, e->bridge_id);

    *elsewhere = rv == APR_SUCCESS && wa_db_count(rows) > 0;
    return rv;
}

static apr_status_t on_session_status(wa_db *db, apr_pool_t *p, const event *e)
{
    wa_bridge_state state;
    apr_status_t rv;
    int elsewhere;

    wa_bridge_state_read(p, e->data, &state);
    if (!state.status) {
        return APR_EINVAL;
    }
    rv = is_elsewhere(db, e, &elsewhere);
    if (rv != APR_SUCCESS || elsewhere) {
        return rv;
    }
    /* These come as session.qr and session.pairing_code. */
    state.qr_code = state.pairing_code = NULL;
    rv = wa_session_store(db, p, e->session, e->bridge_id, &state);
    if (rv == APR_SUCCESS && !strcmp(state.status, "connected")) {
        rv = WA_DB_RUN(db, WA_SQL_OUTBOX_DUE_NOW, NULL, e->session);
    }
    return rv;
}

static apr_status_t on_session_qr(wa_db *db, apr_pool_t *p, const event *e)
{
    wa_bridge_state state;
    apr_status_t rv;
    int elsewhere;

    wa_bridge_state_read(p, e->data, &state);
    if (!state.qr_code) {
        return APR_EINVAL;
    }
    rv = is_elsewhere(db, e, &elsewhere);
    if (rv != APR_SUCCESS || elsewhere) {
        return rv;
    }
    return WA_DB_RUN(db, WA_SQL_SESSION_QR, NULL, e->session, state.qr_code,
                     wa_db_p_time(p, state.qr_expires_at), e->bridge_id);
}

static apr_status_t on_session_pairing(wa_db *db, apr_pool_t *p, const event *e)
{
    wa_bridge_state state;
    apr_status_t rv;
    int elsewhere;

    wa_bridge_state_read(p, e->data, &state);
    if (!state.pairing_code) {
        return APR_EINVAL;
    }
    rv = is_elsewhere(db, e, &elsewhere);
    if (rv != APR_SUCCESS || elsewhere) {
        return rv;
    }
    return WA_DB_RUN(
        db, WA_SQL_SESSION_PAIRING, NULL, e->session, state.pairing_code,
        wa_db_p_time(p, state.pairing_code_expires_at), e->bridge_id);
}

/* @return APR_EINVAL when it makes no sense */
static apr_status_t read_receipt(const event *e, wa_receipt *r)
{
    static const char *const known[] = { "sent",   "delivered", "read",
                                         "played", "failed",    NULL };
    const char *at = wa_json_str(e->data, "at");
    int i;

    r->session_id = e->session;
    r->whatsapp_id = wa_json_str(e->data, "whatsapp_id");
    r->status = wa_json_str(e->data, "status");
    r->code = wa_json_str(e->data, "code");
    r->at = e->at;
    for (i = 0; r->status && known[i] && strcmp(known[i], r->status); i++) {
        ;
    }
    if (!r->whatsapp_id || !r->status || !known[i]) {
        return APR_EINVAL;
    }
    return at ? wa_time_parse(at, &r->at) : APR_SUCCESS;
}

static apr_status_t on_message_status(wa_db *db, apr_pool_t *p, const event *e)
{
    wa_receipt r;
    apr_status_t rv = read_receipt(e, &r);

    if (rv != APR_SUCCESS) {
        return APR_EINVAL;
    }
    return wa_receipts_store(p, db, &r, 1, 0);
}

/* What came in, as far as all types are alike. */
typedef struct inbound {
    const char *id, *chat, *from, *type, *text, *target;
    const char *at; /* a parameter */
} inbound;

static apr_status_t store_message(wa_db *db, apr_pool_t *p, const event *e,
                                  const inbound *in)
{
    wa_db_rows *rows;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_MESSAGE_INBOUND, &rows,
                                wa_id_uuid(p), e->session, in->type, in->from,
                                in->chat, in->text, in->id, in->at,
                                wa_json_str(e->data, "quoted_id"));

    if (rv == APR_SUCCESS && wa_db_count(rows) && wa_db_bool(rows, 0, 0)) {
        rv = WA_DB_RUN(db, WA_SQL_MESSAGE_CHANGES_DUE, NULL, e->session,
                       in->chat, in->id);
    }
    return rv == APR_SUCCESS ? wa_media_inbound(e->settings, db, p, e->session,
                                                in->from, e->data)
                             : rv;
}

/* A reaction, edit or deletion is no message of its own: it stands with the
 * one it means. */
static apr_status_t store_inbound(wa_db *db, apr_pool_t *p, const event *e,
                                  const inbound *in)
{
    int reaction = !strcmp(in->type, "reaction");
    int edit = !strcmp(in->type, "edit");

    if (!reaction && !edit && strcmp(in->type, "deletion")) {
        return store_message(db, p, e, in);
    }
    if (!in->target) {
        return APR_EINVAL;
    }
    if (reaction) {
        return WA_DB_RUN(db, WA_SQL_REACTION_STORE, NULL, e->session, in->chat,
                         in->target, in->from,
                         in->text && *in->text ? in->text : NULL, in->at);
    }
    if (edit) {
        return WA_DB_RUN(db, WA_SQL_MESSAGE_EDIT, NULL, e->session, in->chat,
                         in->target, in->from, in->text, in->at);
    }
    return WA_DB_RUN(db, WA_SQL_MESSAGE_DELETION, NULL, e->session, in->chat,
                     in->target, in->from, in->at);
}

static apr_status_t on_message_inbound(wa_db *db, apr_pool_t *p, const event *e)
{
    const char *at_text = wa_json_str(e->data, "at");
    apr_time_t at = e->at;
    apr_status_t rv;
    inbound in;

    in.id = wa_json_str(e->data, "whatsapp_id");
    in.chat = wa_json_str(e->data, "chat");
    in.from = wa_json_str(e->data, "from_phone");
    in.type = wa_json_str(e->data, "type");
    in.text = wa_json_str(e->data, "text");
    in.target = wa_json_str(e->data, "target_id");
    if (!in.from) {
        in.from = wa_json_str(e->data, "from");
    }
    if (!in.id || !in.chat || !in.from || !in.type
        || (at_text && wa_time_parse(at_text, &at) != APR_SUCCESS)) {
        return APR_EINVAL;
    }
    in.at = wa_db_p_time(p, at);
    rv = store_inbound(db, p, e, &in);
    if (rv == APR_SUCCESS) {
        rv = WA_DB_RUN(db, WA_SQL_SESSION_ACTIVE, NULL, e->session,
                       wa_db_p_time(p, at));
    }
    return rv;
}

static const struct {
    const char *type;
    event_fn *apply;
} kinds[] = {
    { "session.status", on_session_status },
    { "session.qr", on_session_qr },
    { "session.pairing_code", on_session_pairing },
    { "message.status", on_message_status },
    { "message.inbound", on_message_inbound },
};

static int is_whole(const event *e)
{
    return e->session && wa_id_is_uuid(e->session) && e->type
           && json_is_object(e->data);
}

static apr_status_t apply_one(wa_db *db, apr_pool_t *p, const event *e)
{
    apr_size_t i;

    if (!is_whole(e)) {
        return APR_EINVAL;
    }
    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!strcmp(kinds[i].type, e->type)) {
            return kinds[i].apply(db, p, e);
        }
    }
    return APR_EINVAL;
}

static void read_event(const json_t *j, const char *bridge_id, event *e)
{
    const char *at = wa_json_str(j, "at");

    e->seq = wa_json_int(j, "seq", 0);
    e->session = wa_json_str(j, "session");
    e->type = wa_json_str(j, "type");
    e->data = json_object_get(j, "data");
    e->bridge_id = bridge_id;
    if (!at || wa_time_parse(at, &e->at) != APR_SUCCESS) {
        e->at = apr_time_now();
    }
}

/* Is it the event's own fault (SQLSTATE class 22, data; 23, constraints), and
 * not the database's at the moment, such as a deadlock? */
static int events_fault(const wa_db *db, apr_status_t rv)
{
    const char *state = wa_db_sqlstate(db);

    return rv == APR_EGENERAL
           && (!strncmp(state, "22", 2) || !strncmp(state, "23", 2));
}

/* As apply_one, but an event at fault is undone and becomes APR_EINVAL instead
 * of ending the transaction. */
static apr_status_t apply_guarded(wa_db *db, apr_pool_t *p, const event *e)
{
    apr_status_t rv = wa_db_run(db, WA_SQL_SAVEPOINT, NULL, 0, NULL);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = apply_one(db, p, e);
    if (events_fault(db, rv)) {
        rv = wa_db_run(db, WA_SQL_ROLLBACK_TO, NULL, 0, NULL);
        return rv == APR_SUCCESS ? APR_EINVAL : rv;
    }
    return rv;
}

static void passed_over(const char *request_id, const event *e)
{
    wa_log(WA_LOG_WARNING, request_id,
           "WA0141: event %" APR_INT64_T_FMT " of bridge %s makes no sense and"
           " is passed over (type %s)",
           e->seq, e->bridge_id, e->type ? e->type : "none");
}

/* Does it tell of nothing but what became of messages? */
static int only_receipts(const json_t *events)
{
    const json_t *j;
    size_t i;

    json_array_foreach(events, i, j)
    {
        const char *type = wa_json_str(j, "type");

        if (!type || strcmp(type, "message.status") != 0) {
            return 0;
        }
    }
    return 1;
}

static apr_status_t apply_receipts(wa_db *db, apr_pool_t *p,
                                   const char *request_id, const json_t *events,
                                   const char *bridge_id, apr_int64_t *last)
{
    wa_receipt *list = apr_palloc(p, (json_array_size(events) + 1)
                                         * sizeof(*list));
    int n = 0;
    const json_t *j;
    size_t i;

    json_array_foreach(events, i, j)
    {
        event e;

        read_event(j, bridge_id, &e);
        if (e.seq <= *last) {
            continue;
        }
        if (!is_whole(&e) || read_receipt(&e, &list[n]) != APR_SUCCESS) {
            passed_over(request_id, &e);
        }
        else {
            n++;
        }
        *last = e.seq;
    }
    return wa_receipts_store(p, db, list, n, 1);
}

static apr_status_t apply_all(wa_db *db, apr_pool_t *p, const char *request_id,
                              const json_t *events, const char *bridge_id,
                              const context *c, apr_int64_t *last)
{
    apr_pool_t *scratch;
    apr_status_t rv;
    json_t *j;
    size_t i;

    apr_pool_create(&scratch, p);
    json_array_foreach(events, i, j)
    {
        event e;

        apr_pool_clear(scratch);
        read_event(j, bridge_id, &e);
        e.settings = c->settings;
        if (e.seq <= *last) {
            continue;
        }
        rv = c->guarded ? apply_guarded(db, scratch, &e)
                        : apply_one(db, scratch, &e);
        if (rv == APR_EINVAL) {
            passed_over(request_id, &e);
        }
        else if (rv != APR_SUCCESS) {
            return rv;
        }
        *last = e.seq;
    }
    return APR_SUCCESS;
}

static apr_status_t apply_batch(wa_db *db, apr_pool_t *p,
                                const char *request_id, const json_t *batch,
                                const context *c, apr_int64_t *acked)
{
    const char *bridge_id = wa_json_str(batch, "bridge_id");
    const json_t *events = json_object_get(batch, "events");
    wa_db_rows *rows;
    apr_int64_t before;
    apr_status_t rv = wa_db_begin(db);

    if (rv == APR_SUCCESS) {
        rv = WA_DB_RUN(db, WA_SQL_BRIDGE_SEEN, &rows, bridge_id,
                       wa_json_str(batch, "mode"));
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    before = *acked = wa_db_int(rows, 0, 0, 0);
    rv = !c->guarded && only_receipts(events)
             ? apply_receipts(db, p, request_id, events, bridge_id, acked)
             : apply_all(db, p, request_id, events, bridge_id, c, acked);
    if (rv == APR_SUCCESS && *acked > before) {
        rv = WA_DB_RUN(db, WA_SQL_BRIDGE_ACKED, NULL, bridge_id,
                       wa_db_p_int(p, *acked));
    }
    return rv == APR_SUCCESS ? wa_db_commit(db) : rv;
}

static wa_code check_batch(const wa_app *app, const json_t *batch, wa_result *r)
{
    const char *bridge_id = wa_json_str(batch, "bridge_id");
    const char *mode = wa_json_str(batch, "mode");

    if (!bridge_id || !wa_id_is_uuid(bridge_id) || !mode
        || !json_is_array(json_object_get(batch, "events"))) {
        return wa_fail_field(r, "", "type",
                             "a batch has bridge_id, mode and events");
    }
    if (strcmp(mode, app->settings->mode)) {
        return wa_fail(r, WA_E_CONFLICT,
                       "This server is in mode %s, the bridge in mode %s",
                       app->settings->mode, mode);
    }
    return WA_OK;
}

/* Does it tell of the state of a session? */
static int tells_of_session(const json_t *batch)
{
    const json_t *j;
    size_t i;

    json_array_foreach(json_object_get(batch, "events"), i, j)
    {
        const char *type = wa_json_str(j, "type");

        if (type && !strncmp(type, "session.", 8)) {
            return 1;
        }
    }
    return 0;
}

wa_code wa_bridge_events_apply(wa_app *app, apr_pool_t *p,
                               const char *request_id, const json_t *batch,
                               apr_int64_t *acked, wa_result *r)
{
    context c = { app->settings, 0 };
    wa_db *db;
    apr_status_t rv;
    wa_code code = check_batch(app, batch, r);

    if (code == WA_OK) {
        code = wa_db_open_or_fail(&db, p, &app->db, request_id, r);
    }
    if (code != WA_OK) {
        return code;
    }
    rv = apply_batch(db, p, request_id, batch, &c, acked);
    if (events_fault(db, rv)) {
        /* One event the database refuses must not hold up the others; a
         * savepoint for each is dear, so only now. */
        wa_log(WA_LOG_WARNING, request_id,
               "WA0142: a batch was refused (SQLSTATE %s), trying its events"
               " one by one",
               wa_db_sqlstate(db));
        wa_db_rollback(db);
        c.guarded = 1;
        rv = apply_batch(db, p, request_id, batch, &c, acked);
    }
    if (rv != APR_SUCCESS) {
        code = wa_db_fail(db, rv, request_id, r);
    }
    wa_db_close(db);
    if (tells_of_session(batch)) {
        wa_session_changed(app, p, request_id);
    }
    return code;
}
