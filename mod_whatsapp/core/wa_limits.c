/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_limits.h"

#include <apr_strings.h>

#include "../base/wa_log.h"
#include "wa_limits_local.h"
#include "wa_networks.h"
#include "wa_tx.h"

#define MINUTE 60
#define DAY 86400

/* Charges both windows or none. ARGV: user, n, limit a minute, limit a day,
 * the day's count by the database or '', '1' to charge a part of n where there
 * is no room for all. Answers {-1} when it needs that count, else {what is over
 * (0, 1 minute, 2 day), minute used, seconds left, day used, seconds left,
 * charged}. */
static wa_redis_script charge_script = {
    "local t = tonumber(redis.call('TIME')[1])\n"
    "local mk = 'wa:m:' .. ARGV[1] .. ':' .. math.floor(t / 60)\n"
    "local dk = 'wa:d:' .. ARGV[1] .. ':' .. math.floor(t / 86400)\n"
    "local n = tonumber(ARGV[2])\n"
    "local d = redis.call('GET', dk)\n"
    "if not d then\n"
    "  if ARGV[5] == '' then return {-1} end\n"
    "  d = ARGV[5]\n"
    "  redis.call('SET', dk, d, 'EX', 90000)\n"
    "end\n"
    "d = tonumber(d)\n"
    "local m = tonumber(redis.call('GET', mk) or '0')\n"
    "local over = 0\n"
    "local mroom, droom = tonumber(ARGV[3]) - m, tonumber(ARGV[4]) - d\n"
    "if n > mroom then over = 1 end\n"
    "if n > droom and droom < mroom then over = 2 end\n"
    "if n > droom and over == 0 then over = 2 end\n"
    "if over > 0 then\n"
    "  n = ARGV[6] == '1' and math.max(0, math.min(mroom, droom)) or 0\n"
    "end\n"
    "if n > 0 then\n"
    "  m = redis.call('INCRBY', mk, n)\n"
    "  redis.call('EXPIRE', mk, 120)\n"
    "  d = redis.call('INCRBY', dk, n)\n"
    "end\n"
    "return {over, m, 60 - t % 60, d, 86400 - t % 86400, n}\n",
    ""
};

/* Only looks. ARGV: user. Answers {requests, messages of the minute, seconds
 * left of it, messages of the day or -1 when that is not known, seconds left
 * of it}. */
static wa_redis_script look_script = {
    "local t = tonumber(redis.call('TIME')[1])\n"
    "local m, d = math.floor(t / 60), math.floor(t / 86400)\n"
    "local function get(k, none)\n"
    "  return tonumber(redis.call('GET', k) or none)\n"
    "end\n"
    "return {get('wa:r:' .. ARGV[1] .. ':' .. m, '0'),\n"
    "        get('wa:m:' .. ARGV[1] .. ':' .. m, '0'), 60 - t % 60,\n"
    "        get('wa:d:' .. ARGV[1] .. ':' .. d, '-1'), 86400 - t % 86400}\n",
    ""
};

/* Gives n back, never below nothing. ARGV: user, n. */
static wa_redis_script refund_script = {
    "local t = tonumber(redis.call('TIME')[1])\n"
    "for _, k in ipairs({'wa:m:' .. ARGV[1] .. ':' .. math.floor(t / 60),\n"
    "                    'wa:d:' .. ARGV[1] .. ':' .. math.floor(t / 86400)})\n"
    "do\n"
    "  local have = tonumber(redis.call('GET', k) or '0')\n"
    "  local n = math.min(have, tonumber(ARGV[2]))\n"
    "  if n > 0 then redis.call('DECRBY', k, n) end\n"
    "end\n"
    "return 0\n",
    ""
};

/* ARGV: the address, n. Answers {its requests of the minute, seconds left}. */
static wa_redis_script address_script = {
    "local t = tonumber(redis.call('TIME')[1])\n"
    "local k = '" WA_LIMITS_ADDRESS
    "' .. ARGV[1] .. ':' .. math.floor(t / 60)\n"
    "local n = tonumber(ARGV[2])\n"
    "local used = 0\n"
    "if n == 0 then used = tonumber(redis.call('GET', k) or '0')\n"
    "else\n"
    "  used = redis.call('INCRBY', k, n)\n"
    "  if used == n then redis.call('EXPIRE', k, 120) end\n"
    "end\n"
    "return {used, 60 - t % 60}\n",
    ""
};

