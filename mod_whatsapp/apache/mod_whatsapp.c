/* SPDX-License-Identifier: Apache-2.0 */
/* The module's record and hooks; everything else is a file beside it. */
#include "mod_whatsapp.h"

#include <ap_mpm.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>

#include "../base/wa_crypto.h"
#include "../core/wa_accept.h"
#include "../core/wa_delivery.h"
#include "../core/wa_feed.h"
#include "../core/wa_idempotency.h"
#include "../core/wa_usage.h"

APLOG_USE_MODULE(whatsapp);

#define HANDLER_API "whatsapp"
#define HANDLER_INTERNAL "whatsapp-internal"

static wa_secrets secrets; /* read as root, inherited by the children */
static wa_app *app;        /* of this child; NULL when it could not be made */

/* A configuration is read twice at the start; processes are made once. */
static int start_hashing(apr_pool_t *pconf, server_rec *s)
{
    apr_status_t rv;

    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK;
    }
    rv = mod_whatsapp_hashing_start(pconf, s, &secrets);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s,
                     "WA0010: no process can be made to hash passwords");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                       server_rec *s)
{
    const char *why;

    mod_whatsapp_log_to(s);
    why = mod_whatsapp_dbd_check();
    if (!why && wa_crypto_init() != APR_SUCCESS) {
        why = "libsodium can't be started";
    }
    if (why
        || wa_secrets_read(&secrets, pconf, mod_whatsapp_settings(), &why)
               != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, "WA0001: %s", why);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return start_hashing(pconf, s);
}

/* Half of the threads may wait for the bridge, so that the others always
 * answer what needs no waiting. */
static void default_places(wa_settings *settings)
{
    int threads = 0;

    if (!settings->waiting_places) {
        ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
        settings->waiting_places = threads > 1 ? threads / 2 : 1;
    }
}

static apr_status_t stop_usage(void *data)
{
    wa_usage_stop(data);
    return APR_SUCCESS;
}

/* Without its log the API works all the same. The thread has to end before
 * anything that it uses goes, hence the early cleanup. */
static void start_usage(apr_pool_t *pchild, server_rec *s)
{
    apr_status_t rv = wa_usage_start(app);

    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s,
                     "WA0003: requests are not logged, for there is no thread"
                     " to do it");
        return;
    }
    apr_pool_pre_cleanup_register(pchild, app, stop_usage);
}

/* The state is the child's, and graceful or not. */
int mod_whatsapp_is_stopping(void)
{
    int state = AP_MPMQ_RUNNING;

    return ap_mpm_query(AP_MPMQ_MPM_STATE, &state) == APR_SUCCESS
           && state == AP_MPMQ_STOPPING;
}

static apr_status_t stop_feed(void *data)
{
    wa_feed_stop(data);
    return APR_SUCCESS;
}

/* Without it nobody can wait for events; they can be read all the same. */
static void start_feed(apr_pool_t *pchild, server_rec *s)
{
    apr_status_t rv = wa_feed_start(app, mod_whatsapp_is_stopping);

    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s,
                     "WA0006: nobody can wait for events, for there is no"
                     " thread to wake them");
        return;
    }
    apr_pool_pre_cleanup_register(pchild, app, stop_feed);
}

static void child_init(apr_pool_t *pchild, server_rec *s)
{
    wa_settings *settings = mod_whatsapp_settings();
    wa_db_source *source;
    const char *why = "mod_dbd's gate can't be made";
    apr_status_t rv;

    mod_whatsapp_log_to(s);
    default_places(settings);
    rv = wa_http_init();
    if (rv == APR_SUCCESS) {
        rv = mod_whatsapp_dbd_source(&source, pchild, s,
                                     settings->db_connections);
    }
    if (rv == APR_SUCCESS) {
        rv = wa_app_make(&app, pchild, settings, &secrets, source, &why);
    }
    if (rv == APR_SUCCESS) {
        why = "no lock could be made";
        rv = wa_accept_start(app);
    }
    if (rv == APR_SUCCESS) {
        rv = wa_delivery_start(app);
    }
    if (rv == APR_SUCCESS) {
        rv = wa_idem_start(app);
    }
    if (rv != APR_SUCCESS) {
        app = NULL; /* every request is told; the log says why */
        ap_log_error(APLOG_MARK, APLOG_CRIT, rv, s, "WA0002: %s", why);
        return;
    }
    app->hashing = mod_whatsapp_hashing();
    start_usage(pchild, s);
    mod_whatsapp_note_configuration(app, pchild, s);
    start_feed(pchild, s);
}

int mod_whatsapp_is_ours(const char *name)
{
    return !strcmp(name, HANDLER_API) || !strcmp(name, HANDLER_INTERNAL);
}

static int handler(request_rec *r)
{
    if (!r->handler) {
        return DECLINED;
    }
    if (!strcmp(r->handler, HANDLER_API)) {
        return mod_whatsapp_answer(r, app, wa_routes_api, "/api");
    }
    if (!strcmp(r->handler, HANDLER_INTERNAL)) {
        return mod_whatsapp_answer(r, app, wa_routes_internal, "/internal/v1");
    }
    return DECLINED;
}

static void register_hooks(apr_pool_t *p)
{
    ap_hook_pre_config(mod_whatsapp_pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
    mod_whatsapp_errors_register();
    mod_whatsapp_media_register();
    mod_whatsapp_hashing_register();
}

module AP_MODULE_DECLARE_DATA whatsapp_module = {
    STANDARD20_MODULE_STUFF,
    NULL,                  /* per-directory configuration */
    NULL,                  /* its merge */
    NULL,                  /* per-server configuration */
    NULL,                  /* its merge */
    mod_whatsapp_commands, /* directives */
    register_hooks,
    0 /* flags */
};
