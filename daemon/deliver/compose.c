#include "config.h"

#include "deliver/compose.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "clock.h"
#include "deliver/phrase.h"
#include "deliver/qualify.h"
#include "header.h"
#include "queue/message.h"
#include "queue_id.h"
#include "settings.h"

/* RFC 5322 2.1.1 */
#define LINE_WANTED_MAX 78

/* Room for one value of a template. */
#define VALUE_SIZE 256

struct composition {
	struct buffer *into;
	const struct message *message;
	const struct settings *settings;
	const struct relay_settings *relay;
	char id[QUEUE_ID_SIZE];
	char date[CLOCK_RFC5322_SIZE];
};

static int append_received(const struct composition *c);
static int append_stored(const struct composition *c, const char *stored,
                         size_t len);
static int append_missing(const struct composition *c, const char *stored,
                          size_t len);
static int append_own(const struct composition *c);

int compose_header(struct buffer *into, const struct message *message,
                   const struct settings *settings,
                   const struct relay_settings *relay, const char *stored,
                   size_t stored_len)
{
	struct composition c = {
		.into = into,
		.message = message,
		.settings = settings,
		.relay = relay,
	};
	int64_t submitted_ms = (int64_t)message->submitted_ms;
	int r;

	queue_id_format(message->id, c.id);
	clock_format_rfc5322(submitted_ms, clock_zone_minutes(submitted_ms),
	                     c.date);
	r = append_received(&c);
	if (r == 0)
		r = append_stored(&c, stored, stored_len);
	if (r == 0)
		r = append_missing(&c, stored, stored_len);
	if (r == 0)
		r = append_own(&c);
	if (r == 0)
		r = buffer_append(into, "\r\n", 2);
	return r;
}

/* A domain with a dot, or an address literal. */
static bool has_full_domain(const char *address)
{
	const char *domain = address_domain(address);

	return domain && (strchr(domain, '.') || domain[0] == '[');
}

const char *compose_sender(const struct message *message,
                           const struct relay_settings *relay)
{
	if (*message->sender && relay->from.address &&
	    !has_full_domain(message->sender))
		return relay->from.address;
	return message->sender;
}

/* --------------------------------------------------------------- Received */

/*
 * RFC 5321 4.1.2: a domain or an address literal. Whatever else the client
 * called itself is no name of anything and is left out.
 */
