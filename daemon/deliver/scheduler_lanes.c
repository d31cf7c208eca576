/*
 * scheduler_lanes - lanes come from the store when they are due, and go again
 *
 * A lane is known here while it has fresh parts, has been read from `wake`
 * because rows of it are due, or somebody has parts of it. Others are dropped
 * as room is needed, the one that rests longest first; `wake` brings them
 * back. The rows of wake are walked once, from a cursor, and again from the
 * front (not more than once a second) only when a lane was passed over, for its
 * hop or for lack of room, and may have its turn now.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/scheduler_state.h"
#include "runtime/log.h"

#define WAKE_ROWS  64
#define DUE_ROWS   64
#define FRESH_ROWS 1024

/* How many idle lanes are looked at to find one that may go. */
#define DROP_TRIES 64

/* Between two walks from the front. */
#define WALK_AGAIN_MS 1000

/* Where there was no room: among the idle lanes are some that may go. */
#define ROOM_AGAIN_MS 1000

/* A read that failed is tried again after so long. */
#define READ_AGAIN_MS 1000

/* A hop without mail is remembered so long after its breaker might close. */
#define HOP_REMEMBERED_MS (60 * 60 * UINT64_C(1000))

static struct lane *add_lane(struct scheduler *scheduler,
                             const struct lane_info *info, struct relay *relay);
static bool make_room(struct scheduler *scheduler);
static bool may_drop(const struct lane *lane);
static void drop_lane(struct scheduler *scheduler, struct lane *lane);
static void drop_window(struct scheduler *scheduler, struct lane *lane);
static void drop_hop_if_unused(struct scheduler *scheduler, struct hop *hop);
static bool load_lane(struct scheduler *scheduler, uint32_t id);
static void look_again(struct scheduler *scheduler, struct hop *hop);
static bool walk_wake(struct scheduler *scheduler);
static void wake_at(struct scheduler *scheduler, uint64_t due_ms);
static void wait_for_room(struct scheduler *scheduler);

static bool is_full(const struct scheduler *scheduler)
{
	return scheduler->lanes.count - scheduler->lanes.with_fresh >=
	       SCHEDULER_LANES_MAX;
}

struct lane *scheduler_lane(struct scheduler *scheduler, uint32_t id)
{
	struct lane *lane = lanes_table_find(&scheduler->lanes, id);
	struct lane_info info;
	int r;

	if (lane != NULL)
		return lane;
	r = queue_read_lane(scheduler->reader, id, &info);
	if (r < 0) {
		log_message(LOG_LEVEL_ERR, "lane", "lane %u: %s", id,
		            strerror(-r));
		return NULL;
	}
	(void)make_room(scheduler);
	return add_lane(scheduler, &info,
	                scheduler_relay(scheduler, info.key.relay));
}

static struct lane *add_lane(struct scheduler *scheduler,
                             const struct lane_info *info, struct relay *relay)
{
	struct hop *hop = &relay->hop;
	struct lane *lane;

	if (info->key.domain[0] != '\0') {
		hop = hops_get(&scheduler->hops, relay, info->key.domain);
		hop->alarm.ring = scheduler_on_hop_alarm;
		alarm_set(&scheduler->alarms, &hop->alarm,
		          hop_next_ms(hop, scheduler->now_ms));
	}
	lane = lanes_table_add(&scheduler->lanes, info, hop);
	lane->alarm.ring = scheduler_on_lane_alarm;
	return lane;
}

/* Those of large mail may have some, but who sends much of that? */
static unsigned without_fresh(const struct relay *relay)
{
	return relay->ready[LANE_RETRY] + relay->ready[LANE_LARGE];
}

void scheduler_lane_changed(struct scheduler *scheduler, struct lane *lane)
{
	struct relay *relay = lane->hop->relay;
	enum lane_kind kind = lane_kind_now(lane, scheduler->now_ms);
	bool has_due = lane->next_due_ms > scheduler->now_ms &&
	               lane->next_due_ms != UINT64_MAX;

	if (lane_has_work(lane, scheduler->now_ms) &&
	    scheduler_must_reroute(scheduler, lane)) {
		kind = LANE_IDLE;
		scheduler_round_add(scheduler);
	}
	if (kind != LANE_IDLE && scheduler_brake_holds(scheduler, lane))
		kind = LANE_IDLE;
	line_place_lane(&scheduler->lanes, lane, kind);
	if (has_due && lane->alarm.at_ms != lane->next_due_ms)
		alarm_set(&scheduler->alarms, &lane->alarm, lane->next_due_ms);
	else if (!has_due)
		alarm_clear(&scheduler->alarms, &lane->alarm);
	if (kind != LANE_IDLE)
		return;
	if (scheduler->is_full)
		wake_at(scheduler, scheduler->now_ms + 1);
	if (without_fresh(relay) < SCHEDULER_RELAY_LANES_MAX / 2)
		look_again(scheduler, &relay->hop);
}

