/*
 * scheduler_round - all that waits is looked at after settings changed
 *
 * In the background, a few messages a step, a few at the committer at a time:
 * first the lanes whose relay can't have their mail any more; then, if the
 * settings may give any message another relay than before, all mail. What is
 * overtaken by its own attempt is looked at there.
 *
 * The digest of the routing by which all mail waits is remembered on disk, so
 * that a round that was cut short is made again after a start.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/scheduler_state.h"
#include "queue/route.h"
#include "runtime/xalloc.h"

#define LANE_INFOS 64
#define ROWS       64

/* After a round that may have passed some mail over, the next one. */
#define LATECOMERS_MS 500

/* Among what is remembered of relays; no relay has this id. */
#define MEMORY_ID 0

static void on_alarm(struct alarm *alarm);
static void look_at_lanes(struct scheduler *scheduler);
static bool look_at_rows(struct scheduler *scheduler, uint32_t lane);
static void look_at_fresh(struct scheduler *scheduler);
static void lose_fresh(struct scheduler *scheduler, struct lane *lane);
static void next_stage(struct scheduler *scheduler);
static void remember(struct scheduler *scheduler);
static void on_remembered(struct letter *letter);

void scheduler_round_init(struct scheduler *scheduler)
{
	struct scheduler_round *round = &scheduler->round;

	round->alarm.ring = on_alarm;
	round->stage = ROUND_DONE;
	round->digest = route_digest(scheduler->settings);
	round->memory = xcalloc(1, sizeof(*round->memory));
	if (queue_read_relay(scheduler->reader, MEMORY_ID, round->memory) < 0 ||
	    round->memory->len != sizeof(round->done_digest))
		round->done_digest = round->digest;
	else
		memcpy(&round->done_digest, round->memory->bytes,
		       sizeof(round->done_digest));
	remember(scheduler);
	scheduler_round_begin(scheduler);
}

void scheduler_round_done(struct scheduler *scheduler)
{
	/* The committer has ended before: none is under way. */
	free(scheduler->round.memory);
}

void scheduler_round_begin(struct scheduler *scheduler)
{
	struct scheduler_round *round = &scheduler->round;
	struct queue_counts counts;

	round->digest = route_digest(scheduler->settings);
	round->stage = ROUND_GONE;
	round->lane = 0;
	round->from = (struct part_row){ 0 };
	round->looked = round->total = round->moved = 0;
	if (round->digest != round->done_digest &&
	    queue_read_counts(scheduler->reader, &counts) == 0)
		round->total = counts.waiting_parts;
	alarm_set(&scheduler->alarms, &round->alarm, scheduler->now_ms);
}

void scheduler_round_again(struct scheduler *scheduler, uint64_t in_ms)
{
	struct scheduler_round *round = &scheduler->round;

	if (round->alarm.ring == NULL)
		return; /* not started yet */
	/* What goes on later begins from the front. */
	if (round->stage == ROUND_DONE) {
		round->stage = ROUND_GONE;
		round->lane = 0;
		round->from = (struct part_row){ 0 };
	}
	if (round->alarm.place == 0)
		alarm_set(&scheduler->alarms, &round->alarm,
		          scheduler->now_ms + in_ms);
}

void scheduler_round_add(struct scheduler *scheduler)
{
	struct scheduler_round *round = &scheduler->round;

	if (round->stage != ROUND_DONE)
		round->has_latecomers = true;
	scheduler_round_again(scheduler, 1);
}

static bool is_full(const struct scheduler *scheduler)
{
	return scheduler->rerouting >= SCHEDULER_REROUTING_MAX;
}

/* One step. */
static void on_alarm(struct alarm *alarm)
{
	struct scheduler *scheduler =
	    ALARM_OF(alarm, struct scheduler, round.alarm);

	if (is_full(scheduler) || scheduler->is_draining)
		return; /* again when they come home */
	switch (scheduler->round.stage) {
	case ROUND_GONE:
	case ROUND_LANES:
		look_at_lanes(scheduler);
		break;
	case ROUND_FRESH:
		look_at_fresh(scheduler);
		break;
	case ROUND_DONE:
		break;
	}
}

