/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "wa_fetch_private.h"

#define CONNECT_TIMEOUT apr_time_from_sec(5)
#define TIMEOUT apr_time_from_sec(15)
#define MAX_BODY ((apr_off_t)64 * 1024)
#define MAX_HEADERS ((apr_size_t)64 * 1024)
#define USER_AGENT "mod_whatsapp/0.1"

/* --- the URL ---------------------------------------------------------------
 */

/* Ports over 1023 of protocols that might take a request for something of
 * theirs: the list of browsers (WHATWG, Fetch, "bad port"). */
static const int bad_ports[] = { 1719, 1720, 1723, 2049, 3659, 4045, 4190,
                                 5060, 5061, 6000, 6566, 6665, 6666, 6667,
                                 6668, 6669, 6679, 6697, 10080 };

static int port_ok(const char *text)
{
    long port = strtol(text, NULL, 10);
    apr_size_t i;

    if (port <= 1023) {
        return port == 80 || port == 443;
    }
    for (i = 0; i < sizeof(bad_ports) / sizeof(bad_ports[0]); i++) {
        if (port == bad_ports[i]) {
            return 0;
        }
    }
    return 1;
}

/* Does the host end in a label of digits only, or of hex digits after 0x?
 * Those who resolve names take it for an IPv4 address (WHATWG, URL). */
static int looks_ipv4(const char *host)
{
    apr_size_t len = strlen(host), start;
    const char *last;

    while (len && host[len - 1] == '.') {
        len--;
    }
    for (start = len; start && host[start - 1] != '.'; start--) {
    }
    last = host + start;
    len -= start;
    if (len >= 2 && last[0] == '0' && (last[1] == 'x' || last[1] == 'X')) {
        return strspn(last + 2, "0123456789abcdefABCDEF") == len - 2;
    }
    return len && strspn(last, "0123456789") >= len;
}

/* Stands the host in the URL as libcurl reads it? */
static int as_written(const char *url, const char *host)
{
    const char *at = strstr(url, "://");
    apr_size_t len = strlen(host);

    return at && !strncasecmp(at + 3, host, len)
           && (!at[3 + len] || strchr(":/?#", at[3 + len]));
}

static const char *host_wrong(apr_pool_t *p, const char *url, const char *host,
                              const wa_nets *allow)
{
    char *bare = apr_pstrdup(p, host);
    apr_size_t len = strlen(bare);
    int verdict;

    if (!as_written(url, host)) {
        return "its host is spelled in an unusual way";
    }
    if (*bare == '[') {
        bare[len - 1] = '\0';
        verdict = wa_net_may_call_text(bare + 1, allow);
        return verdict == 1 ? NULL : "its address is not a public one";
    }
    verdict = wa_net_may_call_text(bare, allow);
    if (verdict == 0) {
        return "its address is not a public one";
    }
    if (verdict == -1 && looks_ipv4(bare)) {
        return "its host is spelled in an unusual way";
    }
    while (len && bare[len - 1] == '.') {
        bare[--len] = '\0';
    }
    if (!len
        || strspn(bare, "abcdefghijklmnopqrstuvwxyz"
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")
               != len) {
        return "its host is no name";
    }
    if ((!strcasecmp(bare, "localhost")
         || (len > 10 && !strcasecmp(bare + len - 10, ".localhost")))
        && wa_net_may_call_text("127.0.0.1", allow) != 1) {
        return "its address is not a public one";
    }
    return NULL;
}

/* A part of the URL, in p; "" where it has none. */
static const char *part(apr_pool_t *p, CURLU *u, CURLUPart which)
{
    char *text = NULL;
    const char *copy = "";

    if (curl_url_get(u, which, &text, CURLU_DEFAULT_PORT) == CURLUE_OK) {
        copy = apr_pstrdup(p, text);
    }
    curl_free(text);
    return copy;
}

static const char *parts_wrong(apr_pool_t *p, CURLU *u, const char *url,
                               int plain, const wa_nets *allow)
{
    const char *scheme = part(p, u, CURLUPART_SCHEME);

    if (strcmp(scheme, "https") && strcmp(scheme, "http")) {
        return plain ? "it is neither http nor https" : "it is not https";
    }
    if (!plain && strcmp(scheme, "https")) {
        return "it is not https";
    }
    if (!port_ok(part(p, u, CURLUPART_PORT))) {
        return "its port is not 80, 443 or one over 1023, or is another"
               " protocol's";
    }
    return host_wrong(p, url, part(p, u, CURLUPART_HOST), allow);
}

const char *wa_fetch_url_wrong(apr_pool_t *p, const char *url, int plain,
                               const wa_nets *allow)
{
    const char *wrong = "it can't be read";
    const unsigned char *c;
    CURLU *u;

    if (strlen(url) > WA_FETCH_URL_MAX) {
        return "it is too long";
    }
    for (c = (const unsigned char *)url; *c; c++) {
        if (*c <= ' ' || *c >= 0x7f || *c == '\\') {
            return "it has a character that is to be percent-encoded, or a"
                   " host that is to be written as xn--";
        }
    }
    u = curl_url();
    if (u) {
        switch (curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER)) {
        case CURLUE_OK:
            wrong = parts_wrong(p, u, url, plain, allow);
            break;
        case CURLUE_USER_NOT_ALLOWED:
            wrong = "it has a user name or password";
            break;
        case CURLUE_UNSUPPORTED_SCHEME:
            wrong = plain ? "it is neither http nor https" : "it is not https";
            break;
        default:
            break;
        }
    }
    curl_url_cleanup(u);
    return wrong;
}

