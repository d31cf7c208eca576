#include "config.h"

#include "queue/reports.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "queue/bigendian.h"
#include "queue/ledger.h"
#include "queue/message_rows.h"
#include "queue/story.h"
#include "queue/submit.h"
#include "queue_id.h"
#include "runtime/xalloc.h"

/* Whoever waits for the outcome hears it first, and needs no report then. */
#define ENDED_MS 1000

static uint64_t due_of(const struct ledger *ledger,
                       const struct message *message);
static void report_key_put(unsigned char key[REPORT_KEY_SIZE], uint64_t due_ms,
                           uint64_t id);
static int drop_row(struct ledger *ledger, uint64_t due_ms, uint64_t id);
static int check_subject(struct ledger *ledger,
                         const struct report_subject *subject);
static int tell_subject(struct ledger *ledger, const struct report *report,
                        const struct report_subject *subject);
static int clear_marks(struct ledger *ledger, const struct report *report,
                       const struct report_subject *subject,
                       struct message *message);
static void add_entry(struct message *message, uint64_t time_ms,
                      const struct submission *submission,
                      const struct report_subject *subject);

/* ------------------------------------------------------------------ owing */

bool reports_are_owed(const struct message *message)
{
	for (unsigned i = 0; i < message->recipient_count; i++)
		if ((message->recipients[i].flags & RECIPIENT_REPORT_OWED) != 0)
			return true;
	return false;
}

int reports_schedule(struct ledger *ledger, struct message *message)
{
	unsigned char key[REPORT_KEY_SIZE];
	uint64_t due_ms = due_of(ledger, message);
	int r = 0;

	if (due_ms == message->report_ms)
		return 0;
	if (message->report_ms != 0)
		r = drop_row(ledger, message->report_ms, message->id);
	if (r < 0)
		return r;
	message->report_ms = due_ms;
	if (due_ms == 0)
		return 0;
	ledger->has_reports = true;
	report_key_put(key, due_ms, message->id);
	return store_put(ledger->txn, TABLE_REPORT, key, sizeof(key), "", 0);
}

static uint64_t due_of(const struct ledger *ledger,
                       const struct message *message)
{
	const struct ledger_limits *limits = &ledger->limits;
	bool is_owed = false, is_summary = true;
	uint64_t due_ms;

	for (unsigned i = 0; i < message->recipient_count; i++) {
		uint8_t flags = message->recipients[i].flags;

		if ((flags & RECIPIENT_REPORT_OWED) == 0)
			continue;
		is_owed = true;
		if ((flags & RECIPIENT_RELAY_FAULT) == 0)
			is_summary = false;
	}
	if (!is_owed)
		return 0;
	/* All that ends within one such time has the same due. */
	if (is_summary && limits->summary_ms > 0)
		due_ms = (ledger->now_ms / limits->summary_ms + 1) *
		         limits->summary_ms;
	else if (message_state_of(message) != MESSAGE_QUEUED &&
	         limits->gather_ms > ENDED_MS)
		due_ms = ledger->now_ms + ENDED_MS;
	else
		due_ms = ledger->now_ms + limits->gather_ms;
	return message->report_ms != 0 && message->report_ms < due_ms
	           ? message->report_ms
	           : due_ms;
}

static void report_key_put(unsigned char key[REPORT_KEY_SIZE], uint64_t due_ms,
                           uint64_t id)
{
	be64_put(key, due_ms);
	be64_put(key + 8, id);
}

static int drop_row(struct ledger *ledger, uint64_t due_ms, uint64_t id)
{
	unsigned char key[REPORT_KEY_SIZE];
	int r;

	report_key_put(key, due_ms, id);
	r = store_delete(ledger->txn, TABLE_REPORT, key, sizeof(key));
	return r == -ENOENT ? 0 : r;
}

/* ---------------------------------------------------------------- telling */

/* Nothing is written before all of it is found to be as the report says. */
int report_apply(struct ledger *ledger, struct report *report)
{
	int r = 0;

	for (unsigned i = 0; i < report->subject_count && r == 0; i++)
		r = check_subject(ledger, &report->subjects[i]);
	if (r == 0 && report->submission != NULL)
		r = submit_apply(ledger, report->submission);
	for (unsigned i = 0; i < report->subject_count && r == 0; i++)
		r = tell_subject(ledger, report, &report->subjects[i]);
	return r;
}

/* One that is gone or damaged has nothing to be told: its row goes. */
static int check_subject(struct ledger *ledger,
                         const struct report_subject *subject)
{
	struct message *message = NULL;
	int r;

	r = message_rows_read(&message, ledger->txn, subject->id, false);
	if (r < 0)
		return r == -ENOENT || r == -EBADMSG ? 0 : r;
	for (unsigned i = 0; i < subject->count; i++) {
		const struct reported *reported = &subject->recipients[i];
		const struct message_recipient *recipient;

		assert(reported->index < message->recipient_count);
		recipient = &message->recipients[reported->index];
		if ((recipient->flags & RECIPIENT_REPORT_OWED) == 0 ||
		    recipient->state != reported->state)
			r = -ESTALE;
	}
	message_free(message);
	return r;
}

static int tell_subject(struct ledger *ledger, const struct report *report,
                        const struct report_subject *subject)
{
	struct message *message = NULL;
	int r;

	r = message_rows_read(&message, ledger->txn, subject->id, true);
	if (r == -ENOENT || r == -EBADMSG)
		return drop_row(ledger, subject->due_ms, subject->id);
	if (r < 0)
		return r;
	r = clear_marks(ledger, report, subject, message);
	/* A row that the record does not know of, or that is of the past. */
	if (r == 0 && message->report_ms != subject->due_ms)
		r = drop_row(ledger, subject->due_ms, subject->id);
	message_free(message);
	return r;
}

static int clear_marks(struct ledger *ledger, const struct report *report,
                       const struct report_subject *subject,
                       struct message *message)
{
	int r = 0;

	for (unsigned i = 0; i < subject->count && r == 0; i++) {
		unsigned index = subject->recipients[i].index;

		message->recipients[index].flags &=
		    (uint8_t)~RECIPIENT_REPORT_OWED;
		r = message_rows_write_recipient(ledger, message, index);
	}
	if (r == 0 && message->report_ms == subject->due_ms) {
		r = drop_row(ledger, subject->due_ms, subject->id);
		message->report_ms = 0;
	}
	if (r == 0)
		r = reports_schedule(ledger, message);
	if (r == 0 && report->submission != NULL && subject->count > 0) {
		add_entry(message, ledger->wall_ms, report->submission,
		          subject);
		r = ledger_feed(ledger, message->id, TIMELINE_BOUNCED);
	}
	return r < 0 ? r : message_rows_write(ledger, message, message->state);
}

static void add_entry(struct message *message, uint64_t time_ms,
                      const struct submission *submission,
                      const struct report_subject *subject)
{
	struct timeline_entry entry = {
		.time_ms = time_ms,
		.kind = TIMELINE_BOUNCED,
	};
	uint16_t *indexes = xcalloc(subject->count, sizeof(*indexes));
	char id[QUEUE_ID_SIZE];
	char *text;

	queue_id_format(submission->id, id);
	text = xasprintf("told %s by message %s",
	                 submission->message->recipients[0].address, id);
	entry.text = message_dup_text(message, text);
	free(text);
	for (unsigned i = 0; i < subject->count; i++)
		indexes[i] = subject->recipients[i].index;
	story_set_recipients(message, &entry, indexes, subject->count);
	free(indexes);
	story_add(message, &entry);
}
