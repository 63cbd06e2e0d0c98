/* SPDX-License-Identifier: Apache-2.0 */
#include "wad.h"

#include <string.h>

#include <apr_file_io.h>
#include <apr_lib.h>
#include <apr_strings.h>

#define LINE_MAX_LEN 4096

/* Split "Name value"; quotes around the value are optional, as in httpd. */
static int split(char *line, char **name, char **value)
{
    char *end;

    while (apr_isspace(*line)) {
        line++;
    }
    if (!*line || *line == '#') {
        return 0;
    }
    *name = line;
    while (*line && !apr_isspace(*line)) {
        line++;
    }
    if (*line) {
        *line++ = '\0';
    }
    while (apr_isspace(*line)) {
        line++;
    }
    end = line + strlen(line);
    while (end > line && apr_isspace(end[-1])) {
        *--end = '\0';
    }
    if (end - line >= 2 && *line == '"' && end[-1] == '"') {
        end[-1] = '\0';
        line++;
    }
    *value = line;
    return 1;
}

static apr_status_t read_lines(wa_settings *settings, apr_pool_t *p,
                               apr_file_t *f, const char *path,
                               const char **why)
{
    char line[LINE_MAX_LEN];
    int number = 0;

    while (apr_file_gets(line, sizeof(line), f) == APR_SUCCESS) {
        char *name, *value;
        const char *wrong;

        number++;
        if (strlen(line) == sizeof(line) - 1) {
            *why = apr_psprintf(p, "%s:%d: the line is too long", path, number);
            return APR_EINVAL;
        }
        if (!split(line, &name, &value)) {
            continue;
        }
        wrong = wa_settings_set(settings, p, name, value);
        if (wrong) {
            *why = apr_psprintf(p, "%s:%d: %s", path, number, wrong);
            return APR_EINVAL;
        }
    }
    return APR_SUCCESS;
}

apr_status_t wad_config_read(wa_settings *settings, apr_pool_t *p,
                             const char *path, const char **why)
{
    apr_file_t *f;
    char buf[120];
    apr_status_t rv = apr_file_open(&f, path, APR_FOPEN_READ, 0, p);

    if (rv != APR_SUCCESS) {
        *why = apr_psprintf(p, "%s: %s", path,
                            apr_strerror(rv, buf, sizeof(buf)));
        return rv;
    }
    rv = read_lines(settings, p, f, path, why);
    apr_file_close(f);
    return rv;
}
