/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file peer.h
 * @brief A server that says what a test tells it to: one thread, 127.0.0.1.
 *
 * A request is a whole HTTP request with its body, or whatever arrives at
 * once when it doesn't look like one. Everything is inline, since a test is
 * one file.
 */
#ifndef PEER_H
#define PEER_H

#include <apr_pools.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEER_CONNECTIONS 16
#define PEER_BUFFER 65536

enum {
    PEER_CLOSE = 1, /* close after the answer */
    PEER_HANG = 2,  /* say nothing and keep the connection */
    PEER_RESET = 4  /* close with a reset instead of an answer */
};

typedef struct peer_answer {
    const char *bytes; /* NULL: none (any more) */
    int flags;
} peer_answer;

typedef struct peer_connection {
    int fd; /* -1: free */
    size_t used;
    char in[PEER_BUFFER];
} peer_connection;

typedef struct peer {
    apr_thread_t *thread;
    int port;
    int listener;
    apr_thread_mutex_t *lock; /* of all below */
    int stop, hang_up;
    int connections, requests;
    peer_answer always, once;
    char last[PEER_BUFFER];
    peer_connection open[PEER_CONNECTIONS];
} peer;

static inline int peer_complete(const peer_connection *c)
{
    const char *end = strstr(c->in, "\r\n\r\n");
    const char *length = strcasestr(c->in, "\nContent-Length:");
    size_t need;

    if (!strstr(c->in, " HTTP/1.1\r\n")) {
        return c->used > 0;
    }
    if (!end) {
        return 0;
    }
    need = (size_t)(end + 4 - c->in);
    if (length && length < end) {
        need += strtoul(length + 16, NULL, 10);
    }
    return c->used >= need;
}

static inline void peer_drop(peer_connection *c, int reset)
{
    struct linger at_once = { 1, 0 };

    if (reset) {
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
    close(c->fd);
    c->fd = -1;
}

static inline void peer_reply(peer *s, peer_connection *c)
{
    peer_answer a = s->once.bytes ? s->once : s->always;

    s->once.bytes = NULL;
    s->requests++;
    memcpy(s->last, c->in, c->used + 1);
    c->used = 0;
    if (!(a.flags & (PEER_HANG | PEER_RESET)) && a.bytes) {
        size_t len = strlen(a.bytes), done = 0;

        while (done < len) {
            ssize_t n = send(c->fd, a.bytes + done, len - done, MSG_NOSIGNAL);

            if (n <= 0) {
                break;
            }
            done += (size_t)n;
        }
    }
    if (a.flags & (PEER_CLOSE | PEER_RESET)) {
        peer_drop(c, a.flags & PEER_RESET);
    }
}

static inline void peer_read(peer *s, peer_connection *c)
{
    ssize_t n = recv(c->fd, c->in + c->used, sizeof(c->in) - 1 - c->used, 0);

    if (n <= 0) {
        peer_drop(c, 0);
        return;
    }
    c->used += (size_t)n;
    c->in[c->used] = '\0';
    if (peer_complete(c)) {
        peer_reply(s, c);
    }
}

static inline void peer_accept(peer *s)
{
    int fd = accept(s->listener, NULL, NULL), i;

    s->connections++;
    for (i = 0; i < PEER_CONNECTIONS; i++) {
        if (s->open[i].fd < 0) {
            s->open[i].fd = fd;
            s->open[i].used = 0;
            return;
        }
    }
    close(fd);
}

static inline void peer_round(peer *s)
{
    struct pollfd pfd[PEER_CONNECTIONS + 1];
    int i;

    for (i = 0; i < PEER_CONNECTIONS; i++) {
        pfd[i] = (struct pollfd){ .fd = s->open[i].fd, .events = POLLIN };
    }
    pfd[i] = (struct pollfd){ .fd = s->listener, .events = POLLIN };
    poll(pfd, PEER_CONNECTIONS + 1, 5);
    apr_thread_mutex_lock(s->lock);
    for (i = 0; i < PEER_CONNECTIONS; i++) {
        if (s->open[i].fd >= 0 && s->hang_up) {
            peer_drop(&s->open[i], 0);
        }
        else if (s->open[i].fd >= 0 && pfd[i].revents) {
            peer_read(s, &s->open[i]);
        }
    }
    s->hang_up = 0;
    if (pfd[i].revents) {
        peer_accept(s);
    }
    apr_thread_mutex_unlock(s->lock);
}

static inline void *APR_THREAD_FUNC peer_main(apr_thread_t *thread, void *data)
{
    peer *s = data;
    int stop = 0, i;

    while (!stop) {
        peer_round(s);
        apr_thread_mutex_lock(s->lock);
        stop = s->stop;
        apr_thread_mutex_unlock(s->lock);
    }
    for (i = 0; i < PEER_CONNECTIONS; i++) {
        if (s->open[i].fd >= 0) {
            peer_drop(&s->open[i], 0);
        }
    }
    close(s->listener);
    return NULL;
}

static inline peer *peer_start(apr_pool_t *p)
{
    peer *s = apr_pcalloc(p, sizeof(*s));
    struct sockaddr_in sin = { .sin_family = AF_INET };
    socklen_t len = sizeof(sin);
    int i;

    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(s->listener, (struct sockaddr *)&sin, sizeof(sin)) != 0
        || listen(s->listener, PEER_CONNECTIONS) != 0
        || getsockname(s->listener, (struct sockaddr *)&sin, &len) != 0) {
        abort();
    }
    s->port = ntohs(sin.sin_port);
    for (i = 0; i < PEER_CONNECTIONS; i++) {
        s->open[i].fd = -1;
    }
    apr_thread_mutex_create(&s->lock, APR_THREAD_MUTEX_DEFAULT, p);
    apr_thread_create(&s->thread, NULL, peer_main, s, p);
    return s;
}

