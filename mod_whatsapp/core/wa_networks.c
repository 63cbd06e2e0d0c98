/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_networks.h"

#include <arpa/inet.h>
#include <string.h>

#include <apr_strings.h>

#define MAX_TEXT 64
#define MAPPED_BYTES 12

/* An address, or a network of one. */
typedef struct network {
    unsigned char bytes[16];
    int width; /* 32 or 128 */
    int bits;  /* that count */
} network;

static const unsigned char mapped[MAPPED_BYTES] = { 0, 0, 0, 0, 0,    0,
                                                    0, 0, 0, 0, 0xff, 0xff };

static int read_address(const char *text, apr_size_t len, network *n)
{
    char copy[MAX_TEXT + 1];

    if (len > MAX_TEXT) {
        return 0;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    memset(n, 0, sizeof(*n));
    n->width = memchr(copy, ':', len) ? 128 : 32;
    n->bits = n->width;
    return inet_pton(n->width == 128 ? AF_INET6 : AF_INET, copy, n->bytes) == 1;
}

static int is_mapped(const network *n)
{
    return n->width == 128 && !memcmp(n->bytes, mapped, MAPPED_BYTES);
}

static void unmap(network *n)
{
    if (is_mapped(n)) {
        memmove(n->bytes, n->bytes + MAPPED_BYTES, 4);
        n->width = n->bits = 32;
    }
}

/* "24": digits, no zero before them, no more than max. @return -1 if not */
static int read_bits(const char *text, apr_size_t len, int max)
{
    int bits = 0;
    apr_size_t i;

    if (len < 1 || len > 3 || (len > 1 && text[0] == '0')) {
        return -1;
    }
    for (i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        bits = bits * 10 + (text[i] - '0');
    }
    return bits <= max ? bits : -1;
}

static int read_network(const char *text, apr_size_t len, network *n)
{
    const char *slash = memchr(text, '/', len);
    apr_size_t address = slash ? (apr_size_t)(slash - text) : len;

    if (!read_address(text, address, n)) {
        return 0;
    }
    if (slash) {
        n->bits = read_bits(slash + 1, len - address - 1, n->width);
    }
    return n->bits >= 0;
}

static int bit(const network *n, int i)
{
    return n->bytes[i / 8] >> (7 - i % 8) & 1;
}

static int has_lower_bits(const network *n)
{
    int i;

    for (i = n->bits; i < n->width; i++) {
        if (bit(n, i)) {
            return 1;
        }
    }
    return 0;
}

static int contains(const network *n, const network *address)
{
    int i;

    if (n->width != address->width) {
        return 0;
    }
    for (i = 0; i < n->bits; i++) {
        if (bit(n, i) != bit(address, i)) {
            return 0;
        }
    }
    return 1;
}

wa_code wa_networks_read(const json_t *list, const char **networks,
                         wa_result *r)
{
    const json_t *j;
    size_t i;

    *networks = "";
    json_array_foreach(list, i, j)
    {
        const char *text = json_string_value(j);
        network n;

        if (!text || !read_network(text, strlen(text), &n) || is_mapped(&n)
            || has_lower_bits(&n)) {
            wa_fail_field(r, apr_psprintf(r->p, "/networks/%d", (int)i),
                          "format",
                          "must be a network such as 192.0.2.0/24 or"
                          " 2001:db8::/32, without bits below its mask");
            continue;
        }
        *networks = apr_pstrcat(r->p, *networks, **networks ? " " : "", text,
                                NULL);
    }
    return r->code;
}

int wa_networks_have(const char *networks, const char *address)
{
    network caller, n;
    apr_size_t len;

    if (!*networks) {
        return 1;
    }
    if (!address || !read_address(address, strlen(address), &caller)) {
        return 0;
    }
    unmap(&caller);
    for (; *networks; networks += len + strspn(networks + len, " ")) {
        len = strcspn(networks, " ");
        if (read_network(networks, len, &n) && contains(&n, &caller)) {
            return 1;
        }
    }
    return 0;
}

const char *wa_networks_client(apr_pool_t *p, const char *address)
{
    char text[INET6_ADDRSTRLEN];
    network n;

    /* A link's zone, "fe80::1%eth0", is no part of it. */
    if (!address || !read_address(address, strcspn(address, "%"), &n)) {
        return "?";
    }
    unmap(&n);
    if (n.width == 32) {
        return inet_ntop(AF_INET, n.bytes, text, sizeof(text))
                   ? apr_pstrdup(p, text)
                   : "?";
    }
    memset(n.bytes + 8, 0, 8);
    return inet_ntop(AF_INET6, n.bytes, text, sizeof(text))
               ? apr_pstrcat(p, text, "/64", NULL)
               : "?";
}
