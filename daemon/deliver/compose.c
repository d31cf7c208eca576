#include "config.h"

#include "deliver/compose.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "clock.h"
#include "deliver/author.h"
#include "deliver/dkim.h"
#include "deliver/identity.h"
#include "deliver/phrase.h"
#include "deliver/provider_fields.h"
#include "deliver/qualify.h"
#include "header.h"
#include "queue/message.h"
#include "queue_id.h"
#include "settings.h"
#include "template_word.h"

/* RFC 5322 2.1.1, without CRLF */
#define LINE_OCTETS_MAX 998

/* Room for one value of a template. */
#define VALUE_SIZE 256

/* One composition under way. */
struct work {
	struct buffer *into;
	const struct message *message;
	const struct settings *settings;
	const struct relay_settings *relay;
	const char *stored;
	size_t stored_len;
	char id[QUEUE_ID_SIZE];
	char date[CLOCK_RFC5322_SIZE];
	/* What the stored header has. */
	bool has_author, has_reply_to, has_signature;
	struct author author;
	struct buffer changes; /* names of fields that are not as stored */
};

static void survey(struct work *work);
static int append_received(const struct work *work);
static int append_stored(struct work *work);
static int append_missing(struct work *work);
static int append_own(struct work *work);

int compose_header(struct buffer *into, const struct composition *what,
                   unsigned *ret_notes)
{
	struct work work = {
		.into = into,
		.message = what->message,
		.settings = what->settings,
		.relay = what->relay,
		.stored = what->stored,
		.stored_len = what->stored_len,
	};
	int64_t submitted_ms = (int64_t)what->message->submitted_ms;
	size_t start = into->len;
	int r;

	*ret_notes = 0;
	queue_id_format(what->message->id, work.id);
	clock_format_rfc5322(submitted_ms, clock_zone_minutes(submitted_ms),
	                     work.date);
	buffer_init(&work.changes, 0);
	survey(&work);
	r = append_received(&work);
	if (r == 0)
		r = append_stored(&work);
	if (r == 0)
		r = append_missing(&work);
	if (r == 0)
		r = append_own(&work);
	if (r == 0 && work.has_signature &&
	    dkim_remove_broken(into, start, &work.changes) > 0)
		*ret_notes |= COMPOSED_UNSIGNED;
	if (r == 0)
		r = buffer_append(into, "\r\n", 2);
	buffer_done(&work.changes);
	return r;
}

static void survey(struct work *work)
{
	struct header_field field;
	struct header_walk walk;

	header_walk_init(&walk, work->stored, work->stored_len);
	while (header_walk_next(&walk, &field)) {
		if (header_field_is(&field, "Reply-To"))
			work->has_reply_to = true;
		else if (header_field_is(&field, "DKIM-Signature"))
			work->has_signature = true;
		else if (!work->has_author && header_field_is(&field, "From")) {
			work->has_author = true;
			author_judge(&work->author, &field, work->relay,
			             work->settings->domain);
		}
	}
	/* A signature that holds is worth more than a name. */
	if (work->has_signature)
		work->author.has_no_name = false;
}

/* Nobody asks where nothing is signed. */
static int note_change(struct work *work, const char *name)
{
	if (!work->has_signature)
		return 0;
	return dkim_note_change(&work->changes, name, strlen(name));
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

	if (message->flags & MESSAGE_HTTP)
		return "HTTP";
	/* RFC 3848, RFC 6531 4.3 */
	if (message->flags & MESSAGE_SMTPUTF8)
		return is_lmtp ? "UTF8LMTP" : "UTF8SMTP";
	return is_lmtp ? "LMTP" : "ESMTP";
}

/* RFC 5321 4.4. Who handed it over: the kernel's word, in a comment. */
static int append_received(const struct work *work)
{
	const struct message *message = work->message;
	const char *helo = message->helo ? message->helo : "";
	char submitter[32] = "";
	int r;

	if (message->flags & MESSAGE_IS_BOUNCE)
		return buffer_appendf(work->into,
		                      "Received: by %s (relais) id %s;\r\n"
		                      "\t%s\r\n",
		                      work->settings->hostname, work->id,
		                      work->date);
	if (!(message->flags & MESSAGE_FROM_TCP))
		snprintf(submitter, sizeof(submitter), " (uid %u)",
		         (unsigned)message->uid);
	r = buffer_appendf(work->into, "Received: from %s%s\r\n",
	                   is_helo_name(helo) ? helo : "localhost", submitter);
	if (r < 0)
		return r;
	return buffer_appendf(work->into,
	                      "\tby %s (relais) with %s\r\n"
	                      "\tid %s; %s\r\n",
	                      work->settings->hostname, protocol(message),
	                      work->id, work->date);
}