void scheduler_on_lane_alarm(struct alarm *alarm)
{
	struct lane *lane = ALARM_OF(alarm, struct lane, alarm);

	alarm->at_ms = 0;
	scheduler_lane_changed(lane->hop->relay->scheduler, lane);
}

/* Makes room for one lane that has no fresh parts. */
static bool make_room(struct scheduler *scheduler)
{
	for (unsigned i = 0; i < DROP_TRIES && is_full(scheduler); i++) {
		struct lane *lane = TAILQ_FIRST(&scheduler->lanes.idle);

		if (lane == NULL)
			break;
		if (may_drop(lane)) {
			drop_lane(scheduler, lane);
			continue;
		}
		TAILQ_REMOVE(&scheduler->lanes.idle, lane, ring);
		TAILQ_INSERT_TAIL(&scheduler->lanes.idle, lane, ring);
	}
	return !is_full(scheduler);
}

static bool may_drop(const struct lane *lane)
{
	return lane->fresh.count == 0 && lane->claimed == 0 && lane->aside == 0;
}

static void drop_lane(struct scheduler *scheduler, struct lane *lane)
{
	struct hop *hop = lane->hop;

	if (lane_has_work(lane, scheduler->now_ms))
		hop->has_passed_over = true;
	else
		wake_at(scheduler, lane->next_due_ms);
	drop_window(scheduler, lane);
	alarm_clear(&scheduler->alarms, &lane->alarm);
	lanes_table_remove(&scheduler->lanes, lane);
	drop_hop_if_unused(scheduler, hop);
}

static void drop_window(struct scheduler *scheduler, struct lane *lane)
{
	struct part *part;

	while ((part = TAILQ_FIRST(&lane->retries.head)) != NULL) {
		lane_lose_part(&scheduler->lanes, lane, part);
		part_table_remove(&scheduler->parts, part);
	}
}

static void drop_hop_if_unused(struct scheduler *scheduler, struct hop *hop)
{
	struct relay *relay = hop->relay;

	if (hop->domain == NULL || !TAILQ_EMPTY(&hop->lanes) || hop->in_use > 0)
		return;
	if (!breaker_is_closed(&hop->breaker) &&
	    scheduler->hops.count <= HOPS_REMEMBERED_MAX &&
	    hop->breaker.until_ms + HOP_REMEMBERED_MS > scheduler->now_ms) {
		if (hop->alarm.place == 0)
			alarm_set(&scheduler->alarms, &hop->alarm,
			          hop->breaker.until_ms + HOP_REMEMBERED_MS);
		return;
	}
	alarm_clear(&scheduler->alarms, &hop->alarm);
	/* What was passed over for it must not be forgotten with it. */
	relay->hop.has_passed_over |= hop->has_passed_over;
	hops_remove(&scheduler->hops, hop);
	look_again(scheduler, &relay->hop);
}

void scheduler_hop_changed(struct scheduler *scheduler, struct hop *hop)
{
	struct lane *lane;

	if (hop->domain == NULL)
		scheduler_choose_carrier(scheduler, hop->relay);
	TAILQ_FOREACH (lane, &hop->lanes, in_hop)
		scheduler_lane_changed(scheduler, lane);
	if (hop->domain == NULL)
		scheduler_carrier_changed(scheduler, hop->relay);
	alarm_set(&scheduler->alarms, &hop->alarm,
	          hop_next_ms(hop, scheduler->now_ms));
	look_again(scheduler, hop);
	if (hop->domain == NULL)
		scheduler_watch_trouble(scheduler, hop->relay);
	drop_hop_if_unused(scheduler, hop);
}