static apr_status_t run_script(wa_app *app, apr_pool_t *p,
                               wa_redis_script *script, int argc,
                               const char *const *argv, wa_redis_reply **reply)
{
    wa_redis_cmd cmd = wa_redis_script_cmd(p, script, 0, argc, argv);
    apr_status_t rv;

    rv = wa_redis_pipeline_scripts(app->redis, p, &cmd, 1, &script, 1, reply);
    if (rv == APR_SUCCESS && (*reply)->type == WA_REDIS_ERROR) {
        wa_log(WA_LOG_WARNING, NULL, "WA0101: Redis refused a script: %s",
               (*reply)->str);
        return APR_EGENERAL;
    }
    return rv;
}

static wa_code day_count(wa_app *app, apr_pool_t *p, const char *request_id,
                         const wa_principal *who, apr_int64_t *count,
                         wa_result *r)
{
    wa_db_rows *rows;
    wa_code code = WA_TX_QUERY(app, p, request_id, WA_SQL_MESSAGES_TODAY, &rows,
                               r, who->user_id);

    if (code == WA_OK) {
        *count = wa_db_int(rows, 0, 0, 0);
    }
    return code;
}

static void window(wa_window *w, apr_int64_t limit, apr_int64_t used,
                   apr_int64_t reset)
{
    w->limit = limit;
    w->used = used;
    w->reset = (int)reset;
}

/* A charge: how much is asked for, and what came of it. */
typedef struct charge {
    int n;
    int partly;  /* a part is better than nothing */
    int charged; /* of n */
    int over;    /* 0, 1 the minute's limit, 2 the day's */
} charge;

/* Without Redis: the minute counted here, the day by the database. */
static wa_code charge_locally(wa_app *app, apr_pool_t *p,
                              const char *request_id, const wa_principal *who,
                              charge *c, wa_limit_state *state, wa_result *r)
{
    apr_time_t now = apr_time_now();
    const char *what = apr_pstrcat(p, "m:", who->user_id, NULL);
    apr_int64_t today = 0, used, too_many;
    int reset, n = c->n;
    wa_code code = day_count(app, p, request_id, who, &today, r);

    if (code != WA_OK) {
        return code;
    }
    state->local = 1;
    window(&state->day, who->messages_per_day, today,
           DAY - apr_time_sec(now) % DAY);
    if (today + n > who->messages_per_day) {
        c->over = 2;
        n = c->partly && who->messages_per_day > today
                ? (int)(who->messages_per_day - today)
                : 0;
    }
    used = wa_local_limits_count(app->local_limits, what, n, now, &reset);
    if (used > who->messages_per_minute) {
        c->over = 1;
        too_many = used - who->messages_per_minute;
        if (!c->partly || too_many > n) {
            too_many = n;
        }
        used = wa_local_limits_count(app->local_limits, what, -too_many, now,
                                     &reset);
        n -= (int)too_many;
    }
    window(&state->minute, who->messages_per_minute, used, reset);
    state->day.used += n;
    c->charged = n;
    return WA_OK;
}

static void charge_reply(const wa_redis_reply *reply, const wa_principal *who,
                         charge *c, wa_limit_state *state)
{
    const wa_redis_reply *e = reply->elements;

    window(&state->minute, who->messages_per_minute, e[1].integer,
           e[2].integer);
    window(&state->day, who->messages_per_day, e[3].integer, e[4].integer);
    c->over = (int)e[0].integer;
    c->charged = (int)e[5].integer;
}

static wa_code quota_fail(int over, const wa_limit_state *state, wa_result *r)
{
    if (over == 1) {
        return wa_fail_retry(r, WA_E_QUOTA_MINUTE, state->minute.reset,
                             "%" APR_INT64_T_FMT " messages a minute are"
                             " allowed; try again in %d s",
                             state->minute.limit, state->minute.reset);
    }
    return wa_fail_retry(r, WA_E_QUOTA_DAY, state->day.reset,
                         "%" APR_INT64_T_FMT " messages a day (UTC) are"
                         " allowed; try again in %d s",
                         state->day.limit, state->day.reset);
}

