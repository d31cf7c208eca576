#include "config.h"

#include "deliver/notice.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "deliver/phrase.h"
#include "deliver/prose.h"
#include "queue/queue.h"
#include "queue/route.h"
#include "quoted_printable.h"
#include "runtime/xalloc.h"
#include "settings.h"
#include "uuid.h"

/* A subject that answers another is cut there. */
#define SUBJECT_MAX 300

static void add_header(struct buffer *header, const struct notice *notice,
                       const char *message_id);
static char *make_message_id(const struct notice *notice);
static void add_subject(struct buffer *header, const char *subject);
static struct body_chunk *cut(const struct buffer *body);

struct submission *notice_make(const struct notice *notice,
                               const struct buffer *body)
{
	const char *from = notice->settings->bounces.from;
	struct submission *submission = submission_new();
	struct message *message = submission->message;
	char *message_id = make_message_id(notice);
	struct buffer header;

	buffer_init(&header, 0);
	add_header(&header, notice, message_id);
	message->flags = MESSAGE_IS_BOUNCE | notice->flags;
	message->priority = PRIORITY_NORMAL;
	message->uid = notice->uid;
	message->gid = notice->gid;
	message->submitted_ms = (uint64_t)notice->now_ms;
	message->sender = message_dup_text(message, from == NULL ? "" : from);
	message->message_id = message_dup_text(message, message_id);
	message->recipients =
	    message_allocate(message, sizeof(*message->recipients));
	message->recipients[0] = (struct message_recipient){
		.address = message_dup_text(message, notice->to),
		/* RFC 3461 6.2: nobody is told about this one. */
		.flags = RECIPIENT_HAS_NOTIFY,
		.notify = NOTIFY_NEVER,
	};
	message->recipient_count = 1;
	message->size = header.len + 2 + body->len;
	submission->body = cut(body);
	if (buffer_take(&header, &submission->header, &submission->header_len) <
	    0)
		abort();
	route_submission(submission, notice->settings, 0);
	buffer_done(&header);
	free(message_id);
	return submission;
}

static char *make_message_id(const struct notice *notice)
{
	char uuid[UUID_SIZE];

	if (uuid_v7_make(notice->now_ms, uuid) < 0)
		abort(); /* getrandom(2) does not fail once it has worked */
	return xasprintf("<%s@%s>", uuid, notice->settings->hostname);
}

static void add_header(struct buffer *header, const struct notice *notice,
                       const char *message_id)
{
	const struct settings *settings = notice->settings;
	char date[CLOCK_RFC5322_SIZE];

	clock_format_rfc5322(notice->now_ms, clock_zone_minutes(notice->now_ms),
	                     date);
	prose_add(header, "From: Mail Delivery System <");
	if (settings->bounces.from != NULL)
		prose_add(header, "%s>\r\n", settings->bounces.from);
	else
		prose_add(header, "MAILER-DAEMON@%s>\r\n", settings->domain);
	prose_add(header, "To: <%s>\r\n", notice->to);
	add_subject(header, notice->subject);
	prose_add(header, "Date: %s\r\n", date);
	prose_add(header, "Message-ID: %s\r\n", message_id);
	/* RFC 3834 5: an answer by a machine. */
	prose_add(header, "Auto-Submitted: auto-replied\r\n");
	if (notice->in_reply_to != NULL)
		prose_add(header, "In-Reply-To: %s\r\nReferences: %s\r\n",
		          notice->in_reply_to, notice->in_reply_to);
	prose_add(header, "MIME-Version: 1.0\r\n%s", notice->mime);
}

static void add_subject(struct buffer *header, const char *subject)
{
	char text[SUBJECT_MAX + 1];
	size_t len = strlen(subject);

	if (len > SUBJECT_MAX) {
		len = SUBJECT_MAX;
		/* Not within a character. */
		while (len > 0 && ((unsigned char)subject[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(text, subject, len);
	text[len] = '\0';
	prose_add(header, "Subject: ");
	if (phrase_append_text(header, text) < 0)
		abort();
	prose_add(header, "\r\n");
}

static struct body_chunk *cut(const struct buffer *body)
{
	struct body_chunk *first = NULL, **end = &first;

	for (size_t at = 0; at < body->len;) {
		size_t len = body->len - at;

		if (len > BODY_PIECE_MAX)
			len = BODY_PIECE_MAX;
		*end = body_chunk_new((uint32_t)len);
		if (*end == NULL)
			abort();
		memcpy((*end)->data, body->data + at, len);
		(*end)->len = (uint32_t)len;
		end = &(*end)->next;
		at += len;
	}
	return first;
}

struct submission *notice_make_text(const struct notice *notice,
                                    const struct buffer *text)
{
	struct notice whole = *notice;
	struct submission *submission;
	struct buffer encoded;

	whole.mime = "Content-Type: text/plain; charset=us-ascii\r\n";
	if (!prose_is_8bit(text->data, text->len))
		return notice_make(&whole, text);
	whole.mime = "Content-Type: text/plain; charset=utf-8\r\n"
		     "Content-Transfer-Encoding: quoted-printable\r\n";
	buffer_init(&encoded, 0);
	if (quoted_printable_append(&encoded, text->data, text->len) < 0)
		abort();
	submission = notice_make(&whole, &encoded);
	buffer_done(&encoded);
	return submission;
}
