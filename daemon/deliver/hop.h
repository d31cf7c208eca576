/*
 * hop - where a connection leads: a relay, or with `direct` one domain's hosts
 *
 * Has the breaker, since what is in trouble is a hop and never more than it.
 * The relay's own hop has no domain; those of domains live while a lane leads
 * there, and for an hour after a fault so that the breaker's step is not
 * forgotten.
 * Thread: one.
 */
#ifndef RELAIS_DELIVER_HOP_H
#define RELAIS_DELIVER_HOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "deliver/alarm.h"
#include "deliver/breaker.h"

struct lane;
struct relay;

/* Connections to the hosts of one domain. */
#define HOP_DOMAIN_CONNECTIONS 2
/* Domains in trouble that are remembered without having a lane. */
#define HOPS_REMEMBERED_MAX 16384

TAILQ_HEAD(hop_lanes, lane);

struct hop {
	struct relay *relay;
	char *domain; /* NULL: the relay itself */
	uint32_t hash;
	struct breaker breaker;
	struct verdict *fault; /* what the breaker is open for, or NULL */
	char *fault_host;
	struct alarm alarm;
	unsigned in_use;      /* slots that work for it */
	bool is_expiry_due;   /* its oldest parts may be too old */
	bool has_passed_over; /* lanes with work that are not in memory */
	struct hop_lanes lanes;
	struct hop *chain;
};

struct hops {
	struct hop **buckets;
	size_t bucket_count;
	size_t count;
};

void hops_init(struct hops *hops);
/* Every hop of a domain must have gone. */
void hops_done(struct hops *hops);

void hop_init(struct hop *hop, struct relay *relay);
void hop_done(struct hop *hop);

struct hop *hops_find(const struct hops *hops, const struct relay *relay,
                      const char *domain);
/* The hop of a domain, made if it isn't there. */
struct hop *hops_get(struct hops *hops, struct relay *relay,
                     const char *domain);
void hops_remove(struct hops *hops, struct hop *hop);

/* May (another) ticket start to work for it? */
bool hop_may_start(const struct hop *hop, uint64_t now_ms);
/* May its mail go, through whomever? */
bool hop_is_served(const struct hop *hop, uint64_t now_ms);
/* When that is to be asked again; UINT64_MAX: by an event only. */
uint64_t hop_next_ms(const struct hop *hop, uint64_t now_ms);

void hop_set_fault(struct hop *hop, const struct verdict *fault,
                   const char *host);
void hop_clear_fault(struct hop *hop);

#endif
