/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_bridge.h
 * @brief The bridge's verbs (docs/bridge-api.md) as functions.
 */
#ifndef WA_BRIDGE_H
#define WA_BRIDGE_H

#include <apr_pools.h>
#include <apr_time.h>

#include "../base/wa_json.h"
#include "../base/wa_result.h"
#include "wa_http.h"

typedef struct wa_bridge {
    wa_http *http;
    const char *url;    /* without trailing slash */
    const char *secret; /* bearer */
} wa_bridge;

/** What the bridge knows of a session. Absent values are NULL or 0. */
typedef struct wa_bridge_state {
    const char *status, *reason;
    int restricted;
    const char *phone_number, *push_name;
    const char *qr_code, *pairing_code; /* at most one of them */
    apr_time_t qr_expires_at, pairing_code_expires_at;
    apr_time_t connected_at, last_active_at;
} wa_bridge_state;

/** Read a state object (an answer's, or an event's data). */
void wa_bridge_state_read(apr_pool_t *p, const json_t *j, wa_bridge_state *s);

typedef struct wa_bridge_send {
    const char *session;     /* UUID */
    const char *whatsapp_id; /* minted by us, the same on every repeat */
    const char *to;          /* WhatsApp id */
    const char *text;
    apr_interval_time_t wait; /* for WhatsApp's acknowledgement */
    const char *type;         /* NULL: text */
    const char *media;        /* its file as JSON text, or NULL */
} wa_bridge_send;

/** How an attempt ended, for whoever decides about the next one. */
typedef enum wa_send_outcome {
    WA_SEND_SENT,      /* WhatsApp acknowledged it */
    WA_SEND_PERMANENT, /* will never work; r has the code */
    WA_SEND_TEMPORARY, /* certainly not sent now; r has the code */
    WA_SEND_UNKNOWN    /* may have been sent; same id is safe to repeat. With
                          WA_E_OUTCOME_UNKNOWN the bridge sends it no more */
} wa_send_outcome;

/** How a session is to be started. */
typedef struct wa_bridge_start {
    const char *session; /* UUID */
    const char *engine;  /* NULL: the one it has, or the bridge's default */
    const char *phone_number; /* to be linked by a pairing code; NULL: by QR */
} wa_bridge_start;

/** Start (or keep) a session.
 * @return WA_OK, WA_E_NOT_SUPPORTED (the engine is not available, or can't
 * pair by number), WA_E_CONFLICT (linked by another engine),
 * WA_E_BRIDGE_FULL, WA_E_BRIDGE_UNAVAILABLE, … as the bridge's problem says */
wa_code wa_bridge_session_start(const wa_bridge *b, apr_pool_t *p,
                                const char *request_id,
                                const wa_bridge_start *start,
                                wa_bridge_state *state, wa_result *r);
wa_code wa_bridge_session_get(const wa_bridge *b, apr_pool_t *p,
                              const char *request_id, const char *session,
                              wa_bridge_state *state, wa_result *r);
wa_code wa_bridge_session_disconnect(const wa_bridge *b, apr_pool_t *p,
                                     const char *request_id,
                                     const char *session,
                                     wa_bridge_state *state, wa_result *r);
/** Disconnect a session, with the reason idle, when nothing happened in it for
 * so many seconds; one that was active since is left as it is.
 * @param state afterwards */
wa_code wa_bridge_session_idle(const wa_bridge *b, apr_pool_t *p,
                               const char *request_id, const char *session,
                               apr_int64_t seconds, wa_bridge_state *state,
                               wa_result *r);
wa_code wa_bridge_session_logout(const wa_bridge *b, apr_pool_t *p,
                                 const char *request_id, const char *session,
                                 wa_bridge_state *state, wa_result *r);

/** Unlink and forget a session; one that is not there is as good.
 * @return WA_OK or WA_E_BRIDGE_UNAVAILABLE, … */
wa_code wa_bridge_session_delete(const wa_bridge *b, apr_pool_t *p,
                                 const char *request_id, const char *session,
                                 wa_result *r);

/** Send once. @param sent_at when WhatsApp acknowledged (WA_SEND_SENT)
 * @param r code and detail of what is not WA_SEND_SENT; retry_after */
wa_send_outcome wa_bridge_message_send(const wa_bridge *b, apr_pool_t *p,
                                       const char *request_id,
                                       const wa_bridge_send *send,
                                       apr_time_t *sent_at, wa_result *r);

/** What engines there are, and what each can.
 * @param engines the bridge's list, to be released by the caller
 * @return WA_OK or WA_E_BRIDGE_UNAVAILABLE */
wa_code wa_bridge_engines(const wa_bridge *b, apr_pool_t *p,
                          const char *request_id, json_t **engines,
                          wa_result *r);

/** Is it there? @param latency microseconds */
wa_code wa_bridge_health(const wa_bridge *b, apr_pool_t *p,
                         const char *request_id, apr_interval_time_t *latency,
                         const char **mode, wa_result *r);

#endif