static wa_code charge_n(wa_app *app, apr_pool_t *p, const char *request_id,
                        const wa_principal *who, charge *c,
                        wa_limit_state *state, wa_result *r)
{
    const char *argv[6];
    wa_redis_reply *reply = NULL;
    apr_int64_t today = 0;
    apr_status_t rv;
    wa_code code;

    argv[0] = who->user_id;
    argv[1] = apr_itoa(p, c->n);
    argv[2] = apr_psprintf(p, "%" APR_INT64_T_FMT, who->messages_per_minute);
    argv[3] = apr_psprintf(p, "%" APR_INT64_T_FMT, who->messages_per_day);
    argv[4] = "";
    argv[5] = c->partly ? "1" : "";
    rv = run_script(app, p, &charge_script, 6, argv, &reply);
    if (rv == APR_SUCCESS && reply->count == 1) {
        code = day_count(app, p, request_id, who, &today, r);
        if (code != WA_OK) {
            return code;
        }
        argv[4] = apr_psprintf(p, "%" APR_INT64_T_FMT, today);
        rv = run_script(app, p, &charge_script, 6, argv, &reply);
    }
    if (rv == APR_SUCCESS && reply->count == 6) {
        charge_reply(reply, who, c, state);
    }
    else {
        code = charge_locally(app, p, request_id, who, c, state, r);
        if (code != WA_OK) {
            return code;
        }
    }
    return c->over ? quota_fail(c->over, state, r) : WA_OK;
}

wa_code wa_limits_charge(wa_app *app, apr_pool_t *p, const char *request_id,
                         const wa_principal *who, int n, wa_limit_state *state,
                         wa_result *r)
{
    charge c = { n, 0, 0, 0 };

    return charge_n(app, p, request_id, who, &c, state, r);
}

wa_code wa_limits_charge_some(wa_app *app, apr_pool_t *p,
                              const char *request_id, const wa_principal *who,
                              int n, int *charged, wa_limit_state *state,
                              wa_result *r)
{
    charge c = { n, 1, 0, 0 };
    wa_code code = charge_n(app, p, request_id, who, &c, state, r);

    *charged = c.charged;
    return code;
}

/* Without Redis: what this process has counted. */
static void look_locally(wa_app *app, apr_pool_t *p, const wa_principal *who,
                         wa_limit_state *state)
{
    apr_time_t now = apr_time_now();
    apr_int64_t used;
    int reset;

    state->local = 1;
    used = wa_local_limits_count(app->local_limits,
                                 apr_pstrcat(p, "r:", who->user_id, NULL), 0,
                                 now, &reset);
    window(&state->requests, who->requests_per_minute, used, reset);
    used = wa_local_limits_count(app->local_limits,
                                 apr_pstrcat(p, "m:", who->user_id, NULL), 0,
                                 now, &reset);
    window(&state->minute, who->messages_per_minute, used, reset);
    window(&state->day, who->messages_per_day, -1,
           DAY - apr_time_sec(now) % DAY);
}

wa_code wa_limits_look(wa_app *app, apr_pool_t *p, const char *request_id,
                       const wa_principal *who, wa_limit_state *state,
                       wa_result *r)
{
    wa_redis_reply *reply = NULL;
    apr_status_t rv = run_script(app, p, &look_script, 1, &who->user_id,
                                 &reply);

    state->local = 0;
    if (rv == APR_SUCCESS && reply->count == 5) {
        const wa_redis_reply *e = reply->elements;

        window(&state->requests, who->requests_per_minute, e[0].integer,
               e[2].integer);
        window(&state->minute, who->messages_per_minute, e[1].integer,
               e[2].integer);
        window(&state->day, who->messages_per_day, e[3].integer, e[4].integer);
    }
    else {
        look_locally(app, p, who, state);
    }
    return state->day.used < 0
               ? day_count(app, p, request_id, who, &state->day.used, r)
               : WA_OK;
}

