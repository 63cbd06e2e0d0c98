/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <signal.h>

#include "gateway/wa_http.h"
#include "peer.h"

#define MSEC(n) apr_time_from_msec(n)
#define OK200 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static apr_pool_t *root;

static apr_status_t get(wa_http *http, const peer *s, wa_http_answer *a)
{
    wa_http_call call = { .method = "GET", .timeout = MSEC(300) };

    call.url = apr_psprintf(root, "http://127.0.0.1:%d/x", s->port);
    return wa_http_do(http, root, &call, a);
}

static apr_status_t post(wa_http *http, const peer *s, const char *body,
                         wa_http_answer *a)
{
    wa_http_call call = { .method = "POST", .timeout = MSEC(300) };

    call.url = apr_psprintf(root, "http://127.0.0.1:%d/x", s->port);
    call.body = body;
    call.body_len = body ? strlen(body) : 0;
    return wa_http_do(http, root, &call, a);
}

static int has(const char *text, const char *part)
{
    if (strcasestr(text, part)) {
        return 1;
    }
    diag("no \"%s\" in: %s", part, text);
    return 0;
}

static void test_requests(wa_http *http, peer *s)
{
    wa_http_call call = { .method = "PUT" };
    apr_table_t *headers = apr_table_make(root, 3);
    wa_http_answer a;
    const char *seen;

    peer_say(s, OK200, 0);
    is_int(get(http, s, &a), APR_SUCCESS, "GET");
    is_int(a.status, 200, "status");
    is_str(a.body, "hi", "body");
    is_int((apr_int64_t)a.body_len, 2, "its length");
    ok(a.content_type == NULL, "no content type");
    seen = peer_request(s, root);
    ok(has(seen, "GET /x HTTP/1.1\r\n"), "the request line");
    ok(!strcasestr(seen, "Content-"), "nothing about content");

    is_int(post(http, s, "{\"a\":1}", &a), APR_SUCCESS, "POST");
    seen = peer_request(s, root);
    ok(has(seen, "POST /x"), "its method");
    ok(has(seen, "\r\nContent-Length: 7\r\n"), "its length");
    ok(has(seen, "\r\n\r\n{\"a\":1}"), "its body");
    ok(!strcasestr(seen, "Content-Type"), "no content type of libcurl's");
    ok(!strcasestr(seen, "Expect"), "no Expect");
    is_int(post(http, s, NULL, &a), APR_SUCCESS, "POST without a body");
    ok(has(peer_request(s, root), "Content-Length: 0\r\n"), "says so");

    apr_table_setn(headers, "X-One", "1");
    apr_table_setn(headers, "X-Empty", "");
    apr_table_setn(headers, "Content-Type", "application/json");
    call.headers = headers;
    call.body = "a\0b";
    call.body_len = 3;
    call.url = apr_psprintf(root, "http://127.0.0.1:%d/y?z=1", s->port);
    is_int(wa_http_do(http, root, &call, &a), APR_SUCCESS, "PUT");
    seen = peer_request(s, root);
    ok(has(seen, "PUT /y?z=1 "), "method, path and query");
    ok(has(seen, "\r\nX-One: 1\r\n"), "a header");
    ok(has(seen, "\r\nX-Empty:\r\n"), "an empty header");
    ok(has(seen, "\r\nContent-Type: application/json\r\n"), "content type");
    ok(has(seen, "\r\nContent-Length: 3\r\n"), "a body with NUL");

    call = (wa_http_call){ .method = "DELETE", .url = call.url };
    is_int(wa_http_do(http, root, &call, &a), APR_SUCCESS, "DELETE");
    ok(has(peer_request(s, root), "DELETE /y"), "its method");
    call.method = "HEAD";
    peer_say(s, "HTTP/1.1 204 No Content\r\nContent-Length: 99\r\n\r\n", 0);
    is_int(wa_http_do(http, root, &call, &a), APR_SUCCESS, "HEAD");
    is_int(a.status, 204, "its status");
    apr_table_setn(headers, "X-One", "1\r\nX-Two: 2");
    call.headers = headers;
    is_int(wa_http_do(http, root, &call, &a), APR_EINVAL,
           "a line end in a header is refused");
}

