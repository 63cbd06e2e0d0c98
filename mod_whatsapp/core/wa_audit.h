/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_audit.h
 * @brief The audit: who did what to whom, when, from where; chained by HMAC.
 *
 * Rows are only ever appended. Each carries an HMAC-SHA-256 over the hash
 * before it and its own fields, under a key made from the last line of
 * WhatsAppKeySecretFile: an altered, removed, swapped or inserted row breaks
 * the chain from there on.
 */
#ifndef WA_AUDIT_H
#define WA_AUDIT_H

#include "../base/wa_http_msg.h"
#include "wa_app.h"
#include "wa_auth.h"

typedef struct wa_audit_entry {
    const char *actor_id; /* user, or NULL (nobody known, the system) */
    const char *actor;    /* user name, or the one tried */
    const char *address;  /* or NULL */
    const char *action;   /* user.create, key.revoke, login.failed, … */
    const char *target_type, *target_id; /* or NULL */
    const json_t *detail;                /* or NULL; never a secret */
    const char *request_id;              /* or NULL */
} wa_audit_entry;

/** An entry about what the request's principal does. */
wa_audit_entry wa_audit_of(const wa_req *req, const char *action,
                           const char *target_type, const char *target_id,
                           const json_t *detail);

/** Append within the open transaction of db, so that a change and its row
 * stand or fall together. */
apr_status_t wa_audit_append(wa_app *app, apr_pool_t *p, wa_db *db,
                             const wa_audit_entry *e);

/** Append in a transaction of its own, for what changes nothing else. A
 * failure is logged. */
void wa_audit_note(wa_app *app, apr_pool_t *p, const wa_audit_entry *e);

/** Walk the whole chain.
 * @param bad id of the first row that doesn't fit, 0 when all do
 * @param count rows looked at */
apr_status_t wa_audit_verify(wa_app *app, apr_pool_t *p, apr_int64_t *bad,
                             apr_int64_t *count);

#endif
