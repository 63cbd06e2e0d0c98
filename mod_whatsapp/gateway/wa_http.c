/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_http.c
 * @brief Calls by libcurl's easy handles, to servers of our own.
 *
 * A handle keeps its live connections over curl_easy_reset. libcurl sees a
 * connection that was closed while idle before it sends, and when the close
 * crosses the request (no byte of an answer came) it repeats the request on a
 * new one: what is called here must bear a repeat, and does (the bridge by
 * message id, webhooks by event id).
 */
#include <apr_date.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <stdlib.h>
#include <string.h>

#include "wa_http.h"
#include "wa_http_private.h"

#define CONNECT_TIMEOUT apr_time_from_sec(1)
#define TIMEOUT apr_time_from_sec(10)
#define MAX_ANSWER ((apr_size_t)1024 * 1024)
#define MAX_HEADERS ((apr_size_t)64 * 1024)
#define FIRST_BUFFER ((apr_size_t)4096)

struct wa_http {
    apr_thread_mutex_t *lock; /* of the two below */
    CURL **idle;
    int nidle;
    int size;
};

/* What the callbacks fill. */
typedef struct receiver {
    apr_pool_t *p;
    wa_http_answer *answer;
    char *body;
    apr_size_t used, room, max;
    apr_size_t header_bytes;
} receiver;

/* --- the handles -----------------------------------------------------------
 */

apr_status_t wa_http_init(void)
{
    return curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK ? APR_SUCCESS
                                                         : APR_EGENERAL;
}

static apr_status_t http_cleanup(void *data)
{
    wa_http *http = data;

    while (http->nidle > 0) {
        curl_easy_cleanup(http->idle[--http->nidle]);
    }
    return APR_SUCCESS;
}

wa_http *wa_http_make(apr_pool_t *p, int size)
{
    wa_http *http = apr_pcalloc(p, sizeof(*http));

    http->size = size > 0 ? size : 1;
    http->idle = apr_pcalloc(p, sizeof(CURL *) * (apr_size_t)http->size);
    if (APR_SUCCESS
        != apr_thread_mutex_create(&http->lock, APR_THREAD_MUTEX_DEFAULT, p)) {
        return NULL;
    }
    apr_pool_cleanup_register(p, http, http_cleanup, apr_pool_cleanup_null);
    return http;
}

/* Last in, first out: the handle with the freshest connection. */
static CURL *take(wa_http *http)
{
    CURL *curl = NULL;

    apr_thread_mutex_lock(http->lock);
    if (http->nidle > 0) {
        curl = http->idle[--http->nidle];
    }
    apr_thread_mutex_unlock(http->lock);
    return curl ? curl : curl_easy_init();
}

static void give_back(wa_http *http, CURL *curl)
{
    curl_easy_reset(curl);
    apr_thread_mutex_lock(http->lock);
    if (http->nidle < http->size) {
        http->idle[http->nidle++] = curl;
        curl = NULL;
    }
    apr_thread_mutex_unlock(http->lock);
    curl_easy_cleanup(curl);
}

/* --- receiving -------------------------------------------------------------
 */

static void make_room(receiver *rc, apr_size_t need)
{
    apr_size_t room = rc->room ? rc->room : FIRST_BUFFER;
    char *bigger;

    if (need <= rc->room) {
        return;
    }
    while (room < need) {
        room *= 2;
    }
    bigger = apr_palloc(rc->p, room);
    if (rc->used) {
        memcpy(bigger, rc->body, rc->used);
    }
    rc->body = bigger;
    rc->room = room;
}

/* libcurl's own bound (MAXFILESIZE) doesn't hold for answers that don't say
 * their length. Less than len makes libcurl end with CURLE_WRITE_ERROR. */
static size_t on_body(char *data, size_t size, size_t n, void *baton)
{
    receiver *rc = baton;
    apr_size_t len = size * n;

    if (len > rc->max - rc->used) {
        return 0;
    }
    make_room(rc, rc->used + len + 1);
    memcpy(rc->body + rc->used, data, len);
    rc->used += len;
    return len;
}

int wa_http_seconds(const char *s)
{
    apr_time_t date, now;

    if (apr_isdigit(*s)) {
        long n = strtol(s, NULL, 10);

        return n > APR_INT32_MAX ? APR_INT32_MAX : (int)n;
    }
    date = apr_date_parse_http(s);
    now = apr_time_now();
    return date > now ? (int)apr_time_sec(date - now + APR_USEC_PER_SEC - 1)
                      : 0;
}

char *wa_http_header_value(char *line)
{
    char *value = strchr(line, ':');

    if (!value) {
        return NULL;
    }
    *value++ = '\0';
    return value + strspn(value, " \t");
}

static void read_header(receiver *rc, char *line)
{
    char *value = wa_http_header_value(line);

    if (!value) {
        return;
    }
    if (!strcasecmp(line, "Content-Type")) {
        rc->answer->content_type = value;
    }
    else if (!strcasecmp(line, "Retry-After")) {
        rc->answer->retry_after = wa_http_seconds(value);
    }
}