void wa_limits_refund(wa_app *app, apr_pool_t *p, const wa_principal *who,
                      int n, wa_limit_state *state)
{
    const char *argv[2];
    wa_redis_reply *reply;
    int reset;

    state->minute.used -= n;
    state->day.used -= n;
    if (state->local) {
        wa_local_limits_count(app->local_limits,
                              apr_pstrcat(p, "m:", who->user_id, NULL), -n,
                              apr_time_now(), &reset);
        return;
    }
    argv[0] = who->user_id;
    argv[1] = apr_itoa(p, n);
    if (run_script(app, p, &refund_script, 2, argv, &reply) != APR_SUCCESS) {
        wa_log(WA_LOG_NOTICE, NULL,
               "WA0102: %d messages of a quota could not be given back", n);
    }
}

const char *wa_limits_address(const wa_app *app, const wa_req *req)
{
    return app->settings->anonymous_requests
               ? wa_networks_client(req->pool, req->peer)
               : "";
}

void wa_limits_count_address(wa_app *app, const wa_req *req, int n,
                             wa_limit_state *state)
{
    const char *argv[2];
    wa_redis_reply *reply = NULL;
    apr_int64_t used;
    int reset;

    argv[0] = wa_limits_address(app, req);
    argv[1] = apr_itoa(req->pool, n);
    state->anonymous = 1;
    state->requests.limit = app->settings->anonymous_requests;
    if (!*argv[0]) {
        return;
    }
    if (run_script(app, req->pool, &address_script, 2, argv, &reply)
            == APR_SUCCESS
        && reply->count == 2) {
        used = reply->elements[0].integer;
        reset = (int)reply->elements[1].integer;
    }
    else {
        state->local = 1;
        used = wa_local_limits_address(app->local_limits, argv[0], n,
                                       req->received, &reset);
    }
    window(&state->requests, state->requests.limit, used, reset);
}

wa_code wa_limits_judge_address(const wa_limit_state *state, wa_result *r)
{
    const wa_window *w = &state->requests;

    if (!w->limit || w->used <= w->limit) {
        return WA_OK;
    }
    return wa_fail_retry(r, WA_E_RATE_LIMITED, w->reset,
                         "%" APR_INT64_T_FMT " requests a minute without a"
                         " good credential are allowed from one address; try"
                         " again in %d s",
                         w->limit, w->reset);
}

static apr_int64_t remaining(const wa_window *w)
{
    return w->used < w->limit ? w->limit - w->used : 0;
}

static void one_header(apr_pool_t *p, const char *name, const wa_window *w,
                       int span, const char **policy, const char **state)
{
    const char *comma = **policy ? ", " : "";

    if (!w->limit) {
        return;
    }
    *policy = apr_psprintf(p, "%s%s\"%s\";q=%" APR_INT64_T_FMT ";w=%d", *policy,
                           comma, name, w->limit, span);
    *state = apr_psprintf(p, "%s%s\"%s\";r=%" APR_INT64_T_FMT ";t=%d", *state,
                          comma, name, remaining(w), w->reset);
}

void wa_limits_headers(apr_pool_t *p, const wa_limit_state *state,
                       apr_table_t *headers)
{
    const wa_window *windows[3];
    const wa_window *tight = &state->requests;
    const char *policy = "", *now = "";
    int i;

    windows[0] = &state->requests;
    windows[1] = &state->minute;
    windows[2] = &state->day;
    for (i = 0; i < 3; i++) {
        if (windows[i]->limit && remaining(windows[i]) < remaining(tight)) {
            tight = windows[i];
        }
    }
    if (!tight->limit) {
        return;
    }
    one_header(p, state->anonymous ? "anonymous" : "requests", &state->requests,
               MINUTE, &policy, &now);
    one_header(p, "messages-minute", &state->minute, MINUTE, &policy, &now);
    one_header(p, "messages-day", &state->day, DAY, &policy, &now);
    apr_table_setn(headers, "RateLimit-Policy", policy);
    apr_table_setn(headers, "RateLimit", now);
    apr_table_setn(headers, "X-RateLimit-Limit",
                   apr_psprintf(p, "%" APR_INT64_T_FMT, tight->limit));
    apr_table_setn(headers, "X-RateLimit-Remaining",
                   apr_psprintf(p, "%" APR_INT64_T_FMT, remaining(tight)));
    apr_table_setn(headers, "X-RateLimit-Reset", apr_itoa(p, tight->reset));
}
