/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <string.h>

#include <apr_strings.h>

#include "core/wa_networks.h"

static const char *const good[] = {
    "10.0.0.0/8",  "0.0.0.0/0", "192.0.2.1", "192.0.2.1/32", "2001:db8::/32",
    "::/0",        "::1",       "::1/128",   "fe80::/10",    "255.255.255.255",
    "64:ff9b::/96"
};

static const char *const bad[] = { "",
                                   " ",
                                   "/8",
                                   "10.0.0.0/",
                                   "10.0.0.0/33",
                                   "10.0.0.0/08",
                                   "10.0.0.0/+8",
                                   "10.0.0.0/-1",
                                   "10.0.0.0/8 ",
                                   " 10.0.0.0/8",
                                   "10.0.0.0/8/8",
                                   "10.0.0.0/0x8",
                                   "10.0.0.0/255.0.0.0",
                                   "10.0.0.1/8",
                                   "10.0.0.256",
                                   "10/8",
                                   "10.0.0",
                                   "0x7f.0.0.1",
                                   "0177.0.0.1",
                                   "2130706433",
                                   "::1/129",
                                   "2001:db8::1/32",
                                   "::ffff:127.0.0.1",
                                   "::ffff:10.0.0.0/104",
                                   "fe80::1%lo",
                                   "[::1]",
                                   "localhost",
                                   "2001:db8:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0"
                                   ":0:0:0:0:0:0:0:0:0:0/32" };

static const struct {
    const char *networks, *address;
    int inside;
} cases[] = {
    { "", "192.0.2.1", 1 },
    { "", NULL, 1 },
    { "0.0.0.0/0", "192.0.2.1", 1 },
    { "0.0.0.0/0", "2001:db8::1", 0 },
    { "::/0", "2001:db8::1", 1 },
    { "::/0", "192.0.2.1", 0 },
    { "192.0.2.0/24", "192.0.2.255", 1 },
    { "192.0.2.0/24", "192.0.3.0", 0 },
    { "192.0.2.128/25", "192.0.2.127", 0 },
    { "192.0.2.128/25", "192.0.2.128", 1 },
    { "192.0.2.1", "192.0.2.1", 1 },
    { "192.0.2.1", "192.0.2.2", 0 },
    { "192.0.2.0/24", "::ffff:192.0.2.9", 1 },
    { "192.0.2.0/24", "::192.0.2.9", 0 },
    { "10.0.0.0/8 192.0.2.0/24", "192.0.2.9", 1 },
    { "10.0.0.0/8 192.0.2.0/24 ::1", "::1", 1 },
    { "2001:db8::/33", "2001:db8:7fff::1", 1 },
    { "2001:db8::/33", "2001:db8:8000::1", 0 },
    { "192.0.2.0/24", NULL, 0 },
    { "192.0.2.0/24", "", 0 },
    { "192.0.2.0/24", "somebody", 0 },
    { "nonsense", "192.0.2.1", 0 },
};

/* What an address is counted as. */
static const struct {
    const char *address, *client;
} clients[] = {
    { "192.0.2.1", "192.0.2.1" },
    { "::ffff:192.0.2.1", "192.0.2.1" },
    { "2001:db8:0:1::1", "2001:db8:0:1::/64" },
    { "2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::/64" },
    { "2001:db8:0:2::1", "2001:db8:0:2::/64" },
    { "fe80::1%eth0", "fe80::/64" },
    { "somebody", "?" },
    { "", "?" },
    { NULL, "?" },
};

static wa_code reads(apr_pool_t *p, const char *text, const char **networks)
{
    json_t *list = wa_json_own(p, json_array());

    json_array_append_new(list, json_string(text));
    return wa_networks_read(list, networks, wa_result_make(p));
}

int main(void)
{
    apr_pool_t *p = tap_start();
    const char *networks;
    json_t *list;
    wa_result *r = wa_result_make(p);
    apr_size_t i;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ok(reads(p, good[i], &networks) == WA_OK && !strcmp(networks, good[i]),
           "a network: %s", good[i]);
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ok(reads(p, bad[i], &networks) == WA_E_INVALID && !*networks,
           "no network: '%s'", bad[i]);
    }
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ok(wa_networks_have(cases[i].networks, cases[i].address)
               == cases[i].inside,
           "%s is %sin '%s'", cases[i].address ? cases[i].address : "nothing",
           cases[i].inside ? "" : "not ", cases[i].networks);
    }
    for (i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
        is_str(wa_networks_client(p, clients[i].address), clients[i].client,
               "an address is counted");
    }
    list = wa_json_own(p, json_pack("[s, s]", "10.0.0.0/8", "::1"));
    ok(wa_networks_read(list, &networks, r) == WA_OK
           && !strcmp(networks, "10.0.0.0/8 ::1"),
       "two of them");
    list = wa_json_own(p, json_pack("[i, s, n]", 1, "x"));
    ok(wa_networks_read(list, &networks, r) == WA_E_INVALID
           && r->errors->nelts == 3,
       "every fault is told");
    return tap_done();
}