/* Some of one lane, or a look at some lanes. */
static void look_at_lanes(struct scheduler *scheduler)
{
	struct scheduler_round *round = &scheduler->round;
	struct lane_info infos[LANE_INFOS];
	int count;

	count =
	    queue_read_lanes(scheduler->reader, round->lane, infos, LANE_INFOS);
	for (int i = 0; i < count; i++) {
		const struct lane_info *info = &infos[i];
		bool is_gone =
		    scheduler_key_must_reroute(scheduler, &info->key);
		struct lane *lane =
		    lanes_table_find(&scheduler->lanes, info->id);

		if (info->waiting > 0 &&
		    (is_gone || round->stage == ROUND_LANES)) {
			if (is_gone && lane != NULL)
				lose_fresh(scheduler, lane);
			if (look_at_rows(scheduler, info->id)) {
				scheduler_round_again(scheduler, 1);
				return;
			}
		}
		round->lane = info->id;
		round->from = (struct part_row){ 0 };
	}
	if (count < LANE_INFOS)
		next_stage(scheduler);
	else
		scheduler_round_again(scheduler, 1);
}

/* All of them are to go, so that the first ones are as good as any. */
static void lose_fresh(struct scheduler *scheduler, struct lane *lane)
{
	struct part *part;

	TAILQ_FOREACH (part, &lane->fresh.head, links) {
		if (is_full(scheduler))
			return;
		scheduler_reroute_message(scheduler, part->id);
	}
}

/* True if the lane has more, which waits for its turn. */
static bool look_at_rows(struct scheduler *scheduler, uint32_t lane)
{
	struct scheduler_round *round = &scheduler->round;
	struct part_row rows[ROWS];
	uint64_t next_due_ms;
	int count;

	count = queue_read_due(scheduler->reader, lane, &round->from,
	                       UINT64_MAX, rows, ROWS, &next_due_ms);
	for (int i = 0; i < count; i++) {
		if (is_full(scheduler))
			return true;
		scheduler_reroute_message(scheduler, rows[i].id);
		round->looked++;
		round->from = rows[i];
		if (++round->from.part == 0)
			round->from.id++;
	}
	return count == ROWS || is_full(scheduler);
}

static void look_at_fresh(struct scheduler *scheduler)
{
	struct scheduler_round *round = &scheduler->round;
	struct part_row rows[ROWS];
	int count;

	count = queue_read_fresh(scheduler->reader, round->from.id,
	                         round->from.part, rows, ROWS);
	for (int i = 0; i < count; i++) {
		if (is_full(scheduler))
			return;
		scheduler_reroute_message(scheduler, rows[i].id);
		round->looked++;
		round->from = rows[i];
	}
	if (count < ROWS)
		next_stage(scheduler);
	else
		scheduler_round_again(scheduler, 1);
}

static void next_stage(struct scheduler *scheduler)
{
	struct scheduler_round *round = &scheduler->round;

	round->lane = 0;
	round->from = (struct part_row){ 0 };
	if (round->stage == ROUND_LANES ||
	    round->digest == round->done_digest) {
		round->stage = ROUND_DONE;
		round->done_digest = round->digest;
		remember(scheduler);
		if (round->has_latecomers)
			scheduler_round_again(scheduler, LATECOMERS_MS);
		round->has_latecomers = false;
		return;
	}
	round->stage = round->stage == ROUND_GONE ? ROUND_FRESH : ROUND_LANES;
	scheduler_round_again(scheduler, 1);
}

/* ------------------------------------------------------------------ memory */

static void remember(struct scheduler *scheduler)
{
	struct scheduler_round *round = &scheduler->round;
	struct relay_memory *memory = round->memory;

	if (round->is_remembering ||
	    (memory->len == sizeof(uint64_t) &&
	     memcmp(memory->bytes, &round->done_digest, sizeof(uint64_t)) == 0))
		return;
	memcpy(memory->bytes, &round->done_digest, sizeof(uint64_t));
	memory->len = sizeof(uint64_t);
	memory->relay = MEMORY_ID;
	memory->job = (struct queue_job){
		.kind = QUEUE_REMEMBER,
		.home = scheduler->inbox,
		.on_done = on_remembered,
		.context = scheduler,
	};
	round->is_remembering = true;
	queue_post_take(scheduler->queue, &memory->job);
}

static void on_remembered(struct letter *letter)
{
	struct relay_memory *memory =
	    LETTER_OF(letter, struct relay_memory, job.letter);
	struct scheduler *scheduler = memory->job.context;

	scheduler_wake(scheduler);
	scheduler->round.is_remembering = false;
	/* The next round tries again, and so does one that has ended since. */
	if (memory->job.result < 0)
		memory->len = 0;
	else
		remember(scheduler);
	scheduler_turn(scheduler);
}
