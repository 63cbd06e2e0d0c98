/* SPDX-License-Identifier: Apache-2.0 */
/* The directives. conf/whatsapp.conf explains each; t/check compares. */
#include "mod_whatsapp.h"

#include <apr_strings.h>

/* One configuration for the whole server: its parts (keys, limits, leases)
 * are shared by all virtual hosts. */
static wa_settings *settings;

wa_settings *mod_whatsapp_settings(void)
{
    return settings;
}

int mod_whatsapp_pre_config(apr_pool_t *pconf, apr_pool_t *plog,
                            apr_pool_t *ptemp)
{
    settings = wa_settings_make(pconf);
    return OK;
}

static const char *set_value(cmd_parms *cmd, void *dir, const char *value)
{
    const char *wrong = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    if (wrong) {
        return wrong;
    }
    return wa_settings_set(settings, cmd->pool, cmd->directive->directive,
                           value);
}

/* A file's path, relative to ServerRoot. */
static const char *set_file(cmd_parms *cmd, void *dir, const char *value)
{
    const char *path = ap_server_root_relative(cmd->pool, value);

    if (!path) {
        return apr_pstrcat(cmd->pool, cmd->directive->directive,
                           ": not a path: ", value, NULL);
    }
    return set_value(cmd, dir, path);
}

/* Several words make one value. */
static const char *set_list(cmd_parms *cmd, void *dir, const char *args)
{
    const char *value = "";

    while (*args) {
        value = apr_pstrcat(cmd->pool, value, *value ? " " : "",
                            ap_getword_conf(cmd->pool, &args), NULL);
    }
    return set_value(cmd, dir, value);
}

#define VALUE(name, help) AP_INIT_TAKE1(name, set_value, NULL, RSRC_CONF, help)
#define LIST(name, help) AP_INIT_RAW_ARGS(name, set_list, NULL, RSRC_CONF, help)
#define SECRET(name, help) AP_INIT_TAKE1(name, set_file, NULL, RSRC_CONF, help)

// clang-format off
const command_rec mod_whatsapp_commands[] = {
    VALUE("WhatsAppMode", "sandbox or live"),
    VALUE("WhatsAppRedis", "unix:/path or host:port of Redis"),
    VALUE("WhatsAppBridge", "URL of the bridge"),
    SECRET("WhatsAppBridgeSecretFile", "file with the secret shown to the bridge"),
    SECRET("WhatsAppInternalSecretFile", "file with the secret the bridge shows"),
    SECRET("WhatsAppKeySecretFile", "file with the secret that API keys are hashed with"),
    SECRET("WhatsAppJWTSecretFile", "file with the secret that signs access tokens"),
    VALUE("WhatsAppDBConnections", "connections a child may use; the same as DBDMax"),
    VALUE("WhatsAppWaitingPlaces", "requests a child lets wait for the bridge at one time"),
    VALUE("WhatsAppSendWait", "seconds a send waits for WhatsApp"),
    VALUE("WhatsAppMessageTTL", "seconds after which an unsent message fails"),
    VALUE("WhatsAppTokenLifetime", "seconds an access token lives"),
    VALUE("WhatsAppAnonymousRequestsPerMinute", "requests of an address without a good credential; 0: any number"),
    VALUE("WhatsAppLogDays", "days a request stays in the log"),
    VALUE("WhatsAppEventDays", "days an event stays in the feed"),
    SECRET("WhatsAppMediaDir", "directory that files are kept in"),
    VALUE("WhatsAppMediaDays", "days a file is kept after its last use"),
    VALUE("WhatsAppInboundMedia", "at-once or on-demand: when files that came in are fetched"),
    VALUE("WhatsAppInboundMediaMax", "MiB up to which they are fetched at once"),
    VALUE("WhatsAppMediaImageMax", "MiB an image may have"),
    VALUE("WhatsAppMediaVideoMax", "MiB a video may have"),
    VALUE("WhatsAppMediaAudioMax", "MiB a sound may have"),
    VALUE("WhatsAppMediaDocumentMax", "MiB a document may have"),
    LIST("WhatsAppCORSOrigin", "origins whose pages may read the API"),
    LIST("WhatsAppFetchAllow", "networks that users' URLs may lead to though not public"),
    VALUE("WhatsAppWebhookPlain", "On: webhooks may be http, not https only"),
    VALUE("WhatsAppDefaultEngine", "baileys or webjs, for sessions that name none"),
    VALUE("WhatsAppSessionIdle", "seconds after which a session without activity is disconnected"),
    VALUE("WhatsAppPaceMessages", "most messages a minute of a session, or Off"),
    VALUE("WhatsAppPaceNewChats", "most chats a session begins in a day, or Off"),
    { NULL }
};
// clang-format on