/* --- the verdict at the socket ---------------------------------------------
 */

static curl_socket_t on_socket(void *baton, curlsocktype purpose,
                               struct curl_sockaddr *address)
{
    wa_fetch_call *c = baton;

    if (purpose != CURLSOCKTYPE_IPCXN
        || !wa_net_may_call(&address->addr, c->f->allow)) {
        c->refused = 1;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC,
                  address->protocol);
}

/* The same once more before the request is sent, also when the connection is
 * an older one. */
static int on_ready(void *baton, char *address, char *ours, int port,
                    int our_port)
{
    wa_fetch_call *c = baton;

    if (wa_net_may_call_text(address, c->f->allow) == 1) {
        return CURL_PREREQFUNC_OK;
    }
    c->refused = 1;
    return CURL_PREREQFUNC_ABORT;
}

/* --- the answer ------------------------------------------------------------
 */

static size_t on_body(char *data, size_t size, size_t n, void *baton)
{
    wa_fetch_call *c = baton;
    wa_fetch *f = c->f;
    apr_size_t len = size * n, keep;
    apr_off_t max = f->max_body > 0 ? f->max_body : MAX_BODY;
    long status = 0;

    if ((apr_off_t)len > max - c->got) {
        c->sink_rv = APR_ENOSPC;
        return 0;
    }
    c->got += (apr_off_t)len;
    keep = f->keep - f->head_len;
    if (keep) {
        keep = len < keep ? len : keep;
        memcpy(c->head + f->head_len, data, keep);
        f->head_len += keep;
    }
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    if (f->sink && status >= 200 && status <= 299) {
        c->sink_rv = f->sink(f->sink_baton, data, len);
    }
    return c->sink_rv == APR_SUCCESS ? len : 0;
}

static size_t on_header(char *data, size_t size, size_t n, void *baton)
{
    wa_fetch_call *c = baton;
    apr_size_t len = size * n, end = len;
    char *line, *value;

    c->header_bytes += len;
    if (c->header_bytes > MAX_HEADERS) {
        return 0;
    }
    if (len >= 5 && !memcmp(data, "HTTP/", 5)) {
        c->f->content_type = NULL;
        c->f->retry_after = 0;
        return len;
    }
    while (end > 0 && apr_isspace(data[end - 1])) {
        end--;
    }
    line = apr_pstrmemdup(c->p, data, end);
    value = wa_http_header_value(line);
    if (value && !strcasecmp(line, "Content-Type")) {
        c->f->content_type = value;
    }
    else if (value && !strcasecmp(line, "Retry-After")) {
        c->f->retry_after = wa_http_seconds(value);
    }
    return len;
}

static int on_progress(void *baton, curl_off_t down_total, curl_off_t down,
                       curl_off_t up_total, curl_off_t up)
{
    wa_fetch_call *c = baton;

    return c->f->stop && c->f->stop(c->f->baton);
}

/* --- the call --------------------------------------------------------------
 */

static void set_guard(CURL *curl, wa_fetch_call *c)
{
    const char *protocols = c->f->plain ? "http,https" : "https";

    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, protocols);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, c);
    curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, on_ready);
    curl_easy_setopt(curl, CURLOPT_PREREQDATA, c);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, USER_AGENT);
}

static long to_msec(apr_interval_time_t t)
{
    return (long)apr_time_as_msec(t + 999);
}

static void set_limits(CURL *curl, const wa_fetch *f, apr_interval_time_t left)
{
    apr_interval_time_t connect = f->connect_timeout > 0 ? f->connect_timeout
                                                         : CONNECT_TIMEOUT;

    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    /* A lookup that hangs must not hold up whoever gives up on it. */
    curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, to_msec(connect));
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, to_msec(left));
}

static void set_receiver(CURL *curl, wa_fetch_call *c)
{
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, c);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, c);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, (char *)c);
}

