/* SPDX-License-Identifier: Apache-2.0 */
/* The guarded calls. Names are looked up by this file: getaddrinfo below stands
 * before libc's, so that a name's answer is what a test says. */
#include "tap.h"

#include <dlfcn.h>
#include <netdb.h>
#include <signal.h>

#include "gateway/wa_fetch.h"
#include "gateway/wa_http.h"
#include "peer.h"

#define OK200 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static apr_pool_t *root;
static const wa_nets *loopback; /* 127.0.0.1 is allowed */
static peer *server;

/* --- names -----------------------------------------------------------------
 */

/* What names under .test lead to, one lookup after the other, over again. */
static const char *const *answers;
static volatile int lookups;

typedef int getaddrinfo_fn(const char *, const char *, const struct addrinfo *,
                           struct addrinfo **);

int getaddrinfo(const char *node, const char *service,
                const struct addrinfo *hints, struct addrinfo **res)
{
    static getaddrinfo_fn *real;
    const char *answer = node;
    int n;

    if (!real) {
        real = (getaddrinfo_fn *)dlsym(RTLD_NEXT, "getaddrinfo");
    }
    if (node && strstr(node, ".test")) {
        for (n = 0; answers[n]; n++) {
        }
        answer = answers[lookups++ % n];
    }
    return real(answer, service, hints, res);
}

/* --- URLs ------------------------------------------------------------------
 */

static const struct {
    const char *url;
    int https, plain; /* taken with https only, with http too */
} urls[] = {
    { "https://example.com/", 1, 1 },
    { "https://example.com", 1, 1 },
    { "HTTPS://Example.COM/Path?q=1", 1, 1 },
    { "https://example.com:8443/a", 1, 1 },
    { "https://example.com:3000/", 1, 1 },
    { "https://example.com:80/", 1, 1 },
    { "https://xn--bcher-kva.example/", 1, 1 },
    { "https://a_b.example.com/", 1, 1 },
    { "https://8.8.8.8/", 1, 1 },
    { "https://[2606:4700:4700::1111]/", 1, 1 },
    { "https://example.com./", 1, 1 },
    { "https://example.com/?u=http://127.0.0.1/", 1, 1 },
    { "https://127.0.0.1.example.com/", 1, 1 },
    { "http://example.com/", 0, 1 },
    { "http://example.com:8080/", 0, 1 },
    { "", 0, 0 },
    { "x", 0, 0 },
    { "example.com", 0, 0 },
    { "//example.com/", 0, 0 },
    { "https:", 0, 0 },
    { "https://", 0, 0 },
    { "https:///", 0, 0 },
    { "https:/example.com/", 0, 0 },
    { "https://./", 0, 0 },
    { "ftp://example.com/", 0, 0 },
    { "file:///etc/passwd", 0, 0 },
    { "gopher://example.com/", 0, 0 },
    { "dict://example.com/", 0, 0 },
    { "ldap://example.com/", 0, 0 },
    { "telnet://example.com/", 0, 0 },
    { "javascript:alert(1)", 0, 0 },
    { "data:text/plain,x", 0, 0 },
    { "unix:///run/x.sock", 0, 0 },
    { "https://user@example.com/", 0, 0 },
    { "https://user:pass@example.com/", 0, 0 },
    { "https://:pass@example.com/", 0, 0 },
    { "https://example.com@127.0.0.1/", 0, 0 },
    { "https://127.0.0.1#@example.com/", 0, 0 },
    { "https://example.com\\@127.0.0.1/", 0, 0 },
    { "https://example.com/a b", 0, 0 },
    { "https://exa\tmple.com/", 0, 0 },
    { "https://b\xc3\xbc"
      "cher.example/",
      0, 0 },
    { "https://\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa7.0.0.1/", 0, 0 },
    { "https://example.com:0/", 0, 0 },
    { "https://example.com:22/", 0, 0 },
    { "https://example.com:25/", 0, 0 },
    { "https://example.com:81/", 0, 0 },
    { "https://example.com:1023/", 0, 0 },
    { "https://example.com:6000/", 0, 0 },
    { "https://example.com:6667/", 0, 0 },
    { "https://example.com:65536/", 0, 0 },
    { "https://example.com:-1/", 0, 0 },
    { "https://example.com:x/", 0, 0 },
    { "https://127.0.0.1/", 0, 0 },
    { "https://127.0.0.1:8443/", 0, 0 },
    { "https://127.1/", 0, 0 },
    { "https://127.0.1/", 0, 0 },
    { "https://127.0.0.1./", 0, 0 },
    { "https://0x7f.1/", 0, 0 },
    { "https://0x7f000001/", 0, 0 },
    { "https://0X7F.0.0.1/", 0, 0 },
    { "https://0x/", 0, 0 },
    { "https://2130706433/", 0, 0 },
    { "https://017700000001/", 0, 0 },
    { "https://0177.0.0.1/", 0, 0 },
    { "https://0177.0x0.0.1/", 0, 0 },
    { "https://127.0.0.01/", 0, 0 },
    { "https://%31%32%37.0.0.1/", 0, 0 },
    { "https://134744072/", 0, 0 },
    { "https://0x08.8.8.8/", 0, 0 },
    { "https://999.1.1.1/", 0, 0 },
    { "https://1.2.3.4.5/", 0, 0 },
    { "https://0/", 0, 0 },
    { "https://0.0.0.0/", 0, 0 },
    { "https://10.0.0.1/", 0, 0 },
    { "https://172.16.0.1/", 0, 0 },
    { "https://192.168.1.1/", 0, 0 },
    { "https://100.64.0.1/", 0, 0 },
    { "https://169.254.169.254/latest/meta-data/", 0, 0 },
    { "https://2852039166/", 0, 0 },
    { "https://224.0.0.1/", 0, 0 },
    { "https://255.255.255.255/", 0, 0 },
    { "https://localhost/", 0, 0 },
    { "https://LOCALHOST:8443/", 0, 0 },
    { "https://localhost./", 0, 0 },
    { "https://a.localhost/", 0, 0 },
    { "https://[::1]/", 0, 0 },
    { "https://[::]/", 0, 0 },
    { "https://[0:0:0:0:0:0:0:1]/", 0, 0 },
    { "https://[::ffff:127.0.0.1]/", 0, 0 },
    { "https://[::ffff:7f00:1]/", 0, 0 },
    { "https://[::127.0.0.1]/", 0, 0 },
    { "https://[64:ff9b::7f00:1]/", 0, 0 },
    { "https://[2002:7f00:1::]/", 0, 0 },
    { "https://[2001::1]/", 0, 0 },
    { "https://[fe80::1]/", 0, 0 },
    { "https://[fe80::1%25eth0]/", 0, 0 },
    { "https://[fd00::1]/", 0, 0 },
    { "https://[ff02::1]/", 0, 0 },
    { "https://[::1/", 0, 0 },
    { "https://::1/", 0, 0 },
    { "https://[v1.x]/", 0, 0 },
};

