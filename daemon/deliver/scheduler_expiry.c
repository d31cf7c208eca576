/*
 * scheduler_expiry - mail that grows too old behind a relay in trouble
 *
 * Nothing is tried for it: that the relay was, and is in trouble, is enough.
 * A worker settles what is too old by the relay's fault, sixteen at a time,
 * and returns the rest. Age is judged by the id; the worker looks closer.
 */
#include "config.h"

#include "deliver/scheduler_state.h"
#include "deliver/worker.h"
#include "queue_id.h"
#include "runtime/xalloc.h"
#include "settings.h"

static struct ticket *ticket_of(struct scheduler *scheduler,
                                struct relay *relay);
static unsigned take_too_old(struct scheduler *scheduler, struct lane *lane,
                             struct part **parts);

void scheduler_expire(struct scheduler *scheduler, struct hop *hop)
{
	struct part *parts[ASSIGNMENT_PARTS_MAX];
	struct relay *relay = hop->relay;
	struct ticket *ticket = ticket_of(scheduler, relay);
	struct lane *lane;
	unsigned count = 0;

	if (ticket->is_busy || hop->fault == NULL || relay->settings == NULL ||
	    scheduler->is_draining || scheduler->settings->retry.expire_s == 0)
		return;
	TAILQ_FOREACH (lane, &hop->lanes, in_hop) {
		count = take_too_old(scheduler, lane, parts);
		if (count > 0)
			break;
	}
	if (count == 0) {
		hop->is_expiry_due = false;
		return;
	}
	ticket->is_busy = true;
	ticket->hop = hop;
	hop->in_use++;
	scheduler_send(scheduler, ticket, lane, parts, count);
	scheduler_lane_changed(scheduler, lane);
}

/* One a relay; the worker makes no connection for it. */
static struct ticket *ticket_of(struct scheduler *scheduler,
                                struct relay *relay)
{
	struct ticket *ticket = relay->expiry_ticket;

	if (ticket != NULL)
		return ticket;
	ticket = xcalloc(1, sizeof(*ticket));
	ticket->id = scheduler->next_ticket_id++;
	ticket->worker = ticket->id % scheduler->worker_count;
	ticket->relay = relay;
	ticket->is_expiring = true;
	relay->expiry_ticket = ticket;
	return ticket;
}

static bool is_too_old(const struct scheduler *scheduler,
                       const struct part *part)
{
	uint64_t accepted_ms = queue_id_time_ms(part->id);
	uint64_t allowed_ms =
	    (uint64_t)scheduler->settings->retry.expire_s * 1000;

	return accepted_ms < scheduler->now_ms &&
	       scheduler->now_ms - accepted_ms > allowed_ms;
}

/* The first of a lane are the oldest, but for a retry's delay. */
static unsigned take_too_old(struct scheduler *scheduler, struct lane *lane,
                             struct part **parts)
{
	struct part_list *lists[] = { &lane->fresh, &lane->retries };
	unsigned count = 0;
	struct part *part;

	if (lane->retries.count == 0 && lane->next_due_ms <= scheduler->now_ms)
		scheduler_fill_window(scheduler, lane);
	for (unsigned i = 0; i < 2; i++) {
		while (count < ASSIGNMENT_PARTS_MAX &&
		       (part = TAILQ_FIRST(&lists[i]->head)) != NULL &&
		       is_too_old(scheduler, part)) {
			lane_lose_part(&scheduler->lanes, lane, part);
			part_leave_list(part);
			if (!scheduler_set_aside(scheduler, part))
				parts[count++] = part;
		}
	}
	return count;
}

void scheduler_expiry_ended(struct scheduler *scheduler, struct ticket *ticket,
                            unsigned settled)
{
	struct hop *hop = ticket->hop;

	ticket->is_busy = false;
	ticket->hop = NULL;
	hop->in_use--;
	if (settled == 0)
		hop->is_expiry_due = false;
	else
		scheduler_expire(scheduler, hop);
	if (hop->domain != NULL)
		scheduler_hop_changed(scheduler, hop);
}
