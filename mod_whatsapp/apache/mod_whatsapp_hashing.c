/* SPDX-License-Identifier: Apache-2.0 */
/* The processes that hash passwords for all children of Apache: children of the
 * parent as mod_cgid's daemon is, few, and behind everything else.
 *
 * They serve the generation they were made for and end when nobody is left of
 * it, which the closed ends of their queue tell them. After a graceful restart
 * there may thus be older ones; httpd keeps track of them as well, for it calls
 * a child that it doesn't know a long lost one. */
#include "mod_whatsapp.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include <ap_mpm.h>
#include <apr_signal.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <http_log.h>
#include <mpm_common.h>

#include "../core/wa_hashing_queue.h"

APLOG_USE_MODULE(whatsapp);

#define MOST 8    /* processes */
#define ELDERS 64 /* processes of earlier generations */
/* A tenth of the share of others: where eight of those want a processor, a
 * login takes some two seconds. At 19, a seventieth, it would starve. */
#define NICE 10
#define SLICE_NS 100000 /* the shortest that there is */
#define UNABLE 254      /* exit status: another one would fare no better */
#define KEPT "mod_whatsapp:hashing"

/* What outlives a configuration, and the module's own code with it. */
typedef struct kept {
    pid_t elders[ELDERS]; /* 0: no process */
} kept;

typedef struct hasher {
    apr_proc_t proc; /* its pid is 0 when it has ended */
    int elder;
    int unable; /* there shall be no other in its place */
} hasher;

static apr_pool_t *pool; /* of this configuration */
static server_rec *server;
static wa_secrets *unneeded; /* by those who only hash */
static wa_hashing_queue *queue;
static hasher *hashers; /* those of this configuration */
static int count;

static kept *what_is_kept(void)
{
    kept *k = ap_retained_data_get(KEPT);

    return k ? k : ap_retained_data_create(KEPT, sizeof(*k));
}

/* It lives longer than this configuration. */
static void keep(pid_t pid)
{
    kept *k = what_is_kept();
    int i;

    for (i = 0; pid && i < ELDERS; i++) {
        if (!k->elders[i]) {
            k->elders[i] = pid;
            return;
        }
    }
}

/* --- in the process itself ------------------------------------------------ */

/* Where the kernel, or a container's filter, has no close_range: not up to the
 * limit, which may be a thousand million. @return 0 when there is no /proc */
static int close_those_open(int last)
{
    DIR *all = opendir("/proc/self/fd");
    const struct dirent *one;

    while (all && (one = readdir(all)) != NULL) {
        int fd = (int)strtol(one->d_name, NULL, 10);

        if (fd > last && fd != dirfd(all)) {
            close(fd);
        }
    }
    return all && !closedir(all);
}

static void close_above(int last)
{
    int most = (int)sysconf(_SC_OPEN_MAX), fd;

#ifdef CLOSE_RANGE_UNSHARE
    if (close_range((unsigned)last + 1, ~0U, 0) == 0) {
        return;
    }
#endif
    if (close_those_open(last)) {
        return;
    }
    for (fd = last + 1; fd < most; fd++) {
        close(fd);
    }
}

/* Of the parent's it needs the queue, and where errors go. */
static int leave_behind(wa_hashing_queue *q)
{
    const int at = STDERR_FILENO + 1;

    if (q->serves != at && dup2(q->serves, at) < 0) {
        return 0;
    }
    q->serves = at;
    q->asks = -1;
    close_above(at);
    wa_secrets_wipe(unneeded);
    return 1;
}

/* A signal to all of Apache ends it, one that means "gracefully" does not: it
 * ends after those who may ask. */
static void own_signals(void)
{
    static const int end[] = { SIGTERM, SIGHUP, SIGINT, SIGCHLD };
    static const int ignore[] = { SIGUSR1, SIGWINCH, SIGPIPE };
    sigset_t none;
    size_t i;

    for (i = 0; i < sizeof(end) / sizeof(end[0]); i++) {
        apr_signal(end[i], SIG_DFL);
    }
    for (i = 0; i < sizeof(ignore) / sizeof(ignore[0]); i++) {
        apr_signal(ignore[i], SIG_IGN);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Not without the parent, who might die without a word. Set after the user,
 * for a change of that undoes it. */
static int end_with(pid_t parent)
{
#ifdef __linux__
    prctl(PR_SET_NAME, "wa-hashing");
    if (prctl(PR_SET_PDEATHSIG, SIGTERM)) {
        return 0;
    }
#endif
    return getppid() == parent;
}

/* Passwords don't get into a file. */
static void no_core(void)
{
    const struct rlimit none = { 0, 0 };

    (void)setrlimit(RLIMIT_CORE, &none);
}

/* Short turns: nobody who becomes ready waits for the end of a long one (Linux
 * 6.12 and later; EEVDF). glibc has no function for it. */
static void short_turns(void)
{
#ifdef SYS_sched_setattr
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t slice, deadline, period; /* ns */
    } attr;

    memset(&attr, 0, sizeof(attr)); /* SCHED_OTHER */
    attr.size = sizeof(attr);
    attr.nice = NICE;
    attr.slice = SLICE_NS;
    (void)syscall(SYS_sched_setattr, 0, &attr, 0);
#endif
}

/* Behind everything else. Linux may share the processors between sessions first
 * (sched_autogroup): nice within Apache's, it would have all of Apache's share
 * against PostgreSQL and Redis. All of it is a matter of speed alone, so that
 * nothing is asked of what can't be done. */
static void stand_back(void)
{
    static const char nice[] = APR_STRINGIFY(NICE);
    int fd;

    (void)setsid();
    fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t n = write(fd, nice, sizeof(nice) - 1);

        (void)n;
        close(fd);
    }
    (void)setpriority(PRIO_PROCESS, 0, NICE);
    short_turns();
}

