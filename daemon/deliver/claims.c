/*
 * claims - the messages that a worker has in hand, or that are being changed
 */
#include "config.h"

#include "deliver/claims.h"

#include <assert.h>
#include <stdlib.h>

#include "runtime/xalloc.h"

#define BUCKETS_FEW 256

static void grow(struct claims *claims);
static int compare_ids(const void *a, const void *b);

static struct claim **bucket_of(const struct claims *claims, uint64_t id)
{
	uint64_t hash = id * UINT64_C(0x9e3779b97f4a7c15);

	return &claims->buckets[(size_t)(hash >> 32) &
	                        (claims->bucket_count - 1)];
}

void claims_init(struct claims *claims)
{
	*claims = (struct claims){
		.buckets = xcalloc(BUCKETS_FEW, sizeof(struct claim *)),
		.bucket_count = BUCKETS_FEW,
	};
}

void claims_done(struct claims *claims)
{
	struct claim *claim;
	struct change *change;

	for (size_t i = 0; i < claims->bucket_count; i++) {
		while ((claim = claims->buckets[i]) != NULL) {
			claims->buckets[i] = claim->chain;
			while ((change = claim_next_change(claim)) != NULL)
				change_free(change);
			free(claim);
		}
	}
	while ((claim = claims->free) != NULL) {
		claims->free = claim->chain;
		free(claim);
	}
	free(claims->buckets);
	*claims = (struct claims){ 0 };
}

struct claim *claims_find(const struct claims *claims, uint64_t id)
{
	struct claim *claim = *bucket_of(claims, id);

	while (claim != NULL && claim->id != id)
		claim = claim->chain;
	return claim;
}

struct claim *claims_get(struct claims *claims, uint64_t id)
{
	struct claim *claim = claims_find(claims, id);
	struct claim **bucket;

	if (claim != NULL)
		return claim;
	if (claims->count >= claims->bucket_count)
		grow(claims);
	claim = claims->free;
	if (claim != NULL)
		claims->free = claim->chain;
	else
		claim = xmalloc(sizeof(*claim));
	bucket = bucket_of(claims, id);
	*claim = (struct claim){ .id = id, .chain = *bucket };
	part_list_init(&claim->aside);
	*bucket = claim;
	claims->count++;
	return claim;
}

void claims_let_go(struct claims *claims, struct claim *claim)
{
	struct claim **at = bucket_of(claims, claim->id);

	if (claim->delivering > 0 || claim_is_changing(claim))
		return;
	assert(claim->aside.count == 0);
	while (*at != claim)
		at = &(*at)->chain;
	*at = claim->chain;
	claim->chain = claims->free;
	claims->free = claim;
	claims->count--;
}

bool claim_is_changing(const struct claim *claim)
{
	return claim->changing > 0 || claim->first_waiting != NULL;
}

void claim_queue_change_take(struct claim *claim, struct change *change)
{
	struct letter *letter = &change->job.letter;

	letter->next = NULL;
	if (claim->first_waiting == NULL)
		claim->first_waiting = letter;
	else
		claim->last_waiting->next = letter;
	claim->last_waiting = letter;
}

struct change *claim_next_change(struct claim *claim)
{
	struct letter *letter = claim->first_waiting;

	if (letter == NULL)
		return NULL;
	claim->first_waiting = letter->next;
	letter->next = NULL;
	return LETTER_OF(letter, struct change, job.letter);
}

uint64_t *claims_list_delivering(const struct claims *claims, size_t *ret_count)
{
	uint64_t *ids = xmalloc((claims->count + 1) * sizeof(*ids));
	size_t count = 0;

	for (size_t i = 0; i < claims->bucket_count; i++) {
		const struct claim *claim = claims->buckets[i];

		for (; claim != NULL; claim = claim->chain) {
			if (claim->delivering > 0)
				ids[count++] = claim->id;
		}
	}
	qsort(ids, count, sizeof(*ids), compare_ids);
	*ret_count = count;
	return ids;
}

static int compare_ids(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static void grow(struct claims *claims)
{
	struct claim **old = claims->buckets;
	size_t old_count = claims->bucket_count;

	claims->bucket_count *= 2;
	claims->buckets =
	    xcalloc(claims->bucket_count, sizeof(*claims->buckets));
	for (size_t i = 0; i < old_count; i++) {
		struct claim *claim, *next;

		for (claim = old[i]; claim != NULL; claim = next) {
			struct claim **bucket = bucket_of(claims, claim->id);

			next = claim->chain;
			claim->chain = *bucket;
			*bucket = claim;
		}
	}
	free(old);
}
