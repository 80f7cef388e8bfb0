/* Networks of addresses, and which addresses belong to the public internet: what a program that
 * follows other people's links must know before it opens a connection. */
#ifndef CORE_NETWORK_H
#define CORE_NETWORK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct network {
        int family; /* AF_INET, AF_INET6 */
        uint8_t bytes[16];
        unsigned bits; /* length of the prefix */
};

/* "10.0.0.0/8", "10.0.0.5", "2001:db8::/32"; only the plain spelling of an address (four decimal
 * numbers), nothing below the prefix. -EINVAL. */
int network_parse(const char *text, struct network *ret);
/* Whether the address is in the network. An IPv4 address in IPv6 clothes (::ffff:10.0.0.1) is in
 * no network: there is no honest reason to meet one. */
bool network_has(const struct network *network, const struct sockaddr *address);
/* An address that stands for one machine anywhere on the internet. Not: loopback, private use,
 * link-local, shared (CGNAT), multicast, documentation, benchmarks, translation (NAT64, 6to4,
 * Teredo), IPv4 in IPv6 clothes, or reserved. Source: the IANA special-purpose address registries
 * for IPv4 and IPv6 (RFC 6890 and what changed them since). */
bool address_is_public(const struct sockaddr *address);

/* "10.0.0.1" or "fe80::1", "?" for what is neither; returns `ret`. */
#define ADDRESS_TEXT 46
const char *address_text(const struct sockaddr *address, char ret[static ADDRESS_TEXT]);

#endif
