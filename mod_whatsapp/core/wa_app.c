/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_app.h"

#include <stdlib.h>
#include <string.h>

#include <apr_atomic.h>
#include <apr_strings.h>

#include "../base/wa_crypto.h"
#include "../base/wa_id.h"
#include "../base/wa_origin.h"
#include "wa_health_cache.h"
#include "wa_limits_local.h"

typedef enum setting_kind {
    SET_TEXT,
    SET_MODE,
    SET_ENGINE,
    SET_WHEN, /* at-once or on-demand */
    SET_URL,
    SET_COUNT,   /* 1 to 1000 */
    SET_RATE,    /* 0 to 1000000 */
    SET_WAIT,    /* seconds, 1 to 45: shorter than a lease */
    SET_SECONDS, /* 1 to 30 days */
    SET_ORIGINS,
    SET_SWITCH, /* On, Off */
    SET_PACE,   /* 1 to 1000, Off */
    SET_NETS    /* networks */
} setting_kind;

typedef struct setting {
    const char *name;
    setting_kind kind;
    apr_size_t offset;
} setting;

static const setting settings_table[] = {
    { "WhatsAppMode", SET_MODE, APR_OFFSETOF(wa_settings, mode) },
    { "WhatsAppRedis", SET_TEXT, APR_OFFSETOF(wa_settings, redis_address) },
    { "WhatsAppBridge", SET_URL, APR_OFFSETOF(wa_settings, bridge_url) },
    { "WhatsAppBridgeSecretFile", SET_TEXT,
      APR_OFFSETOF(wa_settings, bridge_secret_file) },
    { "WhatsAppInternalSecretFile", SET_TEXT,
      APR_OFFSETOF(wa_settings, internal_secret_file) },
    { "WhatsAppKeySecretFile", SET_TEXT,
      APR_OFFSETOF(wa_settings, key_secret_file) },
    { "WhatsAppJWTSecretFile", SET_TEXT,
      APR_OFFSETOF(wa_settings, jwt_secret_file) },
    { "WhatsAppDefaultEngine", SET_ENGINE,
      APR_OFFSETOF(wa_settings, default_engine) },
    { "WhatsAppDB", SET_TEXT, APR_OFFSETOF(wa_settings, db_conninfo) },
    { "WhatsAppDBConnections", SET_COUNT,
      APR_OFFSETOF(wa_settings, db_connections) },
    { "WhatsAppWaitingPlaces", SET_COUNT,
      APR_OFFSETOF(wa_settings, waiting_places) },
    { "WhatsAppSendWait", SET_WAIT, APR_OFFSETOF(wa_settings, send_wait) },
    { "WhatsAppMessageTTL", SET_SECONDS,
      APR_OFFSETOF(wa_settings, message_ttl) },
    { "WhatsAppTokenLifetime", SET_SECONDS,
      APR_OFFSETOF(wa_settings, token_life) },
    { "WhatsAppAnonymousRequestsPerMinute", SET_RATE,
      APR_OFFSETOF(wa_settings, anonymous_requests) },
    { "WhatsAppLogDays", SET_COUNT, APR_OFFSETOF(wa_settings, log_days) },
    { "WhatsAppEventDays", SET_COUNT, APR_OFFSETOF(wa_settings, event_days) },
    { "WhatsAppMediaDir", SET_TEXT, APR_OFFSETOF(wa_settings, media_dir) },
    { "WhatsAppInboundMedia", SET_WHEN,
      APR_OFFSETOF(wa_settings, inbound_media) },
    { "WhatsAppInboundMediaMax", SET_COUNT,
      APR_OFFSETOF(wa_settings, inbound_media_max) },
    { "WhatsAppMediaDays", SET_COUNT, APR_OFFSETOF(wa_settings, media_days) },
    { "WhatsAppMediaImageMax", SET_COUNT,
      APR_OFFSETOF(wa_settings, media_image_max) },
    { "WhatsAppMediaVideoMax", SET_COUNT,
      APR_OFFSETOF(wa_settings, media_video_max) },
    { "WhatsAppMediaAudioMax", SET_COUNT,
      APR_OFFSETOF(wa_settings, media_audio_max) },
    { "WhatsAppMediaDocumentMax", SET_COUNT,
      APR_OFFSETOF(wa_settings, media_document_max) },
    { "WhatsAppCORSOrigin", SET_ORIGINS,
      APR_OFFSETOF(wa_settings, cors_origins) },
    { "WhatsAppFetchAllow", SET_NETS, APR_OFFSETOF(wa_settings, fetch_allow) },
    { "WhatsAppWebhookPlain", SET_SWITCH,
      APR_OFFSETOF(wa_settings, webhook_plain) },
    { "WhatsAppSessionIdle", SET_SECONDS,
      APR_OFFSETOF(wa_settings, session_idle) },
    { "WhatsAppPaceMessages", SET_PACE,
      APR_OFFSETOF(wa_settings, pace_messages) },
    { "WhatsAppPaceNewChats", SET_PACE,
      APR_OFFSETOF(wa_settings, pace_new_chats) },
};

