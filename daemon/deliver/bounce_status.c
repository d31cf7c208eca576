/*
 * bounce_status - the part of a report that machines read (RFC 3464, RFC 6533)
 */
#include "config.h"

#include "deliver/bounce.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "clock.h"
#include "deliver/prose.h"
#include "queue/queue.h"
#include "queue/report.h"
#include "queue_id.h"
#include "settings.h"
#include "smtp/xtext.h"

/* Well below the 998 octets of RFC 5322 2.1.1. */
#define FOLD_OCTETS 700

static void add_message_fields(struct buffer *into,
                               const struct bounce *bounce);
static void add_recipient_fields(struct buffer *into,
                                 const struct bounce *bounce, unsigned index,
                                 bool is_utf8);
static void add_address(struct buffer *into, const char *address, bool is_utf8);
static void add_original(struct buffer *into, const char *original,
                         bool is_utf8);
static const char *action_of(const struct bounce *bounce,
                             const struct message_recipient *recipient);
static void add_status(struct buffer *into,
                       const struct message_recipient *recipient);
static void add_remote(struct buffer *into,
                       const struct message_recipient *recipient);
static void add_date(struct buffer *into, const char *field, int64_t time_ms);
static void add_clean(struct buffer *into, const char *text, bool is_utf8);

void bounce_add_status(struct buffer *into, const struct bounce *bounce,
                       bool is_utf8)
{
	add_message_fields(into, bounce);
	for (unsigned i = 0; i < bounce->count; i++)
		add_recipient_fields(into, bounce, bounce->recipients[i].index,
		                     is_utf8);
}

static void add_message_fields(struct buffer *into, const struct bounce *bounce)
{
	const struct message *message = bounce->message;
	char id[QUEUE_ID_SIZE];

	queue_id_format(message->id, id);
	prose_add(into, "Reporting-MTA: dns; %s\r\n",
	          bounce->settings->hostname);
	if (message->envelope_id != NULL) {
		prose_add(into, "Original-Envelope-Id: ");
		add_clean(into, message->envelope_id, false);
	}
	add_date(into, "Arrival-Date", (int64_t)message->submitted_ms);
	prose_add(into, "X-Relais-Queue-Id: %s\r\n", id);
}

static void add_recipient_fields(struct buffer *into,
                                 const struct bounce *bounce, unsigned index,
                                 bool is_utf8)
{
	const struct message *message = bounce->message;
	const struct message_recipient *recipient = &message->recipients[index];
	const struct timeline_entry *attempt =
	    bounce_last_attempt(message, index);
	const struct message_reply *reply = &recipient->reply;
	int64_t end_ms = (int64_t)message->submitted_ms +
	                 (int64_t)bounce->settings->retry.expire_s * 1000;

	prose_add(into, "\r\n");
	if (recipient->original != NULL)
		add_original(into, recipient->original, is_utf8);
	prose_add(into, "Final-Recipient: ");
	add_address(into, recipient->address, is_utf8);
	prose_add(into, "Action: %s\r\n", action_of(bounce, recipient));
	add_status(into, recipient);
	add_remote(into, recipient);
	if (reply->text != NULL && reply->code != 0) {
		prose_add(into, "Diagnostic-Code: smtp; %u ", reply->code);
		if (reply->enhanced[0] != 0)
			prose_add(into, "%u.%u.%u ", reply->enhanced[0],
			          reply->enhanced[1], reply->enhanced[2]);
		add_clean(into, reply->text, is_utf8);
	} else if (reply->text != NULL) {
		prose_add(into, "Diagnostic-Code: x-relais; ");
		add_clean(into, reply->text, is_utf8);
	}
	if (attempt != NULL)
		add_date(into, "Last-Attempt-Date", (int64_t)attempt->time_ms);
	if (recipient->state == RECIPIENT_WAITING)
		add_date(into, "Will-Retry-Until", end_ms);
}

/* RFC 6533 3: in ASCII, \x{…} stands for what is not. */
static void add_address(struct buffer *into, const char *address, bool is_utf8)
{
	if (!prose_is_8bit(address, strlen(address))) {
		prose_add(into, "rfc822; %s\r\n", address);
		return;
	}
	prose_add(into, "utf-8; ");
	add_clean(into, address, is_utf8);
}