/** End it: its port refuses connections from here on. */
static inline void peer_stop(peer *s)
{
    apr_status_t rv;

    apr_thread_mutex_lock(s->lock);
    s->stop = 1;
    apr_thread_mutex_unlock(s->lock);
    apr_thread_join(&rv, s->thread);
}

/** Answer every request so; the bytes must live on. */
static inline void peer_say(peer *s, const char *bytes, int flags)
{
    apr_thread_mutex_lock(s->lock);
    s->always = (peer_answer){ bytes, flags };
    s->once.bytes = NULL;
    apr_thread_mutex_unlock(s->lock);
}

/** Answer only the next one so. */
static inline void peer_say_once(peer *s, const char *bytes, int flags)
{
    apr_thread_mutex_lock(s->lock);
    s->once = (peer_answer){ bytes, flags };
    apr_thread_mutex_unlock(s->lock);
}

/** Close all connections, as a server does with idle ones. */
static inline void peer_hang_up(peer *s)
{
    int done = 0;

    apr_thread_mutex_lock(s->lock);
    s->hang_up = 1;
    apr_thread_mutex_unlock(s->lock);
    while (!done) {
        apr_sleep(apr_time_from_msec(2));
        apr_thread_mutex_lock(s->lock);
        done = !s->hang_up;
        apr_thread_mutex_unlock(s->lock);
    }
}

/** Connections and requests since the last question. */
static inline void peer_counts(peer *s, int *connections, int *requests)
{
    apr_thread_mutex_lock(s->lock);
    *connections = s->connections;
    *requests = s->requests;
    s->connections = s->requests = 0;
    apr_thread_mutex_unlock(s->lock);
}

/** The last request, in p. */
static inline const char *peer_request(peer *s, apr_pool_t *p)
{
    const char *copy;

    apr_thread_mutex_lock(s->lock);
    copy = apr_pstrdup(p, s->last);
    apr_thread_mutex_unlock(s->lock);
    return copy;
}

#endif
