/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_session_peek.h"

#include <apr_strings.h>

#include "../base/wa_log.h"

/* What was read longer ago is not kept for a second more: a change that Redis
 * could not be told of is seen soon all the same. */
#define LONGEST_LOAD apr_time_from_msec(200)

/* KEYS: the entry. ARGV: the generation it was made under, the text. */
static wa_redis_script keep_script = {
    "local g = redis.call('GET', '" WA_SESSION_GENERATION "') or '0'\n"
    "if g ~= ARGV[1] then return 0 end\n"
    "redis.call('SET', KEYS[1], g .. '|' .. ARGV[2], 'PX', 800)\n"
    "return 1\n",
    ""
};

void wa_session_keep(wa_app *app, apr_pool_t *p, const char *user_id,
                     const wa_session_peek *peek, const char *text,
                     apr_size_t len)
{
    const char *argv[3];
    wa_redis_script *script = &keep_script;
    wa_redis_reply *reply;
    wa_redis_cmd cmd;

    if (!peek->generation || apr_time_now() - peek->at > LONGEST_LOAD) {
        return;
    }
    argv[0] = apr_pstrcat(p, WA_SESSION_ENTRY, user_id, NULL);
    argv[1] = peek->generation;
    argv[2] = apr_pstrmemdup(p, text, len);
    cmd = wa_redis_script_cmd(p, script, 1, 3, argv);
    /* Not kept, it is made anew the next time. */
    (void)wa_redis_pipeline_scripts(app->redis, p, &cmd, 1, &script, 1, &reply);
}

void wa_session_changed(wa_app *app, apr_pool_t *p, const char *request_id)
{
    apr_status_t rv = wa_redis_incr(app->redis, p, WA_SESSION_GENERATION);

    /* That Redis is left alone was said when that began. */
    if (rv != APR_SUCCESS && rv != APR_EAGAIN) {
        wa_log(WA_LOG_NOTICE, request_id,
               "WA0113: Redis could not be told of a changed session; what it"
               " keeps of sessions ends within a second");
    }
}
