/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_tables.h>

#define TEXT_MAX 64

typedef struct net {
    int family;
    int bits;
    unsigned char address[16];
} net;

struct wa_nets {
    const net *list;
    int count;
};

/* What IANA's registries of special addresses (RFC 6890 and its updates) call
 * not globally reachable, and multicast. */
static const net special4[] = {
    { AF_INET, 8, { 0 } },             /* this network */
    { AF_INET, 8, { 10 } },            /* private */
    { AF_INET, 10, { 100, 64 } },      /* shared, behind a carrier's NAT */
    { AF_INET, 8, { 127 } },           /* loopback */
    { AF_INET, 16, { 169, 254 } },     /* link-local, clouds' metadata */
    { AF_INET, 12, { 172, 16 } },      /* private */
    { AF_INET, 24, { 192, 0, 0 } },    /* protocol assignments */
    { AF_INET, 24, { 192, 0, 2 } },    /* documentation */
    { AF_INET, 24, { 192, 88, 99 } },  /* 6to4 relays */
    { AF_INET, 16, { 192, 168 } },     /* private */
    { AF_INET, 15, { 198, 18 } },      /* benchmarking */
    { AF_INET, 24, { 198, 51, 100 } }, /* documentation */
    { AF_INET, 24, { 203, 0, 113 } },  /* documentation */
    { AF_INET, 4, { 224 } },           /* multicast */
    { AF_INET, 4, { 240 } },           /* reserved, broadcast */
};

/* Global unicast is 2000::/3 and nothing else; of that not these. */
static const net global6 = { AF_INET6, 3, { 0x20 } };
static const net special6[] = {
    { AF_INET6, 23, { 0x20, 0x01 } },             /* Teredo, ORCHID, … */
    { AF_INET6, 32, { 0x20, 0x01, 0x0d, 0xb8 } }, /* documentation */
    { AF_INET6, 16, { 0x20, 0x02 } },             /* 6to4 */
    { AF_INET6, 20, { 0x3f, 0xff } },             /* documentation */
};

static int has(const net *n, int family, const unsigned char *address)
{
    int whole = n->bits / 8, rest = n->bits % 8;

    if (n->family != family || memcmp(n->address, address, (size_t)whole)) {
        return 0;
    }
    return !rest || !((n->address[whole] ^ address[whole]) >> (8 - rest));
}

static int any_has(const net *list, int count, int family,
                   const unsigned char *address)
{
    int i;

    for (i = 0; i < count; i++) {
        if (has(&list[i], family, address)) {
            return 1;
        }
    }
    return 0;
}

static const unsigned char *bytes_of(const struct sockaddr *address)
{
    switch (address->sa_family) {
    case AF_INET:
        return (const unsigned char *)&(
                   (const struct sockaddr_in *)(const void *)address)
            ->sin_addr;
    case AF_INET6:
        return ((const struct sockaddr_in6 *)(const void *)address)
            ->sin6_addr.s6_addr;
    default:
        return NULL;
    }
}

int wa_nets_have(const wa_nets *nets, const struct sockaddr *address)
{
    const unsigned char *bytes = bytes_of(address);

    return nets && bytes
           && any_has(nets->list, nets->count, address->sa_family, bytes);
}

#define COUNT(list) ((int)(sizeof(list) / sizeof((list)[0])))

int wa_net_public(const struct sockaddr *address)
{
    const unsigned char *bytes = bytes_of(address);

    if (!bytes) {
        return 0;
    }
    if (address->sa_family == AF_INET) {
        return !any_has(special4, COUNT(special4), AF_INET, bytes);
    }
    return has(&global6, AF_INET6, bytes)
           && !any_has(special6, COUNT(special6), AF_INET6, bytes);
}

int wa_net_may_call(const struct sockaddr *address, const wa_nets *allow)
{
    return wa_net_public(address) || wa_nets_have(allow, address);
}

int wa_net_may_call_text(const char *text, const wa_nets *allow)
{
    char bare[TEXT_MAX];
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } a;

    /* The zone says which link, which is nothing to us. */
    if (!text || strcspn(text, "%") >= sizeof(bare)) {
        return -1;
    }
    apr_cpystrn(bare, text, strcspn(text, "%") + 1);
    memset(&a, 0, sizeof(a));
    if (inet_pton(AF_INET, bare, &a.four.sin_addr) == 1) {
        a.four.sin_family = AF_INET;
    }
    else if (inet_pton(AF_INET6, bare, &a.six.sin6_addr) == 1) {
        a.six.sin6_family = AF_INET6;
    }
    else {
        return -1;
    }
    return wa_net_may_call(&a.any, allow);
}

/* Are all bits below the mask 0? */
static int is_net(const net *n, int width)
{
    int i;

    for (i = n->bits; i < width; i++) {
        if (n->address[i / 8] & (0x80 >> (i % 8))) {
            return 0;
        }
    }
    return 1;
}

static int read_net(net *n, apr_pool_t *p, const char *text)
{
    char *address = apr_pstrdup(p, text), *mask = strchr(address, '/');
    char *end = NULL;
    int width;

    memset(n, 0, sizeof(*n));
    n->family = strchr(address, ':') ? AF_INET6 : AF_INET;
    n->bits = width = n->family == AF_INET6 ? 128 : 32;
    if (mask) {
        *mask++ = '\0';
        if (!apr_isdigit(*mask) || strlen(mask) > 3) {
            return 0;
        }
        n->bits = (int)apr_strtoi64(mask, &end, 10);
        if (*end || n->bits > width) {
            return 0;
        }
    }
    return inet_pton(n->family, address, n->address) == 1 && is_net(n, width);
}

const char *wa_nets_read(const wa_nets **nets, apr_pool_t *p, const char *text)
{
    apr_array_header_t *list = apr_array_make(p, 4, sizeof(net));
    wa_nets *made = apr_pcalloc(p, sizeof(*made));
    char *copy = apr_pstrdup(p, text), *state, *one;

    for (one = apr_strtok(copy, " \t,", &state); one;
         one = apr_strtok(NULL, " \t,", &state)) {
        if (!read_net(apr_array_push(list), p, one)) {
            return one;
        }
    }
    made->list = (const net *)(const void *)list->elts;
    made->count = list->nelts;
    *nets = made;
    return NULL;
}
