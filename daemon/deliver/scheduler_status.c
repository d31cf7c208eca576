/*
 * scheduler_status - what the control loop asks of the scheduler
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "deliver/scheduler_state.h"
#include "runtime/xalloc.h"
#include "settings.h"

#define LANE_INFOS 256
#define WAKE_ROWS  256

/* Rows of wake looked at for the oldest due; what is due comes first. */
#define WAKE_ROWS_MAX 8192

struct query_errand {
	struct letter letter;
	struct scheduler *scheduler;
	struct scheduler_query *query;
};

static void empty_status(struct relay_status *status);
static void on_ask(struct letter *letter);
static void fill_relay(struct scheduler *scheduler, struct relay_status *status,
                       struct relay *relay);
static void fill_breaker(const struct scheduler *scheduler,
                         struct relay_status *status,
                         const struct relay *relay);
static void fill_holds(const struct scheduler *scheduler,
                       struct relay_status *status, const struct relay *relay);
static void count_waiting(struct scheduler *scheduler,
                          struct scheduler_query *query);
static void drop_those_that_are_gone(struct scheduler_query *query);
static void find_oldest(struct scheduler *scheduler,
                        struct scheduler_query *query);
static void note_due(struct scheduler *scheduler, struct scheduler_query *query,
                     uint32_t relay, uint64_t due_ms);

struct scheduler_query *scheduler_query_new(void)
{
	return xcalloc(1, sizeof(struct scheduler_query));
}

void scheduler_query_free(struct scheduler_query *query)
{
	if (query == NULL)
		return;
	for (size_t i = 0; i < query->relay_count; i++)
		empty_status(&query->relays[i]);
	free(query->relays);
	free(query->delivering);
	free(query);
}

static void empty_status(struct relay_status *status)
{
	for (size_t i = 0; i < status->hold_count; i++)
		free(status->holds[i].reason);
	free(status->holds);
	free(status->name);
	free(status->carrier);
	free(status->fault_host);
}

void scheduler_ask_take(struct scheduler *scheduler,
                        struct scheduler_query *query)
{
	struct query_errand *errand = xcalloc(1, sizeof(*errand));

	errand->scheduler = scheduler;
	errand->query = query;
	errand->letter.open = on_ask;
	mailbox_post_take(scheduler->inbox, &errand->letter);
}

static void on_ask(struct letter *letter)
{
	struct query_errand *errand =
	    LETTER_OF(letter, struct query_errand, letter);
	struct scheduler *scheduler = errand->scheduler;
	struct scheduler_query *query = errand->query;
	struct relay *relay;
	size_t count = 0;

	scheduler_wake(scheduler);
	for (relay = scheduler->relays; relay != NULL; relay = relay->next)
		count++;
	query->relays = xcalloc(count + 1, sizeof(*query->relays));
	for (relay = scheduler->relays; relay != NULL; relay = relay->next)
		fill_relay(scheduler, &query->relays[query->relay_count++],
		           relay);
	if (scheduler->is_started && !query->is_brief) {
		count_waiting(scheduler, query);
		drop_those_that_are_gone(query);
		find_oldest(scheduler, query);
	}
	query->delivering = claims_list_delivering(&scheduler->claims,
	                                           &query->delivering_count);
	query->lanes_in_memory = scheduler->lanes.count;
	query->is_rerouting =
	    scheduler->round.stage != ROUND_DONE &&
	    scheduler->round.digest != scheduler->round.done_digest;
	query->parts_looked_at = scheduler->round.looked;
	query->parts_to_look_at = scheduler->round.total;
	query->messages_moved = scheduler->round.moved;
	query->fresh_in_memory = 0;
	for (size_t i = 0; i < scheduler->lanes.bucket_count; i++) {
		const struct lane *lane = scheduler->lanes.buckets[i];

		for (; lane != NULL; lane = lane->chain)
			query->fresh_in_memory += lane->fresh.count;
	}
	query->letter.open = query->on_done;
	mailbox_post_take(query->home, &query->letter);
	free(errand);
}

