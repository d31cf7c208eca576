#include "config.h"

#include "deliver/bounce.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "deliver/contents.h"
#include "deliver/notice.h"
#include "deliver/prose.h"
#include "header.h"
#include "queue/queue.h"
#include "queue/report.h"
#include "quoted_printable.h"
#include "runtime/xalloc.h"
#include "settings.h"
#include "uuid.h"

/* Of a longer header only the first fields are returned. */
#define HEADER_RETURNED_MAX (64 * 1024)
/* RFC 5322 2.1.1 */
#define LINE_MAX_OCTETS 998

struct parts {
	const struct bounce *bounce;
	const char *to;
	bool is_utf8; /* the form of RFC 6533 */
	bool is_8bit; /* some part is */
	char boundary[UUID_SIZE + 8];
	struct buffer body;
};

static char *subject_of(const struct bounce *bounce);
static void add_part(struct parts *parts, const char *type,
                     const char *description);
static void add_text_part(struct parts *parts);
static void add_status_part(struct parts *parts);
static void add_original(struct parts *parts);
static bool has_long_line(const char *text, size_t len);
static bool is_whole_wanted(const struct parts *parts);
static bool add_whole(struct parts *parts);
static void add_header_part(struct parts *parts);
static void add_encoded(struct parts *parts, const struct buffer *text);

const char *bounce_address(const struct settings *settings,
                           const struct message *message)
{
	return settings->bounces.to != NULL ? settings->bounces.to
	                                    : message->sender;
}

struct submission *bounce_make(const struct bounce *bounce)
{
	const struct message *message = bounce->message;
	struct parts parts = {
		.bounce = bounce,
		.to = bounce_address(bounce->settings, message),
	};
	struct notice notice = {
		.settings = bounce->settings,
		.to = parts.to,
		.in_reply_to = message->message_id,
		.uid = message->uid,
		.gid = message->gid,
		.now_ms = bounce->now_ms,
	};
	char *subject = subject_of(bounce);
	char uuid[UUID_SIZE];
	struct submission *submission;
	char *mime;

	if (uuid_v7_make(bounce->now_ms, uuid) < 0)
		abort(); /* getrandom(2) does not fail once it has worked */
	strcpy(parts.boundary, "report-");
	strcat(parts.boundary, uuid);
	parts.is_utf8 = prose_is_8bit(parts.to, strlen(parts.to));
	buffer_init(&parts.body, 0);
	add_text_part(&parts);
	add_status_part(&parts);
	add_original(&parts);
	prose_add(&parts.body, "\r\n--%s--\r\n", parts.boundary);
	notice.flags =
	    (parts.is_utf8 ? MESSAGE_SMTPUTF8 : 0) |
	    (parts.is_8bit ? MESSAGE_8BIT | MESSAGE_8BIT_DECLARED : 0);
	notice.subject = subject;
	mime = xasprintf("Content-Type: multipart/report; "
	                 "report-type=%sdelivery-status;\r\n"
	                 "\tboundary=\"%s\"\r\n%s",
	                 parts.is_utf8 ? "global-" : "", parts.boundary,
	                 parts.is_8bit ? "Content-Transfer-Encoding: 8bit\r\n"
	                               : "");
	notice.mime = mime;
	submission = notice_make(&notice, &parts.body);
	buffer_done(&parts.body);
	free(subject);
	free(mime);
	return submission;
}

/* What is worst names the report. */
static char *subject_of(const struct bounce *bounce)
{
	const char *what = "Delivered";
	struct header_field field;
	struct buffer text;
	char *subject = NULL;
	char *whole;

	for (unsigned i = 0; i < bounce->count; i++) {
		enum recipient_state state = bounce->recipients[i].state;

		if (state == RECIPIENT_WAITING)
			what = "Delayed";
		if (state == RECIPIENT_FAILED || state == RECIPIENT_EXPIRED) {
			what = "Undelivered";
			break;
		}
	}
	buffer_init(&text, 0);
	if (bounce->header != NULL &&
	    header_find(bounce->header, bounce->header_len, "Subject",
	                &field) &&
	    header_unfold(&field, &text) == 0)
		(void)buffer_take(&text, &subject, NULL);
	if (subject != NULL && *subject != '\0')
		whole = xasprintf("%s: %s", what, subject);
	else
		whole = xasprintf("%s mail", what);
	buffer_done(&text);
	free(subject);
	return whole;
}

static void add_part(struct parts *parts, const char *type,
                     const char *description)
{
	prose_add(&parts->body,
	          "\r\n--%s\r\nContent-Type: %s\r\nContent-Description: %s\r\n",
	          parts->boundary, type, description);
}

static void add_text_part(struct parts *parts)
{
	struct buffer text;

	buffer_init(&text, 0);
	bounce_add_text(&text, parts->bounce);
	if (prose_is_8bit(text.data, text.len)) {
		add_part(parts, "text/plain; charset=utf-8", "Notification");
		add_encoded(parts, &text);
	} else {
		add_part(parts, "text/plain; charset=us-ascii", "Notification");
		prose_add(&parts->body, "\r\n%.*s", (int)text.len, text.data);
	}
	buffer_done(&text);
}

static void add_status_part(struct parts *parts)
{
	if (parts->is_utf8) {
		add_part(parts, "message/global-delivery-status",
		         "Delivery report");
		prose_add(&parts->body,
		          "Content-Transfer-Encoding: 8bit\r\n\r\n");
		parts->is_8bit = true;
	} else {
		add_part(parts, "message/delivery-status", "Delivery report");
		prose_add(&parts->body, "\r\n");
	}
	bounce_add_status(&parts->body, parts->bounce, parts->is_utf8);
}