static void test_urls(void)
{
    char *longest = apr_pstrcat(root, "https://example.com/", NULL);
    const char *pad = apr_psprintf(root, "%*s", WA_FETCH_URL_MAX, "");
    size_t i;

    for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        const char *wrong = wa_fetch_url_wrong(root, urls[i].url, 0, NULL);

        ok((wrong == NULL) == urls[i].https, "https: \"%s\" is %s (%s)",
           urls[i].url, urls[i].https ? "taken" : "refused",
           wrong ? wrong : "fine");
        wrong = wa_fetch_url_wrong(root, urls[i].url, 1, NULL);
        ok((wrong == NULL) == urls[i].plain, "http too: \"%s\" is %s (%s)",
           urls[i].url, urls[i].plain ? "taken" : "refused",
           wrong ? wrong : "fine");
    }
    ok(wa_fetch_url_wrong(root, "https://example.com/\r\nX: y", 1, NULL)
           != NULL,
       "a line end");
    longest = apr_pstrcat(root, longest, pad, NULL);
    for (i = 0; longest[i]; i++) {
        longest[i] = longest[i] == ' ' ? 'x' : longest[i];
    }
    ok(wa_fetch_url_wrong(root, longest, 0, NULL) != NULL, "one too long");
    longest[WA_FETCH_URL_MAX] = '\0';
    ok(!wa_fetch_url_wrong(root, longest, 0, NULL), "one just not");
    ok(!wa_fetch_url_wrong(root, "http://127.0.0.1:8080/", 1, loopback),
       "an address that is allowed");
    ok(!wa_fetch_url_wrong(root, "http://localhost:8080/", 1, loopback),
       "its name");
    ok(wa_fetch_url_wrong(root, "http://127.0.0.2:8080/", 1, loopback) != NULL,
       "the one beside it");
    ok(wa_fetch_url_wrong(root, "http://127.1:8080/", 1, loopback) != NULL,
       "another spelling, all the same");
}