#define SETTINGS (sizeof(settings_table) / sizeof(settings_table[0]))

wa_settings *wa_settings_make(apr_pool_t *p)
{
    wa_settings *s = apr_pcalloc(p, sizeof(*s));

    s->given = apr_table_make(p, 32);
    s->mode = "sandbox";
    s->redis_address = "127.0.0.1:6379";
    s->bridge_url = "http://127.0.0.1:8082";
    s->default_engine = "baileys";
    s->db_connections = 4;
    s->send_wait = apr_time_from_sec(10);
    s->message_ttl = apr_time_from_sec(86400);
    s->token_life = apr_time_from_sec(900);
    s->anonymous_requests = 600;
    s->log_days = 90;
    s->event_days = 30;
    s->media_dir = "/var/lib/mod_whatsapp/media";
    s->media_days = 30;
    s->media_image_max = 16;
    s->media_video_max = 64;
    s->media_audio_max = 16;
    s->media_document_max = 100;
    s->inbound_media = "at-once";
    s->inbound_media_max = 100;
    return s;
}

const char *const *wa_settings_names(void)
{
    static const char *names[SETTINGS + 1];
    apr_size_t i;

    for (i = 0; i < SETTINGS; i++) {
        names[i] = settings_table[i].name;
    }
    return names;
}

static const char *set_number(const setting *set, void *field,
                              const char *value, apr_pool_t *p)
{
    apr_int64_t least = set->kind == SET_RATE ? 0 : 1;
    apr_int64_t most = set->kind == SET_COUNT  ? 1000
                       : set->kind == SET_RATE ? 1000000
                       : set->kind == SET_WAIT ? 45
                                               : 30 * 86400;
    int plain = set->kind == SET_COUNT || set->kind == SET_RATE;
    char *end;
    apr_int64_t n = apr_strtoi64(value, &end, 10);

    if (end == value || *end || n < least || n > most) {
        return apr_psprintf(p,
                            "%s takes a whole number from %" APR_INT64_T_FMT
                            " to %" APR_INT64_T_FMT "%s, not \"%s\"",
                            set->name, least, most, plain ? "" : " (seconds)",
                            value);
    }
    if (plain) {
        *(int *)field = (int)n;
    }
    else {
        *(apr_interval_time_t *)field = apr_time_from_sec(n);
    }
    return NULL;
}

static const char *set_switch(const setting *set, int *field, const char *value,
                              apr_pool_t *p)
{
    if (strcasecmp(value, "On") && strcasecmp(value, "Off")) {
        return apr_psprintf(p, "%s is On or Off, not \"%s\"", set->name, value);
    }
    *field = !strcasecmp(value, "On");
    return NULL;
}

/* A number, or Off. */
static const char *set_pace(const setting *set, int *field, const char *value,
                            apr_pool_t *p)
{
    char *end;
    apr_int64_t n = apr_strtoi64(value, &end, 10);

    if (!strcasecmp(value, "Off")) {
        *field = -1;
        return NULL;
    }
    if (end == value || *end || n < 1 || n > 1000) {
        return apr_psprintf(
            p, "%s is Off or a whole number from 1 to 1000, not \"%s\"",
            set->name, value);
    }
    *field = (int)n;
    return NULL;
}

static const char *set_nets(const setting *set, const wa_nets **field,
                            const char *value, apr_pool_t *p)
{
    const char *wrong = wa_nets_read(field, p, value);

    return !wrong ? NULL
                  : apr_psprintf(p,
                                 "%s takes networks such as 10.1.0.0/16 or"
                                 " fd00::/8, without bits below the mask, not"
                                 " \"%s\"",
                                 set->name, wrong);
}