static size_t on_header(char *data, size_t size, size_t n, void *baton)
{
    receiver *rc = baton;
    apr_size_t len = size * n;
    apr_size_t end = len;

    rc->header_bytes += len;
    if (rc->header_bytes > MAX_HEADERS) {
        return 0;
    }
    if (len >= 5 && !memcmp(data, "HTTP/", 5)) {
        /* The head of another answer, after one of 1xx. */
        rc->answer->content_type = NULL;
        rc->answer->retry_after = 0;
        return len;
    }
    while (end > 0 && apr_isspace(data[end - 1])) {
        end--;
    }
    read_header(rc, apr_pstrmemdup(rc->p, data, end));
    return len;
}

/* --- sending ---------------------------------------------------------------
 */

typedef struct headers {
    struct curl_slist *list;
    apr_pool_t *p;
    int content_type;
} headers;

static int add_line(headers *h, const char *line)
{
    struct curl_slist *longer = curl_slist_append(h->list, line);

    if (!longer) {
        return 0;
    }
    h->list = longer;
    return 1;
}

static int add_header(void *baton, const char *name, const char *value)
{
    headers *h = baton;

    if (strpbrk(name, "\r\n:;") || strpbrk(value, "\r\n")) {
        return 0;
    }
    h->content_type |= !strcasecmp(name, "Content-Type");
    /* libcurl's way to send a header that is empty ends in a semicolon. */
    return add_line(h, *value ? apr_pstrcat(h->p, name, ": ", value, NULL)
                              : apr_pstrcat(h->p, name, ";", NULL));
}

apr_status_t wa_http_lines(struct curl_slist **list, apr_pool_t *p,
                           const apr_table_t *table)
{
    headers h = { .p = p };
    int good = 1;

    if (table) {
        good = apr_table_do(add_header, &h, table, NULL);
    }
    /* Waiting for "100 Continue" would cost up to a second. */
    if (good) {
        good = add_line(&h, "Expect:");
    }
    if (good && !h.content_type) {
        good = add_line(&h, "Content-Type:");
    }
    *list = h.list;
    return good ? APR_SUCCESS : APR_EINVAL;
}

void wa_http_set_method(CURL *curl, const char *method, const char *body,
                        apr_size_t len)
{
    if (!strcmp(method, "HEAD")) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
        return;
    }
    /* These say their length even when it is 0. */
    if (body || !strcmp(method, "POST") || !strcmp(method, "PUT")
        || !strcmp(method, "PATCH")) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)(body ? len : 0));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body ? body : "");
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

static long to_msec(apr_interval_time_t t, apr_interval_time_t dflt)
{
    return (long)apr_time_as_msec((t > 0 ? t : dflt) + 999);
}

static void set_limits(CURL *curl, const wa_http_call *call)
{
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                     to_msec(call->connect_timeout, CONNECT_TIMEOUT));
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, to_msec(call->timeout, TIMEOUT));
}

static void set_receiver(CURL *curl, receiver *rc)
{
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, rc);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, rc);
}

apr_status_t wa_http_status(CURLcode code, int sent)
{
    switch (code) {
    case CURLE_OK:
        return APR_SUCCESS;
    case CURLE_URL_MALFORMAT:
        return APR_EINVAL;
    case CURLE_UNSUPPORTED_PROTOCOL:
        /* Also an answer that isn't HTTP/1. */
        return sent ? APR_ECONNABORTED : APR_EINVAL;
    case CURLE_OPERATION_TIMEDOUT:
        return APR_TIMEUP;
    case CURLE_WRITE_ERROR:
        return APR_ENOSPC;
    case CURLE_OUT_OF_MEMORY:
        return APR_ENOMEM;
    default:
        /* Also a connect that failed, when it was the second one of a
         * request whose first connection took it and died. */
        return sent ? APR_ECONNABORTED : APR_ECONNREFUSED;
    }
}

static apr_status_t perform(CURL *curl, receiver *rc)
{
    wa_http_answer *answer = rc->answer;
    CURLcode code = curl_easy_perform(curl);
    long status = 0, request_bytes = 0;

    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &request_bytes);
    answer->status = (int)status;
    answer->maybe_sent = request_bytes > 0;
    make_room(rc, rc->used + 1);
    rc->body[rc->used] = '\0';
    answer->body = rc->body;
    answer->body_len = rc->used;
    return wa_http_status(code, answer->maybe_sent);
}

apr_status_t wa_http_do(wa_http *http, apr_pool_t *p, const wa_http_call *call,
                        wa_http_answer *answer)
{
    receiver rc = { .p = p, .answer = answer };
    struct curl_slist *lines;
    apr_status_t rv;
    CURL *curl;

    memset(answer, 0, sizeof(*answer));
    rc.max = call->max_answer ? call->max_answer : MAX_ANSWER;
    rv = wa_http_lines(&lines, p, call->headers);
    curl = rv == APR_SUCCESS ? take(http) : NULL;
    if (curl) {
        set_limits(curl, call);
        wa_http_set_method(curl, call->method, call->body, call->body_len);
        set_receiver(curl, &rc);
        curl_easy_setopt(curl, CURLOPT_URL, call->url);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, lines);
        rv = perform(curl, &rc);
        give_back(http, curl);
    }
    else if (rv == APR_SUCCESS) {
        rv = APR_ENOMEM;
    }
    curl_slist_free_all(lines);
    return rv;
}
