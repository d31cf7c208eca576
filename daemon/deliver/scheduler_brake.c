/*
 * scheduler_brake - what messages met comes home to the brake, and is obeyed
 *
 * Not with `direct`: there each domain speaks for itself alone.
 */
#include "config.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "deliver/scheduler_state.h"
#include "deliver/worker.h"
#include "runtime/log.h"
#include "runtime/xalloc.h"
#include "settings.h"

static void note_message(struct scheduler *scheduler,
                         const struct ticket *ticket,
                         struct assignment *assignment, unsigned index);
static char *reason_of(const struct verdict *refusal);
static void hold_relay(struct assignment *assignment, const char *reason);
static void submitter_changed(struct scheduler *scheduler, struct relay *relay,
                              uint32_t submitter, bool is_held);

static uint32_t submitter_of(const struct lane *lane)
{
	return lane->line->submitter_class;
}

/* Of whoever makes the attempts. */
static struct brake *brake_of(const struct lane *lane)
{
	return &relay_server(lane->hop->relay)->brake;
}

bool scheduler_brake_holds(const struct scheduler *scheduler,
                           const struct lane *lane)
{
	return !brake_may_pass(brake_of(lane), submitter_of(lane),
	                       scheduler->now_ms);
}

bool scheduler_brake_probes(const struct lane *lane)
{
	return brake_is_probe(brake_of(lane), submitter_of(lane));
}

void scheduler_brake_sent(struct scheduler *scheduler,
                          const struct ticket *ticket,
                          struct assignment *assignment)
{
	struct brake *brake = &ticket->relay->brake;

	if (relay_is_direct(ticket->relay) || ticket->is_expiring)
		return;
	assignment->watched = brake_watched(brake, ticket->submitter);
	if (!brake_is_probe(brake, ticket->submitter))
		return;
	brake_begin_probe(brake, ticket->submitter);
	/* One at a time. */
	scheduler_hop_changed(scheduler, &ticket->relay->hop);
}

void scheduler_brake_came_home(struct scheduler *scheduler,
                               const struct ticket *ticket,
                               struct assignment *assignment)
{
	struct relay *relay = ticket->relay;
	struct brake *brake = &relay->brake;
	bool is_of_relay = brake->relay_signature != 0;

	if (relay_is_direct(relay))
		return;
	for (unsigned i = 0; i < assignment->part_count; i++)
		note_message(scheduler, ticket, assignment, i);
	/* It is the submitter's: the relay is not in trouble. */
	if (!is_of_relay && assignment->has_met_watched)
		assignment->fault.class = VERDICT_NONE;
	if (!brake_is_probe(brake, ticket->submitter))
		return;
	brake_end_probe(brake, ticket->submitter,
	                !is_of_relay && assignment->has_met_watched,
	                scheduler->now_ms);
	alarm_set(&scheduler->alarms, &relay->brake_alarm,
	          brake_next_ms(brake, scheduler->now_ms));
	scheduler_hop_changed(scheduler, &relay->hop);
}

bool scheduler_brake_overtook(const struct relay *relay,
                              const struct assignment *assignment)
{
	uint64_t held_for = relay->brake.relay_signature;

	return held_for != 0 && assignment->watched != held_for;
}

static void note_message(struct scheduler *scheduler,
                         const struct ticket *ticket,
                         struct assignment *assignment, unsigned index)
{
	struct brake *brake = &ticket->relay->brake;
	uint32_t submitter = ticket->submitter;
	const struct refusal *refusal = &assignment->parts[index].refusal;
	char *reason;

	if (assignment->parts[index].has_delivered) {
		if (brake_note_success(brake, submitter))
			submitter_changed(scheduler, ticket->relay, submitter,
			                  false);
		return;
	}
	if (refusal->signature == 0)
		return;
	reason = reason_of(&assignment->refusal);
	switch (brake_note_refusal(brake, submitter, refusal, reason,
	                           scheduler->now_ms)) {
	case BRAKE_NOT_PULLED:
		break;
	case BRAKE_SUBMITTER_HELD:
		submitter_changed(scheduler, ticket->relay, submitter, true);
		break;
	case BRAKE_RELAY_HELD:
		hold_relay(assignment, reason);
		break;
	}
	free(reason);
}

static char *reason_of(const struct verdict *refusal)
{
	char code[8] = "", enhanced[24] = "";

	if (refusal->code != 0)
		(void)snprintf(code, sizeof(code), "%u ", refusal->code);
	if (refusal->enhanced[0] != 0)
		(void)snprintf(enhanced, sizeof(enhanced), "%u.%u.%u ",
		               refusal->enhanced[0], refusal->enhanced[1],
		               refusal->enhanced[2]);
	return xasprintf("all mail was refused in the same words, so it waits "
	                 "instead of being returned: %s%s%s",
	                 code, enhanced, refusal->text);
}

/* The caller charges it like any fault that a human has to mend. */
static void hold_relay(struct assignment *assignment, const char *reason)
{
	const struct verdict *refusal = &assignment->refusal;
	struct verdict *fault = &assignment->fault;

	verdict_local(fault, VERDICT_TEMPORARY, SCOPE_RELAY, refusal->phase,
	              FAULT_CONFIG, reason);
}

static void submitter_changed(struct scheduler *scheduler, struct relay *relay,
                              uint32_t submitter, bool is_held)
{
	const struct brake_hold *hold;
	struct log_line line;

	log_begin(&line, is_held ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "brake");
	log_text(&line, "relay",
	         relay->settings != NULL ? relay->settings->name : NULL);
	log_number(&line, "submitter", submitter);
	log_text(&line, "state", is_held ? "held" : "released");
	LIST_FOREACH (hold, &relay->brake.holds, links)
		if (is_held && hold->submitter == submitter)
			log_text(&line, "reason", hold->reason);
	log_end(&line);
	relay->is_dirty = true;
	alarm_set(&scheduler->alarms, &relay->brake_alarm,
	          brake_next_ms(&relay->brake, scheduler->now_ms));
	scheduler_hop_changed(scheduler, &relay->hop);
}

void scheduler_on_brake_alarm(struct alarm *alarm)
{
	struct relay *relay = ALARM_OF(alarm, struct relay, brake_alarm);
	struct scheduler *scheduler = relay->scheduler;

	alarm_set(&scheduler->alarms, alarm,
	          brake_next_ms(&relay->brake, scheduler->now_ms));
	scheduler_hop_changed(scheduler, &relay->hop);
}

void scheduler_release_brake(struct scheduler *scheduler, struct relay *relay)
{
	brake_clear(&relay->brake);
	alarm_clear(&scheduler->alarms, &relay->brake_alarm);
}