/* The time for a probe has come; or, long without mail, to be forgotten. */
void scheduler_on_hop_alarm(struct alarm *alarm)
{
	struct hop *hop = ALARM_OF(alarm, struct hop, alarm);
	struct scheduler *scheduler = hop->relay->scheduler;
	uint64_t forget_ms = hop->breaker.until_ms + HOP_REMEMBERED_MS;

	if (hop->domain == NULL || !TAILQ_EMPTY(&hop->lanes)) {
		scheduler_hop_changed(scheduler, hop);
		return;
	}
	look_again(scheduler, hop);
	if (forget_ms > scheduler->now_ms)
		alarm_set(&scheduler->alarms, alarm, forget_ms);
	else
		drop_hop_if_unused(scheduler, hop);
}

void scheduler_fill_window(struct scheduler *scheduler, struct lane *lane)
{
	struct part_row rows[DUE_ROWS];
	uint64_t next_due_ms;
	int count;

	do {
		count = queue_read_due(scheduler->reader, lane->id,
		                       &lane->cursor, scheduler->now_ms, rows,
		                       DUE_ROWS, &next_due_ms);
		if (count < 0) {
			log_message(LOG_LEVEL_ERR, "lane", "lane %u: %s",
			            lane->id, strerror(-count));
			lane->next_due_ms = scheduler->now_ms + READ_AGAIN_MS;
			return;
		}
		for (int i = 0; i < count; i++) {
			struct part *part;

			/* In memory already, or claimed. */
			if (part_table_find(&scheduler->parts, rows[i].id,
			                    rows[i].part) != NULL)
				continue;
			part = part_table_add(&scheduler->parts, rows[i].id,
			                      rows[i].part);
			part->due_ms = rows[i].due_ms;
			lane_add_retry(lane, part);
		}
		if (count > 0)
			lane_look_behind(lane, &rows[count - 1]);
		lane->next_due_ms = next_due_ms;
	} while (count == DUE_ROWS && lane->retries.count == 0);
}

void scheduler_row_due(struct scheduler *scheduler,
                       const struct part_notice *notice)
{
	struct part *part =
	    part_table_find(&scheduler->parts, notice->id, notice->part);
	struct lane *lane;

	/* Moved, from fresh or to another due: it is read from there. */
	if (part != NULL && part->ticket == NULL)
		scheduler_forget_part(scheduler, part);
	lane = lanes_table_find(&scheduler->lanes, notice->lane);
	if (lane != NULL) {
		lane_look_from(lane, notice->due_ms, notice->id, notice->part);
		scheduler_lane_changed(scheduler, lane);
	} else if (notice->due_ms > scheduler->now_ms) {
		wake_at(scheduler, notice->due_ms);
	} else if (!load_lane(scheduler, notice->lane)) {
		scheduler->must_walk_again = true;
		wait_for_room(scheduler);
	}
}

/*
 * False where there is no room. A lane to a closed hop is passed over, and one
 * of a relay that has its share of lanes in memory.
 */
static bool load_lane(struct scheduler *scheduler, uint32_t id)
{
	struct lane *lane = lanes_table_find(&scheduler->lanes, id);
	struct lane_info info;
	struct relay *relay;
	struct hop *hop;

	if (lane != NULL)
		return true;
	if (!make_room(scheduler))
		return false;
	/* Gone since the row was read: nothing waits there any more. */
	if (queue_read_lane(scheduler->reader, id, &info) < 0)
		return true;
	relay = scheduler_relay(scheduler, info.key.relay);
	if (without_fresh(relay) >= SCHEDULER_RELAY_LANES_MAX) {
		relay->hop.has_passed_over = true;
		return true;
	}
	hop = info.key.domain[0] == '\0'
	          ? NULL
	          : hops_find(&scheduler->hops, relay, info.key.domain);
	if (hop != NULL &&
	    !breaker_may_pass(&hop->breaker, scheduler->now_ms)) {
		hop->has_passed_over = true;
		return true;
	}
	lane = add_lane(scheduler, &info, relay);
	scheduler_lane_changed(scheduler, lane);
	return true;
}

static void wake_at(struct scheduler *scheduler, uint64_t due_ms)
{
	if (scheduler->wake.place == 0 || scheduler->wake.at_ms > due_ms)
		alarm_set(&scheduler->alarms, &scheduler->wake, due_ms);
}

