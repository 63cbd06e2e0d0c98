/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_db_source.c
 * @brief A source of own connections, made when first needed.
 *
 * A slot belongs to one thread from borrow to give_back; only the list of
 * free slots is shared. Each slot has a pool with an allocator of its own,
 * so that its owner may allocate without a lock.
 */
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <libpq-fe.h>
#include <string.h>

#include "../base/wa_places.h"
#include "wa_db_private.h"

typedef struct slot {
    apr_pool_t *pool; /* cleared with the connection in it */
    wa_db_conn *conn; /* NULL: not connected */
} slot;

typedef struct own_source {
    wa_db_source source;
    const char *conninfo;
    wa_places *places;
    apr_thread_mutex_t *lock; /* of the list of free slots */
    slot **free;
    int nfree;
} own_source;

static apr_status_t finish(void *data)
{
    PQfinish(data);
    return APR_SUCCESS;
}

static void slot_drop(slot *s)
{
    s->conn = NULL;
    apr_pool_clear(s->pool);
}

static apr_status_t slot_connect(slot *s, const char *conninfo,
                                 apr_time_t deadline)
{
    PGconn *pg;
    apr_status_t rv = wa_db_connect(&pg, conninfo, deadline);

    if (rv != APR_SUCCESS) {
        /* A time-out here is no database, not a lack of free connections. */
        return APR_ECONNREFUSED;
    }
    apr_pool_cleanup_register(s->pool, pg, finish, apr_pool_cleanup_null);
    s->conn = wa_db_conn_make(s->pool, pg);
    return APR_SUCCESS;
}

static slot *take(own_source *src, apr_pool_t *p, apr_time_t deadline)
{
    slot *s;

    if (wa_places_enter(src->places, p, deadline) != APR_SUCCESS) {
        return NULL;
    }
    apr_thread_mutex_lock(src->lock);
    s = src->free[--src->nfree];
    apr_thread_mutex_unlock(src->lock);
    return s;
}

static void put(own_source *src, slot *s)
{
    apr_thread_mutex_lock(src->lock);
    src->free[src->nfree++] = s;
    apr_thread_mutex_unlock(src->lock);
    wa_places_leave(src->places);
}

static apr_status_t own_borrow(void *baton, apr_pool_t *p, apr_time_t deadline,
                               wa_db_conn **conn, void **lease)
{
    own_source *src = baton;
    slot *s = take(src, p, deadline);
    apr_status_t rv = APR_SUCCESS;

    if (!s) {
        return APR_TIMEUP;
    }
    if (!s->conn) {
        rv = slot_connect(s, src->conninfo, wa_db_connect_deadline(deadline));
    }
    if (rv != APR_SUCCESS) {
        put(src, s);
        return rv;
    }
    *conn = s->conn;
    *lease = s;
    return APR_SUCCESS;
}

static void own_give_back(void *baton, void *lease, int broken)
{
    if (broken) {
        slot_drop(lease);
    }
    put(baton, lease);
}

static apr_status_t slot_make(slot **out, apr_pool_t *parent)
{
    apr_allocator_t *allocator;
    apr_pool_t *pool;
    apr_status_t rv;

    if (APR_SUCCESS != (rv = apr_allocator_create(&allocator))) {
        return rv;
    }
    rv = apr_pool_create_ex(&pool, parent, NULL, allocator);
    if (rv != APR_SUCCESS) {
        apr_allocator_destroy(allocator);
        return rv;
    }
    apr_allocator_owner_set(allocator, pool);
    *out = apr_pcalloc(parent, sizeof(**out));
    (*out)->pool = pool;
    return APR_SUCCESS;
}

apr_status_t wa_db_source_make(wa_db_source **source, apr_pool_t *p,
                               const char *conninfo, int size)
{
    own_source *src = apr_pcalloc(p, sizeof(*src));
    apr_status_t rv;

    src->source = (wa_db_source){ own_borrow, own_give_back, src };
    src->conninfo = apr_pstrdup(p, conninfo);
    src->free = apr_pcalloc(p, sizeof(slot *) * (apr_size_t)size);
    src->places = wa_places_make(p, size);
    rv = src->places
             ? apr_thread_mutex_create(&src->lock, APR_THREAD_MUTEX_DEFAULT, p)
             : APR_ENOLOCK;
    while (rv == APR_SUCCESS && src->nfree < size) {
        if (APR_SUCCESS == (rv = slot_make(&src->free[src->nfree], p))) {
            src->nfree++;
        }
    }
    *source = &src->source;
    return rv;
}

/* A value between quotes, where these and backslashes are escaped. */
static const char *quoted(apr_pool_t *p, const char *value)
{
    char *out = apr_palloc(p, strlen(value) * 2 + 3), *o = out;

    *o++ = '\'';
    for (; *value; value++) {
        if (*value == '\'' || *value == '\\') {
            *o++ = '\\';
        }
        *o++ = *value;
    }
    *o++ = '\'';
    *o = '\0';
    return out;
}

const char *wa_db_conninfo(const wa_db *db, apr_pool_t *p)
{
    PQconninfoOption *options = db->conn ? PQconninfo(db->conn->pg) : NULL, *o;
    const char *text = "";

    if (!options) {
        return NULL;
    }
    for (o = options; o->keyword; o++) {
        if (o->val && *o->val) {
            text = apr_pstrcat(p, text, o->keyword, "=", quoted(p, o->val), " ",
                               NULL);
        }
    }
    PQconninfoFree(options);
    return text;
}
