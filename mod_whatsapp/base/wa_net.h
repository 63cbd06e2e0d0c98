/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_net.h
 * @brief Networks, and which addresses are of the public Internet.
 */
#ifndef WA_NET_H
#define WA_NET_H

#include <apr_pools.h>

struct sockaddr;

/** A list of networks. */
typedef struct wa_nets wa_nets;

/** Read networks, "10.0.0.0/8 fd00::/8 192.0.2.7", with white space or commas
 * between. Bits below a mask are refused: who writes 10.1.2.3/8 is mistaken.
 * @return NULL, or the part that is no network */
const char *wa_nets_read(const wa_nets **nets, apr_pool_t *p, const char *text);

/** Is the address in one of the networks? NULL has none. */
int wa_nets_have(const wa_nets *nets, const struct sockaddr *address);

/** Is it a unicast address of the public Internet? Not so: loopback, private,
 * shared (RFC 6598), link-local, documentation, benchmarking, multicast,
 * reserved; every IPv6 address that has an IPv4 address in it (mapped,
 * compatible, NAT64, 6to4, Teredo), since what it leads to is not what it
 * says; other families. */
int wa_net_public(const struct sockaddr *address);

/** May a URL that somebody else gave lead there: public, or allowed? */
int wa_net_may_call(const struct sockaddr *address, const wa_nets *allow);

/** The same of an address as text, IPv6 perhaps with its zone.
 * @return 1, 0, or -1 when it is no address */
int wa_net_may_call_text(const char *text, const wa_nets *allow);

#endif