/* One that needs a human is worse than one that will mend itself. */
static unsigned trouble_of(const struct scheduler *scheduler,
                           const struct relay *relay)
{
	static const unsigned ranks[] = {
		[BREAKER_CLOSED] = 0,    [BREAKER_PAUSED] = 1,
		[BREAKER_HALF_OPEN] = 2, [BREAKER_OPEN] = 3,
		[BREAKER_HELD] = 4,
	};

	if (relay_is_paused(relay, scheduler->now_ms))
		return ranks[BREAKER_PAUSED];
	return ranks[relay->hop.breaker.state];
}

struct scheduler_query *scheduler_find_worst_relay(struct scheduler *scheduler)
{
	struct scheduler_query *query = scheduler_query_new();
	struct relay *relay, *worst = NULL;
	unsigned trouble = 0;

	for (relay = scheduler->relays; relay != NULL; relay = relay->next) {
		if (relay->settings == NULL ||
		    trouble_of(scheduler, relay) <= trouble)
			continue;
		trouble = trouble_of(scheduler, relay);
		worst = relay;
	}
	if (worst == NULL)
		return query;
	query->relays = xcalloc(1, sizeof(*query->relays));
	query->relay_count = 1;
	fill_relay(scheduler, &query->relays[0], worst);
	return query;
}

/* Queue time as the wall clock shows it now. */
static uint64_t to_wall(const struct scheduler *scheduler, uint64_t time_ms)
{
	uint64_t wall_ms = (uint64_t)clock_wall_ms();

	if (time_ms == 0 || time_ms == UINT64_MAX)
		return 0;
	return wall_ms + (time_ms - scheduler->now_ms);
}

static void fill_relay(struct scheduler *scheduler, struct relay_status *status,
                       struct relay *relay)
{
	status->id = relay->id;
	if (relay->carrier != NULL)
		status->carrier = xstrdup(relay->carrier->settings->name);
	status->name = relay->name == NULL
	                   ? xasprintf("unknown-%08x", (unsigned)relay->id)
	                   : xstrdup(relay->name);
	status->is_set = relay->settings != NULL;
	if (status->is_set)
		status->connection_limit =
		    relay_connection_limit(relay, scheduler->now_ms);
	status->rate_until_ms =
	    to_wall(scheduler, relay_rate_until_ms(relay, scheduler->now_ms));
	status->learned_pace = relay_learned_pace(relay);
	status->learned_ms = to_wall(scheduler, relay->learned_ms);
	status->connections = relay->in_use;
	status->delivered = relay->delivered;
	status->refused = relay->refused;
	status->faults = relay->faults;
	status->delivered_24h = relay_delivered_24h(relay, scheduler->now_ms);
	fill_breaker(scheduler, status, relay);
	if (!relay_is_direct(relay))
		status->certificate_end_ms = relay->certificate_end_ms;
	fill_holds(scheduler, status, relay);
}

static void fill_breaker(const struct scheduler *scheduler,
                         struct relay_status *status, const struct relay *relay)
{
	const struct hop *hop = &relay->hop;

	status->state = hop->breaker.state;
	status->since_ms = to_wall(scheduler, hop->breaker.since_ms);
	status->until_ms = to_wall(scheduler, hop->breaker.until_ms);
	if (hop->fault != NULL)
		status->fault = *hop->fault;
	if (hop->fault_host != NULL)
		status->fault_host = xstrdup(hop->fault_host);
	if (!relay_is_paused(relay, scheduler->now_ms))
		return;
	status->state = BREAKER_PAUSED;
	status->since_ms = to_wall(scheduler, relay->paused_since_ms);
	status->until_ms = to_wall(scheduler, relay->paused_until_ms);
	verdict_local(&status->fault, VERDICT_NONE, SCOPE_RELAY, PHASE_NAME,
	              FAULT_NONE,
	              relay->pause_reason == NULL ? "" : relay->pause_reason);
}

