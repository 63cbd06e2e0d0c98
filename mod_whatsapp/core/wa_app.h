/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_app.h
 * @brief What one process of the product has: its gateways, secrets, settings.
 *
 * Made once per Apache child and once in whatsappd; read-only afterwards but
 * for what guards itself.
 */
#ifndef WA_APP_H
#define WA_APP_H

#include <apr_pools.h>
#include <apr_time.h>

#include "../base/wa_net.h"
#include "../gateway/wa_bridge.h"
#include "../gateway/wa_db.h"
#include "../gateway/wa_magic.h"
#include "../gateway/wa_redis.h"

struct wa_local_limits;
struct wa_health_cache;
struct wa_feed;
struct wa_gather;
struct wa_hashing_queue;
struct wa_usage;

/** Settings, each from the directive or whatsappd.conf line of that name. */
typedef struct wa_settings {
    const char *mode;                 /* WhatsAppMode: sandbox, live */
    const char *redis_address;        /* WhatsAppRedis */
    const char *bridge_url;           /* WhatsAppBridge */
    const char *bridge_secret_file;   /* WhatsAppBridgeSecretFile */
    const char *internal_secret_file; /* WhatsAppInternalSecretFile */
    const char *key_secret_file;      /* WhatsAppKeySecretFile */
    const char *jwt_secret_file;      /* WhatsAppJWTSecretFile */
    const char *db_conninfo;          /* WhatsAppDB, whatsappd only */
    const char *default_engine;       /* WhatsAppDefaultEngine */
    int db_connections;               /* WhatsAppDBConnections */
    int waiting_places;               /* WhatsAppWaitingPlaces */
    apr_interval_time_t send_wait;    /* WhatsAppSendWait */
    apr_interval_time_t message_ttl;  /* WhatsAppMessageTTL */
    apr_interval_time_t token_life;   /* WhatsAppTokenLifetime */
    int anonymous_requests;    /* WhatsAppAnonymousRequestsPerMinute; 0: any */
    int log_days;              /* WhatsAppLogDays */
    int event_days;            /* WhatsAppEventDays */
    const char *media_dir;     /* WhatsAppMediaDir */
    int media_days;            /* WhatsAppMediaDays */
    int media_image_max;       /* WhatsAppMediaImageMax, MiB */
    int media_video_max;       /* WhatsAppMediaVideoMax */
    int media_audio_max;       /* WhatsAppMediaAudioMax */
    int media_document_max;    /* WhatsAppMediaDocumentMax */
    const char *inbound_media; /* WhatsAppInboundMedia */
    int inbound_media_max;     /* WhatsAppInboundMediaMax, MiB */
    const char *const *cors_origins;  /* WhatsAppCORSOrigin, or NULL */
    const wa_nets *fetch_allow;       /* WhatsAppFetchAllow, or NULL */
    int webhook_plain;                /* WhatsAppWebhookPlain: http too */
    apr_interval_time_t session_idle; /* WhatsAppSessionIdle; 0: never */
    apr_table_t *given; /* what was set, by directive, as it was written */
    /* WhatsAppPace…: 0: as the mode has it, -1: Off */
    int pace_messages, pace_new_chats;
} wa_settings;

/** Settings with their defaults. */
wa_settings *wa_settings_make(apr_pool_t *p);

/** Set one by its directive's name, for both programs.
 * @return NULL, or what is wrong with the value, for people */
const char *wa_settings_set(wa_settings *s, apr_pool_t *p, const char *name,
                            const char *value);

/** Names of all settings, NULL-terminated, for the reference's check. */
const char *const *wa_settings_names(void);

/** What the secret files hold. Those for keys and tokens may have several
 * lines: the first is used for what is new, all for what is shown to us, so
 * that a secret is rotated by a new first line. */
typedef struct wa_secrets {
    const char *bridge;     /* shown to the bridge */
    const char *internal;   /* shown by the bridge */
    const char *const *key; /* HMAC of API keys, NULL-terminated */
    const char *const *jwt; /* sign access tokens, NULL-terminated */
} wa_secrets;

/** Read the secret files; the module does it before it gives up root.
 * @param why which file and what is wrong, for the log */
apr_status_t wa_secrets_read(wa_secrets *secrets, apr_pool_t *p,
                             const wa_settings *s, const char **why);

/** Overwrite them, where they are not needed. */
void wa_secrets_wipe(wa_secrets *secrets);

typedef struct wa_app {
    apr_pool_t *pool; /* as long as the process */
    const wa_settings *settings;
    const wa_secrets *secrets;
    wa_db_pool db;
    wa_redis *redis;
    wa_bridge bridge;
    const char *instance; /* UUID of this process, owner of leases */
    struct wa_local_limits *local_limits; /* while Redis is away */
    struct wa_health_cache *health;
    wa_magic *magic;
    struct wa_usage *usage; /* the request log's buffer, or NULL */
    struct wa_feed *feed;   /* wakes readers of events, or NULL */
    /* what many threads do together, or NULL: each alone */
    struct wa_gather *accepting; /* messages */
    struct wa_gather *answers;   /* under Idempotency-Keys */
    struct wa_gather *sent;      /* outcomes */
    /* the way to the processes that hash passwords; NULL: this one does */
    const struct wa_hashing_queue *hashing;
    apr_uint32_t waiting; /* requests in a waiting place; atomic */
    apr_uint32_t reading; /* of these, readers of events; atomic */
    apr_uint32_t logins;  /* password checks under way; atomic */
} wa_app;

/** Make the gateways; nothing is connected yet. settings and secrets must
 * live as long as p.
 * @param source where connections come from; NULL: own ones by db_conninfo
 * @param why what went wrong, for the log
 * @return APR_SUCCESS or what failed */
apr_status_t wa_app_make(wa_app **app, apr_pool_t *p, const wa_settings *s,
                         const wa_secrets *secrets, wa_db_source *source,
                         const char **why);

/** Take one of the places for requests that wait on something slow.
 * @return 1, or 0 when none is free */
int wa_place_take(wa_app *app);
/** Give it back. */
void wa_place_give(wa_app *app);

/** Count one up to a limit, atomically. @return 1, or 0 at the limit */
int wa_gate_enter(apr_uint32_t *inside, apr_uint32_t limit);
void wa_gate_leave(apr_uint32_t *inside);

#endif
