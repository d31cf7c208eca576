#include "config.h"

#include "queue/settle.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue/filter.h"
#include "queue/ledger.h"
#include "queue/message_rows.h"
#include "queue/parts.h"
#include "queue/reports.h"
#include "queue/story.h"
#include "runtime/xalloc.h"
#include "settings.h"

/* Dues no further apart than this share a part. */
#define SAME_DUE_MS 1000

/* A recipient that goes on waiting. */
struct waiter {
	uint64_t due_ms;
	uint16_t index;
};

struct settling {
	struct ledger *ledger;
	const struct settlement *settlement;
	struct message *message;
	struct message_part part; /* the one that was attempted */
	/* By recipient of the message: what was said of it, or NULL. */
	const struct settlement_recipient **said;
	bool *is_touched;               /* likewise: was in the part */
	const char *relay, *host, *tls; /* of the record */
	struct waiter *waiters;
	unsigned waiter_count;
};

static int settling_begin(struct settling *settling, struct ledger *ledger,
                          const struct settlement *settlement);
static void settling_done(struct settling *settling);
static bool is_in_part(const struct settling *settling, unsigned index);
static void set_recipient(struct settling *settling, unsigned index);
static void note_report(struct message_recipient *recipient,
                        const struct settlement_recipient *said);
static void keep_reply(struct settling *settling,
                       struct message_recipient *recipient,
                       const struct verdict *verdict);
static void tell_story(struct settling *settling);
static void tell_unsigned(struct settling *settling);
static enum timeline_kind kind_of(const struct settlement_recipient *said);
static bool are_told_alike(const struct settlement_recipient *a,
                           const struct settlement_recipient *b);
static void add_entry(struct settling *settling,
                      const struct settlement_recipient *said,
                      const uint16_t *indexes, unsigned count);
static int feed_events(struct settling *settling);
static int write_recipients(struct settling *settling);
static int widen_filter(struct settling *settling);
static int place_waiters(struct settling *settling);
static int place_group(struct settling *settling, const struct waiter *first,
                       unsigned count);
static struct message_part *find_company(struct settling *settling,
                                         uint64_t due_ms);

int settle_apply(struct ledger *ledger, const struct settlement *settlement)
{
	struct settling settling = { 0 };
	enum message_state before;
	int r;

	r = settling_begin(&settling, ledger, settlement);
	if (r < 0)
		goto out;
	before = settling.message->state;
	for (unsigned i = 0; i < settling.message->recipient_count; i++)
		if (is_in_part(&settling, i))
			set_recipient(&settling, i);
	tell_story(&settling);
	r = part_remove(ledger, settling.message, &settling.part);
	if (r < 0)
		goto out;
	parts_drop(settling.message, settling.part.number);
	settling.message->crashes = 0;
	if (settlement->is_null_refused)
		settling.message->flags |= MESSAGE_NULL_REFUSED;
	r = place_waiters(&settling);
	if (r == 0)
		r = reports_schedule(ledger, settling.message);
	if (r == 0)
		r = write_recipients(&settling);
	if (r == 0)
		r = message_rows_write(ledger, settling.message, before);
	if (r == 0)
		r = feed_events(&settling);
	if (r == 0)
		r = widen_filter(&settling);
out:
	settling_done(&settling);
	return r;
}

static int settling_begin(struct settling *settling, struct ledger *ledger,
                          const struct settlement *settlement)
{
	const struct message_part *part;
	struct message *message;
	int r;

	settling->ledger = ledger;
	settling->settlement = settlement;
	/* The claim ends in any case. */
	ledger_notice(ledger, PART_NOW_SETTLED, settlement->id,
	              &(struct message_part){ .number = settlement->part });
	r = message_rows_read(&settling->message, ledger->txn, settlement->id,
	                      true);
	if (r < 0)
		return r;
	message = settling->message;
	part = message_find_part(message, settlement->part);
	if (part == NULL)
		return -ENOENT;
	settling->part = *part;
	ledger->notices[ledger->notice_count - 1].lane = part->lane;
	settling->relay = message_dup_text(message, settlement->relay);
	settling->host = message_dup_text(message, settlement->host);
	settling->tls = message_dup_text(message, settlement->tls);
	settling->waiters =
	    xcalloc(message->recipient_count, sizeof(*settling->waiters));
	settling->is_touched = xcalloc(message->recipient_count, sizeof(bool));
	settling->said = xcalloc(message->recipient_count,
	                         sizeof(const struct settlement_recipient *));
	for (unsigned i = 0; i < settlement->recipient_count; i++) {
		const struct settlement_recipient *said =
		    &settlement->recipients[i];

		if (said->index < message->recipient_count &&
		    is_in_part(settling, said->index))
			settling->said[said->index] = said;
	}
	return 0;
}

static void settling_done(struct settling *settling)
{
	message_free(settling->message);
	free(settling->waiters);
	free(settling->is_touched);
	/* C does not convert to void * what it points to deeper down. */
	free((void *)settling->said);
}

