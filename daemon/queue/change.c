#include "config.h"

#include "queue/change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue/damaged.h"
#include "queue/filter.h"
#include "queue/ledger.h"
#include "queue/message_rows.h"
#include "queue/parts.h"
#include "queue/resend.h"
#include "queue/story.h"
#include "runtime/xalloc.h"

static int do_hold(struct ledger *ledger, const struct change *change,
                   struct message *message);
static int do_release(struct ledger *ledger, const struct change *change,
                      struct message *message);
static int do_retry(struct ledger *ledger, const struct change *change,
                    struct message *message);
static int do_cancel(struct ledger *ledger, const struct change *change,
                     struct message *message);
static int do_reroute(struct ledger *ledger, const struct change *change,
                      struct message *message);
static int do_reschedule(struct ledger *ledger, const struct change *change,
                         struct message *message);
static int end_recipients(struct ledger *ledger, struct message *message);
static int settle_doubt(struct ledger *ledger, struct message *message,
                        const struct message_part *part);
static int move_recipient(struct ledger *ledger, struct message *message,
                          const struct lane_key *key, unsigned index,
                          const struct message_part *old_parts,
                          unsigned old_count);

int change_apply(struct ledger *ledger, const struct change *change)
{
	struct message *message = NULL;
	enum message_state before;
	int r;

	r = message_rows_read(&message, ledger->txn, change->id, true);
	if (r == -EBADMSG && change->kind == CHANGE_PARK)
		return damaged_park(ledger, change->id);
	if (r == -EBADMSG && change->kind == CHANGE_CANCEL &&
	    !change->is_for_owner_only)
		return damaged_delete(ledger, change->id);
	if (r < 0)
		return r;
	before = message->state;
	if (change->is_for_owner_only && message->uid != change->owner_uid)
		r = -ENOENT;
	else if (message->ended_ms != 0 && change->kind != CHANGE_RESEND)
		r = -EALREADY;
	else
		switch (change->kind) {
		case CHANGE_HOLD:
		case CHANGE_PARK:
			r = do_hold(ledger, change, message);
			break;
		case CHANGE_RELEASE:
			r = do_release(ledger, change, message);
			break;
		case CHANGE_RETRY:
			r = do_retry(ledger, change, message);
			break;
		case CHANGE_CANCEL:
			r = do_cancel(ledger, change, message);
			break;
		case CHANGE_REROUTE:
			r = do_reroute(ledger, change, message);
			break;
		case CHANGE_RESEND:
			r = resend_apply(ledger, change, message);
			break;
		case CHANGE_RESCHEDULE:
			r = do_reschedule(ledger, change, message);
			break;
		}
	if (r == 0)
		r = message_rows_write(ledger, message, before);
	message_free(message);
	return r;
}

/* A row that goes takes the doubt about it along: it is said now. */
static int settle_doubt(struct ledger *ledger, struct message *message,
                        const struct message_part *part)
{
	int r = 0;

	if (!part_is_in_doubt(ledger, part))
		return 0;
	for (unsigned i = 0; i < message->recipient_count && r == 0; i++) {
		struct message_recipient *recipient = &message->recipients[i];

		if (recipient->state != RECIPIENT_WAITING ||
		    recipient->part != part->number)
			continue;
		recipient->flags |= RECIPIENT_MAYBE_DUPLICATE;
		r = message_rows_write_recipient(ledger, message, i);
	}
	return r;
}

/* Also of a message that is held: another reason, another end. */
static int do_hold(struct ledger *ledger, const struct change *change,
                   struct message *message)
{
	bool is_parked = change->kind == CHANGE_PARK;
	enum timeline_kind kind = is_parked ? TIMELINE_PARKED : TIMELINE_HELD;
	int r;

