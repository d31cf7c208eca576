#include "config.h"

#include "deliver/dns_cache.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "clock.h"
#include "runtime/xalloc.h"

#define BUCKETS 512

/* Longer than this an answer isn't believed; RFC 2308 asks for such limits. */
#define FOUND_MAX_S   3600
#define MISSING_MAX_S 300
/* Spares a dead name server the questions of a whole burst (RFC 2308 7). */
#define FAILED_S 5

struct entry {
	LIST_ENTRY(entry) in_bucket;
	TAILQ_ENTRY(entry) in_order; /* most recently used first */
	struct dns_cache *cache;
	enum dns_type type;
	bool may_search;
	bool is_orphan; /* asked of servers that are no longer ours */
	char *name;
	struct dns_answer *answer; /* NULL: asked, not answered yet */
	int64_t expires_ms;        /* boot clock */
	struct dns_waiter *waiters;
};

struct dns_cache {
	struct dns *dns;
	uint64_t generation;
	unsigned count, count_max;
	LIST_HEAD(, entry) buckets[BUCKETS];
	LIST_HEAD(, entry) orphans;
	TAILQ_HEAD(entry_order, entry) order;
};

struct dns_cache *dns_cache_new(struct dns *dns, unsigned entries_max)
{
	struct dns_cache *cache = xcalloc(1, sizeof(*cache));

	cache->dns = dns;
	cache->generation = dns_generation(dns);
	cache->count_max = entries_max;
	TAILQ_INIT(&cache->order);
	return cache;
}

static void entry_free(struct entry *entry)
{
	LIST_REMOVE(entry, in_bucket);
	if (!entry->is_orphan) {
		TAILQ_REMOVE(&entry->cache->order, entry, in_order);
		entry->cache->count--;
	}
	dns_answer_free(entry->answer);
	free(entry->name);
	free(entry);
}

void dns_cache_free(struct dns_cache *cache)
{
	struct entry *entry;

	if (!cache)
		return;
	while ((entry = TAILQ_FIRST(&cache->order)))
		entry_free(entry);
	while ((entry = LIST_FIRST(&cache->orphans)))
		entry_free(entry);
	free(cache);
}

/* FNV-1a over the name in lower case. */
static unsigned bucket_of(enum dns_type type, const char *name)
{
	uint32_t hash = 2166136261u ^ (uint32_t)type;

	for (; *name; name++) {
		unsigned char c = (unsigned char)*name;

		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		hash = (hash ^ c) * 16777619u;
	}
	return hash % BUCKETS;
}

static struct entry *find(struct dns_cache *cache, enum dns_type type,
                          const char *name, bool may_search)
{
	struct entry *entry;

	LIST_FOREACH (entry, &cache->buckets[bucket_of(type, name)], in_bucket)
		if (entry->type == type && entry->may_search == may_search &&
		    strcasecmp(entry->name, name) == 0)
			return entry;
	return NULL;
}

/* The servers have changed: what the old ones said is not asked for again. */
static void forget_all(struct dns_cache *cache)
{
	struct entry *entry, *next;

	for (entry = TAILQ_FIRST(&cache->order); entry; entry = next) {
		next = TAILQ_NEXT(entry, in_order);
		if (entry->answer) {
			entry_free(entry);
			continue;
		}
		TAILQ_REMOVE(&cache->order, entry, in_order);
		cache->count--;
		LIST_REMOVE(entry, in_bucket);
		entry->is_orphan = true;
		LIST_INSERT_HEAD(&cache->orphans, entry, in_bucket);
	}
}

static void make_room(struct dns_cache *cache)
{
	struct entry *entry = TAILQ_LAST(&cache->order, entry_order);

	while (entry && cache->count >= cache->count_max) {
		struct entry *before = TAILQ_PREV(entry, entry_order, in_order);

		if (entry->answer)
			entry_free(entry);
		entry = before;
	}
}

static uint32_t time_to_keep_s(const struct dns_answer *answer)
{
	uint32_t ttl_s = answer->ttl_s;

	switch (answer->status) {
	case DNS_FOUND:
		return ttl_s < FOUND_MAX_S ? ttl_s : FOUND_MAX_S;
	case DNS_NO_DATA:
	case DNS_NO_NAME:
		return ttl_s < MISSING_MAX_S ? ttl_s : MISSING_MAX_S;
	case DNS_FAILED:
		break;
	}
	return FAILED_S;
}

/*
 * While the waiters are told, the entry counts as unanswered: one of them may
 * ask on, which can drop any answered entry, or join the waiters of this one.
 */
static void on_answer_take(void *context, struct dns_answer *answer)
{
	struct entry *entry = context;
	struct dns_waiter *waiter;
	uint32_t keep_s = time_to_keep_s(answer);

	while ((waiter = entry->waiters)) {
		entry->waiters = waiter->next;
		waiter->on_answer(waiter, answer);
	}
	entry->answer = answer;
	entry->expires_ms = clock_boottime_ms() + (int64_t)keep_s * 1000;
	if (entry->is_orphan || keep_s == 0)
		entry_free(entry);
}

static struct entry *entry_new(struct dns_cache *cache, enum dns_type type,
                               const char *name, bool may_search)
{
	struct entry *entry = xcalloc(1, sizeof(*entry));

	entry->cache = cache;
	entry->type = type;
	entry->may_search = may_search;
	entry->name = xstrdup(name);
	LIST_INSERT_HEAD(&cache->buckets[bucket_of(type, name)], entry,
	                 in_bucket);
	TAILQ_INSERT_HEAD(&cache->order, entry, in_order);
	cache->count++;
	return entry;
}

void dns_cache_ask(struct dns_cache *cache, enum dns_type type,
                   const char *name, bool may_search, struct dns_waiter *waiter)
{
	uint64_t generation = dns_generation(cache->dns);
	struct entry *entry;

	if (generation != cache->generation) {
		cache->generation = generation;
		forget_all(cache);
	}
	entry = find(cache, type, name, may_search);
	if (entry && entry->answer &&
	    entry->expires_ms <= clock_boottime_ms()) {
		entry_free(entry);
		entry = NULL;
	}
	if (entry && entry->answer) {
		TAILQ_REMOVE(&cache->order, entry, in_order);
		TAILQ_INSERT_HEAD(&cache->order, entry, in_order);
		waiter->on_answer(waiter, entry->answer);
		return;
	}
	if (entry) {
		waiter->next = entry->waiters;
		entry->waiters = waiter;
		return;
	}
	make_room(cache);
	entry = entry_new(cache, type, name, may_search);
	waiter->next = NULL;
	entry->waiters = waiter;
	dns_ask(cache->dns, type, name, may_search, on_answer_take, entry);
}
