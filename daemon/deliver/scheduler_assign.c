/*
 * scheduler_assign - assignments go out to the workers and come home
 *
 * An assignment is as large as the backlog shared out over the connections:
 * a shallow backlog spreads over them, a deep one costs few letters, but never
 * more than a moment of the relay's: others may come meanwhile. Large mail
 * goes one by one, so that what is urgent never waits for more than one.
 */
#include "config.h"

#include <assert.h>

#include "deliver/scheduler_state.h"
#include "deliver/worker.h"
#include "settings.h"

static unsigned kinds_that_may_start(struct scheduler *scheduler,
                                     struct relay *relay);
static unsigned batch_size(struct scheduler *scheduler, struct relay *server,
                           const struct lane *lane, uint32_t room);
static void take_ticket(struct scheduler *scheduler, struct relay *server,
                        struct lane *lane, struct part **parts, unsigned count);
static unsigned take_parts(struct scheduler *scheduler, struct lane *lane,
                           struct part **parts, unsigned wanted);
static void on_home(struct letter *letter);
static unsigned parts_came_home(struct scheduler *scheduler,
                                const struct assignment *assignment);
static void unclaim(struct scheduler *scheduler, struct part *part,
                    bool is_kept);
static void part_is_gone(struct scheduler *scheduler, struct part *part);
static void attempt_ended(struct scheduler *scheduler, struct ticket *ticket,
                          struct assignment *assignment, unsigned used);
static void note_pace(struct ticket *ticket, unsigned used, uint64_t now_ms);
static bool has_made_progress(const struct assignment *assignment);
static bool was_cut_short(const struct assignment *assignment);
static void charge_fault(struct scheduler *scheduler,
                         const struct ticket *ticket,
                         const struct assignment *assignment);
static void open_breaker(struct scheduler *scheduler,
                         const struct ticket *ticket,
                         const struct assignment *assignment);
static void close_breaker(struct scheduler *scheduler, struct hop *hop);

bool scheduler_assign(struct scheduler *scheduler, struct relay *relay)
{
	struct part *parts[ASSIGNMENT_PARTS_MAX];
	struct relay *server = relay_server(relay);
	uint32_t room, calm_room;
	struct lane *lane;
	unsigned count;

	if (!line_is_ready(relay->ready, LINE_ALL_KINDS))
		return false;
	room = relay_room(server, scheduler->now_ms);
	if (room == 0 || !scheduler_has_turn(scheduler, relay))
		return false;
	calm_room = relay_calm_room(server, scheduler->now_ms);
	lane = line_next_lane(relay, kinds_that_may_start(scheduler, relay),
	                      calm_room > 0 ? PRIORITY_BULK : PRIORITY_NORMAL);
	if (lane == NULL)
		return false;
	if (lane->priority == PRIORITY_BULK)
		room = calm_room;
	if (lane->next_due_ms <= scheduler->now_ms &&
	    lane->retries.count < ASSIGNMENT_PARTS_MAX)
		scheduler_fill_window(scheduler, lane);
	count = take_parts(scheduler, lane, parts,
	                   batch_size(scheduler, server, lane, room));
	if (count == 0) {
		scheduler_lane_changed(scheduler, lane);
		return true;
	}
	server->was_own_turn = server == relay;
	take_ticket(scheduler, server, lane, parts, count);
	return true;
}

static unsigned kinds_that_may_start(struct scheduler *scheduler,
                                     struct relay *relay)
{
	unsigned kinds = LINE_ALL_KINDS;

	if (!relay_may_start_retry(relay, scheduler->now_ms))
		kinds &= ~LINE_KIND(LANE_RETRY);
	if (!relay_may_start_large(relay_server(relay), scheduler->now_ms))
		kinds &= ~LINE_KIND(LANE_LARGE);
	return kinds;
}

static void take_ticket(struct scheduler *scheduler, struct relay *server,
                        struct lane *lane, struct part **parts, unsigned count)
{
	struct hop *hop = server == lane->hop->relay ? lane->hop : &server->hop;
	struct ticket *ticket = relay_take_ticket(
	    server, hop, &scheduler->next_ticket_id, scheduler->worker_count);

