/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_redis_script.c @brief Lua scripts by their hash. */
#include <apr_atomic.h>
#include <apr_sha1.h>
#include <apr_strings.h>
#include <string.h>

#include "../base/wa_crypto.h"
#include "wa_redis.h"

#define SHA_NONE 0
#define SHA_WRITING 1
#define SHA_READY 2

/* Redis names scripts by SHA-1; nothing here rests on its strength. */
static const char *compute_sha(apr_pool_t *p, const char *text)
{
    unsigned char digest[APR_SHA1_DIGESTSIZE];
    apr_sha1_ctx_t ctx;

    apr_sha1_init(&ctx);
    apr_sha1_update(&ctx, text, (unsigned int)strlen(text));
    apr_sha1_final(digest, &ctx);
    return wa_hex(p, digest, sizeof(digest));
}

/* Scripts are static and shared: one thread stores the hash, the others use
 * one of their own until it is there. */
static const char *sha_of(apr_pool_t *p, wa_redis_script *script)
{
    const char *sha;

    if (apr_atomic_read32(&script->state) == SHA_READY) {
        return script->sha;
    }
    sha = compute_sha(p, script->text);
    if (apr_atomic_cas32(&script->state, SHA_WRITING, SHA_NONE) == SHA_NONE) {
        apr_cpystrn(script->sha, sha, sizeof(script->sha));
        apr_atomic_cas32(&script->state, SHA_READY, SHA_WRITING);
    }
    return sha;
}

wa_redis_cmd wa_redis_script_cmd(apr_pool_t *p, wa_redis_script *script,
                                 int nkeys, int argc, const char *const *argv)
{
    const char **words = apr_palloc(p, sizeof(*words) * ((apr_size_t)argc + 3));
    wa_redis_cmd cmd = { argc + 3, words, NULL };
    int i;

    words[0] = "EVALSHA";
    words[1] = sha_of(p, script);
    words[2] = apr_itoa(p, nkeys);
    for (i = 0; i < argc; i++) {
        words[3 + i] = argv[i];
    }
    return cmd;
}

static int lacks_script(const wa_redis_reply *replies, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        if (replies[i].type == WA_REDIS_ERROR
            && !strncmp(replies[i].str, "NOSCRIPT", 8)) {
            return 1;
        }
    }
    return 0;
}

static wa_redis_cmd load_cmd(apr_pool_t *p, const wa_redis_script *script)
{
    const char **words = apr_palloc(p, sizeof(*words) * 3);
    wa_redis_cmd cmd = { 3, words, NULL };

    words[0] = "SCRIPT";
    words[1] = "LOAD";
    words[2] = script->text;
    return cmd;
}

apr_status_t wa_redis_pipeline_scripts(wa_redis *redis, apr_pool_t *p,
                                       const wa_redis_cmd *cmds, int count,
                                       wa_redis_script *const *scripts,
                                       int nscripts, wa_redis_reply **replies)
{
    wa_redis_cmd *all;
    apr_status_t rv;
    int i;

    rv = wa_redis_pipeline(redis, p, cmds, count, replies);
    if (rv != APR_SUCCESS || !lacks_script(*replies, count)) {
        return rv;
    }
    all = apr_palloc(p,
                     sizeof(*all) * ((apr_size_t)nscripts + (apr_size_t)count));
    for (i = 0; i < nscripts; i++) {
        all[i] = load_cmd(p, scripts[i]);
    }
    memcpy(all + nscripts, cmds, sizeof(*all) * (apr_size_t)count);
    rv = wa_redis_pipeline(redis, p, all, nscripts + count, replies);
    if (rv == APR_SUCCESS) {
        *replies += nscripts;
    }
    return rv;
}
