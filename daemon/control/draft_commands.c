/*
 * draft_commands - a draft's envelope and wishes as MAIL and RCPT
 */
#include "config.h"

#include "control/draft_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/xtext.h"

static void put(struct buffer *out, const char *text)
{
	if (buffer_append_string(out, text) < 0)
		abort();
}

static void put_number(struct buffer *out, const char *word, int64_t number,
                       const char *after)
{
	if (number != 0 &&
	    buffer_appendf(out, " %s=%" PRId64 "%s", word, number, after) < 0)
		abort();
}

static void put_xtext(struct buffer *out, const char *word, const char *value)
{
	if (value == NULL)
		return;
	put(out, word);
	if (buffer_reserve(out, XTEXT_ENCODED_SIZE(strlen(value))) < 0)
		abort();
	xtext_encode(value, strlen(value), out->data + out->len);
	buffer_grow(out, strlen(out->data + out->len));
}

static bool is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text > 127)
			return false;
	return true;
}

static const char *sender_of(const struct draft *draft)
{
	return draft->sender != NULL
	           ? draft->sender
	           : draft->mailboxes[DRAFT_FROM].list[0].address;
}

static bool needs_utf8(const struct draft *draft)
{
	size_t i, k;

	if (!is_ascii(sender_of(draft)))
		return true;
	for (i = 0; i < DRAFT_PLACES; i++)
		for (k = 0; k < draft->mailboxes[i].count; k++)
			if (!is_ascii(draft->mailboxes[i].list[k].address))
				return true;
	return false;
}

static void put_mail(const struct draft *draft, uint64_t size_bytes,
                     struct buffer *out)
{
	put(out, "MAIL FROM:<");
	put(out, sender_of(draft));
	put(out, "> BODY=8BITMIME");
	put_number(out, "SIZE", (int64_t)size_bytes, "");
	if (needs_utf8(draft))
		put(out, " SMTPUTF8");
	if (draft->ret != NULL) {
		put(out, " RET=");
		put(out, draft->ret);
	}
	put_xtext(out, " ENVID=", draft->envelope_id);
	put_number(out, "HOLDFOR", draft->hold_for_s, "");
	if (draft->hold_until != NULL) {
		put(out, " HOLDUNTIL=");
		put(out, draft->hold_until);
	}
	put_number(out, "BY", draft->deadline_s, ";R");
	put_number(out, "MT-PRIORITY", draft->priority, "");
	put_xtext(out, " XKEY=", draft->key);
	put_xtext(out, " XTAG=", draft->tag);
	put_xtext(out, " XMETA=", draft->meta);
	put_xtext(out, " XRELAY=", draft->relay);
	put_number(out, "XWAIT", draft->wait_s, "");
	put(out, "\r\n");
}

static void put_rcpt(const struct draft *draft, const char *address,
                     struct buffer *out)
{
	const char *before = " NOTIFY=";
	size_t i;

	put(out, "RCPT TO:<");
	put(out, address);
	put(out, ">");
	for (i = 0; i < DRAFT_NOTIFICATIONS; i++) {
		if ((draft->notify & 1u << i) == 0)
			continue;
		put(out, before);
		put(out, draft_notifications[i]);
		before = ",";
	}
	put(out, "\r\n");
}

/* Who is named twice gets one copy. */
static bool was_named(const struct draft *draft, size_t place, size_t index)
{
	const char *address = draft->mailboxes[place].list[index].address;
	size_t i, k;

	for (i = DRAFT_TO; i <= place; i++)
		for (k = 0; k < draft->mailboxes[i].count; k++) {
			if (i == place && k == index)
				return false;
			if (strcmp(draft->mailboxes[i].list[k].address,
			           address) == 0)
				return true;
		}
	return false;
}

void draft_append_commands(const struct draft *draft, uint64_t size_bytes,
                           struct buffer *out)
{
	size_t i, k;

	put_mail(draft, size_bytes, out);
	for (i = DRAFT_TO; i <= DRAFT_BCC; i++)
		for (k = 0; k < draft->mailboxes[i].count; k++)
			if (!was_named(draft, i, k))
				put_rcpt(draft,
				         draft->mailboxes[i].list[k].address,
				         out);
}