/* Goes on when a lane has nothing more to do, and looks for such a one. */
static void wait_for_room(struct scheduler *scheduler)
{
	scheduler->is_full = true;
	wake_at(scheduler, scheduler->now_ms + ROOM_AGAIN_MS);
}

/* Lanes to this hop were passed over; they may have their turn now. */
static void look_again(struct scheduler *scheduler, struct hop *hop)
{
	if (!hop->has_passed_over || !hop_is_served(hop, scheduler->now_ms))
		return;
	hop->has_passed_over = false;
	scheduler->must_walk_again = true;
	wake_at(scheduler, scheduler->now_ms + 1);
}

void scheduler_on_wake_alarm(struct alarm *alarm)
{
	struct scheduler *scheduler = ALARM_OF(alarm, struct scheduler, wake);
	uint64_t again_ms = scheduler->walked_ms + WALK_AGAIN_MS;

	if (!scheduler->is_walking && scheduler->must_walk_again &&
	    scheduler->now_ms >= again_ms) {
		scheduler->must_walk_again = false;
		scheduler->wake_from = (struct wake_row){ 0 };
		scheduler->walked_ms = scheduler->now_ms;
	}
	scheduler->is_walking = walk_wake(scheduler);
	if (!scheduler->is_walking && scheduler->must_walk_again)
		wake_at(scheduler, again_ms > scheduler->now_ms
		                       ? again_ms
		                       : scheduler->now_ms + 1);
}

/* A few rows, the loop has its turn in between; true if more are due. */
static bool walk_wake(struct scheduler *scheduler)
{
	struct wake_row rows[WAKE_ROWS];
	int count = queue_read_wake(scheduler->reader, &scheduler->wake_from,
	                            rows, WAKE_ROWS);

	scheduler->is_full = false;
	if (count < 0) {
		wake_at(scheduler, scheduler->now_ms + READ_AGAIN_MS);
		return true;
	}
	for (int i = 0; i < count; i++) {
		if (rows[i].due_ms > scheduler->now_ms) {
			wake_at(scheduler, rows[i].due_ms);
			return false;
		}
		if (!load_lane(scheduler, rows[i].lane)) {
			wait_for_room(scheduler);
			return true;
		}
		scheduler->wake_from = rows[i];
		if (++scheduler->wake_from.lane == 0)
			scheduler->wake_from.due_ms++;
	}
	if (count < WAKE_ROWS)
		return false;
	wake_at(scheduler, scheduler->now_ms + 1);
	return true;
}

void scheduler_load_fresh(struct scheduler *scheduler)
{
	static struct part_row rows[FRESH_ROWS];
	uint64_t after_id = 0;
	uint16_t after_part = 0;
	int count;

	do {
		count = queue_read_fresh(scheduler->reader, after_id,
		                         after_part, rows, FRESH_ROWS);
		for (int i = 0; i < count; i++) {
			struct lane *lane =
			    scheduler_lane(scheduler, rows[i].lane);
			struct part *part;

			after_id = rows[i].id;
			after_part = rows[i].part;
			if (lane == NULL)
				continue;
			part = part_table_add(&scheduler->parts, after_id,
			                      after_part);
			lane_add_fresh(&scheduler->lanes, lane, part);
			scheduler_lane_changed(scheduler, lane);
		}
	} while (count == FRESH_ROWS);
	if (count < 0)
		log_message(LOG_LEVEL_ERR, "queue", "fresh mail: %s",
		            strerror(-count));
}

/* At the end: nothing is at a worker any more that would come home. */
void scheduler_forget_lanes(struct scheduler *scheduler)
{
	for (size_t i = 0; i < scheduler->lanes.bucket_count; i++) {
		struct lane *lane;

		while ((lane = scheduler->lanes.buckets[i]) != NULL) {
			lane->fresh.count = lane->retries.count = 0;
			lane->claimed = lane->aside = 0;
			alarm_clear(&scheduler->alarms, &lane->alarm);
			line_place_lane(&scheduler->lanes, lane, LANE_IDLE);
			lanes_table_remove(&scheduler->lanes, lane);
		}
	}
	for (size_t i = 0; i < scheduler->hops.bucket_count; i++) {
		struct hop *hop;

		while ((hop = scheduler->hops.buckets[i]) != NULL) {
			hop->in_use = 0;
			alarm_clear(&scheduler->alarms, &hop->alarm);
			hops_remove(&scheduler->hops, hop);
		}
	}
}
