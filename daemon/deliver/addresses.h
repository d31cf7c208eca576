/*
 * addresses - the addresses of one host, and the order to try them in
 *
 * Thread: any.
 */
#ifndef RELAIS_DELIVER_ADDRESSES_H
#define RELAIS_DELIVER_ADDRESSES_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deliver/dns.h"
#include "deliver/transport.h"

/* Of each family: no more are tried anyway. */
#define ADDRESSES_MAX 8

/* Zero: none. */
struct addresses {
	struct in_addr v4[ADDRESSES_MAX];
	struct in6_addr v6[ADDRESSES_MAX];
	unsigned v4_count, v6_count;
};

/* Those of an answer of type A or AAAA, as far as there is room. */
void addresses_add(struct addresses *addresses, enum dns_type type,
                   const struct dns_answer *answer);

/* `192.0.2.1` or `2001:db8::1`; false for what is no address. */
bool addresses_parse(struct addresses *addresses, const char *text);

/* As a recipient's domain: `[192.0.2.1]`, `[IPv6:2001:db8::1]`. */
bool addresses_parse_literal(struct addresses *addresses, const char *text);

unsigned addresses_count(const struct addresses *addresses);

/*
 * IPv6 and IPv4 in turns, IPv6 first if there is a route to its first address.
 * An array that the caller frees.
 */
struct transport_address *addresses_order(const struct addresses *addresses,
                                          uint16_t port, size_t *ret_count);

/* That of a Unix socket. 0, or -ENAMETOOLONG. */
int address_of_path(struct transport_address *ret_address, const char *path);

#endif
