/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_audit.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_crypto.h"
#include "../base/wa_log.h"
#include "../base/wa_time.h"
#include "wa_tx.h"

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

typedef struct note_job {
    apr_pool_t *p;
    const wa_audit_entry *e;
} note_job;

static apr_status_t note_tx(wa_app *app, wa_db *db, void *baton, wa_result *r)
{
    note_job *job = baton;

    return wa_audit_append(app, job->p, db, job->e);
}

void wa_audit_note(wa_app *app, apr_pool_t *p, const wa_audit_entry *e)
{
    note_job job = { p, e };
    wa_result *ignored = wa_result_make(p);

    if (wa_tx_run(app, p, e->request_id, note_tx, &job, ignored) != WA_OK) {
        wa_log(WA_LOG_ERR, e->request_id,
               "WA0151: the audit could not take \"%s\"", e->action);
    }
}

#define HASH_SIZE (64 + 1) /* as hex */

/* A place in the chain: a row and its hash. */
typedef struct chain_link {
    apr_int64_t id;
    char hash[HASH_SIZE];
} chain_link;

/* A walk over the chain, which others may make longer meanwhile. */
typedef struct chain_walk {
    chain_link last; /* row seen */
    chain_link head; /* the newest row when the walk began */
    apr_int64_t bad; /* the first row that doesn't fit, or 0 */
    apr_int64_t count;
} chain_walk;

static void set_link(chain_link *link, apr_int64_t id, const char *hash)
{
    link->id = id;
    apr_cpystrn(link->hash, hash, sizeof(link->hash));
}

static apr_status_t read_head(wa_db *db, chain_link *head)
{
    wa_db_rows *rows;
    apr_status_t rv = wa_db_run(db, WA_SQL_AUDIT_HEAD_READ, NULL, 0, &rows);

    if (rv == APR_SUCCESS) {
        set_link(head, wa_db_int(rows, 0, 0, -1), wa_db_str(rows, 0, 1));
    }
    return rv;
}

static void verify_row(const wa_app *app, apr_pool_t *p, const wa_db_rows *rows,
                       int row, chain_walk *walk)
{
    const char *f[FIELDS];
    const char *hash = wa_db_str(rows, row, FIELDS);
    apr_int64_t id = wa_db_int(rows, row, 0, 0);
    int i;

    for (i = 0; i < FIELDS; i++) {
        f[i] = wa_db_str(rows, row, i);
    }
    f[1] = wa_time_rfc3339(p, wa_db_time(rows, row, FIELDS + 1));
    if (id != walk->last.id + 1) {
        walk->bad = walk->last.id + 1; /* a row is missing */
    }
    else if (!wa_equal_str(hash, link_hash(app, p, walk->last.hash, f, FIELDS))
             || (id == walk->head.id && !wa_equal_str(hash, walk->head.hash))) {
        walk->bad = id;
    }
    set_link(&walk->last, id, hash);
    walk->count++;
}

/* @param seen rows of this page; 0 at the chain's end */
static apr_status_t verify_page(const wa_app *app, apr_pool_t *p, wa_db *db,
                                chain_walk *walk, int *seen)
{
    wa_db_rows *rows;
    int i;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_AUDIT_PAGE, &rows,
                                wa_db_p_int(p, walk->last.id), VERIFY_PAGE);

    *seen = rv == APR_SUCCESS ? wa_db_count(rows) : 0;
    for (i = 0; i < *seen && !walk->bad; i++) {
        verify_row(app, p, rows, i, walk);
    }
    return rv;
}

/* The newest link tells whether last rows were cut off: as it was before the
 * walk, for rows may have come since; and as it is now, for it never goes
 * back. */
static apr_status_t verify_end(wa_db *db, chain_walk *walk)
{
    chain_link now;
    apr_status_t rv = read_head(db, &now);

    if (rv != APR_SUCCESS || walk->bad) {
        return rv;
    }
    if (walk->last.id < walk->head.id || now.id < walk->last.id
        || (now.id == walk->last.id
            && !wa_equal_str(now.hash, walk->last.hash))) {
        walk->bad = walk->last.id + 1;
    }
    return APR_SUCCESS;
}

apr_status_t wa_audit_verify(wa_app *app, apr_pool_t *p, apr_int64_t *bad,
                             apr_int64_t *count)
{
    chain_walk walk;
    apr_pool_t *scratch; /* of one page */
    int seen = 1, started = 0;
    apr_status_t rv = APR_SUCCESS;

    memset(&walk, 0, sizeof(walk));
    memset(walk.last.hash, '0', HASH_SIZE - 1); /* before the first row */
    apr_pool_create(&scratch, p);
    while (rv == APR_SUCCESS && seen && !walk.bad) {
        wa_db *db = NULL;

        apr_pool_clear(scratch);
        rv = wa_db_open(&db, scratch, &app->db);
        if (rv == APR_SUCCESS && !started) {
            started = 1;
            rv = read_head(db, &walk.head);
        }
        if (rv == APR_SUCCESS) {
            rv = verify_page(app, scratch, db, &walk, &seen);
        }
        if (rv == APR_SUCCESS && !seen) {
            rv = verify_end(db, &walk);
        }
        wa_db_close(db);
    }
    apr_pool_destroy(scratch);
    *bad = walk.bad;
    *count = walk.count;
    return rv;
}
