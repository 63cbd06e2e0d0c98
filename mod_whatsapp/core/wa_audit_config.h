/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_audit_config.h @brief The configuration's place in the audit. */
#ifndef WA_AUDIT_CONFIG_H
#define WA_AUDIT_CONFIG_H

#include "wa_app.h"

/** Write down what a program was configured with, when that differs from the
 * last time: each setting that was given, by its directive's name; of what may
 * hold a password only that it is set.
 * @param program apache or whatsappd
 * @return APR_SUCCESS, or what the database failed with */
apr_status_t wa_audit_configuration(wa_app *app, apr_pool_t *p,
                                    const char *program);

#endif
