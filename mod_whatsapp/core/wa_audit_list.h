/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_audit_list.h @brief Reading the audit, newest first. */
#ifndef WA_AUDIT_LIST_H
#define WA_AUDIT_LIST_H

#include <apr_tables.h>

#include "wa_app.h"

typedef struct wa_audit_row {
    const char *id; /* its number in the chain */
    apr_time_t at;
    const char *actor_id, *actor, *address; /* or NULL */
    const char *action;
    const char *target_type, *target_id; /* or NULL */
    const char *detail;                  /* a JSON object's text, or NULL */
    const char *request_id;              /* or NULL */
} wa_audit_row;

/** Which rows; NULL and 0 mean any. */
typedef struct wa_audit_query {
    const char *actor_id, *target_id;
    const char *action; /* all of it, or what stands before a dot */
    apr_time_t from, until;
    const char *before_id; /* the last row seen */
    int limit;
} wa_audit_query;

/** @param rows of wa_audit_row */
wa_code wa_audit_list(wa_app *app, apr_pool_t *p, const char *request_id,
                      const wa_audit_query *q, apr_array_header_t **rows,
                      wa_result *r);

#endif