/* ----------------------------------------------------------- the original */

static void add_original(struct parts *parts)
{
	if (parts->bounce->header == NULL)
		return;
	if (is_whole_wanted(parts) && add_whole(parts))
		return;
	add_header_part(parts);
}

/* What made a relay refuse the message would have it refuse the report, too. */
static bool has_long_line(const char *text, size_t len)
{
	const char *end;

	while (len > LINE_MAX_OCTETS) {
		end = memmem(text, len, "\r\n", 2);
		if (end == NULL || end - text > LINE_MAX_OCTETS)
			return true;
		len -= (size_t)(end + 2 - text);
		text = end + 2;
	}
	return false;
}

/*
 * RFC 3461 6.2: only for failures. To another address than the sender's goes
 * what an administrator needs, and not what somebody wrote.
 */
static bool is_whole_wanted(const struct parts *parts)
{
	const struct bounce *bounce = parts->bounce;
	const struct settings_bounces *settings = &bounce->settings->bounces;

	if (bounce->contents == NULL || settings->to != NULL ||
	    (bounce->message->flags &
	     (MESSAGE_RET_HDRS | MESSAGE_LONG_LINES)) != 0 ||
	    has_long_line(bounce->header, bounce->header_len) ||
	    bounce->message->size > settings->content_bytes)
		return false;
	for (unsigned i = 0; i < bounce->count; i++) {
		enum recipient_state state = bounce->recipients[i].state;

		if (state == RECIPIENT_FAILED || state == RECIPIENT_EXPIRED)
			return true;
	}
	return false;
}

static bool add_whole(struct parts *parts)
{
	const struct bounce *bounce = parts->bounce;
	struct buffer whole;
	const char *data;
	size_t len;
	int r;

	buffer_init(&whole, 0);
	r = buffer_append(&whole, bounce->header, bounce->header_len);
	if (r == 0)
		r = buffer_append(&whole, "\r\n", 2);
	do {
		len = 0;
		if (r == 0)
			r = contents_read(bounce->contents, &data, &len);
		if (r == 0)
			r = buffer_append(&whole, data, len);
	} while (r == 0 && len > 0);
	if (r == 0 && prose_is_8bit(bounce->header, bounce->header_len)) {
		/* RFC 6532 3.7: may be encoded, unlike message/rfc822. */
		add_part(parts, "message/global", "Undelivered message");
		add_encoded(parts, &whole);
	} else if (r == 0) {
		add_part(parts, "message/rfc822", "Undelivered message");
		if (prose_is_8bit(whole.data, whole.len)) {
			prose_add(&parts->body,
			          "Content-Transfer-Encoding: 8bit\r\n");
			parts->is_8bit = true;
		}
		prose_add(&parts->body, "\r\n");
		r = buffer_append(&parts->body, whole.data, whole.len);
		if (r < 0)
			abort();
	}
	buffer_done(&whole);
	return r == 0;
}

static void add_header_part(struct parts *parts)
{
	const struct bounce *bounce = parts->bounce;
	struct header_field field;
	struct header_walk walk;
	struct buffer text;
	size_t len = 0;

	header_walk_init(&walk, bounce->header, bounce->header_len);
	while (header_walk_next(&walk, &field)) {
		size_t end =
		    (size_t)(field.raw + field.raw_len - bounce->header);

		if (end > HEADER_RETURNED_MAX)
			break;
		len = end;
	}
	buffer_init(&text, 0);
	if (buffer_append(&text, bounce->header, len) < 0)
		abort();
	if (prose_is_8bit(text.data, text.len)) {
		add_part(parts, "message/global-headers", "Message header");
		add_encoded(parts, &text);
	} else if (has_long_line(text.data, text.len)) {
		/* RFC 6522 4: this part may be encoded. */
		add_part(parts, "text/rfc822-headers", "Message header");
		add_encoded(parts, &text);
	} else {
		add_part(parts, "text/rfc822-headers", "Message header");
		prose_add(&parts->body, "\r\n");
		if (buffer_append(&parts->body, text.data, text.len) < 0)
			abort();
	}
	buffer_done(&text);
}

static void add_encoded(struct parts *parts, const struct buffer *text)
{
	prose_add(&parts->body,
	          "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
	if (quoted_printable_append(&parts->body, text->data, text->len) < 0)
		abort();
}

/* ------------------------------------------------------------------ delays */

static bool value_is(const char *header, size_t len, const char *name,
                     const char *const *values)
{
	struct header_field field;

	if (!header_find(header, len, name, &field))
		return false;
	for (; *values != NULL; values++) {
		size_t value_len = strlen(*values);
		const char *body = field.body;
		size_t left = field.body_len;

		while (left > 0 && (*body == ' ' || *body == '\t')) {
			body++;
			left--;
		}
		if (left >= value_len &&
		    strncasecmp(body, *values, value_len) == 0)
			return true;
	}
	return false;
}

bool bounce_suppresses_delay(const char *header, size_t header_len)
{
	static const char *const bulk[] = { "bulk", "list", "junk", NULL };
	static const char *const automatic[] = { "auto-", NULL };
	struct header_field field;

	return header_find(header, header_len, "List-Id", &field) ||
	       value_is(header, header_len, "Precedence", bulk) ||
	       value_is(header, header_len, "Auto-Submitted", automatic);
}