/* --- calls -----------------------------------------------------------------
 */

static wa_fetch *call_to(const char *host, const wa_nets *allow)
{
    wa_fetch *f = apr_pcalloc(root, sizeof(*f));

    f->url = apr_psprintf(root, "http://%s:%d/x", host, server->port);
    f->plain = 1;
    f->allow = allow;
    f->keep = 16;
    f->timeout = apr_time_from_sec(20);
    return f;
}

static int hits(void)
{
    int connections, requests;

    peer_counts(server, &connections, &requests);
    return connections;
}

static void test_guard(void)
{
    static const char *const home[] = { "127.0.0.1", NULL };
    static const char *const turns[] = { "127.0.0.1", "127.0.0.2", NULL };
    const wa_nets *beside;
    wa_fetch *f;
    int i, refused = 0;

    wa_nets_read(&beside, root, "127.0.0.2");
    peer_say(server, OK200, 0);
    answers = home;
    f = call_to("inside.test", loopback);
    is_int(wa_fetch_do(root, f), APR_SUCCESS, "a name of an allowed address");
    is_int(f->status, 200, "is called");
    hits();

    f = call_to("inside.test", NULL);
    is_int(wa_fetch_do(root, f), APR_EACCES, "a name of a private address");
    ok(f->error != NULL, "says %s", f->error);
    f = call_to("127.0.0.1", NULL);
    is_int(wa_fetch_do(root, f), APR_EINVAL, "the address itself");
    is_int(hits(), 0, "nobody knocked");

    /* An address that is allowed takes turns with one that is not, so whoever
     * looks first and connects afterwards is caught in half of the tries. */
    answers = turns;
    lookups = 0;
    for (i = 0; i < 500; i++) {
        f = call_to("rebind.test", beside);
        refused += wa_fetch_do(root, f) == APR_EACCES;
    }
    is_int(refused, 250, "of 500 tries with a changing name 250 are refused");
    is_int(hits(), 0, "no try came through");
}

static apr_status_t take(void *baton, const char *data, apr_size_t len)
{
    *(apr_size_t *)baton += len;
    return *(apr_size_t *)baton > 1000 ? APR_ENOSPC : APR_SUCCESS;
}

static int at_once(void *baton)
{
    return 1;
}

static const char *body_of(int len)
{
    char *bytes = apr_psprintf(root, "%*s", len, "");

    return apr_psprintf(root,
                        "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n"
                        "Content-Length: %d\r\n\r\n%s",
                        len, bytes);
}

static void test_answers(void)
{
    wa_fetch *f = call_to("127.0.0.1", loopback);
    apr_size_t taken = 0;

    peer_say(server, body_of(900), 0);
    f->sink = take;
    f->sink_baton = &taken;
    is_int(wa_fetch_do(root, f), APR_SUCCESS, "a body");
    is_int((apr_int64_t)taken, 900, "goes to the sink");
    is_int((apr_int64_t)f->head_len, 16, "its head is kept");
    is_int(f->length, 900, "its length is told");
    is_str(f->content_type, "a/b", "and its type");
    ok(!strstr(peer_request(server, root), "Cookie")
           && !strstr(peer_request(server, root), "Authorization"),
       "the request has no credentials");

    peer_say(server, body_of(1001), 0);
    is_int(wa_fetch_do(root, f), APR_ENOSPC, "a sink that has enough");
    f->sink = NULL;
    f->max_body = 1000;
    is_int(wa_fetch_do(root, f), APR_ENOSPC, "a body over its bound");
    is_int(f->status, 200, "its status is known all the same");
    f->max_body = 1001;
    is_int(wa_fetch_do(root, f), APR_SUCCESS, "at its bound");
    peer_say(server, "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno", 0);
    f->sink = take;
    taken = 0;
    is_int(wa_fetch_do(root, f), APR_SUCCESS, "a 404 is an answer");
    is_int(f->status, 404, "of that status");
    is_int((apr_int64_t)taken, 0, "that no sink gets");
    is_str(f->head, "no", "but the head");
    peer_say(server,
             "HTTP/1.1 429 X\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n",
             0);
    wa_fetch_do(root, f);
    is_int(f->retry_after, 7, "Retry-After");

    peer_say(server, "", PEER_HANG);
    f->timeout = apr_time_from_msec(200);
    is_int(wa_fetch_do(root, f), APR_TIMEUP, "no answer");
    f->stop = at_once;
    f->timeout = apr_time_from_sec(60);
    is_int(wa_fetch_do(root, f), APR_EINTR, "one that is broken off");
}

