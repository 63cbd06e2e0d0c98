/* SPDX-License-Identifier: Apache-2.0 */
/* The library's log, into httpd's. */
#include "mod_whatsapp.h"

#include <http_log.h>

#include "../base/wa_log.h"

APLOG_USE_MODULE(whatsapp);

static void to_error_log(void *baton, wa_log_level level,
                         const char *request_id, const char *message)
{
    server_rec *s = baton;

    ap_log_error(APLOG_MARK, (int)level, 0, s, "%s%s%s%s",
                 request_id ? "[" : "", request_id ? request_id : "",
                 request_id ? "] " : "", message);
}

void mod_whatsapp_log_to(server_rec *s)
{
    /* httpd filters by LogLevel, as of any module. */
    wa_log_set(to_error_log, s, WA_LOG_DEBUG);
}
