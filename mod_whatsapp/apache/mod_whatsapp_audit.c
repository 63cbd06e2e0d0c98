/* SPDX-License-Identifier: Apache-2.0 */
/* Each child writes into the audit what it was configured with, if that is
 * new: in a thread, since PostgreSQL may be away when Apache starts. */
#include "mod_whatsapp.h"

#include <ap_listen.h>
#include <apr_atomic.h>
#include <apr_thread_proc.h>
#include <http_log.h>

#include "../core/wa_audit_config.h"

APLOG_USE_MODULE(whatsapp);

#define NAP apr_time_from_msec(100)
#define NAPS 20 /* between two tries */

typedef struct noter {
    wa_app *app;
    apr_pool_t *pool;     /* the thread's own */
    const char *instance; /* what the audit calls this Apache */
    server_rec *server;
    apr_thread_t *thread;
    apr_uint32_t stopping;
} noter;

/* The lowest port: the same whatever order the Listens stand in. */
static int port(void)
{
    const ap_listen_rec *l;
    int lowest = 0;

    for (l = ap_listeners; l; l = l->next) {
        if (l->bind_addr && (!lowest || l->bind_addr->port < lowest)) {
            lowest = l->bind_addr->port;
        }
    }
    return lowest;
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *data)
{
    noter *n = data;
    int i;

    while (!apr_atomic_read32(&n->stopping)
           && wa_audit_configuration(n->app, n->pool, n->instance)
                  != APR_SUCCESS) {
        apr_pool_clear(n->pool);
        for (i = 0; i < NAPS && !apr_atomic_read32(&n->stopping); i++) {
            apr_sleep(NAP);
        }
    }
    if (!apr_atomic_read32(&n->stopping)) {
        ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, n->server,
                     "WA0005: the audit has the configuration of %s",
                     n->instance);
    }
    apr_thread_exit(thread, APR_SUCCESS);
    return NULL;
}

static apr_status_t stop(void *data)
{
    noter *n = data;
    apr_status_t ended;

    apr_atomic_set32(&n->stopping, 1);
    apr_thread_join(&ended, n->thread);
    apr_pool_destroy(n->pool);
    return APR_SUCCESS;
}

void mod_whatsapp_note_configuration(wa_app *app, apr_pool_t *pchild,
                                     server_rec *s)
{
    noter *n = apr_pcalloc(pchild, sizeof(*n));
    apr_status_t rv;

    n->app = app;
    n->server = s;
    n->instance = wa_audit_instance(pchild, "apache", port());
    /* Without a parent: a parent's pools belong to its own threads. */
    rv = apr_pool_create(&n->pool, NULL);
    if (rv == APR_SUCCESS) {
        rv = apr_thread_create(&n->thread, NULL, run, n, pchild);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s,
                     "WA0004: there is no thread to write the configuration"
                     " into the audit");
        return;
    }
    apr_pool_pre_cleanup_register(pchild, n, stop);
}