static const char *set_text(const setting *set, const char **field,
                            const char *value, apr_pool_t *p)
{
    apr_size_t len = strlen(value);

    if (set->kind == SET_MODE && strcmp(value, "sandbox")
        && strcmp(value, "live")) {
        return apr_psprintf(p, "%s is sandbox or live, not \"%s\"", set->name,
                            value);
    }
    if (set->kind == SET_ENGINE && strcmp(value, "baileys")
        && strcmp(value, "webjs")) {
        return apr_psprintf(p, "%s is baileys or webjs, not \"%s\"", set->name,
                            value);
    }
    if (set->kind == SET_WHEN && strcmp(value, "at-once")
        && strcmp(value, "on-demand")) {
        return apr_psprintf(p, "%s is at-once or on-demand, not \"%s\"",
                            set->name, value);
    }
    if (set->kind == SET_URL && strncmp(value, "http://", 7)
        && strncmp(value, "https://", 8)) {
        return apr_psprintf(p, "%s takes an http or https URL, not \"%s\"",
                            set->name, value);
    }
    if (set->kind == SET_URL && value[len - 1] == '/') {
        len--; /* paths are appended with their own slash */
    }
    *field = apr_pstrmemdup(p, value, len);
    return NULL;
}

static const char *set_origins(const setting *set, const char *const **field,
                               const char *value, apr_pool_t *p)
{
    const char *wrong = wa_origins_read(p, value, field);

    return wrong ? apr_psprintf(p, "%s: %s", set->name, wrong) : NULL;
}

const char *wa_settings_set(wa_settings *s, apr_pool_t *p, const char *name,
                            const char *value)
{
    apr_size_t i;

    for (i = 0; i < SETTINGS; i++) {
        const setting *set = &settings_table[i];
        void *field = (char *)s + set->offset;

        if (strcasecmp(name, set->name)) {
            continue;
        }
        if (!*value) {
            return apr_psprintf(p, "%s needs a value", set->name);
        }
        apr_table_mergen(s->given, set->name, apr_pstrdup(p, value));
        if (set->kind == SET_COUNT || set->kind == SET_RATE
            || set->kind == SET_WAIT || set->kind == SET_SECONDS) {
            return set_number(set, field, value, p);
        }
        if (set->kind == SET_ORIGINS) {
            return set_origins(set, field, value, p);
        }
        if (set->kind == SET_PACE) {
            return set_pace(set, field, value, p);
        }
        if (set->kind == SET_SWITCH) {
            return set_switch(set, field, value, p);
        }
        if (set->kind == SET_NETS) {
            return set_nets(set, field, value, p);
        }
        return set_text(set, field, value, p);
    }
    return apr_psprintf(p, "there is no setting %s", name);
}

/* A secret's file must be named and hold enough: a short secret is a mistake
 * that must stop the start, not a weak gateway. */
static apr_status_t read_secret(apr_pool_t *p, const char *name,
                                const char *path, const char **secret,
                                const char **why)
{
    apr_status_t rv;
    char buf[120];

    if (!path) {
        *why = apr_psprintf(p, "%s is not set", name);
        return APR_EINVAL;
    }
    rv = wa_secret_read(p, path, 32, secret);
    if (rv != APR_SUCCESS) {
        *why = apr_psprintf(p, "%s: %s: %s", name, path,
                            APR_STATUS_IS_EINVAL(rv)
                                ? "shorter than 32 characters"
                                : apr_strerror(rv, buf, sizeof(buf)));
    }
    return rv;
}

/* The lines of a secret's file, each long enough. */
static apr_status_t read_secret_lines(apr_pool_t *p, const char *name,
                                      const char *path,
                                      const char *const **lines,
                                      const char **why)
{
    apr_array_header_t *list = apr_array_make(p, 2, sizeof(const char *));
    const char *text = NULL;
    char *state, *line;
    apr_status_t rv = read_secret(p, name, path, &text, why);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (line = apr_strtok(apr_pstrdup(p, text), "\r\n", &state); line;
         line = apr_strtok(NULL, "\r\n", &state)) {
        if (strlen(line) < 32) {
            *why = apr_psprintf(p,
                                "%s: %s: a line is shorter than 32"
                                " characters",
                                name, path);
            return APR_EINVAL;
        }
        APR_ARRAY_PUSH(list, const char *) = line;
    }
    APR_ARRAY_PUSH(list, const char *) = NULL;
    *lines = (const char *const *)list->elts;
    return APR_SUCCESS;
}

