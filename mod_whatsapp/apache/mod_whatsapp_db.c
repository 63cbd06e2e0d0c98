/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL connections out of mod_dbd's pool, used by their native handle.
 *
 * mod_dbd has no time-out for who waits for a connection, so a gate of as many
 * places as the pool has connections stands before it: whoever passes it finds
 * a connection free. */
#include "mod_whatsapp.h"

#include <apr_dbd.h>
#include <apr_strings.h>
#include <http_log.h>
#include <mod_dbd.h>

#include "../base/wa_places.h"

APLOG_USE_MODULE(whatsapp);

#define CONN_KEY "mod_whatsapp:connection"

typedef struct gate {
    wa_places *places;
    server_rec *server;
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

    if (wa_places_enter(g->places, p, deadline) != APR_SUCCESS) {
        return APR_TIMEUP;
    }
    dbd = dbd_open(p, g->server);
    if (!dbd) {
        wa_places_leave(g->places);
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
    wa_places_leave(g->places);
}

apr_status_t mod_whatsapp_dbd_source(wa_db_source **source, apr_pool_t *p,
                                     server_rec *s, int size)
{
    gate *g = apr_pcalloc(p, sizeof(*g));

    g->server = s;
    g->places = wa_places_make(p, size);
    *source = apr_pcalloc(p, sizeof(**source));
    (*source)->borrow = borrow;
    (*source)->give_back = give_back;
    (*source)->baton = g;
    return g->places ? APR_SUCCESS : APR_ENOLOCK;
}
