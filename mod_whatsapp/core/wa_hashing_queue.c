/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_hashing_queue.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <apr_errno.h>
#include <apr_strings.h>

/* What waits in the queue is what its sender's buffer has room for: some ten
 * questions, the kernel's own bookkeeping counted. More would only wait until
 * they are given up. */
#define QUEUE_BYTES (10 * 1024)

/* A control message with one descriptor. */
typedef union one_fd {
    struct cmsghdr head; /* for its alignment */
    char room[CMSG_SPACE(sizeof(int))];
} one_fd;

static void shut(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

void wa_hashing_queue_asks(wa_hashing_queue *q)
{
    shut(&q->serves);
}

void wa_hashing_queue_serves(wa_hashing_queue *q)
{
    shut(&q->asks);
}

static apr_status_t close_both(void *data)
{
    wa_hashing_queue *q = data;

    shut(&q->asks);
    shut(&q->serves);
    return APR_SUCCESS;
}

apr_status_t wa_hashing_queue_make(wa_hashing_queue **pq, apr_pool_t *p)
{
    wa_hashing_queue *q = apr_palloc(p, sizeof(*q));
    const int bytes = QUEUE_BYTES;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
        return errno;
    }
    q->asks = ends[0];
    q->serves = ends[1];
    apr_pool_cleanup_register(p, q, close_both, apr_pool_cleanup_null);
    *pq = q;
    return setsockopt(q->asks, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes))
               ? errno
               : APR_SUCCESS;
}

/* Send a question along with where its answer goes. */
static apr_status_t send_question(int fd, const wa_hashing_question *question,
                                  int reply)
{
    struct iovec part = { (void *)question, sizeof(*question) };
    one_fd control;
    struct msghdr msg;
    struct cmsghdr *c;
    ssize_t n;

    memset(&msg, 0, sizeof(msg));
    memset(&control, 0, sizeof(control));
    msg.msg_iov = &part;
    msg.msg_iovlen = 1;
    msg.msg_control = control.room;
    msg.msg_controllen = sizeof(control.room);
    c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(reply));
    memcpy(CMSG_DATA(c), &reply, sizeof(reply));
    do {
        n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
        return APR_SUCCESS;
    }
    return errno == EAGAIN || errno == ENOBUFS ? APR_EAGAIN : APR_EOF;
}

static apr_status_t await(int fd, apr_time_t until)
{
    struct pollfd one = { fd, POLLIN, 0 };
    int n;

    do {
        apr_interval_time_t left = until - apr_time_now();

        n = poll(&one, 1, left <= 0 ? 0 : (int)apr_time_as_msec(left + 999));
    } while (n < 0 && errno == EINTR);
    return n > 0 ? APR_SUCCESS : n == 0 ? APR_TIMEUP : errno;
}

static apr_status_t ask_once(int fd, const wa_hashing_question *question,
                             wa_hashing_answer *answer, apr_time_t until)
{
    apr_status_t rv;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
        return errno;
    }
    rv = send_question(fd, question, ends[1]);
    close(ends[1]); /* or its end would never show */
    if (rv == APR_SUCCESS) {
        rv = await(ends[0], until);
    }
    if (rv == APR_SUCCESS
        && recv(ends[0], answer, sizeof(*answer), MSG_DONTWAIT)
               != (ssize_t)sizeof(*answer)) {
        rv = APR_EOF;
    }
    close(ends[0]);
    return rv;
}

apr_status_t wa_hashing_queue_ask(const wa_hashing_queue *q,
                                  const wa_hashing_question *question,
                                  wa_hashing_answer *answer,
                                  apr_interval_time_t wait)
{
    apr_time_t until = apr_time_now() + wait;
    apr_status_t rv = ask_once(q->asks, question, answer, until);

    /* The process that had it died: another one may have it, once. */
    return APR_STATUS_IS_EOF(rv) ? ask_once(q->asks, question, answer, until)
                                 : rv;
}

/* @return the bytes of the question, 0 at the end; reply is -1 without one */
static ssize_t take(int fd, wa_hashing_question *question, int *reply)
{
    struct iovec part = { question, sizeof(*question) };
    one_fd control;
    struct msghdr msg;
    struct cmsghdr *c;
    ssize_t n;

    *reply = -1;
    memset(&msg, 0, sizeof(msg));
    msg.msg_iov = &part;
    msg.msg_iovlen = 1;
    msg.msg_control = control.room;
    msg.msg_controllen = sizeof(control.room);
    do {
        n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS
        && c->cmsg_len == CMSG_LEN(sizeof(*reply))) {
        memcpy(reply, CMSG_DATA(c), sizeof(*reply));
    }
    return n;
}

/* Nobody waits any more for the answer. */
static int given_up(int reply)
{
    struct pollfd one = { reply, POLLIN, 0 };

    return poll(&one, 1, 0) != 0;
}

static int make(const char *password, wa_hashing_answer *a, apr_pool_t *scratch)
{
    const char *made = wa_password_hash(scratch, password);
    int good = made && strlen(made) < sizeof(a->hash);

    if (good) {
        apr_cpystrn(a->hash, made, sizeof(a->hash));
    }
    return good;
}

static void work(wa_hashing_question *q, wa_hashing_answer *a,
                 apr_pool_t *scratch)
{
    q->hash[sizeof(q->hash) - 1] = '\0';
    q->password[sizeof(q->password) - 1] = '\0';
    if (!q->verify) {
        a->good = make(q->password, a, scratch);
        return;
    }
    a->good = wa_password_verify(*q->hash ? q->hash : NULL, q->password);
    /* In the same turn: once for each, and only for who knows the password. */
    if (a->good && wa_password_stale(q->hash)) {
        (void)make(q->password, a, scratch);
    }
}

int wa_hashing_queue_serve(const wa_hashing_queue *q, apr_pool_t *scratch)
{
    wa_hashing_question question;
    wa_hashing_answer answer;
    int done = 0, reply;
    ssize_t n;

    memset(&question, 0, sizeof(question));
    memset(&answer, 0, sizeof(answer));
    while ((n = take(q->serves, &question, &reply)) > 0) {
        if (n == (ssize_t)sizeof(question) && reply >= 0 && !given_up(reply)) {
            work(&question, &answer, scratch);
            (void)send(reply, &answer, sizeof(answer),
                       MSG_DONTWAIT | MSG_NOSIGNAL);
            done++;
        }
        wa_wipe(&question, sizeof(question));
        wa_wipe(&answer, sizeof(answer));
        shut(&reply);
        apr_pool_clear(scratch);
    }
    return done;
}