	ticket->is_retry = lane->kind == LANE_RETRY;
	ticket->is_large = lane->is_large;
	ticket->is_probe = !breaker_is_closed(&hop->breaker);
	if (ticket->is_retry)
		server->retries_in_use++;
	if (ticket->is_large)
		server->large_in_use++;
	if (ticket->is_probe)
		breaker_begin_probe(&hop->breaker, scheduler->now_ms);
	ticket->hop = hop;
	ticket->started_ms = scheduler->now_ms;
	hop->in_use++;
	relay_reserve(server, count, scheduler->now_ms);
	line_charge(lane, count);
	scheduler_send(scheduler, ticket, lane, parts, count);
	if (hop->domain != NULL || ticket->is_probe)
		scheduler_hop_changed(scheduler, hop);
	else
		scheduler_lane_changed(scheduler, lane);
}

static unsigned batch_size(struct scheduler *scheduler, struct relay *server,
                           const struct lane *lane, uint32_t room)
{
	struct relay *relay = lane->hop->relay;
	size_t limit = relay_connection_limit(server, scheduler->now_ms);
	size_t size = (relay->pending + limit - 1) / limit;

	if ((server == relay && !breaker_is_closed(&lane->hop->breaker)) ||
	    scheduler_brake_probes(lane) || lane->is_large)
		return 1;
	if (size > relay_parts_at_once(server))
		size = relay_parts_at_once(server);
	if (size > room)
		size = room;
	return size == 0 ? 1 : (unsigned)size;
}

/* Parts whose message is being changed are set aside. */
static unsigned take_parts(struct scheduler *scheduler, struct lane *lane,
                           struct part **parts, unsigned wanted)
{
	unsigned count = 0;
	struct part *part;

	while (count < wanted &&
	       (part = lane_take_part(&scheduler->lanes, lane)) != NULL) {
		if (!scheduler_set_aside(scheduler, part))
			parts[count++] = part;
	}
	return count;
}

bool scheduler_set_aside(struct scheduler *scheduler, struct part *part)
{
	struct claim *claim = claims_find(&scheduler->claims, part->id);

	if (claim == NULL || !claim_is_changing(claim))
		return false;
	part_list_append(&claim->aside, part);
	part->lane->aside++;
	return true;
}

void scheduler_send(struct scheduler *scheduler, struct ticket *ticket,
                    const struct lane *lane, struct part **parts,
                    unsigned count)
{
	struct assignment *assignment = assignment_new();
	const struct hop *hop = ticket->hop;
	size_t i = 0;

	assignment->home = scheduler->inbox;
	assignment->on_done = on_home;
	assignment->owner = ticket;
	assignment->slot = ticket->id;
	assignment->settings = settings_ref(scheduler->settings);
	assignment->relay = ticket->relay->settings;
	assignment->lane = lane->id;
	for (; hop->domain != NULL && hop->domain[i] != '\0'; i++)
		assignment->domain[i] = hop->domain[i];
	assignment->domain[i] = '\0';
	assignment->is_expiring = ticket->is_expiring;
	assignment->is_fallback = lane->hop->relay != ticket->relay;
	assignment->takes_unknown =
	    lane->hop->relay->settings->fallback_after_unknown;
	if (ticket->is_expiring)
		assignment->fault = *hop->fault;
	assignment->part_count = count;
	for (i = 0; i < count; i++) {
		assignment->parts[i].id = parts[i]->id;
		assignment->parts[i].part = parts[i]->number;
		assignment->parts[i].outcome = PART_NOT_TRIED;
		parts[i]->ticket = ticket;
		claims_get(&scheduler->claims, parts[i]->id)->delivering++;
		scheduler->claims.delivering++;
		parts[i]->lane->claimed++;
	}
	ticket->part_count = count;
	ticket->submitter = lane->line->submitter_class;
	scheduler->at_workers++;
	scheduler_brake_sent(scheduler, ticket, assignment);
	worker_assign_take(scheduler->workers[ticket->worker], assignment);
}

