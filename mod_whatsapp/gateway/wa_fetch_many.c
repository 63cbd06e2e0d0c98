/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_fetch_private.h"

#define TIMEOUT apr_time_from_sec(15)
/* Connections kept open to be used again. */
#define IDLE 64L

struct wa_fetcher {
    CURLM *multi;
    int count;
};

static apr_status_t fetcher_cleanup(void *data)
{
    wa_fetcher *fetcher = data;

    curl_multi_cleanup(fetcher->multi);
    return APR_SUCCESS;
}

wa_fetcher *wa_fetcher_make(apr_pool_t *p)
{
    wa_fetcher *fetcher = apr_pcalloc(p, sizeof(*fetcher));

    fetcher->multi = curl_multi_init();
    if (!fetcher->multi) {
        return NULL;
    }
    curl_multi_setopt(fetcher->multi, CURLMOPT_MAXCONNECTS, IDLE);
    apr_pool_cleanup_register(p, fetcher, fetcher_cleanup,
                              apr_pool_cleanup_null);
    return fetcher;
}

apr_status_t wa_fetcher_add(wa_fetcher *fetcher, apr_pool_t *p, wa_fetch *f)
{
    apr_interval_time_t timeout = f->timeout > 0 ? f->timeout : TIMEOUT;
    wa_fetch_call *c = wa_fetch_begin(p, f, f->url, timeout);

    if (!c) {
        return f->rv;
    }
    if (curl_multi_add_handle(fetcher->multi, c->curl) != CURLM_OK) {
        wa_fetch_end(c, CURLE_OUT_OF_MEMORY);
        return f->rv;
    }
    fetcher->count++;
    return APR_SUCCESS;
}

wa_fetch *wa_fetcher_next(wa_fetcher *fetcher)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(fetcher->multi, &left)) != NULL) {
        char *private = NULL;
        CURL *curl = m->easy_handle;
        CURLcode code = m->data.result;
        wa_fetch_call *c;

        if (m->msg != CURLMSG_DONE) {
            continue;
        }
        curl_easy_getinfo(curl, CURLINFO_PRIVATE, &private);
        c = (wa_fetch_call *)(void *)private;
        curl_multi_remove_handle(fetcher->multi, curl);
        wa_fetch_end(c, code);
        fetcher->count--;
        return c->f;
    }
    return NULL;
}

void wa_fetcher_run(wa_fetcher *fetcher, int fd, apr_interval_time_t wait)
{
    struct curl_waitfd other = { .fd = fd, .events = CURL_WAIT_POLLIN };
    int running = 0;

    curl_multi_perform(fetcher->multi, &running);
    /* Some may be over already; then there is nothing to wait for. */
    if (running == fetcher->count) {
        curl_multi_poll(fetcher->multi, &other, fd < 0 ? 0 : 1,
                        (int)apr_time_as_msec(wait), NULL);
        curl_multi_perform(fetcher->multi, &running);
    }
}

void wa_fetcher_wake(wa_fetcher *fetcher)
{
    curl_multi_wakeup(fetcher->multi);
}

int wa_fetcher_count(const wa_fetcher *fetcher)
{
    return fetcher->count;
}
