/* SPDX-License-Identifier: Apache-2.0 */
/* The only user of libmagic. A magic_t serves one thread at a time; looking at
 * 64 KiB takes well under a millisecond, so one behind a lock is enough. */
#include "wa_magic.h"

#include <magic.h>

#include <apr_strings.h>
#include <apr_thread_mutex.h>

#include "../base/wa_log.h"

/* Never look into what is compressed or archived: that would be unpacking. */
#define FLAGS                                                                  \
    (MAGIC_MIME_TYPE | MAGIC_ERROR | MAGIC_NO_CHECK_COMPRESS                   \
     | MAGIC_NO_CHECK_TAR | MAGIC_NO_CHECK_ELF | MAGIC_NO_CHECK_CDF)

struct wa_magic {
    apr_thread_mutex_t *lock;
    magic_t cookie; /* NULL until it is needed */
};

static apr_status_t magic_cleanup(void *data)
{
    wa_magic *magic = data;

    if (magic->cookie) {
        magic_close(magic->cookie);
        magic->cookie = NULL;
    }
    return APR_SUCCESS;
}

wa_magic *wa_magic_make(apr_pool_t *p)
{
    wa_magic *magic = apr_pcalloc(p, sizeof(*magic));

    if (APR_SUCCESS
        != apr_thread_mutex_create(&magic->lock, APR_THREAD_MUTEX_DEFAULT, p)) {
        return NULL;
    }
    apr_pool_cleanup_register(p, magic, magic_cleanup, apr_pool_cleanup_null);
    return magic;
}

/* With the lock held. */
static int load(wa_magic *magic)
{
    magic_t cookie;

    if (magic->cookie) {
        return 1;
    }
    cookie = magic_open(FLAGS);
    if (!cookie || magic_load(cookie, NULL)) {
        wa_log(WA_LOG_ERR, NULL, "WA0601: libmagic can't be used: %s",
               cookie ? magic_error(cookie) : "no memory");
        if (cookie) {
            magic_close(cookie);
        }
        return 0;
    }
    magic->cookie = cookie;
    return 1;
}

apr_status_t wa_magic_type(wa_magic *magic, apr_pool_t *p, const void *data,
                           apr_size_t len, const char **mime)
{
    const char *found = NULL;

    *mime = NULL;
    apr_thread_mutex_lock(magic->lock);
    if (load(magic)) {
        found = magic_buffer(magic->cookie, data, len);
        *mime = apr_pstrdup(p, found);
    }
    apr_thread_mutex_unlock(magic->lock);
    return *mime ? APR_SUCCESS : APR_EGENERAL;
}
