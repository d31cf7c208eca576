/*
 * dns_cache - answers of the name servers, kept for their time to live
 *
 * Bounded: the least recently used answer goes first. Several who ask the same
 * at the same time cause one question.
 *
 * Thread: its loop's.
 */
#ifndef RELAIS_DELIVER_DNS_CACHE_H
#define RELAIS_DELIVER_DNS_CACHE_H

#include <stdbool.h>

#include "deliver/dns.h"

struct dns_cache;

/* Embedded in what waits for an answer, and stays in place until it comes. */
struct dns_waiter {
	struct dns_waiter *next;
	/* The answer is borrowed for the call. */
	void (*on_answer)(struct dns_waiter *waiter,
	                  const struct dns_answer *answer);
};

/* dns is borrowed. */
struct dns_cache *dns_cache_new(struct dns *dns, unsigned entries_max);

/* Waiters are forgotten. Before dns_free(). */
void dns_cache_free(struct dns_cache *cache);

/* on_answer may come before this returns. */
void dns_cache_ask(struct dns_cache *cache, enum dns_type type,
                   const char *name, bool may_search,
                   struct dns_waiter *waiter);

#endif
