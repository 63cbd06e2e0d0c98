/* SPDX-License-Identifier: Apache-2.0 */
/* Users' files are given out by the API alone, to their owners: a directory
 * that httpd would serve by its path as well is a fault of the configuration.
 */
#include "mod_whatsapp.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>

APLOG_USE_MODULE(whatsapp);

/* Without symbolic links and a slash at the end, also what isn't there yet. */
static const char *real_path(apr_pool_t *p, const char *path)
{
    char *copy = apr_pstrdup(p, path), *slash = strrchr(copy, '/');
    const char *found = realpath(path, apr_palloc(p, PATH_MAX));

    if (found) {
        return found;
    }
    if (!slash || slash == copy) {
        return copy;
    }
    *slash = '\0';
    found = real_path(p, copy);
    return slash[1] ? apr_pstrcat(p, strcmp(found, "/") != 0 ? found : "", "/",
                                  slash + 1, NULL)
                    : found;
}

static int is_below(const char *path, const char *dir)
{
    size_t len = strcmp(dir, "/") != 0 ? strlen(dir) : 0;

    return !strncmp(path, dir, len) && (!path[len] || path[len] == '/');
}

/* By `httpd -t` too, hence no part of post_config. */
static int check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                        server_rec *s)
{
    const char *media = real_path(ptemp, mod_whatsapp_settings()->media_dir);
    const server_rec *v;

    for (v = s; v; v = v->next) {
        const core_server_config *conf = ap_get_core_module_config(
            v->module_config);
        const char *root = conf->ap_document_root;

        root = root ? real_path(ptemp, root) : NULL;
        if (!root) {
            continue;
        }
        if (is_below(media, root) || is_below(root, media)) {
            ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s,
                         "WA0012: WhatsAppMediaDir %s and DocumentRoot %s (%s)"
                         " must not be one below the other: files of users"
                         " would be had by URL",
                         media, root,
                         v->defn_name ? v->defn_name : "the main server");
            return HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    return OK;
}

void mod_whatsapp_media_register(void)
{
    ap_hook_check_config(check_config, NULL, NULL, APR_HOOK_MIDDLE);
}
