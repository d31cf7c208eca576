#include "config.h"

#include "queue/parts.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "queue/bigendian.h"
#include "queue/ledger.h"

static bool may_join_fresh(struct ledger *ledger, const struct lane *lane,
                           const struct message_part *part);
static int put_fresh(struct ledger *ledger, uint64_t id,
                     const struct message_part *part);
static int put_sched(struct ledger *ledger, uint64_t id,
                     const struct message_part *part);

void fresh_key_put(unsigned char key[FRESH_KEY_SIZE], uint64_t id,
                   uint16_t part)
{
	be64_put(key, id);
	be16_put(key + 8, part);
}

void sched_key_put(unsigned char key[SCHED_KEY_SIZE], uint32_t lane,
                   uint64_t due_ms, uint64_t id, uint16_t part)
{
	be32_put(key, lane);
	be64_put(key + 4, due_ms);
	be64_put(key + 12, id);
	be16_put(key + 20, part);
}

int part_place(struct ledger *ledger, const struct message *message,
               struct message_part *part, bool may_be_fresh)
{
	bool is_held =
	    message->state == MESSAGE_HELD || message->state == MESSAGE_PARKED;
	struct lane *lane;
	int r;

	r = lanes_find(ledger, part->lane, &lane);
	if (r < 0)
		return r;
	if (is_held) {
		part->place = PART_HELD;
		lane_add_held(lane);
		return 0;
	}
	lane_add_waiting(lane, message->size);
	ledger->totals.waiting_parts++;
	if (part->due_ms < ledger->now_ms)
		part->due_ms = ledger->now_ms;
	if (may_be_fresh && may_join_fresh(ledger, lane, part)) {
		part->place = PART_FRESH;
		lane_note_fresh(lane);
		ledger_notice(ledger, PART_NOW_FRESH, message->id, part);
		return put_fresh(ledger, message->id, part);
	}
	part->place = PART_SCHED;
	lane_add_due(lane, part->due_ms);
	ledger_notice(ledger, PART_NOW_SCHED, message->id, part);
	return put_sched(ledger, message->id, part);
}

/*
 * Where rows of the lane in sched are due already, a newcomer goes behind
 * them, so that the lane stays in order. What is fresh is in the scheduler's
 * memory, and so is its lane: both have their bound (P4).
 */
static bool may_join_fresh(struct ledger *ledger, const struct lane *lane,
                           const struct message_part *part)
{
	uint64_t limit = lane->fresh > 0 ? FRESH_ROWS_MAX : FRESH_LANES_MAX;

	return part->due_ms <= ledger->now_ms &&
	       lane->wake_ms > ledger->now_ms &&
	       store_count(ledger->txn, TABLE_FRESH) < limit;
}

static int put_fresh(struct ledger *ledger, uint64_t id,
                     const struct message_part *part)
{
	unsigned char key[FRESH_KEY_SIZE], lane[4];

	fresh_key_put(key, id, part->number);
	be32_put(lane, part->lane);
	return store_put(ledger->txn, TABLE_FRESH, key, sizeof(key), lane,
	                 sizeof(lane));
}

static int put_sched(struct ledger *ledger, uint64_t id,
                     const struct message_part *part)
{
	unsigned char key[SCHED_KEY_SIZE], attempts[2];

	sched_key_put(key, part->lane, part->due_ms, id, part->number);
	be16_put(attempts, part->attempts);
	return store_put(ledger->txn, TABLE_SCHED, key, sizeof(key), attempts,
	                 sizeof(attempts));
}

int part_rewrite(struct ledger *ledger, const struct message *message,
                 const struct message_part *part)
{
	assert(part->place == PART_SCHED);
	return put_sched(ledger, message->id, part);
}

int part_remove(struct ledger *ledger, const struct message *message,
                const struct message_part *part)
{
	unsigned char key[SCHED_KEY_SIZE];
	struct lane *lane;
	int r;

	r = lanes_find(ledger, part->lane, &lane);
	if (r < 0)
		return r;
	switch (part->place) {
	case PART_HELD:
		lane_drop_held(ledger, lane);
		return 0;
	case PART_FRESH:
		lane_forget_fresh(lane);
		fresh_key_put(key, message->id, part->number);
		r = store_delete(ledger->txn, TABLE_FRESH, key, FRESH_KEY_SIZE);
		break;
	case PART_SCHED:
		lane_drop_due(lane, part->due_ms);
		sched_key_put(key, part->lane, part->due_ms, message->id,
		              part->number);
		r = store_delete(ledger->txn, TABLE_SCHED, key, SCHED_KEY_SIZE);
		break;
	}
	if (r < 0 && r != -ENOENT)
		return r;
	lane_drop_waiting(ledger, lane, message->size);
	ledger_decrease(&ledger->totals.waiting_parts, 1);
	return 0;
}

struct message_part *parts_add(struct message *message, uint32_t lane)
{
	struct message_part *parts = message_allocate(
	    message, (message->part_count + 1) * sizeof(*parts));
	struct message_part *part;
	uint16_t number = message->next_part;

	if (message->part_count > 0)
		memcpy(parts, message->parts,
		       message->part_count * sizeof(*parts));
	message->parts = parts;
	/* Fewer parts wait than there are numbers: one is free. */
	assert(message->part_count < RECORD_RECIPIENTS_MAX);
	while (message_find_part(message, number) != NULL)
		number++;
	message->next_part = (uint16_t)(number + 1);
	part = &parts[message->part_count++];
	*part = (struct message_part){ .number = number, .lane = lane };
	return part;
}

void parts_drop(struct message *message, uint16_t number)
{
	struct message_part *part = message_find_part(message, number);
	struct message_part *end = message->parts + message->part_count;

	assert(part != NULL);
	memmove(part, part + 1, (size_t)(end - part - 1) * sizeof(*part));
	message->part_count--;
}

bool part_is_in_doubt(const struct ledger *ledger,
                      const struct message_part *part)
{
	return part->place != PART_HELD && part->due_ms <= ledger->doubt_ms;
}
