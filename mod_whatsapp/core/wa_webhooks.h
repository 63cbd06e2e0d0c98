/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_webhooks.h
 * @brief Webhooks: where a user's events are posted to, by Standard Webhooks.
 */
#ifndef WA_WEBHOOKS_H
#define WA_WEBHOOKS_H

#include "../base/wa_http_msg.h"
#include "wa_app.h"

/** Most webhooks of a user. */
#define WA_WEBHOOKS_MAX 20
/** How long the secret before a rotation signs too, in seconds. */
#define WA_WEBHOOK_OVERLAP 86400
#define WA_WEBHOOK_OVERLAP_MAX 604800
/** Most events that one replay posts again. */
#define WA_WEBHOOK_REPLAY_MAX 10000

typedef struct wa_webhook {
    const char *id, *user_id;
    const char *url;
    const char *events;      /* types with spaces between; "": all */
    const char *description; /* or NULL */
    int is_active;
    const char *disabled_reason; /* user, gone, failing; NULL while active */
    const char *secret;          /* when just made; else NULL */
    apr_int64_t version;         /* grows with every change; the ETag */
    apr_time_t failing_since;    /* 0: the last attempt went well */
    apr_time_t previous_until;   /* the secret before signs too; 0: no more */
    apr_time_t created_at, updated_at;
} wa_webhook;

/** What a user changes; NULL keeps what is there. */
typedef struct wa_webhook_change {
    const char *url;
    const char *events;      /* as in wa_webhook */
    const char *description; /* "" takes it away */
    const char *active;      /* "t", "f" */
} wa_webhook_change;

typedef struct wa_webhook_delivery {
    const char *id;
    const char *event_id;
    apr_int64_t sequence; /* of the event in the feed; 0: it isn't in it */
    const char *type;
    const char *state;          /* pending, delivered, failed */
    int attempts;               /* made so far */
    apr_time_t next_attempt_at; /* 0: none will be made */
    apr_time_t created_at, ended_at;
    apr_array_header_t *tries; /* of wa_webhook_attempt, newest first */
} wa_webhook_delivery;

typedef struct wa_webhook_attempt {
    int number;
    apr_time_t at;
    int took_ms;
    int status;           /* of the answer; 0: there was none */
    const char *error;    /* why not, or NULL */
    const char *response; /* the first bytes of the answer, or NULL */
} wa_webhook_attempt;

/** Which deliveries. */
typedef struct wa_webhook_query {
    const char *state; /* or NULL: any */
    apr_time_t after;  /* created_at of the last one seen, 0: from the newest */
    const char *after_id;
    int limit;
} wa_webhook_query;

/** Read a JSON array of types of events, or message.* and the like.
 * @param events as in wa_webhook @return WA_OK or WA_E_INVALID */
wa_code wa_webhook_events_read(const json_t *list, const char **events,
                               wa_result *r);

/** May it be called? @return WA_OK or WA_E_INVALID */
wa_code wa_webhook_url_check(const wa_app *app, const char *url, wa_result *r);

/** Make one: url, events, description are given, the rest is filled. Events
 * from now on are posted to it.
 * @return WA_OK, WA_E_WEBHOOK_LIMIT, … */
wa_code wa_webhook_create(wa_app *app, const wa_req *req, wa_webhook *w,
                          wa_result *r);

/** The user's own, newest first. @param webhooks of wa_webhook */
wa_code wa_webhook_list(wa_app *app, const wa_req *req,
                        apr_array_header_t **webhooks, wa_result *r);

/** The rest is about the caller's own: another's is WA_E_NOT_FOUND. */
wa_code wa_webhook_get(wa_app *app, const wa_req *req, const char *id,
                       wa_webhook **w, wa_result *r);

/** Change one. Switched on, it gets events from then on; what happened while it
 * was off comes by wa_webhook_replay.
 * @param version the one the change was made from; 0: any
 * @return WA_OK, WA_E_NOT_FOUND, WA_E_PRECONDITION, … */
wa_code wa_webhook_update(wa_app *app, const wa_req *req, const char *id,
                          apr_int64_t version, const wa_webhook_change *change,
                          wa_webhook **w, wa_result *r);

/** It goes, with what waits for it. */
wa_code wa_webhook_delete(wa_app *app, const wa_req *req, const char *id,
                          wa_result *r);

/** Make a new secret, in w->secret; the old one signs beside it for a while.
 * @param overlap seconds, 0 to WA_WEBHOOK_OVERLAP_MAX */
wa_code wa_webhook_rotate(wa_app *app, const wa_req *req, const char *id,
                          int overlap, wa_webhook **w, wa_result *r);

/** Post an event webhook.test.
 * @return WA_OK, WA_E_NOT_FOUND, WA_E_CONFLICT (it is switched off), … */
wa_code wa_webhook_test(wa_app *app, const wa_req *req, const char *id,
                        wa_webhook_delivery **d, wa_result *r);

/** A page of deliveries with their attempts, newest first.
 * @param deliveries of wa_webhook_delivery */
wa_code wa_webhook_deliveries(wa_app *app, const wa_req *req, const char *id,
                              const wa_webhook_query *query,
                              apr_array_header_t **deliveries, wa_result *r);

/** Post one once more, under the same event id. @return as wa_webhook_test */
wa_code wa_webhook_resend(wa_app *app, const wa_req *req, const char *id,
                          const char *delivery_id, wa_webhook_delivery **d,
                          wa_result *r);

/** Post what the webhook should have had once more, up to
 * WA_WEBHOOK_REPLAY_MAX, in order.
 * @param since when it was written, or 0 @param after which number of the feed
 * @param count how many @param last the last one's number, 0 when none
 * @return as wa_webhook_test */
wa_code wa_webhook_replay(wa_app *app, const wa_req *req, const char *id,
                          apr_time_t since, apr_int64_t after, int *count,
                          apr_int64_t *last, wa_result *r);

#endif
