/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_auth.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "../base/wa_crypto.h"
#include "../base/wa_id.h"
#include "../base/wa_jwt.h"
#include "../base/wa_log.h"
#include "wa_key_format.h"
#include "wa_limits.h"
#include "wa_limits_local.h"
#include "wa_networks.h"
#include "wa_scope.h"
#include "wa_session_peek.h"
#include "wa_tx.h"

/* The entry of a credential that nobody has. */
#define NOBODY "-"

/* Finds the principal and counts its request in one trip.
 *
 * Every entry names the generation it was loaded under; wa_auth_changed starts
 * the next one, so that no entry outlives a change, not even one that was
 * being loaded meanwhile. KEYS: the entry. ARGV: an entry to store first, or
 * ''; the generation it was loaded under; whether to look at the user's
 * session too (wa_session_peek.h); what counts a request of nobody, or ''.
 * Answers the generation alone when there is no entry, else {entry, requests of
 * this minute, seconds left}, followed by the sessions' generation and what is
 * kept of the session where that was asked for. The user's id stands first in
 * the entry (principal_text). */
static wa_redis_script auth_script = {
    "local g = redis.call('GET', 'wa:g') or '0'\n"
    "local e = ARGV[1]\n"
    "if e ~= '' then\n"
    "  if ARGV[2] == g then\n"
    "    redis.call('SET', KEYS[1], g .. '|' .. e, 'PX', 1000)\n"
    "  end\n"
    "else\n"
    "  local s = redis.call('GET', KEYS[1])\n"
    "  if not s or string.sub(s, 1, #g + 1) ~= g .. '|' then return g end\n"
    "  e = string.sub(s, #g + 2)\n"
    "end\n"
    "local nobody = e == '" NOBODY "'\n"
    "if nobody and ARGV[4] == '' then return {e, 0, 0} end\n"
    "local user = nobody or string.match(e, '^[^|]*')\n"
    "local t = tonumber(redis.call('TIME')[1])\n"
    "local k = nobody and '" WA_LIMITS_ADDRESS "' .. ARGV[4]\n"
    "          or 'wa:r:' .. user\n"
    "k = k .. ':' .. math.floor(t / 60)\n"
    "local n = redis.call('INCR', k)\n"
    "if n == 1 then redis.call('EXPIRE', k, 120) end\n"
    "if nobody or ARGV[3] == '' then return {e, n, 60 - t % 60} end\n"
    "local s = redis.call('MGET', '" WA_SESSION_GENERATION "',\n"
    "                     '" WA_SESSION_ENTRY "' .. user)\n"
    "local sg, text = s[1] or '0', s[2] or ''\n"
    "if string.sub(text, 1, #sg + 1) ~= sg .. '|' then text = ''\n"
    "else text = string.sub(text, #sg + 2) end\n"
    "return {e, n, 60 - t % 60, sg, text}\n",
    ""
};

/* What the request shows, before anybody was asked. */
typedef struct credential {
    wa_sql_id load;         /* the statement that finds its principal */
    const char *cache_key;  /* in Redis */
    const char *lookup;     /* hash of key or cookie, or login's id */
    const char *key;        /* an API key, to be hashed by older secrets */
    const char *generation; /* Redis' when it had no entry, or NULL */
    int nobody;             /* Redis knows that nobody has it */
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

const char *wa_auth_cookie(const wa_req *req, const char *name)
{
    const char *header = req->header(req, "Cookie");
    apr_size_t len = strlen(name);
    char *copy, *state, *pair;

    if (!header) {
        return NULL;
    }
    copy = apr_pstrdup(req->pool, header);
    for (pair = apr_strtok(copy, "; ", &state); pair;
         pair = apr_strtok(NULL, "; ", &state)) {
        if (!strncmp(pair, name, len) && pair[len] == '=') {
            return pair + len + 1;
        }
    }
    return NULL;
}

const char *wa_auth_secret_hash(const wa_app *app, apr_pool_t *p,
                                const char *secret)
{
    return wa_key_hash(p, app->secrets->jwt[0], secret);
}

const char *wa_auth_csrf_token(const wa_app *app, apr_pool_t *p,
                               const char *login_id)
{
    return wa_key_hash(p, app->secrets->jwt[0],
                       apr_pstrcat(p, "csrf:", login_id, NULL));
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
        return wa_fail(r, WA_E_BAD_KEY,
                       "This is not an API key; keys start"
                       " with wak_ and are shown once");
    }
    c->load = WA_SQL_PRINCIPAL_BY_KEY;
    c->key = key;
    c->lookup = wa_key_hash(req->pool, app->secrets->key[0], key);
    c->cache_key = apr_pstrcat(req->pool, "wa:p:k:", c->lookup, NULL);
    return WA_OK;
}

