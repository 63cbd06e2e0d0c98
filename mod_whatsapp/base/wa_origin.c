/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_origin.h"

#include <string.h>

#include <apr_strings.h>
#include <apr_tables.h>

#define HOST_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789.-_"
#define IPV6_CHARACTERS "0123456789abcdef:."

/* The length of the host that s begins with; 0 when there is none. */
static apr_size_t host_length(const char *s)
{
    apr_size_t n;

    if (*s != '[') {
        return strspn(s, HOST_CHARACTERS);
    }
    n = strspn(s + 1, IPV6_CHARACTERS);
    return n && s[n + 1] == ']' ? n + 2 : 0;
}

/* ":8443"; the scheme's own port is never written. */
static int port_fits(const char *s, int usual)
{
    apr_size_t digits = strspn(s + 1, "0123456789");
    apr_int64_t port;
    char *end;

    if (!digits || digits > 5 || s[1] == '0') {
        return 0;
    }
    port = apr_strtoi64(s + 1, &end, 10);
    return !*end && port <= 65535 && port != usual;
}

static int fits(const char *origin)
{
    apr_size_t host;
    int usual;

    if (!strncmp(origin, "https://", 8)) {
        origin += 8;
        usual = 443;
    }
    else if (!strncmp(origin, "http://", 7)) {
        origin += 7;
        usual = 80;
    }
    else {
        return 0;
    }
    host = host_length(origin);
    if (!host) {
        return 0;
    }
    origin += host;
    return !*origin || (*origin == ':' && port_fits(origin, usual));
}

const char *wa_origins_read(apr_pool_t *p, const char *text,
                            const char *const **list)
{
    apr_array_header_t *all = apr_array_make(p, 4, sizeof(const char *));
    char *state, *word;

    for (word = apr_strtok(apr_pstrdup(p, text), " \t", &state); word;
         word = apr_strtok(NULL, " \t", &state)) {
        if (!fits(word)) {
            return apr_psprintf(p,
                                "\"%s\" is not an origin as browsers send it:"
                                " https://host or https://host:port, in small"
                                " letters, without a slash at its end",
                                word);
        }
        APR_ARRAY_PUSH(all, const char *) = word;
    }
    if (!all->nelts) {
        return "no origin is named";
    }
    APR_ARRAY_PUSH(all, const char *) = NULL;
    *list = (const char *const *)all->elts;
    return NULL;
}

int wa_origins_have(const char *const *list, const char *origin)
{
    for (; *list; list++) {
        if (!strcmp(*list, origin)) {
            return 1;
        }
    }
    return 0;
}
