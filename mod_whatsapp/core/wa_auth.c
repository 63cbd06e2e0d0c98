/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_auth.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "../base/wa_crypto.h"
#include "../base/wa_jwt.h"
#include "../base/wa_log.h"
#include "wa_keys.h"
#include "wa_limits.h"

/* Seconds a principal stays in Redis. */
#define CACHE_SECONDS "10"

/* Finds the principal and counts its request in one trip. KEYS: the cache
 * entry. ARGV: an entry to store first, or ''; seconds it lives. Answers nil
 * when there is no entry, else {entry, requests of this minute, seconds left}.
 * The user's id and limit stand in the entry (principal_text). */
static wa_redis_script auth_script = {
    "local e = ARGV[1]\n"
    "if e ~= '' then redis.call('SET', KEYS[1], e, 'EX', ARGV[2])\n"
    "else e = redis.call('GET', KEYS[1]) end\n"
    "if not e then return nil end\n"
    "local user = string.match(e, '^[^|]*')\n"
    "local t = tonumber(redis.call('TIME')[1])\n"
    "local k = 'wa:r:' .. user .. ':' .. math.floor(t / 60)\n"
    "local n = redis.call('INCR', k)\n"
    "if n == 1 then redis.call('EXPIRE', k, 120) end\n"
    "return {e, n, 60 - t % 60}\n",
    ""
};

/* What the request shows, before anybody was asked. */
typedef struct credential {
    int is_key;
    const char *cache_key; /* in Redis */
    const char *lookup;    /* key's hash or user's id */
    apr_time_t expires_at; /* of a token */
} credential;

const char *wa_auth_bearer(const wa_req *req)
{
    const char *value = req->header(req, "Authorization");

    if (!value || strncasecmp(value, "Bearer ", 7)) {
        return NULL;
    }
    value += 7;
    while (*value == ' ') {
        value++;
    }
    return *value ? value : NULL;
}

wa_code wa_auth_internal(const wa_app *app, const wa_req *req, wa_result *r)
{
    const char *shown = wa_auth_bearer(req);

    if (shown && wa_equal_str(shown, app->secrets->internal)) {
        return WA_OK;
    }
    return wa_fail(r, WA_E_UNAUTHORIZED, "The internal secret is required");
}

static wa_code read_key(wa_app *app, const wa_req *req, const char *key,
                        credential *c, wa_result *r)
{
    if (!wa_key_well_formed(req->pool, key)) {
        return wa_fail(r, WA_E_BAD_KEY, "This is not an API key; keys start"
                                        " with wak_ and are shown once");
    }
    c->is_key = 1;
    c->lookup = wa_key_hash(app, req->pool, key);
    c->cache_key = apr_pstrcat(req->pool, "wa:p:k:", c->lookup, NULL);
    return WA_OK;
}

static wa_code read_token(wa_app *app, const wa_req *req, const char *token,
                          credential *c, wa_result *r)
{
    wa_jwt_claims claims;
    apr_status_t rv = wa_jwt_verify(req->pool, token, app->secrets->jwt,
                                    req->received, &claims);

    if (rv != APR_SUCCESS) {
        return wa_fail(r, WA_E_BAD_TOKEN,
                       rv == APR_TIMEUP ? "The access token has expired; log"
                                          " in again"
                                        : NULL);
    }
    c->is_key = 0;
    c->lookup = claims.subject;
    c->expires_at = claims.expires_at;
    c->cache_key = apr_pstrcat(req->pool, "wa:p:u:", c->lookup, NULL);
    return WA_OK;
}

static wa_code read_credential(wa_app *app, const wa_req *req, credential *c,
                               wa_result *r)
{
    const char *bearer = wa_auth_bearer(req);
    const char *key = req->header(req, "X-API-Key");

    if (key) {
        return read_key(app, req, key, c, r);
    }
    if (!bearer) {
        return wa_fail(r, WA_E_UNAUTHORIZED,
                       "Send an API key as \"Authorization: Bearer wak_...\""
                       " or \"X-API-Key\", or an access token of"
                       " POST /api/auth/login");
    }
    if (!strncmp(bearer, "wak_", 4)) {
        return read_key(app, req, bearer, c, r);
    }
    return read_token(app, req, bearer, c, r);
}

/* user|username|role|key|expires|requests/min|messages/min|messages/day */
static const char *principal_text(apr_pool_t *p, const wa_principal *w)
{
    return apr_psprintf(p,
                        "%s|%s|%s|%s|%" APR_INT64_T_FMT "|%" APR_INT64_T_FMT
                        "|%" APR_INT64_T_FMT "|%" APR_INT64_T_FMT,
                        w->user_id, w->username, w->role,
                        w->key_id ? w->key_id : "", w->expires_at,
                        w->requests_per_minute, w->messages_per_minute,
                        w->messages_per_day);
}

static wa_principal *principal_parse(apr_pool_t *p, const char *text)
{
    wa_principal *w = apr_pcalloc(p, sizeof(*w));
    char *field[8], *rest = apr_pstrdup(p, text);
    int i;

    for (i = 0; i < 8; i++) {
        field[i] = rest;
        rest = rest ? strchr(rest, '|') : NULL;
        if (rest) {
            *rest++ = '\0';
        }
    }
    if (!field[7]) {
        return NULL;
    }
    w->user_id = field[0];
    w->username = field[1];
    w->role = field[2];
    w->key_id = *field[3] ? field[3] : NULL;
    w->expires_at = apr_atoi64(field[4]);
    w->requests_per_minute = apr_atoi64(field[5]);
    w->messages_per_minute = apr_atoi64(field[6]);
    w->messages_per_day = apr_atoi64(field[7]);
    return w;
}

