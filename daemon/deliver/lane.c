/*
 * lane - one line of waiting parts, as far as it is in memory
 */
#include "config.h"

#include "deliver/lane.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/line.h"
#include "deliver/relay.h"
#include "runtime/xalloc.h"

#define BUCKETS_FEW 64

/* Of so many turns, one is a retry's. */
#define TURNS 4

static void grow(struct lanes *lanes);

static struct lane **bucket_of(const struct lanes *lanes, uint32_t id)
{
	return &lanes->buckets[id * 0x9e3779b9u >> 7 &
	                       (lanes->bucket_count - 1)];
}

void lanes_table_init(struct lanes *lanes)
{
	*lanes = (struct lanes){
		.buckets = xcalloc(BUCKETS_FEW, sizeof(struct lane *)),
		.bucket_count = BUCKETS_FEW,
	};
	TAILQ_INIT(&lanes->idle);
}

void lanes_table_done(struct lanes *lanes)
{
	assert(lanes->count == 0);
	free(lanes->buckets);
	*lanes = (struct lanes){ 0 };
}

struct lane *lanes_table_find(const struct lanes *lanes, uint32_t id)
{
	struct lane *lane = *bucket_of(lanes, id);

	while (lane != NULL && lane->id != id)
		lane = lane->chain;
	return lane;
}

struct lane *lanes_table_add(struct lanes *lanes, const struct lane_info *info,
                             struct hop *hop)
{
	struct lane *lane = xmalloc(sizeof(*lane));
	struct lane **bucket;

	if (lanes->count >= lanes->bucket_count)
		grow(lanes);
	bucket = bucket_of(lanes, info->id);
	*lane = (struct lane){
		.id = info->id,
		.hop = hop,
		.priority = info->key.priority,
		.is_large = info->key.is_large,
		.kind = LANE_IDLE,
		.chain = *bucket,
	};
	part_list_init(&lane->fresh);
	part_list_init(&lane->retries);
	lane->line = line_join(hop->relay, info->key.priority,
	                       info->key.submitter_class);
	*bucket = lane;
	lanes->count++;
	TAILQ_INSERT_TAIL(&hop->lanes, lane, in_hop);
	TAILQ_INSERT_TAIL(&lanes->idle, lane, ring);
	return lane;
}

void lanes_table_remove(struct lanes *lanes, struct lane *lane)
{
	struct lane **at = bucket_of(lanes, lane->id);

	assert(lane_is_empty(lane) && lane->kind == LANE_IDLE);
	assert(lane->alarm.place == 0);
	TAILQ_REMOVE(&lanes->idle, lane, ring);
	TAILQ_REMOVE(&lane->hop->lanes, lane, in_hop);
	line_leave(lane->hop->relay, lane->priority, lane->line);
	while (*at != lane)
		at = &(*at)->chain;
	*at = lane->chain;
	lanes->count--;
	free(lane);
}

void lane_add_fresh(struct lanes *lanes, struct lane *lane, struct part *part)
{
	part->place = PART_FRESH;
	part->lane = lane;
	part->due_ms = 0;
	if (lane->fresh.count == 0)
		lanes->with_fresh++;
	part_list_append(&lane->fresh, part);
	lane->hop->relay->pending++;
}

void lane_add_retry(struct lane *lane, struct part *part)
{
	part->place = PART_SCHED;
	part->lane = lane;
	part_list_append_in_order(&lane->retries, part);
	lane->hop->relay->pending++;
}

void lane_put_back(struct lanes *lanes, struct lane *lane, struct part *part)
{
	assert(part->lane == lane);
	if (part->place == PART_FRESH) {
		if (lane->fresh.count == 0)
			lanes->with_fresh++;
		part_list_insert(&lane->fresh, part);
	} else {
		part_list_insert(&lane->retries, part);
	}
	lane->hop->relay->pending++;
}

void lane_lose_part(struct lanes *lanes, struct lane *lane, struct part *part)
{
	if (part->list != &lane->fresh && part->list != &lane->retries)
		return;
	lane->hop->relay->pending--;
	if (part->list == &lane->fresh && lane->fresh.count == 1)
		lanes->with_fresh--;
}

struct part *lane_take_part(struct lanes *lanes, struct lane *lane)
{
	struct part_list *list = &lane->fresh;
	struct part *part;

	if (list->count == 0 ||
	    (lane->retries.count > 0 && ++lane->turn % TURNS == 0))
		list = &lane->retries;
	part = TAILQ_FIRST(&list->head);
	if (part == NULL)
		return NULL;
	lane_lose_part(lanes, lane, part);
	part_leave_list(part);
	return part;
}

void lane_look_from(struct lane *lane, uint64_t due_ms, uint64_t id,
                    uint16_t part)
{
	struct part_row *cursor = &lane->cursor;

	if (due_ms < lane->next_due_ms)
		lane->next_due_ms = due_ms;
	if (due_ms > cursor->due_ms ||
	    (due_ms == cursor->due_ms &&
	     (id > cursor->id || (id == cursor->id && part >= cursor->part))))
		return;
	*cursor = (struct part_row){
		.due_ms = due_ms,
		.id = id,
		.part = part,
		.lane = lane->id,
	};
}

void lane_look_behind(struct lane *lane, const struct part_row *row)
{
	lane->cursor = *row;
	if (++lane->cursor.part == 0)
		lane->cursor.id++;
}

bool lane_is_empty(const struct lane *lane)
{
	return lane->fresh.count == 0 && lane->retries.count == 0 &&
	       lane->claimed == 0 && lane->aside == 0;
}

bool lane_has_work(const struct lane *lane, uint64_t now_ms)
{
	return lane->fresh.count > 0 || lane->retries.count > 0 ||
	       lane->next_due_ms <= now_ms;
}

enum lane_kind lane_kind_now(const struct lane *lane, uint64_t now_ms)
{
	if (!lane_has_work(lane, now_ms) || !hop_is_served(lane->hop, now_ms))
		return LANE_IDLE;
	if (lane->is_large)
		return LANE_LARGE;
	return lane->fresh.count > 0 ? LANE_FRESH : LANE_RETRY;
}

static void grow(struct lanes *lanes)
{
	struct lane **old = lanes->buckets;
	size_t old_count = lanes->bucket_count;

	lanes->bucket_count *= 2;
	lanes->buckets = xcalloc(lanes->bucket_count, sizeof(*lanes->buckets));
	for (size_t i = 0; i < old_count; i++) {
		struct lane *lane, *next;

		for (lane = old[i]; lane != NULL; lane = next) {
			struct lane **bucket = bucket_of(lanes, lane->id);

			next = lane->chain;
			lane->chain = *bucket;
			*bucket = lane;
		}
	}
	free(old);
}
