/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_audit_config.h @brief The configuration's place in the audit. */
#ifndef WA_AUDIT_CONFIG_H
#define WA_AUDIT_CONFIG_H

#include "wa_app.h"

/** What an instance of a program is called in the audit: its name, its host and
 * its port, such as apache@www1:443.
 * @param port what it listens on, 0: nothing */
const char *wa_audit_instance(apr_pool_t *p, const char *program, int port);

/** Write down what an instance was configured with, when that differs from the
 * last time: each setting that was given, by its directive's name; of what may
 * hold a password only that it is set.
 * @param instance by wa_audit_instance; others of its program may share the
 *                 database and have other settings
 * @return APR_SUCCESS, or what the database failed with */
apr_status_t wa_audit_configuration(wa_app *app, apr_pool_t *p,
                                    const char *instance);

#endif
