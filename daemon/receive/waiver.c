#include "config.h"

#include "receive/waiver.h"

#include <stdlib.h>

#include "queue/report.h"
#include "runtime/xalloc.h"

static void on_done(struct letter *letter)
{
	report_free(LETTER_OF(letter, struct report, job.letter));
}

static bool is_owed(const struct message_recipient *recipient)
{
	return (recipient->flags & RECIPIENT_REPORT_OWED) != 0;
}

static bool has_failed(const struct message_recipient *recipient)
{
	return recipient->state == RECIPIENT_FAILED ||
	       recipient->state == RECIPIENT_EXPIRED;
}

void waiver_post(struct queue *queue, struct mailbox *home,
                 const struct message *message, bool is_each)
{
	struct reported *list;
	struct report *report;
	unsigned count = 0, i;

	list = xcalloc(message->recipient_count, sizeof(*list));
	for (i = 0; i < message->recipient_count; i++) {
		const struct message_recipient *recipient =
		    &message->recipients[i];

		if (!has_failed(recipient) && !is_each)
			goto out;
		if (has_failed(recipient) && is_owed(recipient))
			list[count++] =
			    (struct reported){ (uint16_t)i, recipient->state };
	}
	if (count == 0)
		goto out;
	report = report_new();
	report_add_subject(report, message->id, message->report_ms, list,
	                   count);
	report->job.home = home;
	report->job.on_done = on_done;
	queue_post_take(queue, &report->job);
out:
	free(list);
}
