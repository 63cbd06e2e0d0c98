/* SPDX-License-Identifier: Apache-2.0 */
/* Counting without Redis: one table per process, emptied when its window
 * ends, so that it holds no more than the users of one window. */
#include "wa_limits_local.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <string.h>

#include "../base/wa_crypto.h"

#define ADDRESSES 16384 /* counters of addresses: 64 KiB */

struct wa_local_limits {
    apr_thread_mutex_t *lock;
    apr_pool_t *parent;
    apr_pool_t *pool; /* of the present minute */
    apr_hash_t *counts;
    apr_int64_t window; /* number of the minute counts stands for */
    apr_uint32_t addresses[ADDRESSES];
    unsigned char key[32]; /* says which of them is an address's */
};

wa_local_limits *wa_local_limits_make(apr_pool_t *p)
{
    wa_local_limits *l = apr_pcalloc(p, sizeof(*l));

    l->parent = p;
    wa_random(l->key, sizeof(l->key));
    if (apr_thread_mutex_create(&l->lock, APR_THREAD_MUTEX_DEFAULT, p)
        != APR_SUCCESS) {
        return NULL;
    }
    return l;
}

static void start_window(wa_local_limits *l, apr_int64_t number)
{
    if (l->pool && l->window == number) {
        return;
    }
    if (l->pool) {
        apr_pool_clear(l->pool);
    }
    else {
        apr_pool_create(&l->pool, l->parent);
    }
    l->counts = apr_hash_make(l->pool);
    memset(l->addresses, 0, sizeof(l->addresses));
    l->window = number;
}

apr_int64_t wa_local_limits_count(wa_local_limits *l, const char *what,
                                  apr_int64_t n, apr_time_t now, int *reset)
{
    apr_int64_t seconds = apr_time_sec(now);
    apr_int64_t *count, used;

    *reset = (int)(60 - seconds % 60);
    apr_thread_mutex_lock(l->lock);
    start_window(l, seconds / 60);
    count = apr_hash_get(l->counts, what, APR_HASH_KEY_STRING);
    if (!count) {
        count = apr_pcalloc(l->pool, sizeof(*count));
        apr_hash_set(l->counts, apr_pstrdup(l->pool, what), APR_HASH_KEY_STRING,
                     count);
    }
    *count += n;
    used = *count;
    apr_thread_mutex_unlock(l->lock);
    return used;
}

apr_int64_t wa_local_limits_address(wa_local_limits *l, const char *address,
                                    apr_int64_t n, apr_time_t now, int *reset)
{
    apr_int64_t seconds = apr_time_sec(now);
    unsigned char mac[32];
    apr_uint32_t *count, used;

    wa_hmac_sha256(mac, l->key, sizeof(l->key), address, strlen(address));
    count = &l->addresses[(mac[0] << 8 | mac[1]) % ADDRESSES];
    *reset = (int)(60 - seconds % 60);
    apr_thread_mutex_lock(l->lock);
    start_window(l, seconds / 60);
    *count += (apr_uint32_t)n;
    used = *count;
    apr_thread_mutex_unlock(l->lock);
    return used;
}
