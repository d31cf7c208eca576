/*
 * submission_servers - which servers a domain names for submission, in order
 *
 * From the SRV records of _submissions._tcp (TLS from the start, RFC 8314 5.1)
 * and _submission._tcp (STARTTLS, RFC 6186 3.1): by priority over both, TLS
 * first among equals, then by weight as RFC 2782 wants it. A record that names
 * the root says that this service is not offered (RFC 6186 3.4).
 *
 * Thread: any; pure but for the random numbers.
 */
#ifndef RELAIS_DELIVER_SUBMISSION_SERVERS_H
#define RELAIS_DELIVER_SUBMISSION_SERVERS_H

#include <stdbool.h>
#include <stdint.h>

#include "deliver/dns.h"

#define SUBMISSION_SERVERS_MAX 16

struct submission_server {
	char *host; /* without a dot at its end */
	uint16_t port;
	uint16_t priority, weight;
	bool is_tls;
};

/* Begins as zeros. */
struct submission_servers {
	struct submission_server server[SUBMISSION_SERVERS_MAX];
	unsigned count;
	bool is_declined; /* a record named the root */
};

/* The records of one of the two names; of too many the rest is left out. */
void submission_servers_add(struct submission_servers *servers,
                            const struct dns_answer *answer, bool is_tls);

/* Once all were added. */
void submission_servers_order(struct submission_servers *servers,
                              uint32_t (*random_number)(void));

void submission_servers_done(struct submission_servers *servers);

#endif