static bool is_in_part(const struct settling *settling, unsigned index)
{
	const struct message_recipient *recipient =
	    &settling->message->recipients[index];

	return recipient->state == RECIPIENT_WAITING &&
	       recipient->part == settling->part.number;
}

/* ------------------------------------------------------------- recipients */

static void set_recipient(struct settling *settling, unsigned index)
{
	struct message_recipient *recipient =
	    &settling->message->recipients[index];
	const struct settlement_recipient *said = settling->said[index];
	uint64_t due_ms = settling->ledger->now_ms;

	settling->is_touched[index] = true;
	if (part_is_in_doubt(settling->ledger, &settling->part))
		recipient->flags |= RECIPIENT_MAYBE_DUPLICATE;
	if (said != NULL) {
		if (said->is_charged && recipient->attempts < UINT16_MAX)
			recipient->attempts++;
		if (said->is_maybe_duplicate)
			recipient->flags |= RECIPIENT_MAYBE_DUPLICATE;
		keep_reply(settling, recipient, &said->verdict);
		recipient->state = said->state;
		note_report(recipient, said);
		if (said->due_ms > due_ms)
			due_ms = said->due_ms;
	}
	if (recipient->state == RECIPIENT_WAITING)
		settling->waiters[settling->waiter_count++] = (struct waiter){
			.due_ms = due_ms,
			.index = (uint16_t)index,
		};
}

/* What was owed before is told in the light of what is so now. */
static void note_report(struct message_recipient *recipient,
                        const struct settlement_recipient *said)
{
	bool was_owed = (recipient->flags & RECIPIENT_REPORT_OWED) != 0;
	bool is_waiting = said->state == RECIPIENT_WAITING;

	recipient->flags &= (uint8_t)~RECIPIENT_REPORT_OWED;
	if (said->is_report_owed || (was_owed && is_waiting))
		recipient->flags |= RECIPIENT_REPORT_OWED;
	if (said->is_report_owed && is_waiting)
		recipient->flags |= RECIPIENT_DELAY_TOLD;
	if (said->is_relay_fault)
		recipient->flags |= RECIPIENT_RELAY_FAULT;
}

static void keep_reply(struct settling *settling,
                       struct message_recipient *recipient,
                       const struct verdict *verdict)
{
	struct message_reply *reply = &recipient->reply;

	reply->code = verdict->code;
	memcpy(reply->enhanced, verdict->enhanced, sizeof(reply->enhanced));
	reply->text = message_dup_text(settling->message, verdict->text);
	reply->relay = settling->relay;
	reply->host = settling->host;
}

