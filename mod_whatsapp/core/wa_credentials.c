/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_credentials.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_tables.h>

#include "../base/wa_id.h"
#include "wa_tx.h"

#define NAME_HEX 64

static const char *bridge_of(const json_t *body, wa_result *r)
{
    const char *id = wa_json_str(body, "bridge_id");

    if (!id || !wa_id_is_uuid(id)) {
        wa_fail_field(r, "bridge_id", "type", "must be a UUID");
        return NULL;
    }
    return id;
}

wa_code wa_credentials_claim(wa_app *app, apr_pool_t *p, const char *request_id,
                             const char *session, const json_t *body,
                             json_t **out, wa_result *r)
{
    const char *bridge = bridge_of(body, r);
    int take = json_is_true(json_object_get(body, "take"));
    wa_db_rows *rows, *known;
    wa_code code;

    if (!bridge || !wa_id_is_uuid(session)) {
        return bridge ? wa_fail(r, WA_E_NOT_FOUND, NULL) : r->code;
    }
    code = WA_TX_QUERY(app, p, request_id, WA_SQL_CREDENTIALS_CLAIM, &rows, r,
                       session, bridge, wa_db_p_bool(take));
    if (code != WA_OK) {
        return code;
    }
    if (!wa_db_count(rows)) {
        code = WA_TX_QUERY(app, p, request_id, WA_SQL_SESSION_BY_ID, &known, r,
                           session);
        if (code != WA_OK) {
            return code;
        }
        return wa_db_count(known) ? wa_fail(r, WA_E_CONFLICT,
                                            "Another bridge holds this session")
                                  : wa_fail(r, WA_E_NOT_FOUND, NULL);
    }
    *out = wa_json_own(p, json_object());
    wa_json_set_int(*out, "epoch", wa_db_int(rows, 0, 0, 0));
    wa_json_set_int(*out, "generation", wa_db_int(rows, 0, 1, 0));
    wa_json_set_bool(*out, "clean", wa_db_bool(rows, 0, 2));
    wa_json_set_bool(*out, "mine", wa_db_bool(rows, 0, 3));
    wa_json_set_int(*out, "keys", wa_db_int(rows, 0, 4, 0));
    return WA_OK;
}

/* One session's part of a batch. */
typedef struct part {
    const char *id, *bridge;
    apr_int64_t epoch, generation;
    int clean, tidy;
    apr_array_header_t *put_names, *put_values, *removed;
} part;

typedef struct batch {
    apr_pool_t *p;
    apr_array_header_t *parts; /* of part */
    json_t *sessions;          /* of the answer */
} batch;

static int is_name(const char *s)
{
    apr_size_t i;

    for (i = 0; s && i < NAME_HEX; i++) {
        if (!apr_isxdigit(s[i])) {
            return 0;
        }
    }
    return s && s[i] == '\0';
}

static int is_base64(const char *s)
{
    apr_size_t n = strspn(
        s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");

    return n > 0 && s[n + strspn(s + n, "=")] == '\0'
           && (n + strspn(s + n, "=")) % 4 == 0;
}

static wa_code read_change(const json_t *change, part *to, wa_result *r)
{
    const char *name = json_string_value(json_array_get(change, 0));
    const json_t *value = json_array_get(change, 1);
    const char *text = json_string_value(value);

    if (!is_name(name) || !(json_is_null(value) || (text && is_base64(text)))) {
        return wa_fail_field(r, "changes", "type",
                             "must be pairs of a name and a value or null");
    }
    if (!text) {
        APR_ARRAY_PUSH(to->removed, const char *) = name;
    }
    else {
        APR_ARRAY_PUSH(to->put_names, const char *) = name;
        APR_ARRAY_PUSH(to->put_values, const char *) = text;
    }
    return WA_OK;
}

static wa_code read_part(apr_pool_t *p, const json_t *j, part *to, wa_result *r)
{
    const json_t *changes = json_object_get(j, "changes"), *change;
    size_t i;

    to->id = wa_json_str(j, "id");
    if (!to->id || !wa_id_is_uuid(to->id) || !json_is_array(changes)) {
        return wa_fail_field(r, "sessions", "type",
                             "must have id, epoch and changes");
    }
    to->epoch = wa_json_int(j, "epoch", 0);
    to->generation = wa_json_int(j, "generation", 1);
    to->clean = json_is_true(json_object_get(j, "clean"));
    to->tidy = json_is_true(json_object_get(j, "tidy"));
    to->put_names = apr_array_make(p, 64, sizeof(const char *));
    to->put_values = apr_array_make(p, 64, sizeof(const char *));
    to->removed = apr_array_make(p, 16, sizeof(const char *));
    json_array_foreach(changes, i, change)
    {
        wa_code code = read_change(change, to, r);

        if (code != WA_OK) {
            return code;
        }
    }
    return WA_OK;
}

static const char *as_array(apr_pool_t *p, const apr_array_header_t *a)
{
    return wa_db_p_array(p, (const char *const *)a->elts, a->nelts);
}

static apr_status_t store_part(wa_db *db, apr_pool_t *p, const part *s,
                               int *held)
{
    const char *generation = wa_db_p_int(p, s->generation);
    wa_db_rows *rows;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_CREDENTIALS_HOLD, &rows, s->id,
                                s->bridge, wa_db_p_int(p, s->epoch), generation,
                                wa_db_p_bool(s->clean));

    *held = rv == APR_SUCCESS && wa_db_count(rows) > 0;
    if (*held && s->put_names->nelts) {
        rv = WA_DB_RUN(db, WA_SQL_CREDENTIALS_PUT, NULL, s->id,
                       as_array(p, s->put_names), as_array(p, s->put_values),
                       generation);
    }
    if (rv == APR_SUCCESS && *held && s->removed->nelts) {
        rv = WA_DB_RUN(db, WA_SQL_CREDENTIALS_REMOVE, NULL, s->id,
                       as_array(p, s->removed));
    }
    if (rv == APR_SUCCESS && *held && s->tidy) {
        rv = WA_DB_RUN(db, WA_SQL_CREDENTIALS_TIDY, NULL, s->id, generation);
    }
    return rv;
}