static void test_answers(wa_http *http, peer *s)
{
    char date[APR_RFC822_DATE_LEN];
    wa_http_answer a;

    peer_say(s,
             "HTTP/1.1 503 Busy\r\nRetry-After: 17\r\n"
             "Content-Type:  application/problem+json \r\n"
             "Content-Length: 0\r\n\r\n",
             0);
    is_int(get(http, s, &a), APR_SUCCESS, "a 503 is an answer");
    is_int(a.status, 503, "status");
    is_int(a.retry_after, 17, "Retry-After");
    is_str(a.content_type, "application/problem+json", "content type");
    is_str(a.body, "", "an empty body");
    apr_rfc822_date(date, apr_time_now() + apr_time_from_sec(3600));
    peer_say(s,
             apr_pstrcat(root,
                         "HTTP/1.1 429 X\r\nContent-Length: 0\r\n"
                         "Retry-After: ",
                         date, "\r\n\r\n", NULL),
             0);
    get(http, s, &a);
    ok(a.retry_after > 3590 && a.retry_after <= 3600, "Retry-After as a date");
    peer_say(s,
             "HTTP/1.1 429 X\r\nContent-Length: 0\r\n"
             "Retry-After: Fri, 01 Jan 2010 00:00:00 GMT\r\n\r\n",
             0);
    get(http, s, &a);
    is_int(a.retry_after, 0, "a date that has passed");
    peer_say(s,
             "HTTP/1.1 429 X\r\nContent-Length: 0\r\n"
             "Retry-After: 99999999999999999999\r\n\r\n",
             0);
    get(http, s, &a);
    is_int(a.retry_after, APR_INT32_MAX, "a number too large");
    peer_say(s, "HTTP/1.1 100 Continue\r\nRetry-After: 9\r\n\r\n" OK200, 0);
    is_int(get(http, s, &a), APR_SUCCESS, "an answer after 100");
    is_int(a.status, 200, "is the one that counts");
    is_int(a.retry_after, 0, "with its headers only");
    peer_say(s,
             "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
             "Content-Length: 0\r\n\r\n",
             0);
    is_int(get(http, s, &a), APR_SUCCESS, "a redirect");
    is_int(a.status, 302, "isn't followed");
}

static void test_bounds(wa_http *http, peer *s)
{
    char *big = apr_palloc(root, 200001);
    wa_http_call call = { .method = "GET", .max_answer = 100000 };
    wa_http_answer a;

    memset(big, 'z', 200000);
    big[200000] = '\0';
    call.url = apr_psprintf(root, "http://127.0.0.1:%d/", s->port);
    peer_say(s, apr_pstrcat(root, "HTTP/1.1 200 OK\r\n\r\n", big, NULL),
             PEER_CLOSE);
    is_int(wa_http_do(http, root, &call, &a), APR_ENOSPC,
           "an answer over its bound, of no length");
    ok(a.maybe_sent, "was asked for");
    call.max_answer = 200000;
    is_int(wa_http_do(http, root, &call, &a), APR_SUCCESS, "at the bound");
    is_int((apr_int64_t)a.body_len, 200000, "all of it");
    is_int((apr_int64_t)strlen(a.body), 200000, "with a NUL behind");
    peer_say(s,
             apr_pstrcat(root, "HTTP/1.1 200 OK\r\nX: ", big,
                         "\r\nContent-Length: 0\r\n\r\n", NULL),
             0);
    ok(wa_http_do(http, root, &call, &a) != APR_SUCCESS,
       "headers without end are refused");
}

static void test_keep_alive(wa_http *http, peer *s)
{
    wa_http_answer a;
    int i, connections, requests, good = 0;

    peer_say(s, OK200, 0);
    get(http, s, &a);
    peer_counts(s, &connections, &requests);
    for (i = 0; i < 20; i++) {
        good += get(http, s, &a) == APR_SUCCESS;
    }
    peer_counts(s, &connections, &requests);
    is_int(good, 20, "20 calls");
    is_int(connections, 0, "on one connection");
    is_int(requests, 20, "20 requests");

    for (i = good = 0; i < 20; i++) {
        peer_hang_up(s);
        good += post(http, s, "x", &a) == APR_SUCCESS;
    }
    is_int(good, 20, "a connection that was closed idle is replaced");
    peer_counts(s, &connections, &requests);
    is_int(requests, 20, "without a request too much");

    for (i = good = 0; i < 20; i++) {
        peer_say_once(s, "", i % 2 ? PEER_CLOSE : PEER_RESET);
        good += post(http, s, "x", &a) == APR_SUCCESS;
    }
    is_int(good, 20, "one that closes on the request is repeated");
    peer_counts(s, &connections, &requests);
    is_int(requests, 40, "once");
    peer_say(s, "", PEER_CLOSE);
    is_int(post(http, s, "x", &a), APR_ECONNABORTED,
           "when it closes for ever, it fails");
    ok(a.maybe_sent, "and may have been sent");
    peer_say_once(s, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi",
                  PEER_CLOSE);
    is_int(post(http, s, "x", &a), APR_ECONNABORTED, "half an answer");
    ok(a.maybe_sent, "may have been sent");
    peer_say(s, "220 smtp.example ESMTP\r\n", PEER_CLOSE);
    is_int(post(http, s, "x", &a), APR_ECONNABORTED, "no HTTP");
}