static void fill_holds(const struct scheduler *scheduler,
                       struct relay_status *status, const struct relay *relay)
{
	const struct brake_hold *hold;

	if (relay->brake.hold_count == 0)
		return;
	status->holds =
	    xcalloc(relay->brake.hold_count, sizeof(*status->holds));
	LIST_FOREACH (hold, &relay->brake.holds, links) {
		if (hold->until_ms == 0)
			continue;
		status->holds[status->hold_count++] = (struct submitter_hold){
			.submitter = hold->submitter,
			.since_ms = to_wall(scheduler, hold->since_ms),
			.until_ms = to_wall(scheduler, hold->until_ms),
			.reason = xstrdup(hold->reason),
		};
	}
}

static struct relay_status *find_status(struct scheduler_query *query,
                                        uint32_t relay)
{
	for (size_t i = 0; i < query->relay_count; i++) {
		if (query->relays[i].id == relay)
			return &query->relays[i];
	}
	return NULL;
}

static void count_waiting(struct scheduler *scheduler,
                          struct scheduler_query *query)
{
	static struct lane_info infos[LANE_INFOS];
	uint32_t after = 0;
	int count;

	do {
		count = queue_read_lanes(scheduler->reader, after, infos,
		                         LANE_INFOS);
		for (int i = 0; i < count; i++) {
			const struct lane_info *info = &infos[i];
			struct relay_status *status =
			    find_status(query, info->key.relay);

			after = info->id;
			if (status == NULL)
				continue;
			status->waiting[info->key.priority] += info->waiting;
			status->waiting_bytes[info->key.priority] +=
			    info->waiting_bytes;
		}
	} while (count == LANE_INFOS);
}

/* Of a relay that is no longer set nothing is told but the mail it has. */
static void drop_those_that_are_gone(struct scheduler_query *query)
{
	size_t count = 0;

	for (size_t i = 0; i < query->relay_count; i++) {
		struct relay_status *status = &query->relays[i];

		if (status->is_set || status->connections > 0 ||
		    status->waiting[0] + status->waiting[1] +
		            status->waiting[2] >
		        0)
			query->relays[count++] = *status;
		else
			empty_status(status);
	}
	query->relay_count = count;
}

/* Of fresh parts in memory, and of what is due in the store. */
static void find_oldest(struct scheduler *scheduler,
                        struct scheduler_query *query)
{
	struct wake_row from = { 0 }, rows[WAKE_ROWS];
	int count, seen = 0;

	for (size_t i = 0; i < scheduler->lanes.bucket_count; i++) {
		const struct lane *lane = scheduler->lanes.buckets[i];
		const struct part *part;

		for (; lane != NULL; lane = lane->chain) {
			part = TAILQ_FIRST(&lane->fresh.head);
			if (part != NULL)
				note_due(scheduler, query, lane->hop->relay->id,
				         part->id >> 22);
		}
	}
	do {
		count =
		    queue_read_wake(scheduler->reader, &from, rows, WAKE_ROWS);
		for (int i = 0; i < count; i++) {
			const struct lane *lane =
			    lanes_table_find(&scheduler->lanes, rows[i].lane);

			if (rows[i].due_ms > scheduler->now_ms)
				return;
			if (lane != NULL)
				note_due(scheduler, query, lane->hop->relay->id,
				         rows[i].due_ms);
			from = rows[i];
			from.lane++;
		}
		seen += count;
	} while (count == WAKE_ROWS && seen < WAKE_ROWS_MAX);
}

static void note_due(struct scheduler *scheduler, struct scheduler_query *query,
                     uint32_t relay, uint64_t due_ms)
{
	struct relay_status *status = find_status(query, relay);
	uint64_t age_s;

	if (status == NULL || due_ms > scheduler->now_ms)
		return;
	age_s = (scheduler->now_ms - due_ms) / 1000;
	if (age_s > status->oldest_due_age_s)
		status->oldest_due_age_s = age_s;
}
