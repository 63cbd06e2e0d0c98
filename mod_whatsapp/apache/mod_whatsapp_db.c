/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL connections out of mod_dbd's pool, used by their native handle.
 *
 * mod_dbd has no time-out for who waits for a connection, so a gate of as many
 * places as the pool has connections stands before it: whoever passes it finds
 * a connection free. */
#include "mod_whatsapp.h"

#include <apr_dbd.h>
#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <http_log.h>
#include <mod_dbd.h>

APLOG_USE_MODULE(whatsapp);

#define CONN_KEY "mod_whatsapp:connection"

typedef struct gate {
    apr_thread_mutex_t *lock;
    apr_thread_cond_t *freed;
    server_rec *server;
    int places; /* free ones */
} gate;

static APR_OPTIONAL_FN_TYPE(ap_dbd_open) * dbd_open;
static APR_OPTIONAL_FN_TYPE(ap_dbd_close) * dbd_close;

const char *mod_whatsapp_dbd_check(void)
{
    dbd_open = APR_RETRIEVE_OPTIONAL_FN(ap_dbd_open);
    dbd_close = APR_RETRIEVE_OPTIONAL_FN(ap_dbd_close);
    if (!dbd_open || !dbd_close) {
        return "mod_dbd is not loaded (LoadModule dbd_module)";
    }
    return NULL;
}

static apr_status_t enter(gate *g, apr_time_t deadline)
{
    apr_status_t rv = APR_SUCCESS;

    apr_thread_mutex_lock(g->lock);
    while (!g->places && rv == APR_SUCCESS) {
        apr_interval_time_t left = deadline - apr_time_now();

        rv = left <= 0 ? APR_TIMEUP
                       : apr_thread_cond_timedwait(g->freed, g->lock, left);
    }
    if (rv == APR_SUCCESS || g->places) {
        g->places--;
        rv = APR_SUCCESS;
    }
    apr_thread_mutex_unlock(g->lock);
    return rv;
}

static void leave(gate *g)
{
    apr_thread_mutex_lock(g->lock);
    g->places++;
    apr_thread_cond_signal(g->freed);
    apr_thread_mutex_unlock(g->lock);
}

/* Our state of a physical connection lives in that connection's own pool. */
static wa_db_conn *state_of(ap_dbd_t *dbd)
{
    void *conn = NULL;

    apr_pool_userdata_get(&conn, CONN_KEY, dbd->pool);
    if (!conn) {
        conn = wa_db_conn_make(dbd->pool,
                               apr_dbd_native_handle(dbd->driver, dbd->handle));
        apr_pool_userdata_setn(conn, CONN_KEY, NULL, dbd->pool);
    }
    return conn;
}

static apr_status_t borrow(void *baton, apr_pool_t *p, apr_time_t deadline,
                           wa_db_conn **conn, void **lease)
{
    gate *g = baton;
    ap_dbd_t *dbd;
    apr_status_t rv = enter(g, deadline);

    if (rv != APR_SUCCESS) {
        return APR_TIMEUP;
    }
    dbd = dbd_open(p, g->server);
    if (!dbd) {
        leave(g);
        return APR_ECONNREFUSED;
    }
    *conn = state_of(dbd);
    *lease = dbd;
    return APR_SUCCESS;
}

static void give_back(void *baton, void *lease, int broken)
{
    gate *g = baton;

    /* mod_dbd has no way to drop a connection; a broken one carries that in
     * its own state and is reset before its next use. */
    dbd_close(g->server, lease);
    leave(g);
}

apr_status_t mod_whatsapp_dbd_source(wa_db_source **source, apr_pool_t *p,
                                     server_rec *s, int size)
{
    gate *g = apr_pcalloc(p, sizeof(*g));
    apr_status_t rv;

    g->server = s;
    g->places = size;
    rv = apr_thread_mutex_create(&g->lock, APR_THREAD_MUTEX_DEFAULT, p);
    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&g->freed, p);
    }
    *source = apr_pcalloc(p, sizeof(**source));
    (*source)->borrow = borrow;
    (*source)->give_back = give_back;
    (*source)->baton = g;
    return rv;
}
