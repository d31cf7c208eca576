#include "config.h"

#include "control/resend.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "clock.h"
#include "queue/queue.h"
#include "queue/route.h"
#include "settings.h"

static bool has_failed(const struct message_recipient *recipient);
static void copy_message(struct message *into, const struct message *from);
static void copy_recipients(struct message *into, const struct message *from);

int resend_prepare(struct change *change, struct queue_reader *reader,
                   const struct settings *settings)
{
	struct message *message = NULL;
	struct submission *submission;
	int r;

	r = queue_read_message(reader, change->id, &message);
	if (r < 0)
		return r;
	submission = submission_new();
	copy_message(submission->message, message);
	copy_recipients(submission->message, message);
	if (submission->message->recipient_count == 0 ||
	    message->body_id == 0) {
		submission_free(submission);
		r = -EALREADY;
	} else {
		submission->shared_body_id = message->body_id;
		route_submission(submission, settings, 0);
		change->submission = submission;
	}
	message_free(message);
	return r;
}

const char *resend_obstacle(const struct message *message)
{
	for (unsigned i = 0; i < message->recipient_count; i++)
		if (has_failed(&message->recipients[i]))
			return "no longer kept whole";
	return "refused by nobody";
}

static bool has_failed(const struct message_recipient *recipient)
{
	return recipient->state == RECIPIENT_FAILED ||
	       recipient->state == RECIPIENT_EXPIRED;
}

/* The same message: with its Message-ID, and without its key. */
static void copy_message(struct message *into, const struct message *from)
{
	into->flags = from->flags & ~(MESSAGE_BODY_GONE | MESSAGE_AWAITED |
	                              MESSAGE_TELLS_DELAY);
	into->priority = from->priority;
	into->uid = from->uid;
	into->gid = from->gid;
	into->submitted_ms = (uint64_t)clock_wall_ms();
	into->header_len = from->header_len;
	into->size = from->size;
	into->sender = message_dup_text(into, from->sender);
	into->envelope_id = message_dup_text(into, from->envelope_id);
	into->tag = message_dup_text(into, from->tag);
	into->meta = message_dup_text(into, from->meta);
	into->message_id = message_dup_text(into, from->message_id);
	into->helo = message_dup_text(into, from->helo);
}

static void copy_recipients(struct message *into, const struct message *from)
{
	into->recipients = message_allocate(
	    into, from->recipient_count * sizeof(*into->recipients));
	for (unsigned i = 0; i < from->recipient_count; i++) {
		const struct message_recipient *recipient =
		    &from->recipients[i];

		if (!has_failed(recipient))
			continue;
		into->recipients[into->recipient_count++] =
		    (struct message_recipient){
			    .address =
				message_dup_text(into, recipient->address),
			    .original =
				message_dup_text(into, recipient->original),
			    .flags = recipient->flags & RECIPIENT_HAS_NOTIFY,
			    .notify = recipient->notify,
		    };
	}
}
