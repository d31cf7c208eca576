/*
 * mail_exchanger - which of a domain's hosts to try, in which order
 *
 * RFC 5321 5.1: by preference, equals in random order; where this host is one
 * of them, itself and all that are not better are left out. RFC 7505: a single
 * record that names the root says that the domain takes no mail.
 *
 * Thread: any; pure but for the random numbers.
 */
#ifndef RELAIS_DELIVER_MAIL_EXCHANGER_H
#define RELAIS_DELIVER_MAIL_EXCHANGER_H

#include <stdbool.h>
#include <stdint.h>

#include "deliver/dns.h"

#define MAIL_EXCHANGER_MAX 5

enum mail_exchanger_outcome {
	MAIL_EXCHANGER_HOSTS,
	MAIL_EXCHANGER_NULL, /* takes no mail */
	MAIL_EXCHANGER_LOOP, /* none is better than this host itself */
};

struct mail_exchangers {
	/* Borrowed from the answer. */
	const char *names[MAIL_EXCHANGER_MAX];
	unsigned count;
	bool has_more; /* than are listed here */
};

/* answer: of type MX, DNS_FOUND. self: this host's name. */
enum mail_exchanger_outcome
mail_exchanger_choose(struct mail_exchangers *ret_chosen,
                      const struct dns_answer *answer, const char *self,
                      uint32_t (*random_number)(void));

#endif