static wa_code read_token(wa_app *app, const wa_req *req, const char *token,
                          credential *c, wa_result *r)
{
    const char *const *secret = app->secrets->jwt;
    wa_jwt_claims claims;
    apr_status_t rv;

    do {
        rv = wa_jwt_verify(req->pool, token, *secret, req->received, &claims);
    } while (rv == APR_EINVAL && *++secret);
    if (rv == APR_SUCCESS && !wa_id_is_uuid(claims.login)) {
        rv = APR_EINVAL; /* the database would call it an error of ours */
    }
    if (rv != APR_SUCCESS) {
        return wa_fail(r, WA_E_BAD_TOKEN,
                       rv == APR_TIMEUP ? "The access token has expired;"
                                          " refresh it or log in again"
                                        : NULL);
    }
    c->load = WA_SQL_PRINCIPAL_BY_LOGIN;
    c->lookup = claims.login;
    c->cache_key = apr_pstrcat(req->pool, "wa:p:l:", c->lookup, NULL);
    return WA_OK;
}

static wa_code read_cookie(wa_app *app, const wa_req *req, const char *cookie,
                           credential *c, wa_result *r)
{
    c->load = WA_SQL_PRINCIPAL_BY_COOKIE;
    c->lookup = wa_auth_secret_hash(app, req->pool, cookie);
    c->cache_key = apr_pstrcat(req->pool, "wa:p:c:", c->lookup, NULL);
    return WA_OK;
}

