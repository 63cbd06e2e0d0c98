/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_networks.h
 * @brief Networks an API key may be used from: CIDR, IPv4 and IPv6.
 *
 * A list is a text, its networks with spaces between. apr_ipsubnet is no help
 * here: it takes no mask of 0 bits, and odd spellings of addresses.
 */
#ifndef WA_NETWORKS_H
#define WA_NETWORKS_H

#include "../base/wa_json.h"
#include "../base/wa_result.h"

/** Read a JSON array of networks, "10.0.0.0/8", "2001:db8::/32" or a single
 * address. Bits below the mask are refused: who writes 10.1.2.3/8 is mistaken.
 * So are IPv4 addresses in IPv6 (::ffff:10.0.0.0/104), which no caller has.
 * @param networks the list in r->p, "" for none
 * @return WA_OK or WA_E_INVALID */
wa_code wa_networks_read(const json_t *list, const char **networks,
                         wa_result *r);

/** Is the address in one of the networks? No network means any address. A
 * caller's ::ffff:192.0.2.1 is 192.0.2.1.
 * @param address as text, or NULL when it is not known */
int wa_networks_have(const char *networks, const char *address);

/** What an address is counted as: IPv4 is itself, IPv6 its /64, of which one
 * client has any address it likes.
 * @param address as text, or NULL when it is not known
 * @return in p; "?" when it is no address */
const char *wa_networks_client(apr_pool_t *p, const char *address);

#endif