	for (unsigned i = 0; i < message->part_count; i++) {
		r = settle_doubt(ledger, message, &message->parts[i]);
		if (r == 0)
			r = part_remove(ledger, message, &message->parts[i]);
		if (r < 0)
			return r;
		ledger_notice(ledger, PART_NOW_SETTLED, message->id,
		              &message->parts[i]);
	}
	message->state = is_parked ? MESSAGE_PARKED : MESSAGE_HELD;
	message->hold_reason = message_dup_text(message, change->reason);
	message->hold_until_ms = is_parked ? 0 : change->until_ms;
	for (unsigned i = 0; i < message->part_count; i++) {
		r = part_place(ledger, message, &message->parts[i], false);
		if (r < 0)
			return r;
	}
	story_add_event(message, kind, ledger->wall_ms, change->reason);
	return ledger_feed(ledger, message->id, kind);
}

static int do_release(struct ledger *ledger, const struct change *change,
                      struct message *message)
{
	int r;

	if (message->state != MESSAGE_HELD && message->state != MESSAGE_PARKED)
		return -EALREADY;
	message->state = MESSAGE_QUEUED;
	message->hold_reason = NULL;
	message->hold_until_ms = 0;
	for (unsigned i = 0; i < message->part_count; i++) {
		struct message_part *part = &message->parts[i];

		r = part_remove(ledger, message, part);
		if (r < 0)
			return r;
		part->due_ms = ledger->now_ms;
		r = part_place(ledger, message, part, part->attempts == 0);
		if (r < 0)
			return r;
	}
	story_add_event(message, TIMELINE_RELEASED, ledger->wall_ms,
	                change->reason);
	return ledger_feed(ledger, message->id, TIMELINE_RELEASED);
}

/* What is parked waits for a human, and this is one; a hold stays. */
static int do_retry(struct ledger *ledger, const struct change *change,
                    struct message *message)
{
	int r;

	if (message->state == MESSAGE_PARKED)
		return do_release(ledger, change, message);
	if (message->state != MESSAGE_QUEUED)
		return -EALREADY;
	for (unsigned i = 0; i < message->part_count; i++) {
		struct message_part *part = &message->parts[i];

		if (part->place != PART_SCHED || part->due_ms <= ledger->now_ms)
			continue;
		r = part_remove(ledger, message, part);
		if (r < 0)
			return r;
		part->due_ms = ledger->now_ms;
		r = part_place(ledger, message, part, false);
		if (r < 0)
			return r;
	}
	story_add_event(message, TIMELINE_RETRIED, ledger->wall_ms,
	                change->reason);
	return ledger_feed(ledger, message->id, TIMELINE_RETRIED);
}

static int do_cancel(struct ledger *ledger, const struct change *change,
                     struct message *message)
{
	struct timeline_entry entry = {
		.time_ms = ledger->wall_ms,
		.kind = TIMELINE_CANCELLED,
		.text = message_dup_text(message, change->reason),
	};
	uint16_t *indexes = xcalloc(message->recipient_count, sizeof(*indexes));
	unsigned count = 0;
	int r = 0;

	for (unsigned i = 0; i < message->recipient_count; i++)
		if (message->recipients[i].state == RECIPIENT_WAITING)
			indexes[count++] = (uint16_t)i;
	story_set_recipients(message, &entry, indexes, count);
	story_add(message, &entry);
	free(indexes);
	for (unsigned i = 0; i < message->part_count && r == 0; i++) {
		r = settle_doubt(ledger, message, &message->parts[i]);
		if (r == 0)
			r = part_remove(ledger, message, &message->parts[i]);
		ledger_notice(ledger, PART_NOW_SETTLED, message->id,
		              &message->parts[i]);
	}
	message->part_count = 0;
	if (r == 0)
		r = end_recipients(ledger, message);
	if (r < 0)
		return r;
	return ledger_feed(ledger, message->id, TIMELINE_CANCELLED);
}