/* ---------------------------------------------------------------- stored */

/* The same field, qualified, under another name. */
static int append_renamed(const struct work *work,
                          const struct header_field *field, const char *name)
{
	struct buffer *into = work->into;
	size_t len = strlen(name), start = into->len, line, skip;
	int r = buffer_appendf(into, "%s:", name);

	skip = (size_t)(field->body - field->raw);
	if (r == 0)
		r = qualify_append(into, field, work->settings->domain);
	if (r < 0)
		return r;
	/* The old name and its colon stand behind the new one. */
	memmove(into->data + start + len + 1,
	        into->data + start + len + 1 + skip,
	        into->len - start - len - 1 - skip);
	buffer_truncate(into, into->len - skip);
	for (line = start; line < into->len && into->data[line] != '\n';)
		line++;
	if (line - start <= LINE_OCTETS_MAX + 1)
		return 0;
	r = buffer_append(into, "   ", 3);
	if (r < 0)
		return r;
	start += len + 1;
	memmove(into->data + start + 3, into->data + start,
	        into->len - 3 - start);
	memcpy(into->data + start, "\r\n ", 3);
	return 0;
}

/* Where the Reply-To field has room for the author who was replaced. */
static bool replies_go_to_author(const struct work *work)
{
	return work->author.is_replaced && work->author.is_readable &&
	       !work->has_reply_to && !work->relay->reply_to.address &&
	       work->relay->keep_author == RELAY_KEEP_AUTHOR_REPLY_TO;
}

static int append_author(struct work *work, const struct header_field *field)
{
	const struct author *author = &work->author;
	int r;

	if (!author->is_replaced && !author->has_no_name)
		return qualify_append(work->into, field,
		                      work->settings->domain);
	/* What a signer called From is this one; another can't stay. */
	r = note_change(work, "From");
	if (r == 0 && field->raw == author->field.raw)
		r = author_append(work->into, author, work->relay);
	if (r < 0 || !author->is_replaced || replies_go_to_author(work) ||
	    work->relay->keep_author == RELAY_KEEP_AUTHOR_OFF)
		return r;
	r = note_change(work, "X-Original-From");
	return r < 0 ? r : append_renamed(work, field, "X-Original-From");
}

/* The only one: who was there is replaced, or nobody was. */
static bool author_is_identity(const struct work *work)
{
	return work->has_author ? work->author.is_replaced
	                        : work->relay->from.address != NULL;
}

/*
 * RFC 5322 3.6.2: there is none where it would be the only author. Where it
 * stays, it has to be somebody whom the relay lets in.
 */
static int append_sender(struct work *work, const struct header_field *field)
{
	struct author sender;

	author_judge(&sender, field, work->relay, work->settings->domain);
	if (!author_is_identity(work) && !sender.is_replaced)
		return qualify_append(work->into, field,
		                      work->settings->domain);
	if (!author_is_identity(work)) {
		int r = buffer_appendf(work->into, "Sender: %s\r\n",
		                       work->relay->from.address);

		if (r < 0)
			return r;
	}
	return note_change(work, "Sender");
}

static int append_field(struct work *work, const struct header_field *field)
{
	size_t start = work->into->len;
	int r;

	if (header_field_is(field, "From"))
		r = append_author(work, field);
	else if (header_field_is(field, "Sender"))
		r = append_sender(work, field);
	else
		r = qualify_append(work->into, field, work->settings->domain);
	if (r == 0 && work->has_signature &&
	    work->into->len - start != field->raw_len)
		r = dkim_note_change(&work->changes, field->name,
		                     field->name_len);
	return r;
}

/* Fields are copied in runs; only address fields are looked into. */
static int append_stored(struct work *work)
{
	const char *copied = work->stored;
	struct header_field field;
	struct header_walk walk;
	int r = 0;

	header_walk_init(&walk, work->stored, work->stored_len);
	while (r == 0 && header_walk_next(&walk, &field)) {
		if (!qualify_concerns(&field))
			continue;
		r = buffer_append(work->into, copied,
		                  (size_t)(field.raw - copied));
		if (r == 0)
			r = append_field(work, &field);
		copied = field.raw + field.raw_len;
	}
	if (r < 0)
		return r;
	return buffer_append(
	    work->into, copied,
	    (size_t)(work->stored + work->stored_len - copied));
}

/* --------------------------------------------------------------- missing */

/*
 * RFC 5322 3.6: there is always an author. The relay's own identity speaks
 * for mail without one; for mail of the null sender the mail system does.
 */
