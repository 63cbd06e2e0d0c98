/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_audit.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_crypto.h"
#include "../base/wa_log.h"
#include "../base/wa_time.h"

#define VERIFY_PAGE "1000"

wa_audit_entry wa_audit_of(const wa_req *req, const char *action,
                           const char *target_type, const char *target_id,
                           const json_t *detail)
{
    wa_audit_entry e;

    memset(&e, 0, sizeof(e));
    if (req->principal) {
        e.actor_id = req->principal->user_id;
        e.actor = req->principal->username;
    }
    e.address = req->peer;
    e.action = action;
    e.target_type = target_type;
    e.target_id = target_id;
    e.detail = detail;
    e.request_id = req->request_id;
    return e;
}

/* The chain must stay verifiable after the key secret was rotated, so its key
 * comes from the oldest line. */
static void audit_key(const wa_app *app, unsigned char key[32])
{
    const char *const *s = app->secrets->key;

    while (s[1]) {
        s++;
    }
    wa_hmac_sha256(key, *s, strlen(*s), "audit", 5);
}

/* Each field with its length before it, so that no two rows read the same. */
static const char *canonical(apr_pool_t *p, const char *const *fields,
                             int count)
{
    const char *text = "";
    int i;

    for (i = 0; i < count; i++) {
        text = fields[i] ? apr_psprintf(p, "%s%" APR_SIZE_T_FMT ":%s", text,
                                        strlen(fields[i]), fields[i])
                         : apr_pstrcat(p, text, "-", NULL);
    }
    return text;
}

/* @param before the hash before it, as hex @return this one's, as hex */
static const char *link_hash(const wa_app *app, apr_pool_t *p,
                             const char *before, const char *const *fields,
                             int count)
{
    const char *text = apr_pstrcat(p, before, "\n", canonical(p, fields, count),
                                   NULL);
    unsigned char key[32], mac[32];

    audit_key(app, key);
    wa_hmac_sha256(mac, key, sizeof(key), text, strlen(text));
    return wa_hex(p, mac, sizeof(mac));
}

#define FIELDS 10

apr_status_t wa_audit_append(wa_app *app, apr_pool_t *p, wa_db *db,
                             const wa_audit_entry *e)
{
    const char *f[FIELDS], *before, *hash;
    wa_db_rows *rows;
    apr_status_t rv = wa_db_run(db, WA_SQL_AUDIT_HEAD, NULL, 0, &rows);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    before = wa_db_str(rows, 0, 1);
    f[0] = wa_db_p_int(p, wa_db_int(rows, 0, 0, 0) + 1);
    f[1] = wa_time_rfc3339(p, apr_time_now());
    f[2] = e->actor_id;
    f[3] = e->actor;
    f[4] = e->address;
    f[5] = e->action;
    f[6] = e->target_type;
    f[7] = e->target_id;
    f[8] = e->detail ? wa_json_dump(p, e->detail, NULL) : NULL;
    f[9] = e->request_id;
    hash = link_hash(app, p, before, f, FIELDS);
    rv = WA_DB_RUN(db, WA_SQL_AUDIT_INSERT, NULL, f[0], f[1], f[2], f[3], f[4],
                   f[5], f[6], f[7], f[8], f[9], hash);
    if (rv == APR_SUCCESS) {
        rv = WA_DB_RUN(db, WA_SQL_AUDIT_HEAD_MOVE, NULL, f[0], hash);
    }
    return rv;
}

void wa_audit_note(wa_app *app, apr_pool_t *p, const wa_audit_entry *e)
{
    wa_db *db = NULL;
    apr_status_t rv = wa_db_open(&db, p, &app->db);

    if (rv == APR_SUCCESS) {
        rv = wa_db_begin(db);
    }
    if (rv == APR_SUCCESS) {
        rv = wa_audit_append(app, p, db, e);
    }
    if (rv == APR_SUCCESS) {
        rv = wa_db_commit(db);
    }
    if (rv != APR_SUCCESS) {
        wa_result *ignored = wa_result_make(p);

        wa_db_fail(db, rv, e->request_id, ignored);
        wa_log(WA_LOG_ERR, e->request_id,
               "WA0151: the audit could not take \"%s\"", e->action);
    }
    wa_db_close(db);
}

/* One page of the chain; *before moves on to its last hash. */
static apr_status_t verify_page(const wa_app *app, apr_pool_t *p, wa_db *db,
                                apr_int64_t *last, const char **before,
                                apr_pool_t *keep, int *rows_seen,
                                apr_int64_t *bad)
{
    const char *f[FIELDS];
    wa_db_rows *rows;
    int i, k;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_AUDIT_PAGE, &rows,
                                wa_db_p_int(p, *last), VERIFY_PAGE);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    *rows_seen = wa_db_count(rows);
    for (i = 0; i < *rows_seen && !*bad; i++) {
        const char *hash = wa_db_str(rows, i, FIELDS);
        apr_int64_t id = wa_db_int(rows, i, 0, 0);

        for (k = 0; k < FIELDS; k++) {
            f[k] = wa_db_str(rows, i, k);
        }
        f[1] = wa_time_rfc3339(p, wa_db_time(rows, i, FIELDS + 1));
        if (id != *last + 1) {
            *bad = *last + 1; /* a row is missing */
        }
        else if (!wa_equal_str(hash, link_hash(app, p, *before, f, FIELDS))) {
            *bad = id;
        }
        *last = id;
        *before = apr_pstrdup(keep, hash);
    }
    return APR_SUCCESS;
}

/* The end of the chain, so that cut-off last rows show too. */
static apr_status_t verify_head(wa_db *db, apr_int64_t last, const char *before,
                                apr_int64_t *bad)
{
    wa_db_rows *rows;
    apr_status_t rv = wa_db_run(db, WA_SQL_AUDIT_HEAD_READ, NULL, 0, &rows);

    if (rv == APR_SUCCESS && !*bad
        && (wa_db_int(rows, 0, 0, -1) != last
            || !wa_equal_str(wa_db_str(rows, 0, 1), before))) {
        *bad = last + 1;
    }
    return rv;
}

apr_status_t wa_audit_verify(wa_app *app, apr_pool_t *p, apr_int64_t *bad,
                             apr_int64_t *count)
{
    const char *before = "00000000000000000000000000000000"
                         "00000000000000000000000000000000";
    apr_pool_t *scratch, *keep[2];
    apr_int64_t last = 0;
    wa_db *db = NULL;
    int seen = 1, turn = 0;
    apr_status_t rv;

    *bad = *count = 0;
    apr_pool_create(&keep[0], p);
    apr_pool_create(&keep[1], p);
    apr_pool_create(&scratch, p);
    while (seen && !*bad) {
        apr_pool_clear(scratch);
        turn = !turn; /* the last hash outlives its page by one */
        apr_pool_clear(keep[turn]);
        rv = wa_db_open(&db, scratch, &app->db);
        if (rv == APR_SUCCESS) {
            rv = verify_page(app, scratch, db, &last, &before, keep[turn],
                             &seen, bad);
        }
        if (rv == APR_SUCCESS && !seen) {
            rv = verify_head(db, last, before, bad);
        }
        wa_db_close(db);
        db = NULL;
        if (rv != APR_SUCCESS) {
            return rv;
        }
        if (seen) {
            *count += seen;
        }
    }
    return APR_SUCCESS;
}