static const char *to(const char *where)
{
    return apr_pstrcat(root,
                       "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n"
                       "Location: ",
                       where, "\r\n\r\n", NULL);
}

static void test_redirects(void)
{
    static const char *const away[] = {
        "file:///etc/passwd",       "gopher://127.0.0.1/",
        "http://user:x@127.0.0.1/", "http://127.0.0.2:8080/",
        "http://169.254.169.254/",  "http://127.0.0.1:22/"
    };
    static const char *const beside[] = { "127.0.0.2", NULL };
    wa_fetch *f = call_to("127.0.0.1", loopback);
    size_t i;

    peer_say(server, to("/y"), 0);
    is_int(wa_fetch_do(root, f), APR_SUCCESS, "a redirect is an answer");
    is_int(f->status, 302, "unless they are followed");
    f->redirects = 3;
    hits();
    is_int(wa_fetch_do(root, f), APR_EINVAL, "one without end");
    is_int(hits(), 4, "is followed three times");
    peer_say(server, OK200, 0);
    peer_say_once(server, to("/y?z"), 0);
    is_int(wa_fetch_do(root, f), APR_SUCCESS, "one with an end");
    is_int(f->status, 200, "comes to it");
    ok(strstr(peer_request(server, root), "GET /y?z ") != NULL, "there");
    for (i = 0; i < sizeof(away) / sizeof(away[0]); i++) {
        peer_say_once(server, to(away[i]), 0);
        is_int(wa_fetch_do(root, f), APR_EINVAL, "to %s: not followed",
               away[i]);
    }
    answers = beside;
    peer_say_once(server, to("http://inside.test:8080/"), 0);
    is_int(wa_fetch_do(root, f), APR_EACCES,
           "to a name of a private address: not followed");
}

/* --- many ------------------------------------------------------------------
 */

static void test_many(void)
{
    static const char *const beside[] = { "127.0.0.2", NULL };
    wa_fetcher *fetcher = wa_fetcher_make(root);
    wa_fetch *hang = call_to("127.0.0.1", loopback), *f;
    peer *silent = peer_start(root);
    int i, done = 0, good = 0, hung = 0, refused = 0, ends[2];

    ok(fetcher != NULL, "a fetcher is made");
    peer_say(silent, "", PEER_HANG);
    peer_say(server, OK200, 0);
    hang->url = apr_psprintf(root, "http://127.0.0.1:%d/", silent->port);
    hang->timeout = apr_time_from_msec(1500);
    is_int(wa_fetcher_add(fetcher, root, hang), APR_SUCCESS, "one that hangs");
    f = call_to("10.0.0.1", loopback);
    is_int(wa_fetcher_add(fetcher, root, f), APR_EINVAL,
           "one to a private address is refused at once");
    for (i = 0; i < 10; i++) {
        wa_fetcher_add(fetcher, root, call_to("127.0.0.1", loopback));
    }
    answers = beside;
    wa_fetcher_add(fetcher, root, call_to("inside.test", loopback));
    is_int(wa_fetcher_count(fetcher), 12, "twelve are under way");
    while (done < 12) {
        wa_fetcher_run(fetcher, -1, apr_time_from_sec(20));
        while ((f = wa_fetcher_next(fetcher)) != NULL) {
            done++;
            good += f->rv == APR_SUCCESS && f->status == 200;
            refused += f->rv == APR_EACCES;
            if (f == hang) {
                hung = done;
            }
        }
    }
    is_int(good, 10, "ten are answered");
    is_int(refused, 1, "one is refused at its socket");
    is_int(hung, 12, "the one that hangs is the last");
    is_int(hang->rv, APR_TIMEUP, "and ends");
    is_int(wa_fetcher_count(fetcher), 0, "none is under way");
    is_int(pipe(ends), 0, "a pipe");
    is_int(write(ends[1], "x", 1), 1, "with something in it");
    wa_fetcher_run(fetcher, ends[0], apr_time_from_sec(600));
    ok(1, "ends a wait");
    close(ends[0]);
    close(ends[1]);
    peer_stop(silent);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    root = tap_start();
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("all_proxy", "http://127.0.0.1:1", 1);
    is_int(wa_http_init(), APR_SUCCESS, "libcurl starts");
    wa_nets_read(&loopback, root, "127.0.0.1");
    server = peer_start(root);
    test_urls();
    test_guard();
    test_answers();
    test_redirects();
    test_many();
    peer_stop(server);
    return tap_done();
}
