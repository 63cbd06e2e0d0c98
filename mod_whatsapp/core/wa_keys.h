/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_keys.h
 * @brief API keys: made and shown once, listed, renamed, revoked, rotated.
 */
#ifndef WA_KEYS_H
#define WA_KEYS_H

#include "../base/wa_http_msg.h"
#include "wa_app.h"
#include "wa_auth.h"
#include "wa_scope.h"

/** Longest overlap of a rotation, in seconds. */
#define WA_KEY_OVERLAP_MAX 2592000 /* 30 days */

typedef struct wa_key {
    const char *id, *user_id;
    const char *name;
    const char *hint;     /* first characters, to recognise it */
    const char *key;      /* the key itself, when just made; else NULL */
    unsigned scopes;      /* of wa_scope */
    const char *networks; /* CIDRs with spaces between; "" is anywhere */
    apr_time_t created_at;
    apr_time_t expires_at; /* 0: never */
    apr_time_t revoked_at; /* 0: not */
    apr_time_t last_used_at;
    const char *last_used_ip; /* or NULL */
    const char *rotated_to;   /* the key that takes its place, or NULL */
} wa_key;

/** Make a key: name, scopes, networks and expires_at are given, the rest is
 * filled. The scope admin is for admins' own keys.
 * @return WA_OK, WA_E_NOT_FOUND (no such user), WA_E_INVALID, … */
wa_code wa_key_create(wa_app *app, const wa_req *req, const char *user_id,
                      wa_key *key, wa_result *r);

/** A user's keys, newest first. @param keys of wa_key */
wa_code wa_key_list(wa_app *app, const wa_req *req, const char *user_id,
                    apr_array_header_t **keys, wa_result *r);

/** The rest takes the owner's id, or NULL when an admin may mean any key.
 * @return WA_OK or WA_E_NOT_FOUND, … */
wa_code wa_key_get(wa_app *app, const wa_req *req, const char *id,
                   const char *user_id, wa_key **key, wa_result *r);
wa_code wa_key_rename(wa_app *app, const wa_req *req, const char *id,
                      const char *user_id, const char *name, wa_key **key,
                      wa_result *r);
/** It works nowhere any more once this returns WA_OK. */
wa_code wa_key_revoke(wa_app *app, const wa_req *req, const char *id,
                      const char *user_id, wa_key **key, wa_result *r);

/** Make a key like another, which goes on working for a while.
 * @param overlap seconds, 0 to WA_KEY_OVERLAP_MAX
 * @return WA_OK, WA_E_NOT_FOUND, WA_E_CONFLICT (revoked, expired or
 *         rotated already),
 *         WA_E_SCOPE (it may do more than who asks) */
wa_code wa_key_rotate(wa_app *app, const wa_req *req, const char *id,
                      const char *user_id, int overlap, wa_key **key,
                      wa_result *r);

#endif