static void on_home(struct letter *letter)
{
	struct assignment *assignment =
	    LETTER_OF(letter, struct assignment, letter);
	struct ticket *ticket = assignment->owner;
	struct scheduler *scheduler = ticket->relay->scheduler;
	unsigned used;

	scheduler_wake(scheduler);
	scheduler->at_workers--;
	used = parts_came_home(scheduler, assignment);
	if (ticket->is_expiring)
		scheduler_expiry_ended(scheduler, ticket, used);
	else
		attempt_ended(scheduler, ticket, assignment, used);
	assignment_free(assignment);
	scheduler_turn(scheduler);
}

/* Returns how many the relay may have seen. */
static unsigned parts_came_home(struct scheduler *scheduler,
                                const struct assignment *assignment)
{
	unsigned used = 0;

	/* From the last, so that each goes in front of the one before. */
	for (unsigned i = assignment->part_count; i-- > 0;) {
		struct part *part =
		    part_table_find(&scheduler->parts, assignment->parts[i].id,
		                    assignment->parts[i].part);
		bool is_ours =
		    part != NULL && part->ticket == assignment->owner;

		switch (assignment->parts[i].outcome) {
		case PART_SETTLED:
			/* Its notice ends the claim, or has ended it. */
			used++;
			break;
		case PART_RETURNED:
			used += assignment->is_expiring ? 0 : 1;
			if (is_ours)
				unclaim(scheduler, part, false);
			break;
		case PART_NOT_TRIED:
			if (is_ours)
				unclaim(scheduler, part, false);
			break;
		case PART_KEPT:
			if (is_ours)
				unclaim(scheduler, part, true);
			break;
		case PART_GONE:
			if (is_ours)
				part_is_gone(scheduler, part);
			break;
		case PART_MISROUTED:
			/* First, so that it is set aside until it moves. */
			scheduler_reroute_message(scheduler,
			                          assignment->parts[i].id);
			if (is_ours)
				unclaim(scheduler, part, false);
			break;
		}
	}
	return used;
}

/* Kept: no other relay than its own may have it. */
static void unclaim(struct scheduler *scheduler, struct part *part,
                    bool is_kept)
{
	struct claim *claim = claims_find(&scheduler->claims, part->id);
	struct lane *lane = part->lane;

	assert(claim != NULL && claim->delivering > 0);
	part->ticket = NULL;
	lane->claimed--;
	claim->delivering--;
	scheduler->claims.delivering--;
	if (is_kept)
		scheduler_keep_part(scheduler, part);
	else
		lane_put_back(&scheduler->lanes, lane, part);
	scheduler_claim_changed(scheduler, claim);
	scheduler_lane_changed(scheduler, lane);
}

/*
 * Nothing waits in it. But where it was given up because of a change that
 * waits for that, it is set aside: the change may yet fail.
 */
static void part_is_gone(struct scheduler *scheduler, struct part *part)
{
	const struct claim *claim = claims_find(&scheduler->claims, part->id);

	if (claim != NULL && claim_is_changing(claim))
		unclaim(scheduler, part, false);
	else
		scheduler_forget_part(scheduler, part);
}

static void attempt_ended(struct scheduler *scheduler, struct ticket *ticket,
                          struct assignment *assignment, unsigned used)
{
	struct relay *relay = ticket->relay;
	struct hop *hop = ticket->hop;
	enum breaker_state before = hop->breaker.state;

	if (assignment->certificate_end_ms != 0)
		relay->certificate_end_ms = assignment->certificate_end_ms;
	scheduler_brake_came_home(scheduler, ticket, assignment);
	/* At a stop it was cut by us. */
	if (assignment->fault.class == VERDICT_NONE &&
	    !scheduler->is_draining && was_cut_short(assignment))
		verdict_local(&assignment->fault, VERDICT_TEMPORARY,
		              SCOPE_RELAY, PHASE_CONNECT, FAULT_OTHER,
		              "the attempt ended without an answer");
	note_pace(ticket, used, scheduler->now_ms);
	relay_settle(relay, ticket->part_count, used, scheduler->now_ms);
	relay_count(relay, assignment->delivered, assignment->refused,
	            scheduler->now_ms);
	if (assignment->fault.class != VERDICT_NONE) {
		relay->faults++;
		charge_fault(scheduler, ticket, assignment);
	} else if (has_made_progress(assignment) &&
	           !scheduler_brake_overtook(relay, assignment)) {
		close_breaker(scheduler, hop);
		relay_count_success(relay, scheduler->now_ms);
	} else if (ticket->is_probe) {
		breaker_forget_probe(&hop->breaker, scheduler->now_ms);
	}
	hop->in_use--;
	relay_release_ticket(relay, ticket);
	if (hop->domain != NULL || hop->breaker.state != before)
		scheduler_hop_changed(scheduler, hop);
}