static void test_times(wa_http *http, peer *s)
{
    wa_http_call call = { .method = "GET", .timeout = MSEC(2000) };
    wa_http_answer a;
    apr_time_t start = apr_time_now();
    apr_int64_t took;
    int full, i, fds[8];
    struct sockaddr_in sin = { .sin_family = AF_INET };
    socklen_t len = sizeof(sin);

    peer_say(s, "", PEER_HANG);
    is_int(post(http, s, "x", &a), APR_TIMEUP, "no answer");
    took = apr_time_as_msec(apr_time_now() - start);
    ok(took >= 295 && took < 700, "after %d ms", (int)took);
    ok(a.maybe_sent, "may have been sent");
    peer_say(s, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", 0);
    is_int(post(http, s, "x", &a), APR_TIMEUP, "half an answer in time");

    /* A listener whose queue is full drops further connects. */
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    full = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(full, (struct sockaddr *)&sin, sizeof(sin)) || listen(full, 0)
        || getsockname(full, (struct sockaddr *)&sin, &len)) {
        diag("no full listener");
    }
    for (i = 0; i < 8; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(fds[i], (struct sockaddr *)&sin, sizeof(sin)) == 0) {
            diag("connected at once");
        }
    }
    call.url = apr_psprintf(root, "http://127.0.0.1:%d/", ntohs(sin.sin_port));
    call.connect_timeout = MSEC(200);
    start = apr_time_now();
    is_int(wa_http_do(http, root, &call, &a), APR_TIMEUP, "no connection");
    took = apr_time_as_msec(apr_time_now() - start);
    ok(took >= 195 && took < 600, "after %d ms", (int)took);
    ok(!a.maybe_sent, "nothing was sent");
    for (i = 0; i < 8; i++) {
        close(fds[i]);
    }
    close(full);
}

static void test_refused(wa_http *http, peer *s)
{
    static const char *const bad[] = { "", "x", "ftp://127.0.0.1/",
                                       "file:///etc/passwd", "http://" };
    wa_http_call call = { .method = "GET" };
    wa_http_answer a;
    apr_size_t i;

    peer_stop(s);
    is_int(post(http, s, "x", &a), APR_ECONNREFUSED, "nobody there");
    ok(!a.maybe_sent, "nothing was sent");
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        call.url = bad[i];
        ok(wa_http_do(http, root, &call, &a) != APR_SUCCESS && !a.maybe_sent,
           "\"%s\" is no URL for us", bad[i]);
    }
}

typedef struct caller {
    wa_http *http;
    const char *url;
    int good;
} caller;

static void *APR_THREAD_FUNC many(apr_thread_t *thread, void *data)
{
    caller *c = data;
    wa_http_call call = {
        .method = "POST", .url = c->url, .body = "x", .body_len = 1
    };
    wa_http_answer a;
    apr_pool_t *p;
    int i;

    apr_pool_create(&p, NULL);
    for (i = 0; i < 100; i++) {
        apr_pool_clear(p);
        c->good += wa_http_do(c->http, p, &call, &a) == APR_SUCCESS
                   && a.status == 200;
    }
    apr_pool_destroy(p);
    return NULL;
}

static void test_threads(wa_http *http, peer *s)
{
    const char *url = apr_psprintf(root, "http://127.0.0.1:%d/", s->port);
    apr_thread_t *threads[8];
    caller callers[8];
    int i;

    peer_say(s, OK200, 0);
    for (i = 0; i < 8; i++) {
        callers[i] = (caller){ http, url, 0 };
        apr_thread_create(&threads[i], NULL, many, &callers[i], root);
    }
    for (i = 0; i < 8; i++) {
        apr_status_t rv;

        apr_thread_join(&rv, threads[i]);
        is_int(callers[i].good, 100, "a thread among 8");
    }
}

int main(void)
{
    wa_http *http;
    peer *s;

    signal(SIGPIPE, SIG_IGN);
    root = tap_start();
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    is_int(wa_http_init(), APR_SUCCESS, "libcurl starts");
    http = wa_http_make(root, 4);
    s = peer_start(root);
    test_requests(http, s);
    test_answers(http, s);
    test_bounds(http, s);
    test_keep_alive(http, s);
    test_times(http, s);
    test_threads(http, s);
    test_refused(http, s);
    return tap_done();
}