static int write_recipients(struct settling *settling)
{
	int r = 0;

	for (unsigned i = 0; i < settling->message->recipient_count; i++) {
		if (settling->is_touched[i])
			r = message_rows_write_recipient(settling->ledger,
			                                 settling->message, i);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A relay that isn't the lane's (fallback): the filter must not miss it. */
static int widen_filter(struct settling *settling)
{
	struct lane *lane;
	int r;

	if (settling->relay == NULL)
		return 0;
	r = lanes_find(settling->ledger, settling->part.lane, &lane);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (lane->key.relay == settings_relay_id(settling->relay))
		return 0;
	return filter_widen_relay(settling->ledger->filter,
	                          settling->ledger->txn, settling->message->id);
}

/* ------------------------------------------------------------------ story */

/* One entry for all that were told the same. */
static void tell_story(struct settling *settling)
{
	unsigned count = settling->message->recipient_count;
	uint16_t *indexes = xcalloc(count, sizeof(*indexes));
	bool *are_told = xcalloc(count, sizeof(*are_told));

	if (settling->settlement->has_lost_signature)
		tell_unsigned(settling);
	for (unsigned i = 0; i < count; i++) {
		const struct settlement_recipient *said = settling->said[i];
		unsigned alike = 0;

		if (said == NULL || are_told[i])
			continue;
		for (unsigned j = i; j < count; j++) {
			if (are_told[j] ||
			    !are_told_alike(said, settling->said[j]))
				continue;
			are_told[j] = true;
			indexes[alike++] = (uint16_t)j;
		}
		add_entry(settling, said, indexes, alike);
	}
	free(indexes);
	free(are_told);
}

/* Once a relay: each attempt at it sends the same. */
static void tell_unsigned(struct settling *settling)
{
	struct message *message = settling->message;
	struct timeline_entry entry = {
		.time_ms = settling->settlement->started_ms,
		.kind = TIMELINE_UNSIGNED,
		.is_for_all = true,
		.relay = settling->relay,
		.text = "its DKIM-Signature covers what this relay's settings "
			"change, and was left out",
	};

	for (unsigned i = 0; i < message->timeline_count; i++) {
		const struct timeline_entry *old = &message->timeline[i];

		if (old->kind == TIMELINE_UNSIGNED && old->relay != NULL &&
		    entry.relay != NULL && strcmp(old->relay, entry.relay) == 0)
			return;
	}
	story_add(message, &entry);
}

static enum timeline_kind kind_of(const struct settlement_recipient *said)
{
	switch (said->state) {
	case RECIPIENT_DELIVERED:
		return TIMELINE_DELIVERED;
	case RECIPIENT_FAILED:
		return TIMELINE_FAILED;
	case RECIPIENT_EXPIRED:
		return TIMELINE_EXPIRED;
	case RECIPIENT_CANCELLED:
		return TIMELINE_CANCELLED;
	case RECIPIENT_WAITING:
		break;
	}
	return said->verdict.class == VERDICT_UNKNOWN ? TIMELINE_UNKNOWN
	                                              : TIMELINE_DEFERRED;
}

static bool are_told_alike(const struct settlement_recipient *a,
                           const struct settlement_recipient *b)
{
	return b != NULL && kind_of(a) == kind_of(b) &&
	       a->is_charged == b->is_charged &&
	       a->verdict.code == b->verdict.code &&
	       a->verdict.phase == b->verdict.phase &&
	       a->verdict.scope == b->verdict.scope &&
	       memcmp(a->verdict.enhanced, b->verdict.enhanced,
	              sizeof(a->verdict.enhanced)) == 0 &&
	       strcmp(a->verdict.text, b->verdict.text) == 0;
}

static void add_entry(struct settling *settling,
                      const struct settlement_recipient *said,
                      const uint16_t *indexes, unsigned count)
{
	const struct settlement *settlement = settling->settlement;
	const struct verdict *verdict = &said->verdict;
	struct timeline_entry entry = {
		.time_ms = settlement->started_ms + settlement->duration_ms,
		.kind = kind_of(said),
		.phase = verdict->phase,
		.scope = verdict->scope,
		.is_charged = said->is_charged,
		.code = verdict->code,
		.duration_ms = settlement->duration_ms,
		.relay = settling->relay,
		.host = settling->host,
		.tls = settling->tls,
		.text = message_dup_text(settling->message, verdict->text),
	};

	memcpy(entry.enhanced, verdict->enhanced, sizeof(entry.enhanced));
	story_set_recipients(settling->message, &entry, indexes, count);
	story_add(settling->message, &entry);
}

/* One event a kind, not one a recipient. */
static int feed_events(struct settling *settling)
{
	uint32_t seen = 0;

	for (unsigned i = 0; i < settling->message->recipient_count; i++) {
		enum timeline_kind kind;
		int r;

		if (settling->said[i] == NULL)
			continue;
		kind = kind_of(settling->said[i]);
		if ((seen & 1u << kind) != 0)
			continue;
		seen |= 1u << kind;
		r = ledger_feed(settling->ledger, settling->message->id, kind);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ------------------------------------------------------ those that wait on */

static int compare_waiters(const void *a, const void *b)
{
	const struct waiter *x = a, *y = b;

	if (x->due_ms != y->due_ms)
		return x->due_ms < y->due_ms ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Groups of dues within a second, each due when its last one is. */
static int place_waiters(struct settling *settling)
{
	struct waiter *waiters = settling->waiters;
	unsigned first = 0;

	if (settling->waiter_count == 0)
		return 0;
	qsort(waiters, settling->waiter_count, sizeof(*waiters),
	      compare_waiters);
	for (unsigned i = 1; i <= settling->waiter_count; i++) {
		int r;

		if (i < settling->waiter_count &&
		    waiters[i].due_ms - waiters[first].due_ms <= SAME_DUE_MS)
			continue;
		r = place_group(settling, waiters + first, i - first);
		if (r < 0)
			return r;
		first = i;
	}
	return 0;
}

static int place_group(struct settling *settling, const struct waiter *first,
                       unsigned count)
{
	struct message *message = settling->message;
	uint64_t due_ms = first[count - 1].due_ms;
	struct message_part *part = find_company(settling, due_ms);
	bool is_new = part == NULL;

	if (is_new) {
		part = parts_add(message, settling->part.lane);
		part->due_ms = due_ms;
	}
	for (unsigned i = 0; i < count; i++) {
		struct message_recipient *recipient =
		    &message->recipients[first[i].index];

		recipient->part = part->number;
		if (recipient->attempts > part->attempts)
			part->attempts = recipient->attempts;
	}
	return is_new ? part_place(settling->ledger, message, part, false)
	              : part_rewrite(settling->ledger, message, part);
}

/*
 * Another part of the message in the same lane, due at the same time and that
 * far ahead that nobody can have claimed it: they go on as one.
 */
static struct message_part *find_company(struct settling *settling,
                                         uint64_t due_ms)
{
	struct message *message = settling->message;

	if (due_ms <= settling->ledger->now_ms + 2 * SAME_DUE_MS)
		return NULL;
	for (unsigned i = 0; i < message->part_count; i++) {
		struct message_part *part = &message->parts[i];

		if (part->lane == settling->part.lane &&
		    part->place == PART_SCHED &&
		    part->due_ms + SAME_DUE_MS >= due_ms &&
		    part->due_ms <= due_ms + SAME_DUE_MS)
			return part;
	}
	return NULL;
}
