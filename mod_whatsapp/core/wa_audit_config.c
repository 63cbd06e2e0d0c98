/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_audit_config.h"

#include <string.h>

#include <apr_network_io.h>
#include <apr_strings.h>

#include "wa_audit.h"

const char *wa_audit_instance(apr_pool_t *p, const char *program, int port)
{
    char host[APRMAXHOSTLEN + 1];

    if (apr_gethostname(host, sizeof(host), p) != APR_SUCCESS) {
        apr_cpystrn(host, "localhost", sizeof(host));
    }
    return port ? apr_psprintf(p, "%s@%s:%d", program, host, port)
                : apr_pstrcat(p, program, "@", host, NULL);
}

static int add(void *baton, const char *name, const char *value)
{
    /* A connection string may have a password in it. */
    int secret = !strcasecmp(name, "WhatsAppDB")
                 || !strcasecmp(name, "WhatsAppRedis");

    wa_json_set_str(baton, name, secret ? "(set)" : value);
    return 1;
}

static json_t *detail_of(const wa_app *app, apr_pool_t *p)
{
    json_t *detail = wa_json_own(p, json_object());

    apr_table_do(add, detail, app->settings->given, NULL);
    return detail;
}

static apr_status_t append_if_new(wa_app *app, apr_pool_t *p, wa_db *db,
                                  const char *instance)
{
    wa_audit_entry e;
    wa_db_rows *rows;
    const char *last;
    /* The chain's lock comes first, so that of many children that start at
     * one time one writes. */
    apr_status_t rv = wa_db_run(db, WA_SQL_AUDIT_HEAD, NULL, 0, NULL);

    if (rv == APR_SUCCESS) {
        rv = WA_DB_RUN(db, WA_SQL_AUDIT_LAST, &rows, "config.change", instance);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    memset(&e, 0, sizeof(e));
    e.action = "config.change";
    e.target_type = "program";
    e.target_id = instance;
    e.detail = detail_of(app, p);
    last = wa_db_count(rows) ? wa_db_str(rows, 0, 0) : NULL;
    if (last && !strcmp(last, wa_json_dump(p, e.detail, NULL))) {
        return APR_SUCCESS;
    }
    return wa_audit_append(app, p, db, &e);
}

apr_status_t wa_audit_configuration(wa_app *app, apr_pool_t *p,
                                    const char *instance)
{
    wa_db *db = NULL;
    apr_status_t rv = wa_db_open(&db, p, &app->db);

    if (rv == APR_SUCCESS) {
        rv = wa_db_begin(db);
    }
    if (rv == APR_SUCCESS) {
        rv = append_if_new(app, p, db, instance);
    }
    if (rv == APR_SUCCESS) {
        rv = wa_db_commit(db);
    }
    wa_db_close(db);
    return rv;
}
