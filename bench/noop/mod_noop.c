/* SPDX-License-Identifier: Apache-2.0 */
/* The least a handler written in C can do: what mod_whatsapp is measured
 * against. Built and loaded by the benchmarks only. */
#include <httpd.h>

#include <http_config.h>
#include <http_protocol.h>

#include <string.h>

/* 200 bytes, as many as the static file has. */
static const char body[] =
    "{\"filler\":\"012345678901234567890123456789012345678901234567890123456789"
    "0123456789012345678901234567890123456789012345678901234567890123456789"
    "012345678901234567890123456789012345678901234567890123456\"}";

_Static_assert(sizeof(body) == 200 + 1, "200 bytes");

static int noop(request_rec *r)
{
    if (!r->handler || strcmp(r->handler, "noop")) {
        return DECLINED;
    }
    ap_set_content_type(r, "application/json");
    ap_set_content_length(r, (apr_off_t)strlen(body));
    if (!r->header_only) {
        (void)ap_rwrite(body, (int)strlen(body), r);
    }
    return OK;
}

static void hooks(apr_pool_t *p)
{
    ap_hook_handler(noop, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA noop_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, hooks, 0
};
