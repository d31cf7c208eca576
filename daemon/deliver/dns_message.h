/*
 * dns_message - how long an answer of a name server may be kept
 *
 * c-ares 1.18 gives no time to live with MX records, and none at all where
 * there is no record.
 *
 * Thread: any.
 */
#ifndef RELAIS_DELIVER_DNS_MESSAGE_H
#define RELAIS_DELIVER_DNS_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Seconds: the least time to live of the answer section; where that is empty,
 * what the SOA record in the authority section allows (RFC 2308 5). 0 for a
 * message that says neither, or is malformed.
 */
uint32_t dns_message_ttl(const unsigned char *message, size_t len);

#endif