static wa_principal *principal_row(apr_pool_t *p, const wa_db_rows *rows)
{
    wa_principal *w = apr_pcalloc(p, sizeof(*w));

    w->key_id = apr_pstrdup(p, wa_db_str(rows, 0, 0));
    w->expires_at = wa_db_time(rows, 0, 1);
    w->user_id = apr_pstrdup(p, wa_db_str(rows, 0, 2));
    w->username = apr_pstrdup(p, wa_db_str(rows, 0, 3));
    w->role = apr_pstrdup(p, wa_db_str(rows, 0, 4));
    w->requests_per_minute = wa_db_int(rows, 0, 5, 1);
    w->messages_per_minute = wa_db_int(rows, 0, 6, 1);
    w->messages_per_day = wa_db_int(rows, 0, 7, 1);
    return w;
}

static wa_code load_principal(wa_app *app, const wa_req *req,
                              const credential *c, wa_principal **who,
                              wa_result *r)
{
    wa_db *db;
    wa_db_rows *rows;
    apr_status_t rv;
    wa_code code;

    code = wa_db_open_or_fail(&db, req->pool, &app->db, req->request_id, r);
    if (code != WA_OK) {
        return code;
    }
    rv = WA_DB_RUN(db,
                   c->is_key ? WA_SQL_PRINCIPAL_BY_KEY
                             : WA_SQL_PRINCIPAL_BY_USER,
                   &rows, c->lookup);
    if (rv != APR_SUCCESS) {
        code = wa_db_fail(db, rv, req->request_id, r);
    }
    else if (!wa_db_count(rows)) {
        code = wa_fail(r, c->is_key ? WA_E_BAD_KEY : WA_E_BAD_TOKEN, NULL);
    }
    else {
        *who = principal_row(req->pool, rows);
    }
    wa_db_close(db);
    return code;
}

/* @return APR_SUCCESS with *who NULL when Redis has no entry */
static apr_status_t ask_redis(wa_app *app, const wa_req *req,
                              const credential *c, const wa_principal *store,
                              wa_principal **who, wa_limit_state *state)
{
    const char *argv[3];
    wa_redis_script *script = &auth_script;
    wa_redis_reply *reply;
    wa_redis_cmd cmd;
    apr_status_t rv;

    argv[0] = c->cache_key;
    argv[1] = store ? principal_text(req->pool, store) : "";
    argv[2] = CACHE_SECONDS;
    cmd = wa_redis_script_cmd(req->pool, script, 1, 3, argv);
    rv = wa_redis_pipeline_scripts(app->redis, req->pool, &cmd, 1, &script, 1,
                                   &reply);
    *who = NULL;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (reply->type == WA_REDIS_NIL) {
        return APR_SUCCESS;
    }
    if (reply->type != WA_REDIS_ARRAY || reply->count != 3) {
        wa_log(WA_LOG_WARNING, req->request_id,
               "WA0111: Redis refused the limit script: %s",
               reply->type == WA_REDIS_ERROR ? reply->str : "odd answer");
        return APR_EGENERAL;
    }
    *who = principal_parse(req->pool, reply->elements[0].str);
    if (*who) {
        state->requests.used = reply->elements[1].integer;
        state->requests.reset = (int)reply->elements[2].integer;
    }
    return APR_SUCCESS;
}

static void count_locally(wa_app *app, const wa_req *req,
                          const wa_principal *who, wa_limit_state *state)
{
    state->local = 1;
    state->requests.used = wa_local_limits_count(
        app->local_limits, apr_pstrcat(req->pool, "r:", who->user_id, NULL), 1,
        req->received, &state->requests.reset);
}

wa_code wa_auth_request(wa_app *app, const wa_req *req, wa_principal **pwho,
                        wa_limit_state *state, wa_result *r)
{
    credential c;
    wa_principal *who, *loaded = NULL;
    apr_status_t rv;
    wa_code code;

    memset(&c, 0, sizeof(c));
    code = read_credential(app, req, &c, r);
    if (code != WA_OK) {
        return code;
    }
    rv = ask_redis(app, req, &c, NULL, &who, state);
    if (!who) {
        code = load_principal(app, req, &c, &loaded, r);
        if (code != WA_OK) {
            return code;
        }
        if (rv == APR_SUCCESS) {
            rv = ask_redis(app, req, &c, loaded, &who, state);
        }
        if (rv != APR_SUCCESS) {
            count_locally(app, req, loaded, state);
        }
        who = loaded;
    }
    state->requests.limit = who->requests_per_minute;
    if (c.is_key && who->expires_at && who->expires_at <= req->received) {
        return wa_fail(r, WA_E_BAD_KEY, "The API key has expired");
    }
    if (state->requests.used > state->requests.limit) {
        return wa_fail_retry(r, WA_E_RATE_LIMITED, state->requests.reset,
                             "%" APR_INT64_T_FMT " requests a minute are"
                             " allowed; try again in %d s",
                             state->requests.limit, state->requests.reset);
    }
    *pwho = who;
    return WA_OK;
}
