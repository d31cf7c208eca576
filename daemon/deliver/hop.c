/*
 * hop - where a connection leads: a relay, or with `direct` one domain's hosts
 */
#include "config.h"

#include "deliver/hop.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/relay.h"
#include "runtime/xalloc.h"

#define BUCKETS_FEW 64

static uint32_t hash_of(uint32_t relay, const char *domain);
static void grow(struct hops *hops);

void hops_init(struct hops *hops)
{
	*hops = (struct hops){
		.buckets = xcalloc(BUCKETS_FEW, sizeof(struct hop *)),
		.bucket_count = BUCKETS_FEW,
	};
}

void hops_done(struct hops *hops)
{
	assert(hops->count == 0);
	free(hops->buckets);
	*hops = (struct hops){ 0 };
}

void hop_init(struct hop *hop, struct relay *relay)
{
	*hop = (struct hop){ .relay = relay };
	TAILQ_INIT(&hop->lanes);
}

void hop_done(struct hop *hop)
{
	assert(hop->alarm.place == 0);
	hop_clear_fault(hop);
	free(hop->domain);
	hop->domain = NULL;
}

struct hop *hops_find(const struct hops *hops, const struct relay *relay,
                      const char *domain)
{
	uint32_t hash = hash_of(relay->id, domain);
	struct hop *hop = hops->buckets[hash & (hops->bucket_count - 1)];

	for (; hop != NULL; hop = hop->chain) {
		if (hop->hash == hash && hop->relay == relay &&
		    strcmp(hop->domain, domain) == 0)
			return hop;
	}
	return NULL;
}

struct hop *hops_get(struct hops *hops, struct relay *relay, const char *domain)
{
	uint32_t hash = hash_of(relay->id, domain);
	struct hop *hop = hops_find(hops, relay, domain);
	struct hop **bucket;

	if (hop != NULL)
		return hop;
	if (hops->count >= hops->bucket_count)
		grow(hops);
	hop = xmalloc(sizeof(*hop));
	hop_init(hop, relay);
	hop->domain = xstrdup(domain);
	hop->hash = hash;
	bucket = &hops->buckets[hash & (hops->bucket_count - 1)];
	hop->chain = *bucket;
	*bucket = hop;
	hops->count++;
	return hop;
}

void hops_remove(struct hops *hops, struct hop *hop)
{
	struct hop **at = &hops->buckets[hop->hash & (hops->bucket_count - 1)];

	assert(TAILQ_EMPTY(&hop->lanes) && hop->in_use == 0);
	while (*at != hop)
		at = &(*at)->chain;
	*at = hop->chain;
	hops->count--;
	hop_done(hop);
	free(hop);
}

bool hop_may_start(const struct hop *hop, uint64_t now_ms)
{
	const struct relay *relay = hop->relay;

	if (relay->settings == NULL || !relay->settings->enabled ||
	    relay_is_paused(relay, now_ms))
		return false;
	if (!breaker_may_pass(&hop->breaker, now_ms))
		return false;
	return hop->domain == NULL || hop->in_use < HOP_DOMAIN_CONNECTIONS;
}

bool hop_is_served(const struct hop *hop, uint64_t now_ms)
{
	return hop_may_start(hop, now_ms) ||
	       (hop->domain == NULL && hop->relay->carrier != NULL);
}

uint64_t hop_next_ms(const struct hop *hop, uint64_t now_ms)
{
	const struct breaker *breaker = &hop->breaker;

	if (relay_is_paused(hop->relay, now_ms))
		return hop->relay->paused_until_ms;
	if ((breaker->state == BREAKER_OPEN ||
	     breaker->state == BREAKER_HELD) &&
	    breaker->until_ms > now_ms)
		return breaker->until_ms;
	return UINT64_MAX;
}

void hop_set_fault(struct hop *hop, const struct verdict *fault,
                   const char *host)
{
	struct verdict *copy = xmalloc(sizeof(*copy));

	*copy = *fault;
	hop_clear_fault(hop);
	hop->fault = copy;
	hop->fault_host = host == NULL ? NULL : xstrdup(host);
}

void hop_clear_fault(struct hop *hop)
{
	free(hop->fault);
	free(hop->fault_host);
	hop->fault = NULL;
	hop->fault_host = NULL;
}

/* FNV-1a */
static uint32_t hash_of(uint32_t relay, const char *domain)
{
	uint32_t hash = 2166136261u ^ relay;

	for (; *domain != '\0'; domain++)
		hash = (hash ^ (unsigned char)*domain) * 16777619u;
	return hash ^ hash >> 15;
}

static void grow(struct hops *hops)
{
	struct hop **old = hops->buckets;
	size_t old_count = hops->bucket_count;

	hops->bucket_count *= 2;
	hops->buckets = xcalloc(hops->bucket_count, sizeof(*hops->buckets));
	for (size_t i = 0; i < old_count; i++) {
		struct hop *hop, *next;

		for (hop = old[i]; hop != NULL; hop = next) {
			struct hop **bucket =
			    &hops->buckets[hop->hash &
			                   (hops->bucket_count - 1)];

			next = hop->chain;
			hop->chain = *bucket;
			*bucket = hop;
		}
	}
	free(old);
}