static wa_code read_credential(wa_app *app, const wa_req *req, credential *c,
                               wa_result *r)
{
    const char *bearer = wa_auth_bearer(req);
    const char *key = req->header(req, "X-API-Key");
    const char *cookie = wa_auth_cookie(req, WA_LOGIN_COOKIE);

    if (key) {
        return read_key(app, req, key, c, r);
    }
    if (!bearer && cookie) {
        return read_cookie(app, req, cookie, c, r);
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

#define FIELDS 11

/* user|username|role|key|login|scopes|networks|expires|requests/min|
 * messages/min|messages/day */
static const char *principal_text(apr_pool_t *p, const wa_principal *w)
{
    return apr_psprintf(
        p,
        "%s|%s|%s|%s|%s|%u|%s|%" APR_INT64_T_FMT "|%" APR_INT64_T_FMT
        "|%" APR_INT64_T_FMT "|%" APR_INT64_T_FMT,
        w->user_id, w->username, w->role, w->key_id ? w->key_id : "",
        w->login_id ? w->login_id : "", w->scopes, w->networks, w->expires_at,
        w->requests_per_minute, w->messages_per_minute, w->messages_per_day);
}

static wa_principal *principal_parse(apr_pool_t *p, const char *text)
{
    wa_principal *w = apr_pcalloc(p, sizeof(*w));
    char *field[FIELDS], *rest = apr_pstrdup(p, text);
    int i;

    for (i = 0; i < FIELDS; i++) {
        field[i] = rest;
        rest = rest ? strchr(rest, '|') : NULL;
        if (rest) {
            *rest++ = '\0';
        }
    }
    if (!field[FIELDS - 1]) {
        return NULL;
    }
    w->user_id = field[0];
    w->username = field[1];
    w->role = field[2];
    w->key_id = *field[3] ? field[3] : NULL;
    w->login_id = *field[4] ? field[4] : NULL;
    w->scopes = (unsigned)apr_atoi64(field[5]);
    w->networks = field[6];
    w->expires_at = apr_atoi64(field[7]);
    w->requests_per_minute = apr_atoi64(field[8]);
    w->messages_per_minute = apr_atoi64(field[9]);
    w->messages_per_day = apr_atoi64(field[10]);
    return w;
}

static wa_principal *principal_row(apr_pool_t *p, const wa_db_rows *rows)
{
    wa_principal *w = apr_pcalloc(p, sizeof(*w));

    w->key_id = apr_pstrdup(p, wa_db_str(rows, 0, 0));
    w->login_id = apr_pstrdup(p, wa_db_str(rows, 0, 1));
    w->expires_at = wa_db_time(rows, 0, 2);
    w->user_id = apr_pstrdup(p, wa_db_str(rows, 0, 3));
    w->username = apr_pstrdup(p, wa_db_str(rows, 0, 4));
    w->role = apr_pstrdup(p, wa_db_str(rows, 0, 5));
    w->requests_per_minute = wa_db_int(rows, 0, 6, 1);
    w->messages_per_minute = wa_db_int(rows, 0, 7, 1);
    w->messages_per_day = wa_db_int(rows, 0, 8, 1);
    w->scopes = w->key_id ? wa_scopes_from_sql(wa_db_str(rows, 0, 9))
                          : WA_SCOPES_ALL;
    if (strcmp(w->role, "admin")) {
        w->scopes &= ~(unsigned)WA_SCOPE_ADMIN;
    }
    w->networks = apr_pstrdup(p, w->key_id ? wa_db_str(rows, 0, 10) : "");
    return w;
}

static apr_status_t find_principal(wa_app *app, const wa_req *req,
                                   const credential *c, wa_db *db,
                                   wa_db_rows **rows)
{
    const char *const *secret = app->secrets->key;
    apr_status_t rv;

    switch (c->load) {
    case WA_SQL_PRINCIPAL_BY_COOKIE:
        return WA_DB_RUN(db, c->load, rows, c->lookup,
                         APR_STRINGIFY(WA_LOGIN_IDLE_SECONDS));
    case WA_SQL_PRINCIPAL_BY_LOGIN:
        return WA_DB_RUN(db, c->load, rows, c->lookup);
    default:
        break;
    }
    /* A key made before the secret was rotated is found by an older one. */
    do {
        rv = WA_DB_RUN(db, c->load, rows,
                       wa_key_hash(req->pool, *secret, c->key));
    } while (rv == APR_SUCCESS && !wa_db_count(*rows) && *++secret);
    return rv;
}

static wa_code unknown(const credential *c, wa_result *r)
{
    return c->key ? wa_fail(r, WA_E_BAD_KEY, NULL)
                  : wa_fail(r, WA_E_BAD_TOKEN, "The login has ended");
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
    rv = find_principal(app, req, c, db, &rows);
    if (rv != APR_SUCCESS) {
        code = wa_db_fail(db, rv, req->request_id, r);
    }
    else if (!wa_db_count(rows)) {
        code = unknown(c, r);
    }
    else {
        *who = principal_row(req->pool, rows);
    }
    wa_db_close(db);
    return code;
}

/* What the script says of the session. */
static void read_peek(const wa_redis_reply *reply, wa_session_peek *peek)
{
    if (peek && reply->count == 5 && reply->elements[3].str) {
        peek->generation = reply->elements[3].str;
        peek->text = reply->elements[4].len ? reply->elements[4].str : NULL;
        peek->len = reply->elements[4].len;
        peek->at = apr_time_now();
    }
}

/* @param store an entry to store first, or ""
 * @return APR_SUCCESS with *who NULL when Redis has no entry, or c->nobody */
static apr_status_t ask_redis(wa_app *app, const wa_req *req, credential *c,
                              const char *store, wa_principal **who,
                              wa_limit_state *state)
{
    const char *argv[5];
    wa_redis_script *script = &auth_script;
    wa_redis_reply *reply;
    wa_redis_cmd cmd;
    apr_status_t rv;

    argv[0] = c->cache_key;
    argv[1] = store;
    argv[2] = c->generation ? c->generation : "";
    argv[3] = req->peek ? "1" : "";
    argv[4] = wa_limits_address(app, req);
    cmd = wa_redis_script_cmd(req->pool, script, 1, 5, argv);
    rv = wa_redis_pipeline_scripts(app->redis, req->pool, &cmd, 1, &script, 1,
                                   &reply);
    *who = NULL;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (reply->type == WA_REDIS_STRING) {
        c->generation = reply->str;
        return APR_SUCCESS;
    }
    if (reply->type != WA_REDIS_ARRAY || reply->count < 3
        || !reply->elements[0].str) {
        wa_log(WA_LOG_WARNING, req->request_id,
               "WA0111: Redis refused the limit script: %s",
               reply->type == WA_REDIS_ERROR ? reply->str : "odd answer");
        return APR_EGENERAL;
    }
    state->requests.used = reply->elements[1].integer;
    state->requests.reset = (int)reply->elements[2].integer;
    c->nobody = !strcmp(reply->elements[0].str, NOBODY);
    if (c->nobody) {
        state->anonymous = 1;
        state->requests.limit = app->settings->anonymous_requests;
        return APR_SUCCESS;
    }
    *who = principal_parse(req->pool, reply->elements[0].str);
    if (*who) {
        read_peek(reply, req->peek);
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

void wa_auth_changed(wa_app *app, apr_pool_t *p, const char *request_id)
{
    if (wa_redis_incr(app->redis, p, "wa:g") != APR_SUCCESS) {
        wa_log(WA_LOG_WARNING, request_id,
               "WA0112: Redis could not be told of a changed principal; its"
               " entries end within a second");
    }
}

int wa_auth_same_origin(const wa_req *req)
{
    const char *site = req->header(req, "Sec-Fetch-Site");
    const char *origin = req->header(req, "Origin");
    const char *host = req->header(req, "Host");

    if (site) {
        return !strcmp(site, "same-origin");
    }
    if (!origin || !host) {
        return 0;
    }
    origin = strstr(origin, "://");
    return origin && !strcasecmp(origin + 3, host);
}

/* A cookie goes along with what any page makes the browser send, so whatever
 * changes something must also show the login's token and our own origin. */
static wa_code check_csrf(const wa_app *app, const wa_req *req,
                          const wa_principal *who, wa_result *r)
{
    const char *shown = req->header(req, "X-CSRF-Token");

    if (!strcmp(req->method, "GET")) {
        return WA_OK;
    }
    if (!shown
        || !wa_equal_str(shown,
                         wa_auth_csrf_token(app, req->pool, who->login_id))) {
        return wa_fail(r, WA_E_CSRF, "Send the login's token as X-CSRF-Token");
    }
    if (!wa_auth_same_origin(req)) {
        return wa_fail(r, WA_E_CSRF, NULL);
    }
    return WA_OK;
}

/* What holds for this request although the principal is known. */
static wa_code check_principal(const wa_app *app, const wa_req *req,
                               const credential *c, const wa_principal *who,
                               wa_result *r)
{
    if (who->expires_at && who->expires_at <= req->received) {
        return who->key_id ? wa_fail(r, WA_E_BAD_KEY, "The API key has expired")
                           : wa_fail(r, WA_E_BAD_TOKEN, "The login has ended");
    }
    if (!wa_networks_have(who->networks, req->peer)) {
        return wa_fail(r, WA_E_ADDRESS, NULL);
    }
    return c->load == WA_SQL_PRINCIPAL_BY_COOKIE ? check_csrf(app, req, who, r)
                                                 : WA_OK;
}

static int is_unknown(wa_code code)
{
    return code == WA_E_BAD_KEY || code == WA_E_BAD_TOKEN;
}

/* Who is it, and how does its request count? */
static wa_code recognise(wa_app *app, const wa_req *req, wa_principal **pwho,
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
    rv = ask_redis(app, req, &c, "", &who, state);
    if (c.nobody) {
        return unknown(&c, r);
    }
    if (!who) {
        code = load_principal(app, req, &c, &loaded, r);
        if (rv == APR_SUCCESS && is_unknown(code)) {
            (void)ask_redis(app, req, &c, NOBODY, &who, state);
        }
        if (!loaded) {
            return code;
        }
        if (rv == APR_SUCCESS) {
            rv = ask_redis(app, req, &c, principal_text(req->pool, loaded),
                           &who, state);
        }
        if (rv != APR_SUCCESS) {
            count_locally(app, req, loaded, state);
        }
        who = loaded;
    }
    state->requests.limit = who->requests_per_minute;
    code = check_principal(app, req, &c, who, r);
    if (code != WA_OK) {
        return code;
    }
    *pwho = who; /* known, so the log can name it though it has to wait */
    if (state->requests.used > state->requests.limit) {
        return wa_fail_retry(r, WA_E_RATE_LIMITED, state->requests.reset,
                             "%" APR_INT64_T_FMT " requests a minute are"
                             " allowed; try again in %d s",
                             state->requests.limit, state->requests.reset);
    }
    return WA_OK;
}

/* A request that got nobody in counts against its address, if its trip has not
 * done that already. When the database could not tell, it is no fault of the
 * address. */
static wa_code as_nobody(wa_app *app, const wa_req *req, wa_code code,
                         wa_limit_state *state, wa_result *r)
{
    int known = code == WA_E_UNAUTHORIZED || code == WA_E_ADDRESS
                || is_unknown(code);
    wa_code late;

    if (!state->anonymous) {
        wa_limits_count_address(app, req, known, state);
    }
    late = known ? wa_limits_judge_address(state, r) : WA_OK;
    return late != WA_OK ? late : code;
}

wa_code wa_auth_request(wa_app *app, const wa_req *req, wa_principal **who,
                        wa_limit_state *state, wa_result *r)
{
    wa_code code = recognise(app, req, who, state, r);

    /* Without its token a cookie is still its user's. */
    return code == WA_OK || *who || code == WA_E_CSRF
               ? code
               : as_nobody(app, req, code, state, r);
}

wa_code wa_auth_holds(wa_app *app, apr_pool_t *p, const wa_req *req,
                      wa_result *r)
{
    const wa_principal *who = req->principal;
    wa_req now = *req;
    wa_db_rows *rows;
    credential c;
    wa_code code;

    now.pool = p;
    now.received = apr_time_now();
    memset(&c, 0, sizeof(c));
    code = read_credential(app, &now, &c, r); /* has the token expired? */
    if (code == WA_OK) {
        code = WA_TX_QUERY(app, p, req->request_id, WA_SQL_PRINCIPAL_HOLDS,
                           &rows, r, who->user_id, who->key_id, who->login_id,
                           APR_STRINGIFY(WA_LOGIN_IDLE_SECONDS));
    }
    if (code == WA_OK && !wa_db_count(rows)) {
        code = who->key_id ? wa_fail(r, WA_E_BAD_KEY, NULL)
                           : wa_fail(r, WA_E_BAD_TOKEN, "The login has ended");
    }
    return code;
}
