/* SPDX-License-Identifier: Apache-2.0 */
/* whatsappd: does what no request waits for. Runs in the foreground and logs
 * to standard error; systemd or a supervisor does the rest. */
#include "wad.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_getopt.h>
#include <apr_signal.h>
#include <apr_strings.h>

#include "../base/wa_crypto.h"
#include "../base/wa_log.h"
#include "../base/wa_time.h"

#define VERSION "0.1.0"
#define DB_CONNECTIONS_MIN 4

static volatile sig_atomic_t stopping;

int wad_stopping(void)
{
    return stopping;
}

static void on_signal(int signal)
{
    stopping = 1;
}

static void to_stderr(void *baton, wa_log_level level, const char *request_id,
                      const char *message)
{
    static const char *const names[] = { "err", "warning", "notice", "info",
                                         "debug" };
    apr_pool_t *p = NULL;

    if (apr_pool_create(&p, NULL) != APR_SUCCESS) {
        return;
    }
    fprintf(stderr, "%s [%s]%s%s%s %s\n", wa_time_rfc3339(p, apr_time_now()),
            names[level - WA_LOG_ERR], request_id ? " [" : "",
            request_id ? request_id : "", request_id ? "]" : "", message);
    apr_pool_destroy(p);
}

typedef struct options {
    const char *config;
    const char *admin, *password_file;
    int check, verify_audit;
} options;

static const apr_getopt_option_t option_table[] = {
    { "config", 'c', 1, "FILE  read the settings from FILE" },
    { "foreground", 'f', 0, "      stay in the foreground (always so)" },
    { "check", 't', 0, "      check the settings and end" },
    { "create-admin", 'a', 1, "NAME  make the first admin and end" },
    { "password-file", 'p', 1, "FILE  with the admin's password" },
    { "verify-audit", 'A', 0, "      check the audit's chain and end" },
    { "version", 'V', 0, "      print the version and end" },
    { "help", 'h', 0, "      print this and end" },
    { NULL, 0, 0, NULL }
};

static void usage(FILE *out)
{
    int i;

    fputs("usage: whatsappd -c FILE [options]\n", out);
    for (i = 0; option_table[i].name; i++) {
        fprintf(out, "  -%c, --%s %s\n", option_table[i].optch,
                option_table[i].name, option_table[i].description);
    }
}

/* @return -1 to go on, else the program's exit status */
static int read_options(apr_pool_t *p, int argc, const char *const *argv,
                        options *o)
{
    apr_getopt_t *state;
    const char *arg;
    apr_status_t rv;
    int ch;

    apr_getopt_init(&state, p, argc, argv);
    while ((rv = apr_getopt_long(state, option_table, &ch, &arg))
           == APR_SUCCESS) {
        switch (ch) {
        case 'c':
            o->config = arg;
            break;
        case 't':
            o->check = 1;
            break;
        case 'a':
            o->admin = arg;
            break;
        case 'p':
            o->password_file = arg;
            break;
        case 'A':
            o->verify_audit = 1;
            break;
        case 'V':
            puts("whatsappd " VERSION);
            return EXIT_SUCCESS;
        case 'h':
            usage(stdout);
            return EXIT_SUCCESS;
        default:
            break;
        }
    }
    if (rv != APR_EOF || !o->config || (o->admin && !o->password_file)) {
        usage(stderr);
        return EXIT_FAILURE;
    }
    return -1;
}

static void handle_signals(void)
{
    apr_signal(SIGTERM, on_signal);
    apr_signal(SIGINT, on_signal);
    /* Redis, PostgreSQL and the bridge may hang up while we write. */
    apr_signal(SIGPIPE, SIG_IGN);
}

static int work(wa_app *app, apr_pool_t *p)
{
    wa_db *db = NULL;
    apr_status_t rv;

    wa_log(WA_LOG_NOTICE, NULL, "WA0431: whatsappd " VERSION " starts as %s",
           app->instance);
    rv = wad_jobs_run(app, p);
    if (wa_db_open(&db, p, &app->db) == APR_SUCCESS) {
        WA_DB_RUN(db, WA_SQL_WORKER_GONE, NULL, app->instance);
    }
    wa_db_close(db);
    wa_log(WA_LOG_NOTICE, NULL, "WA0432: whatsappd ends");
    return rv == APR_SUCCESS ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int start(apr_pool_t *p, const options *o)
{
    wa_settings *settings = wa_settings_make(p);
    wa_secrets secrets;
    const char *why = "libsodium or libcurl can't be started";
    wa_app *app;
    apr_status_t rv;

    memset(&secrets, 0, sizeof(secrets));
    rv = wa_crypto_init();
    if (rv == APR_SUCCESS) {
        rv = wa_http_init();
    }
    if (rv == APR_SUCCESS) {
        rv = wad_config_read(settings, p, o->config, &why);
    }
    if (rv == APR_SUCCESS && settings->db_connections < DB_CONNECTIONS_MIN) {
        why = "WhatsAppDBConnections must be at least 4 for whatsappd: two"
              " listen, one claims, one records";
        rv = APR_EINVAL;
    }
    if (rv == APR_SUCCESS) {
        rv = wa_secrets_read(&secrets, p, settings, &why);
    }
    if (rv == APR_SUCCESS) {
        rv = wa_app_make(&app, p, settings, &secrets, NULL, &why);
    }
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "whatsappd: %s\n", why);
        return EXIT_FAILURE;
    }
    if (o->check) {
        puts("the settings are fine");
        return EXIT_SUCCESS;
    }
    if (o->verify_audit) {
        return wad_verify_audit(app, p);
    }
    if (o->admin) {
        return wad_create_admin(app, p, o->admin, o->password_file);
    }
    return work(app, p);
}

int main(int argc, const char *const *argv)
{
    options o;
    apr_pool_t *p;
    int status;

    memset(&o, 0, sizeof(o));
    if (apr_app_initialize(&argc, &argv, NULL) != APR_SUCCESS) {
        fputs("whatsappd: APR can't be started\n", stderr);
        return EXIT_FAILURE;
    }
    apr_pool_create(&p, NULL);
    handle_signals();
    wa_log_set(to_stderr, NULL, WA_LOG_INFO);
    status = read_options(p, argc, argv, &o);
    if (status < 0) {
        status = start(p, &o);
    }
    apr_pool_destroy(p);
    apr_terminate();
    return status;
}
