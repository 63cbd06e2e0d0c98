/* SPDX-License-Identifier: Apache-2.0 */
/** @file mod_whatsapp.h @brief What the module's own files share. */
#ifndef MOD_WHATSAPP_H
#define MOD_WHATSAPP_H

#include <httpd.h>
#include <http_config.h>

#include "../core/wa_app.h"
#include "../flow/wa_route.h"

extern module AP_MODULE_DECLARE_DATA whatsapp_module;

/** The settings of this configuration; they are the whole server's. */
wa_settings *mod_whatsapp_settings(void);

/** The directives, and what resets them before a configuration is read. */
extern const command_rec mod_whatsapp_commands[];
int mod_whatsapp_pre_config(apr_pool_t *pconf, apr_pool_t *plog,
                            apr_pool_t *ptemp);

/** Look mod_dbd up; call it in post_config.
 * @return NULL, or what is missing, for the log */
const char *mod_whatsapp_dbd_check(void);

/** A source of connections over mod_dbd's pool, with a gate of our own before
 * it, because mod_dbd waits without bound.
 * @param size what DBDMax is */
apr_status_t mod_whatsapp_dbd_source(wa_db_source **source, apr_pool_t *p,
                                     server_rec *s, int size);

/** Answer a request by a table of routes.
 * @param mount the path segment that the routes are below, such as "/api"
 * @return OK or an HTTP status that httpd is to answer */
int mod_whatsapp_answer(request_rec *r, wa_app *app, const wa_route *table,
                        const char *mount);

/** Is it one of the module's handlers? */
int mod_whatsapp_is_ours(const char *handler);

/** Register what makes httpd's own errors problems where they are for paths of
 * ours. */
void mod_whatsapp_errors_register(void);

/** Register the check that no document root has users' files in it. */
void mod_whatsapp_media_register(void);

/** Write what this child was configured with into the audit, in a thread that
 * ends before pchild does. */
void mod_whatsapp_note_configuration(wa_app *app, apr_pool_t *pchild,
                                     server_rec *s);

/** Start the processes that hash passwords, as the user that children run as;
 * call it in post_config, but not for the first look at a configuration.
 * @param secrets overwritten in them */
apr_status_t mod_whatsapp_hashing_start(apr_pool_t *pconf, server_rec *s,
                                        wa_secrets *secrets);
/** Look after them for as long as the parent lives. */
void mod_whatsapp_hashing_register(void);
/** The way to them, for a child. */
const struct wa_hashing_queue *mod_whatsapp_hashing(void);

/** Has this child been told to end, gracefully or not? */
int mod_whatsapp_is_stopping(void);

/** Let the library's log go to s' error log. */
void mod_whatsapp_log_to(server_rec *s);

#endif
