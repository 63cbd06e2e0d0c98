/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_principal.h @brief Who asks, and where its limits stand. */
#ifndef WA_PRINCIPAL_H
#define WA_PRINCIPAL_H

#include <apr_time.h>

typedef struct wa_principal {
    const char *user_id;
    const char *username;
    const char *role;      /* admin, user */
    const char *key_id;    /* NULL with an access token */
    const char *login_id;  /* NULL with an API key */
    unsigned scopes;       /* of wa_scope */
    const char *networks;  /* CIDRs with spaces between; "" is anywhere */
    apr_time_t expires_at; /* of the key or login; 0: never */
    apr_int64_t requests_per_minute;
    apr_int64_t messages_per_minute;
    apr_int64_t messages_per_day;
} wa_principal;

/** One window as it stands after this request was counted. */
typedef struct wa_window {
    apr_int64_t limit;
    apr_int64_t used;
    int reset; /* seconds until it starts anew */
} wa_window;

/** What a request's headers tell of its limits. */
typedef struct wa_limit_state {
    wa_window requests; /* the user's; anonymous: those of the address */
    wa_window minute;   /* messages; limit 0: not counted on this request */
    wa_window day;
    int anonymous; /* no good credential was shown */
    int local;     /* Redis was away */
} wa_limit_state;

#endif
