/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_health_cache.h"

wa_health_cache *wa_health_cache_make(apr_pool_t *p)
{
    wa_health_cache *c = apr_pcalloc(p, sizeof(*c));

    if (apr_thread_mutex_create(&c->lock, APR_THREAD_MUTEX_DEFAULT, p)
        != APR_SUCCESS) {
        return NULL;
    }
    return c;
}