apr_status_t wa_secrets_read(wa_secrets *secrets, apr_pool_t *p,
                             const wa_settings *s, const char **why)
{
    apr_status_t rv;

    rv = read_secret(p, "WhatsAppBridgeSecretFile", s->bridge_secret_file,
                     &secrets->bridge, why);
    if (rv == APR_SUCCESS) {
        rv = read_secret(p, "WhatsAppInternalSecretFile",
                         s->internal_secret_file, &secrets->internal, why);
    }
    if (rv == APR_SUCCESS) {
        rv = read_secret_lines(p, "WhatsAppKeySecretFile", s->key_secret_file,
                               &secrets->key, why);
    }
    if (rv == APR_SUCCESS) {
        rv = read_secret_lines(p, "WhatsAppJWTSecretFile", s->jwt_secret_file,
                               &secrets->jwt, why);
    }
    return rv;
}

static void wipe(const char *secret)
{
    if (secret) {
        wa_wipe((char *)secret, strlen(secret));
    }
}

void wa_secrets_wipe(wa_secrets *secrets)
{
    const char *const *line;

    wipe(secrets->bridge);
    wipe(secrets->internal);
    for (line = secrets->key; line && *line; line++) {
        wipe(*line);
    }
    for (line = secrets->jwt; line && *line; line++) {
        wipe(*line);
    }
    memset(secrets, 0, sizeof(*secrets));
}

static apr_status_t make_db(wa_app *app, wa_db_source *source, const char **why)
{
    const wa_settings *s = app->settings;

    if (!source) {
        if (!s->db_conninfo) {
            *why = "WhatsAppDB is not set";
            return APR_EINVAL;
        }
        if (wa_db_source_make(&source, app->pool, s->db_conninfo,
                              s->db_connections)
            != APR_SUCCESS) {
            *why = "WhatsAppDB can't be read";
            return APR_EINVAL;
        }
    }
    app->db.source = source;
    app->db.breaker = wa_db_breaker_make(app->pool);
    app->db.borrow_wait = apr_time_from_sec(1);
    app->db.statement_wait = apr_time_from_sec(5);
    return APR_SUCCESS;
}

apr_status_t wa_app_make(wa_app **papp, apr_pool_t *p, const wa_settings *s,
                         const wa_secrets *secrets, wa_db_source *source,
                         const char **why)
{
    wa_app *app = apr_pcalloc(p, sizeof(*app));
    apr_status_t rv;

    *papp = app;
    app->pool = p;
    app->settings = s;
    app->secrets = secrets;
    app->instance = wa_id_uuid(p);
    app->bridge.url = s->bridge_url;
    app->bridge.secret = secrets->bridge;
    app->bridge.http = wa_http_make(p, 64);
    app->local_limits = wa_local_limits_make(p);
    app->health = wa_health_cache_make(p);

    app->magic = wa_magic_make(p);
    if (!app->local_limits || !app->health || !app->magic) {
        *why = "no lock could be made";
        return APR_ENOLOCK;
    }
    rv = make_db(app, source, why);
    if (rv == APR_SUCCESS) {
        rv = wa_redis_make(&app->redis, p, s->redis_address, 64);
        if (rv != APR_SUCCESS) {
            *why = apr_psprintf(p, "WhatsAppRedis can't be read: %s",
                                s->redis_address);
        }
    }
    return rv;
}

int wa_gate_enter(apr_uint32_t *inside, apr_uint32_t limit)
{
    for (;;) {
        apr_uint32_t now = apr_atomic_read32(inside);

        if (now >= limit) {
            return 0;
        }
        if (apr_atomic_cas32(inside, now + 1, now) == now) {
            return 1;
        }
    }
}

void wa_gate_leave(apr_uint32_t *inside)
{
    apr_atomic_dec32(inside);
}

int wa_place_take(wa_app *app)
{
    return wa_gate_enter(&app->waiting,
                         (apr_uint32_t)app->settings->waiting_places);
}

void wa_place_give(wa_app *app)
{
    wa_gate_leave(&app->waiting);
}