static void clear_answer(wa_fetch *f)
{
    f->rv = APR_SUCCESS;
    f->error = NULL;
    f->status = 0;
    f->content_type = NULL;
    f->length = -1;
    f->head = "";
    f->head_len = 0;
    f->retry_after = 0;
    f->took = 0;
}

static void *fails(wa_fetch *f, apr_status_t rv, const char *error)
{
    f->rv = rv;
    f->error = error;
    return NULL;
}

wa_fetch_call *wa_fetch_begin(apr_pool_t *p, wa_fetch *f, const char *url,
                              apr_interval_time_t left)
{
    wa_fetch_call *c = apr_pcalloc(p, sizeof(*c));
    const char *wrong = wa_fetch_url_wrong(p, url, f->plain, f->allow);
    apr_status_t rv;

    clear_answer(f);
    if (wrong) {
        return fails(f, APR_EINVAL,
                     apr_pstrcat(p, "the URL is not called: ", wrong, NULL));
    }
    c->p = p;
    c->f = f;
    c->began = apr_time_now();
    f->head = c->head = apr_pcalloc(p, f->keep + 1);
    rv = wa_http_lines(&c->lines, p, f->headers);
    c->curl = rv == APR_SUCCESS ? curl_easy_init() : NULL;
    if (!c->curl) {
        curl_slist_free_all(c->lines);
        return fails(f, rv == APR_SUCCESS ? APR_ENOMEM : rv,
                     "the request can't be made");
    }
    set_guard(c->curl, c);
    set_limits(c->curl, f, left);
    set_receiver(c->curl, c);
    wa_http_set_method(c->curl, f->method ? f->method : "GET", f->body,
                       f->body_len);
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, c->lines);
    return c;
}

static void read_failure(wa_fetch_call *c, CURLcode code)
{
    wa_fetch *f = c->f;
    long sent = 0;

    curl_easy_getinfo(c->curl, CURLINFO_REQUEST_SIZE, &sent);
    if (c->sink_rv != APR_SUCCESS) {
        fails(f, c->sink_rv,
              APR_STATUS_IS_ENOSPC(c->sink_rv)
                  ? "the answer is larger than allowed"
                  : "the answer could not be taken");
    }
    else if (code == CURLE_ABORTED_BY_CALLBACK && !c->refused) {
        fails(f, APR_EINTR, "the call was broken off");
    }
    else if (c->refused && !sent) {
        fails(f, APR_EACCES, "the host's address is not a public one");
    }
    else {
        fails(f, wa_http_status(code, sent > 0), curl_easy_strerror(code));
    }
}

void wa_fetch_end(wa_fetch_call *c, CURLcode code)
{
    wa_fetch *f = c->f;
    curl_off_t length = -1;
    long status = 0;

    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(c->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    f->status = (int)status;
    f->length = (apr_off_t)length;
    f->took = apr_time_now() - c->began;
    if (code != CURLE_OK) {
        read_failure(c, code);
    }
    curl_easy_cleanup(c->curl);
    curl_slist_free_all(c->lines);
    c->curl = NULL;
    c->lines = NULL;
}

/* One call, and where it is redirected to, in p. */
static const char *once(apr_pool_t *p, wa_fetch *f, const char *url,
                        apr_interval_time_t left)
{
    wa_fetch_call *c = wa_fetch_begin(p, f, url, left);
    const char *next = NULL;
    char *to = NULL;
    CURLcode code;

    if (!c) {
        return NULL;
    }
    code = curl_easy_perform(c->curl);
    if (code == CURLE_OK
        && curl_easy_getinfo(c->curl, CURLINFO_REDIRECT_URL, &to) == CURLE_OK) {
        next = apr_pstrdup(p, to);
    }
    wa_fetch_end(c, code);
    return next;
}

apr_status_t wa_fetch_do(apr_pool_t *p, wa_fetch *f)
{
    apr_time_t began = apr_time_now();
    apr_interval_time_t timeout = f->timeout > 0 ? f->timeout : TIMEOUT, left;
    const char *url = f->url;
    int hops = 0;

    for (;;) {
        const char *next;

        left = began + timeout - apr_time_now();
        if (left <= 0) {
            fails(f, APR_TIMEUP, curl_easy_strerror(CURLE_OPERATION_TIMEDOUT));
            break;
        }
        next = once(p, f, url, left);
        if (!next || !f->redirects) {
            break;
        }
        if (hops++ == f->redirects) {
            fails(f, APR_EINVAL, "it redirects too often");
            break;
        }
        if (!strncasecmp(url, "https:", 6) && strncasecmp(next, "https:", 6)) {
            fails(f, APR_EINVAL, "it redirects from https to something else");
            break;
        }
        url = next;
    }
    f->took = apr_time_now() - began;
    return f->rv;
}