/* "rfc822;bob+40example.net", as it came; a queue of other hands may have
 * given it, so only what decodes well is told. */
static void add_original(struct buffer *into, const char *original,
                         bool is_utf8)
{
	const char *value = strchr(original, ';');
	char decoded[2 * ADDRESS_SIZE];
	size_t len;

	if (value == NULL)
		return;
	len = strlen(value + 1);
	if (len >= sizeof(decoded) || xtext_decode(value + 1, len, decoded) < 0)
		return;
	prose_add(into, "Original-Recipient: %.*s; ", (int)(value - original),
	          original);
	add_clean(into, decoded, is_utf8);
}

static const char *action_of(const struct bounce *bounce,
                             const struct message_recipient *recipient)
{
	const struct relay_settings *relay = NULL;

	switch (recipient->state) {
	case RECIPIENT_WAITING:
		return "delayed";
	case RECIPIENT_DELIVERED:
		break;
	case RECIPIENT_FAILED:
	case RECIPIENT_EXPIRED:
	case RECIPIENT_CANCELLED:
		return "failed";
	}
	if (recipient->reply.relay != NULL)
		relay = settings_find_relay_by_name(bounce->settings,
		                                    recipient->reply.relay);
	/* A mailbox is the end of the way; a relay is not. */
	return relay != NULL && (relay->kind == RELAY_MAILDIR ||
	                         relay->kind == RELAY_LMTP)
	           ? "delivered"
	           : "relayed";
}

static void add_status(struct buffer *into,
                       const struct message_recipient *recipient)
{
	const uint16_t *enhanced = recipient->reply.enhanced;
	unsigned class = 5;

	if (recipient->state == RECIPIENT_WAITING)
		class = 4;
	if (recipient->state == RECIPIENT_DELIVERED)
		class = 2;
	/* Replies contradict themselves; the action doesn't. */
	if (enhanced[0] != 0)
		prose_add(into, "Status: %u.%u.%u\r\n", class, enhanced[1],
		          enhanced[2]);
	else
		prose_add(into, "Status: %u.0.0\r\n", class);
}

/* The host as it was tried: a name, or an address in brackets. */
static void add_remote(struct buffer *into,
                       const struct message_recipient *recipient)
{
	const char *host = recipient->reply.host;
	const char *colon;
	size_t len;

	if (host == NULL || recipient->reply.code == 0)
		return;
	colon = strrchr(host, ':');
	len = colon != NULL ? (size_t)(colon - host) : strlen(host);
	if (len > 0 && host[0] != '[' &&
	    (strspn(host, "0123456789.") == len ||
	     memchr(host, ':', len) != NULL))
		prose_add(into, "Remote-MTA: dns; [%.*s]\r\n", (int)len, host);
	else if (len > 0)
		prose_add(into, "Remote-MTA: dns; %.*s\r\n", (int)len, host);
}

static void add_date(struct buffer *into, const char *field, int64_t time_ms)
{
	char date[CLOCK_RFC5322_SIZE];

	clock_format_rfc5322(time_ms, clock_zone_minutes(time_ms), date);
	prose_add(into, "%s: %s\r\n", field, date);
}

/* The rest of a line, ended: nothing can begin another field. Texts in other
 * scripts grow up to sixfold. */
static void add_clean(struct buffer *into, const char *text, bool is_utf8)
{
	size_t start = into->len;

	while (*text != '\0') {
		unsigned char c = (unsigned char)*text;
		unsigned more = c >= 0xf0   ? 3
		                : c >= 0xe0 ? 2
		                : c >= 0xc0 ? 1
		                            : 0;
		unsigned long code = c;

		if (into->len - start > FOLD_OCTETS && (c & 0xc0) != 0x80) {
			prose_add(into, "\r\n ");
			start = into->len;
		}
		if (c < ' ' || c == 127)
			code = ' ';
		if (is_utf8 || c < 128) {
			prose_add(into, "%c", (int)code);
			text++;
			continue;
		}
		code &= more == 3 ? 0x07 : more == 2 ? 0x0f : 0x1f;
		text++;
		while (more-- > 0 && ((unsigned char)*text & 0xc0) == 0x80)
			code = code << 6 | ((unsigned char)*text++ & 0x3f);
		prose_add(into, "\\x{%lX}", code);
	}
	prose_add(into, "\r\n");
}