static int end_recipients(struct ledger *ledger, struct message *message)
{
	for (unsigned i = 0; i < message->recipient_count; i++) {
		int r;

		if (message->recipients[i].state != RECIPIENT_WAITING)
			continue;
		message->recipients[i].state = RECIPIENT_CANCELLED;
		r = message_rows_write_recipient(ledger, message, i);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Every waiting recipient moves to the lane given for it; those that came from
 * one part and go to one lane stay together, with its due and attempts.
 */
static int do_reroute(struct ledger *ledger, const struct change *change,
                      struct message *message)
{
	const struct message_part *old_parts = message->parts;
	unsigned old_count = message->part_count;
	int r = 0;

	if (change->lanes == NULL)
		return -EINVAL;
	for (unsigned i = 0; i < old_count && r == 0; i++) {
		r = settle_doubt(ledger, message, &old_parts[i]);
		if (r == 0)
			r = part_remove(ledger, message, &old_parts[i]);
		ledger_notice(ledger, PART_NOW_SETTLED, message->id,
		              &old_parts[i]);
	}
	message->parts = NULL;
	message->part_count = 0;
	if (change->relay != 0)
		message->relay = change->relay;
	for (unsigned i = 0; i < message->recipient_count && r == 0; i++)
		if (message->recipients[i].state == RECIPIENT_WAITING)
			r = move_recipient(ledger, message, &change->lanes[i],
			                   i, old_parts, old_count);
	for (unsigned i = 0; i < message->part_count && r == 0; i++) {
		struct message_part *part = &message->parts[i];

		r = part_place(ledger, message, part,
		               part->place == PART_FRESH);
	}
	if (r == 0)
		r = filter_widen_relay(ledger->filter, ledger->txn,
		                       message->id);
	if (r < 0)
		return r;
	story_add_event(message, TIMELINE_REROUTED, ledger->wall_ms,
	                change->reason);
	return ledger_feed(ledger, message->id, TIMELINE_REROUTED);
}

static int move_recipient(struct ledger *ledger, struct message *message,
                          const struct lane_key *key, unsigned index,
                          const struct message_part *old_parts,
                          unsigned old_count)
{
	struct message_recipient *recipient = &message->recipients[index];
	const struct message_part *old = NULL;
	struct message_part *part = NULL;
	struct lane *lane;
	int r;

	for (unsigned i = 0; i < old_count && old == NULL; i++)
		if (old_parts[i].number == recipient->part)
			old = &old_parts[i];
	if (old == NULL)
		return -EBADMSG;
	r = lanes_open(ledger, key, &lane);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < message->part_count && part == NULL; i++)
		if (message->parts[i].lane == lane->id &&
		    message->parts[i].due_ms == old->due_ms)
			part = &message->parts[i];
	if (part == NULL) {
		part = parts_add(message, lane->id);
		part->due_ms = old->due_ms;
		part->place = old->place;
	}
	if (old->attempts > part->attempts)
		part->attempts = old->attempts;
	if (old->place != PART_FRESH)
		part->place = old->place;
	recipient->part = part->number;
	return message_rows_write_recipient(ledger, message, index);
}

/* Once a relay was asked, retries have a time of their own. */
static int do_reschedule(struct ledger *ledger, const struct change *change,
                         struct message *message)
{
	uint64_t ahead_ms = change->until_ms > ledger->wall_ms
	                        ? change->until_ms - ledger->wall_ms
	                        : 0;
	int r;

	if (message->state != MESSAGE_QUEUED)
		return -EALREADY;
	for (unsigned i = 0; i < message->part_count; i++)
		if (message->parts[i].attempts > 0)
			return -EALREADY;
	if (message_end_ms(message) != 0 &&
	    change->until_ms >= message_end_ms(message))
		return -ERANGE;
	for (unsigned i = 0; i < message->part_count; i++) {
		struct message_part *part = &message->parts[i];

		r = settle_doubt(ledger, message, part);
		if (r == 0)
			r = part_remove(ledger, message, part);
		if (r < 0)
			return r;
		ledger_notice(ledger, PART_NOW_SETTLED, message->id, part);
		part->due_ms = ledger->now_ms + ahead_ms;
		r = part_place(ledger, message, part, true);
		if (r < 0)
			return r;
	}
	message->release_ms = change->until_ms;
	story_add_event(message, TIMELINE_RESCHEDULED, ledger->wall_ms,
	                change->reason);
	return ledger_feed(ledger, message->id, TIMELINE_RESCHEDULED);
}