static void note_pace(struct ticket *ticket, unsigned used, uint64_t now_ms)
{
	struct relay *relay = ticket->relay;
	uint64_t taken_us = (now_ms - ticket->started_ms) * 1000;

	if (used == 0)
		return;
	taken_us /= used;
	relay->part_us =
	    relay->has_pace ? (3 * relay->part_us + taken_us) / 4 : taken_us;
	relay->has_pace = true;
}

static bool has_made_progress(const struct assignment *assignment)
{
	return assignment->had_session || assignment->delivered > 0 ||
	       assignment->refused > 0;
}

/* Mail came back without a word why: not to be tried again at once. */
static bool was_cut_short(const struct assignment *assignment)
{
	if (assignment->has_met_watched)
		return false;
	for (unsigned i = 0; i < assignment->part_count; i++) {
		if (assignment->parts[i].outcome == PART_RETURNED)
			return true;
	}
	return false;
}

static void charge_fault(struct scheduler *scheduler,
                         const struct ticket *ticket,
                         const struct assignment *assignment)
{
	struct relay *relay = ticket->relay;
	bool may_be_chance = false;

	switch (assignment->fault.fault) {
	case FAULT_CONCURRENCY:
		if (!relay_is_direct(relay) &&
		    relay_lower_connections(relay, scheduler->now_ms))
			return;
		break;
	case FAULT_NONE:
	case FAULT_NETWORK:
	case FAULT_TLS:
	case FAULT_PROTOCOL:
	case FAULT_OTHER:
	case FAULT_TOO_MANY_RECIPIENTS:
		may_be_chance = true;
		break;
	case FAULT_AUTH:
	case FAULT_QUOTA:
	case FAULT_RATE:
	case FAULT_CONFIG:
		break;
	}
	/* It took mail on this very connection: the next one may, too. */
	if (may_be_chance && assignment->delivered > 0) {
		close_breaker(scheduler, ticket->hop);
		return;
	}
	open_breaker(scheduler, ticket, assignment);
}

static void open_breaker(struct scheduler *scheduler,
                         const struct ticket *ticket,
                         const struct assignment *assignment)
{
	struct hop *hop = ticket->hop;
	struct relay *relay = ticket->relay;

	if (!breaker_trip(&hop->breaker, &assignment->fault, ticket->is_probe,
	                  scheduler->now_ms, scheduler_random(scheduler)))
		return;
	/* Here, since all that come home together are one warning. */
	if (assignment->fault.fault == FAULT_RATE && !relay_is_direct(relay))
		relay_lower_rate(relay, scheduler->now_ms);
	hop_set_fault(hop, &assignment->fault, assignment->fault_host);
	relay->is_dirty = true;
	scheduler_log_breaker(scheduler, hop);
	/* That was the attempt that expiry needs (P6). */
	hop->is_expiry_due = true;
	scheduler_release_kept(scheduler, relay);
	scheduler_expire(scheduler, hop);
}

static void close_breaker(struct scheduler *scheduler, struct hop *hop)
{
	if (!breaker_close(&hop->breaker, scheduler->now_ms))
		return;
	hop_clear_fault(hop);
	hop->is_expiry_due = false;
	hop->relay->is_dirty = true;
	if (hop->domain == NULL) {
		hop->relay->brake.relay_signature = 0;
		relay_start_ramp(hop->relay);
	}
	scheduler_log_breaker(scheduler, hop);
}