static int append_from(const struct work *work)
{
	const struct relay_identity *identity = &work->relay->from;
	const char *sender =
	    identity_sender(work->relay, work->message->sender);
	size_t start = work->into->len;
	int r = buffer_append_string(work->into, "From: ");

	if (r < 0)
		return r;
	if (identity->address)
		r = phrase_append_mailbox(work->into, identity->name,
		                          identity->address);
	else if (*sender)
		r = phrase_append_mailbox(work->into, identity->name, sender);
	else
		r = buffer_appendf(work->into, "MAILER-DAEMON@%s",
		                   work->settings->domain);
	return r < 0 ? r : phrase_end_field(work->into, start);
}

static int append_reply_to(struct work *work)
{
	const struct relay_identity *identity = &work->relay->reply_to;
	size_t start = work->into->len;
	int r;

	if (replies_go_to_author(work))
		r = append_renamed(work, &work->author.field, "Reply-To");
	else if (!work->has_reply_to && identity->address)
		r = buffer_append_string(work->into, "Reply-To: ");
	else
		return 0;
	if (r == 0 && !replies_go_to_author(work)) {
		r = phrase_append_mailbox(work->into, identity->name,
		                          identity->address);
		if (r == 0)
			r = phrase_end_field(work->into, start);
	}
	return r < 0 ? r : note_change(work, "Reply-To");
}

static int append_missing(struct work *work)
{
	const struct message *message = work->message;
	int r = 0;

	if (message->flags & MESSAGE_ADD_FROM) {
		r = append_from(work);
		if (r == 0)
			r = note_change(work, "From");
	}
	if (r == 0 && message->flags & MESSAGE_ADD_DATE) {
		r = buffer_appendf(work->into, "Date: %s\r\n", work->date);
		if (r == 0)
			r = note_change(work, "Date");
	}
	if (r == 0 && message->flags & MESSAGE_ADD_MESSAGE_ID &&
	    message->message_id) {
		r = buffer_appendf(work->into, "Message-ID: %s\r\n",
		                   message->message_id);
		if (r == 0)
			r = note_change(work, "Message-ID");
	}
	return r < 0 ? r : append_reply_to(work);
}

/* ------------------------------------------------ the relay's own fields */

/* The value of a `{word}`; NULL for a word that is none. */
static const char *template_value(const struct work *work, const char *word,
                                  size_t len, char text[VALUE_SIZE])
{
	const char *const values[TEMPLATE_WORDS] = {
		[TEMPLATE_QUEUE_ID] = work->id,
		[TEMPLATE_SUBMITTER] = text,
		[TEMPLATE_RELAY] = work->relay->name,
		[TEMPLATE_TAG] = work->message->tag,
		[TEMPLATE_ENVELOPE_ID] = work->message->envelope_id,
		[TEMPLATE_DATE] = work->date,
		[TEMPLATE_HOSTNAME] = work->settings->hostname,
	};
	enum template_word found = template_word_find(word, len);

	if (found == TEMPLATE_WORDS)
		return NULL;
	snprintf(text, VALUE_SIZE, "%u", (unsigned)work->message->uid);
	return values[found] ? values[found] : "";
}

static int append_template(const struct work *work, struct buffer *value,
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
			    template_value(work, template + 1,
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

static int append_own_field(const struct work *work,
                            const struct relay_header *header)
{
	size_t start = work->into->len;
	struct buffer value;
	char *text = NULL;
	size_t len = 0;
	int r;

	buffer_init(&value, 0);
	r = append_template(work, &value, header->value);
	if (r == 0)
		r = buffer_take(&value, &text, &len);
	while (r == 0 && len > 0 && text[len - 1] == ' ')
		text[--len] = '\0';
	if (r == 0)
		r = buffer_appendf(work->into, "%s: ", header->name);
	if (r == 0)
		r = phrase_append_text(work->into, text);
	if (r == 0)
		r = phrase_end_field(work->into, start);
	buffer_done(&value);
	free(text);
	return r;
}

static int append_own(struct work *work)
{
	const struct relay_settings *relay = work->relay;
	size_t start = work->into->len;
	struct header_field field;
	struct header_walk walk;
	int r = 0;

	if (relay->provider)
		r = provider_fields_append(work->into, relay->provider,
		                           work->message, work->stored,
		                           work->stored_len);
	for (size_t i = 0; i < relay->header_count && r == 0; i++)
		r = append_own_field(work, &relay->headers[i]);
	if (r < 0 || !work->has_signature || work->into->len == start)
		return r;
	header_walk_init(&walk, work->into->data + start,
	                 work->into->len - start);
	while (r == 0 && header_walk_next(&walk, &field))
		r = dkim_note_change(&work->changes, field.name,
		                     field.name_len);
	return r;
}
