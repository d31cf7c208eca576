/*
 * part - the parts that the scheduler has in memory, each exactly once
 */
#include "config.h"

#include "deliver/part.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/xalloc.h"

#define SLAB_PARTS  256
#define BUCKETS_FEW 1024

struct part_slab {
	struct part_slab *next;
	struct part parts[SLAB_PARTS];
};

static bool is_before(const struct part *part, const struct part *other);
static size_t bucket_of(const struct part_table *table, uint64_t id,
                        uint16_t number);
static void grow(struct part_table *table);

void part_list_init(struct part_list *list)
{
	TAILQ_INIT(&list->head);
	list->count = 0;
}

void part_list_append(struct part_list *list, struct part *part)
{
	assert(part->list == NULL);
	TAILQ_INSERT_TAIL(&list->head, part, links);
	part->list = list;
	list->count++;
}

void part_list_insert(struct part_list *list, struct part *part)
{
	struct part *other;

	assert(part->list == NULL);
	TAILQ_FOREACH (other, &list->head, links) {
		if (is_before(part, other))
			break;
	}
	if (other == NULL)
		TAILQ_INSERT_TAIL(&list->head, part, links);
	else
		TAILQ_INSERT_BEFORE(other, part, links);
	part->list = list;
	list->count++;
}

static bool is_before(const struct part *part, const struct part *other)
{
	if (part->due_ms != other->due_ms)
		return part->due_ms < other->due_ms;
	if (part->id != other->id)
		return part->id < other->id;
	return part->number < other->number;
}

void part_list_append_in_order(struct part_list *list, struct part *part)
{
	const struct part *last = TAILQ_LAST(&list->head, part_head);

	if (last != NULL && is_before(part, last))
		part_list_insert(list, part);
	else
		part_list_append(list, part);
}

void part_leave_list(struct part *part)
{
	if (part->list == NULL)
		return;
	TAILQ_REMOVE(&part->list->head, part, links);
	part->list->count--;
	part->list = NULL;
}

struct part *part_list_take(struct part_list *list)
{
	struct part *part = TAILQ_FIRST(&list->head);

	if (part != NULL)
		part_leave_list(part);
	return part;
}

void part_table_init(struct part_table *table)
{
	*table = (struct part_table){
		.buckets = xcalloc(BUCKETS_FEW, sizeof(struct part *)),
		.bucket_count = BUCKETS_FEW,
	};
}

void part_table_done(struct part_table *table)
{
	struct part_slab *slab;

	while ((slab = table->slabs) != NULL) {
		table->slabs = slab->next;
		free(slab);
	}
	free(table->buckets);
	*table = (struct part_table){ 0 };
}

struct part *part_table_find(const struct part_table *table, uint64_t id,
                             uint16_t number)
{
	struct part *part = table->buckets[bucket_of(table, id, number)];

	while (part != NULL && (part->id != id || part->number != number))
		part = part->chain;
	return part;
}

struct part *part_table_add(struct part_table *table, uint64_t id,
                            uint16_t number)
{
	struct part *part;
	size_t bucket;

	if (table->count >= table->bucket_count)
		grow(table);
	if (table->free == NULL) {
		struct part_slab *slab = xmalloc(sizeof(*slab));

		slab->next = table->slabs;
		table->slabs = slab;
		for (unsigned i = 0; i < SLAB_PARTS; i++) {
			slab->parts[i].chain = table->free;
			table->free = &slab->parts[i];
		}
	}
	part = table->free;
	table->free = part->chain;
	bucket = bucket_of(table, id, number);
	*part = (struct part){
		.id = id,
		.number = number,
		.chain = table->buckets[bucket],
	};
	table->buckets[bucket] = part;
	table->count++;
	return part;
}

void part_table_remove(struct part_table *table, struct part *part)
{
	struct part **at =
	    &table->buckets[bucket_of(table, part->id, part->number)];

	part_leave_list(part);
	while (*at != part)
		at = &(*at)->chain;
	*at = part->chain;
	part->chain = table->free;
	table->free = part;
	table->count--;
}

/* Ids ascend by small steps; the multiplication spreads them. */
static size_t bucket_of(const struct part_table *table, uint64_t id,
                        uint16_t number)
{
	uint64_t hash =
	    (id ^ ((uint64_t)number << 48)) * UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)(hash >> 32) & (table->bucket_count - 1);
}

static void grow(struct part_table *table)
{
	struct part **old = table->buckets;
	size_t old_count = table->bucket_count;

	table->bucket_count *= 2;
	table->buckets = xcalloc(table->bucket_count, sizeof(*table->buckets));
	for (size_t i = 0; i < old_count; i++) {
		struct part *part, *next;

		for (part = old[i]; part != NULL; part = next) {
			size_t bucket =
			    bucket_of(table, part->id, part->number);

			next = part->chain;
			part->chain = table->buckets[bucket];
			table->buckets[bucket] = part;
		}
	}
	free(old);
}