static apr_status_t store_all(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    batch *b = baton;
    apr_status_t rv = APR_SUCCESS;
    int i;

    (void)app;
    (void)r;
    for (i = 0; rv == APR_SUCCESS && i < b->parts->nelts; i++) {
        const part *s = &APR_ARRAY_IDX(b->parts, i, part);
        int held;

        rv = store_part(db, b->p, s, &held);
        if (rv == APR_SUCCESS) {
            json_t *j = json_object();

            wa_json_set_str(j, "id", s->id);
            wa_json_set_bool(j, "held", held);
            json_array_append_new(b->sessions, j);
        }
    }
    return rv;
}

wa_code wa_credentials_store(wa_app *app, apr_pool_t *p, const char *request_id,
                             const json_t *body, json_t **out, wa_result *r)
{
    const json_t *sessions = json_object_get(body, "sessions"), *j;
    const char *bridge = bridge_of(body, r);
    batch b = { p, apr_array_make(p, 8, sizeof(part)), NULL };
    size_t i;

    if (!bridge) {
        return r->code;
    }
    if (!json_is_array(sessions)) {
        return wa_fail_field(r, "sessions", "type", "must be an array");
    }
    json_array_foreach(sessions, i, j)
    {
        part *s = apr_array_push(b.parts);
        wa_code code = read_part(p, j, s, r);

        if (code != WA_OK) {
            return code;
        }
        s->bridge = bridge;
    }
    *out = wa_json_own(p, json_object());
    b.sessions = json_array();
    wa_json_set(*out, "sessions", b.sessions);
    return wa_tx_run(app, p, request_id, store_all, &b, r);
}

wa_code wa_credentials_page(wa_app *app, apr_pool_t *p, const char *request_id,
                            const char *session, const json_t *body,
                            json_t **out, wa_result *r)
{
    const char *bridge = bridge_of(body, r);
    const char *after = wa_json_str(body, "after");
    json_t *keys;
    wa_db_rows *rows;
    wa_code code;
    int i;

    if (!bridge) {
        return r->code;
    }
    if (!wa_id_is_uuid(session) || (after && !is_name(after))) {
        return wa_fail_field(r, "after", "type", "must be a name");
    }
    code = WA_TX_QUERY(app, p, request_id, WA_SQL_CREDENTIALS_PAGE, &rows, r,
                       session, bridge,
                       wa_db_p_int(p, wa_json_int(body, "epoch", 0)),
                       after ? after : "", wa_db_p_int(p, WA_CREDENTIALS_PAGE));
    if (code != WA_OK) {
        return code;
    }
    *out = wa_json_own(p, json_object());
    keys = json_array();
    wa_json_set(*out, "keys", keys);
    for (i = 0; i < wa_db_count(rows); i++) {
        json_t *pair = json_array();

        json_array_append_new(pair, json_string(wa_db_str(rows, i, 0)));
        json_array_append_new(pair, json_string(wa_db_str(rows, i, 1)));
        json_array_append_new(keys, pair);
    }
    return WA_OK;
}
