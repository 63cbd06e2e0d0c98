/* SPDX-License-Identifier: Apache-2.0 */
/* Writes into the audit what the daemon was configured with. */
#include "wad.h"

#include "../core/wa_audit_config.h"

#define RETRY apr_time_from_sec(5)
#define DONE apr_time_from_sec(86400)

apr_interval_time_t wad_configuration_run(wa_app *app, void *state,
                                          apr_pool_t *p)
{
    const char *instance = wa_audit_instance(p, "whatsappd", 0);

    return wa_audit_configuration(app, p, instance) == APR_SUCCESS ? DONE
                                                                   : RETRY;
}