static bool is_helo_name(const char *helo)
{
	size_t len = strlen(helo);

	if (len == 0 || len > ADDRESS_DOMAIN_MAX)
		return false;
	if (helo[0] == '[')
		return helo[len - 1] == ']' &&
		       strspn(helo + 1, "0123456789abcdefABCDEF:.IPv") ==
		           len - 2;
	return strspn(helo, "abcdefghijklmnopqrstuvwxyz"
	                    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") == len;
}

static const char *protocol(const struct message *message)
{
	bool is_lmtp = message->flags & MESSAGE_LMTP;

	/* RFC 3848, RFC 6531 4.3 */
	if (message->flags & MESSAGE_SMTPUTF8)
		return is_lmtp ? "UTF8LMTP" : "UTF8SMTP";
	return is_lmtp ? "LMTP" : "ESMTP";
}

/* RFC 5321 4.4. Who handed it over: the kernel's word, in a comment. */
static int append_received(const struct composition *c)
{
	const struct message *message = c->message;
	const char *helo = message->helo ? message->helo : "";
	char submitter[32] = "";
	int r;

	if (message->flags & MESSAGE_IS_BOUNCE)
		return buffer_appendf(c->into,
		                      "Received: by %s (relais) id %s;\r\n"
		                      "\t%s\r\n",
		                      c->settings->hostname, c->id, c->date);
	if (!(message->flags & MESSAGE_FROM_TCP))
		snprintf(submitter, sizeof(submitter), " (uid %u)",
		         (unsigned)message->uid);
	r = buffer_appendf(c->into, "Received: from %s%s\r\n",
	                   is_helo_name(helo) ? helo : "localhost", submitter);
	if (r < 0)
		return r;
	return buffer_appendf(c->into,
	                      "\tby %s (relais) with %s\r\n"
	                      "\tid %s; %s\r\n",
	                      c->settings->hostname, protocol(message), c->id,
	                      c->date);
}

/* ---------------------------------------------------------------- stored */

/* Fields are copied in runs; only address fields are looked into. */
static int append_stored(const struct composition *c, const char *stored,
                         size_t len)
{
	const char *copied = stored;
	struct header_field field;
	struct header_walk walk;
	int r = 0;

	header_walk_init(&walk, stored, len);
	while (r == 0 && header_walk_next(&walk, &field)) {
		if (!qualify_concerns(&field))
			continue;
		r = buffer_append(c->into, copied,
		                  (size_t)(field.raw - copied));
		if (r == 0)
			r = qualify_append(c->into, &field,
			                   c->settings->domain);
		copied = field.raw + field.raw_len;
	}
	if (r < 0)
		return r;
	return buffer_append(c->into, copied, (size_t)(stored + len - copied));
}

/* --------------------------------------------------------------- missing */

/*
 * RFC 5322 3.6: there is always an author. The relay's own identity speaks
 * for mail without one; for mail of the null sender the mail system does.
 */
static int append_from(const struct composition *c)
{
	const struct relay_identity *identity = &c->relay->from;
	const char *sender = compose_sender(c->message, c->relay);
	int r = buffer_append_string(c->into, "From: ");

	if (r < 0)
		return r;
	if (identity->address)
		r = phrase_append_mailbox(c->into, identity->name,
		                          identity->address);
	else if (*sender)
		r = phrase_append_mailbox(c->into, identity->name, sender);
	else
		r = buffer_appendf(c->into, "MAILER-DAEMON@%s",
		                   c->settings->domain);
	return r < 0 ? r : buffer_append(c->into, "\r\n", 2);
}

static int append_reply_to(const struct composition *c)
{
	const struct relay_identity *identity = &c->relay->reply_to;
	int r = buffer_append_string(c->into, "Reply-To: ");

	if (r == 0)
		r = phrase_append_mailbox(c->into, identity->name,
		                          identity->address);
	return r < 0 ? r : buffer_append(c->into, "\r\n", 2);
}

static int append_missing(const struct composition *c, const char *stored,
                          size_t len)
{
	const struct message *message = c->message;
	struct header_field field;
	int r = 0;

	if (message->flags & MESSAGE_ADD_FROM)
		r = append_from(c);
	if (r == 0 && message->flags & MESSAGE_ADD_DATE)
		r = buffer_appendf(c->into, "Date: %s\r\n", c->date);
	if (r == 0 && message->flags & MESSAGE_ADD_MESSAGE_ID &&
	    message->message_id)
		r = buffer_appendf(c->into, "Message-ID: %s\r\n",
		                   message->message_id);
	if (r == 0 && c->relay->reply_to.address &&
	    !header_find(stored, len, "Reply-To", &field))
		r = append_reply_to(c);
	return r;
}

/* ------------------------------------------------ the relay's own fields */

/* The value of a `{word}`; NULL for a word that is none. */
static const char *template_value(const struct composition *c, const char *word,
                                  size_t len, char text[VALUE_SIZE])
{
	const struct {
		const char *word;
		const char *value;
	} values[] = {
		{ "queue_id", c->id },
		{ "submitter", text },
		{ "relay", c->relay->name },
		{ "tag", c->message->tag },
		{ "envelope_id", c->message->envelope_id },
		{ "hostname", c->settings->hostname },
		{ "date", c->date },
	};

	snprintf(text, VALUE_SIZE, "%u", (unsigned)c->message->uid);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (strlen(values[i].word) == len &&
		    memcmp(values[i].word, word, len) == 0)
			return values[i].value ? values[i].value : "";
	return NULL;
}

static int append_template(const struct composition *c, struct buffer *value,
                           const char *template)
{
	char text[VALUE_SIZE];
	int r = 0;

	while (r == 0 && *template) {
		size_t len = strcspn(template, "{");
		const char *end = strchr(template + len, '}');
		const char *word = NULL;

		if (len == 0 && end)
			word =
			    template_value(c, template + 1,
			                   (size_t)(end - template) - 1, text);
		if (word) {
			r = buffer_append_string(value, word);
			template = end + 1;
			continue;
		}
		if (len == 0)
			len = 1;
		r = buffer_append(value, template, len);
		template += len;
	}
	return r;
}

/*
 * Folds what was appended from `start` on, at spaces (RFC 5322 2.2.3). A word
 * that is longer than a line stays whole.
 */
static int fold(struct buffer *into, size_t start)
{
	size_t line = start, space = 0;
	int r;

	for (size_t i = start; i < into->len; i++) {
		if (into->data[i] == '\n') {
			line = i + 1;
			space = 0;
		}
		/* Behind `Name:` and at the start of a line there is nothing
		 * to fold: an empty line would end the header. */
		if (into->data[i] == ' ' && into->data[i - 1] != ':' &&
		    i > line)
			space = i;
		if (i - line < LINE_WANTED_MAX || space <= line)
			continue;
		r = buffer_append(into, "  ", 2);
		if (r < 0)
			return r;
		memmove(into->data + space + 2, into->data + space,
		        into->len - 2 - space);
		memcpy(into->data + space, "\r\n", 2);
		line = space + 2;
		i = line;
		space = 0;
	}
	return 0;
}

static int append_own_field(const struct composition *c,
                            const struct relay_header *header)
{
	size_t start = c->into->len;
	struct buffer value;
	char *text = NULL;
	size_t len = 0;
	int r;

	buffer_init(&value, 0);
	r = append_template(c, &value, header->value);
	if (r == 0)
		r = buffer_take(&value, &text, &len);
	while (r == 0 && len > 0 && text[len - 1] == ' ')
		text[--len] = '\0';
	if (r == 0)
		r = buffer_appendf(c->into, "%s: ", header->name);
	if (r == 0)
		r = phrase_append_text(c->into, text);
	if (r == 0)
		r = fold(c->into, start);
	if (r == 0)
		r = buffer_append(c->into, "\r\n", 2);
	buffer_done(&value);
	free(text);
	return r;
}

static int append_own(const struct composition *c)
{
	int r = 0;

	for (size_t i = 0; i < c->relay->header_count && r == 0; i++)
		r = append_own_field(c, &c->relay->headers[i]);
	return r;
}