static void hash_passwords(wa_hashing_queue *q, pid_t parent)
{
    apr_pool_t *scratch;

    own_signals();
    stand_back();
    if (!leave_behind(q) || ap_run_drop_privileges(pool, server)
        || apr_pool_create(&scratch, NULL) != APR_SUCCESS) {
        _exit(UNABLE);
    }
    no_core();
    if (!end_with(parent)) {
        _exit(0);
    }
    (void)wa_hashing_queue_serve(q, scratch);
    _exit(0);
}

/* --- in the parent ---------------------------------------------------------
 */

static apr_status_t start_one(hasher *h);

/* The machine may have no room for it now: then monitor() tries again. */
static void start_again(hasher *h)
{
    apr_status_t rv = start_one(h);

    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, rv, server,
                     "WA0009: no process can be made to hash passwords; this is"
                     " tried again");
    }
}

static int is_stopping(void)
{
    int state = AP_MPMQ_STOPPING;

    return ap_mpm_query(AP_MPMQ_MPM_STATE, &state) != APR_SUCCESS
           || state == AP_MPMQ_STOPPING;
}

static void ended(hasher *h, int status)
{
    h->proc.pid = 0;
    apr_proc_other_child_unregister(h);
    if (h->elder || is_stopping()) {
        return;
    }
    if (status == UNABLE) {
        h->unable = 1;
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, server,
                     "WA0007: a process can't get ready to hash passwords");
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, server,
                 "WA0008: a process that hashes passwords ended (%d); there"
                 " will be another one",
                 status);
    start_again(h);
}

static void maintain(int reason, void *data, int status)
{
    hasher *h = data;

    switch (reason) {
    case APR_OC_REASON_DEATH:
    case APR_OC_REASON_LOST:
        ended(h, reason == APR_OC_REASON_DEATH ? status : 0);
        break;
    case APR_OC_REASON_RESTART: /* or the end: nothing is asked any more */
        kill(h->proc.pid, SIGTERM);
        apr_proc_other_child_unregister(h);
        break;
    case APR_OC_REASON_UNREGISTER:
        keep(h->proc.pid);
        break;
    default:
        break;
    }
}

static apr_status_t start_one(hasher *h)
{
    pid_t parent = getpid();
    apr_status_t rv = apr_proc_fork(&h->proc, pool);

    if (rv == APR_INCHILD) {
        hash_passwords(queue, parent); /* doesn't return */
    }
    if (rv != APR_INPARENT) {
        return rv;
    }
    apr_proc_other_child_register(&h->proc, maintain, h, NULL, pool);
    return APR_SUCCESS;
}

/* Processes that were there before this configuration. */
static void know_elders(void)
{
    kept *k = what_is_kept();
    int i;

    for (i = 0; i < ELDERS; i++) {
        hasher *h;

        if (!k->elders[i]) {
            continue;
        }
        h = apr_pcalloc(pool, sizeof(*h));
        h->proc.pid = k->elders[i];
        h->elder = 1;
        k->elders[i] = 0;
        apr_proc_other_child_register(&h->proc, maintain, h, NULL, pool);
    }
}

/* Half of the processors may hash, so that the other half goes on. */
static int how_many(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN) / 2;

    return n < 1 ? 1 : n > MOST ? MOST : (int)n;
}

/* Every ten seconds or so, in the parent. */
static int monitor(apr_pool_t *p, server_rec *s)
{
    int i;

    for (i = 0; i < count && !is_stopping(); i++) {
        if (!hashers[i].proc.pid && !hashers[i].unable) {
            start_again(&hashers[i]);
        }
    }
    return DECLINED;
}

void mod_whatsapp_hashing_register(void)
{
    ap_hook_monitor(monitor, NULL, NULL, APR_HOOK_MIDDLE);
}

apr_status_t mod_whatsapp_hashing_start(apr_pool_t *pconf, server_rec *s,
                                        wa_secrets *secrets)
{
    apr_status_t rv;
    int n = how_many(), i;

    pool = pconf;
    server = s;
    unneeded = secrets;
    know_elders();
    rv = wa_hashing_queue_make(&queue, pconf);
    hashers = apr_pcalloc(pconf, MOST * sizeof(*hashers));
    for (i = 0; rv == APR_SUCCESS && i < n; i++) {
        rv = start_one(&hashers[i]);
    }
    count = rv == APR_SUCCESS ? n : 0;
    return rv;
}

const wa_hashing_queue *mod_whatsapp_hashing(void)
{
    wa_hashing_queue_asks(queue);
    return queue;
}
