#include "config.h"

#include "deliver/author.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "address_list.h"
#include "deliver/identity.h"
#include "deliver/phrase.h"
#include "settings.h"

/* More is no name of anybody. */
#define NAME_OCTETS_MAX 320

/* A display name being taken from a field: its words, and how they stood. */
struct name {
	char text[NAME_OCTETS_MAX + 1]; /* quotes and comments undone */
	size_t len;
	bool is_full;
	bool has_encoded; /* RFC 2047 words outside of quotes: left alone */
};

static enum identity_reason judge(const struct relay_settings *relay,
                                  const char *mailbox, const char *domain)
{
	char address[ADDRESS_SIZE + ADDRESS_DOMAIN_MAX + 1];

	if (address_domain(mailbox))
		return identity_judge(relay, mailbox);
	(void)snprintf(address, sizeof(address), "%s@%s", mailbox, domain);
	return identity_judge(relay, address);
}

void author_judge(struct author *author, const struct header_field *field,
                  const struct relay_settings *relay, const char *domain)
{
	bool must_be_known = relay->from_apply != RELAY_FROM_MISSING;
	struct address_list list;
	unsigned count = 0;
	int r;

	*author = (struct author){ .field = *field, .is_readable = true };
	if (!relay->from.address)
		return;
	address_list_init(&list, field->body, field->body_len,
	                  ADDRESS_UTF8 | ADDRESS_BARE);
	while ((r = address_list_next(&list)) != -ENOENT) {
		count++;
		if (r < 0)
			author->is_readable = false;
		else if (judge(relay, list.mailbox, domain) != IDENTITY_KEPT)
			author->is_replaced = true;
		else if (address_is_same(list.mailbox, relay->from.address))
			author->has_no_name = list.name_len == 0;
	}
	/* An empty group, or nothing at all. */
	if (count == 0)
		author->is_readable = false;
	if (!author->is_readable && must_be_known)
		author->is_replaced = true;
	if (count != 1 || author->is_replaced || !relay->from.name)
		author->has_no_name = false;
}

/* ------------------------------------------------------- display name */

static void name_add(struct name *name, char c)
{
	/* White space of any kind and length is one space. */
	if ((unsigned char)c <= ' ' || c == 127) {
		if (name->len == 0 || name->text[name->len - 1] == ' ')
			return;
		c = ' ';
	}
	if (name->len < NAME_OCTETS_MAX)
		name->text[name->len++] = c;
	else
		name->is_full = true;
}

/* Neither a space at the end nor half a character. */
static void name_end(struct name *name)
{
	size_t len = name->len;

	if (name->is_full) {
		while (len > 0 &&
		       ((unsigned char)name->text[len - 1] & 0xc0) == 0x80)
			len--;
		if (len > 0 && (unsigned char)name->text[len - 1] >= 0xc0)
			len--;
		else
			len = name->len;
	}
	while (len > 0 && name->text[len - 1] == ' ')
		len--;
	name->text[len] = '\0';
	name->len = len;
}

/*
 * The words of a phrase. `is_comment`: what comments say is wanted, not what
 * stands around them.
 */
static void name_read(struct name *name, const char *text, size_t len,
                      bool is_comment)
{
	const char *end = text + len;
	bool is_quoted = false;
	unsigned depth = 0;

	for (; text < end; text++) {
		char c = *text;
		bool is_wanted = is_quoted || (depth > 0) == is_comment;

		if (c == '\\' && (is_quoted || depth > 0) && text + 1 < end) {
			text++;
			if (is_wanted)
				name_add(name, *text);
		} else if (c == '"' && depth == 0) {
			is_quoted = !is_quoted;
		} else if (c == '(' && !is_quoted) {
			depth++;
			name_add(name, ' ');
		} else if (c == ')' && !is_quoted && depth > 0) {
			if (--depth == 0 && is_comment)
				return;
		} else if (is_wanted) {
			if (c == '=' && !is_quoted && text + 1 < end &&
			    text[1] == '?')
				name->has_encoded = true;
			name_add(name, c);
		}
	}
}

/* Of the field's first mailbox. */
static void name_find(struct name *name, const struct header_field *field)
{
	const char *start = field->body;
	struct address_list list;

	*name = (struct name){ 0 };
	address_list_init(&list, field->body, field->body_len,
	                  ADDRESS_UTF8 | ADDRESS_BARE);
	if (address_list_next(&list) == 0) {
		if (list.name_len > 0)
			name_read(name, list.name, list.name_len, false);
		else
			name_read(name, start, (size_t)(list.next - start),
			          true);
	}
	name_end(name);
}

static bool is_ascii(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

/*
 * Encoded words are taken over as they are if nothing else could be meant:
 * with specials among them the text would be no phrase.
 */
static bool is_encoded_phrase(const struct name *name)
{
	return name->has_encoded && !name->is_full && is_ascii(name->text) &&
	       !strpbrk(name->text, "\"()<>[]:;@\\,");
}

int author_append(struct buffer *into, const struct author *author,
                  const struct relay_settings *relay)
{
	size_t start = into->len;
	struct name name;
	int r = buffer_append_string(into, "From: ");

	name_find(&name, &author->field);
	if (r == 0 && is_encoded_phrase(&name))
		r = buffer_appendf(into, "%s <%s>", name.text,
		                   relay->from.address);
	else if (r == 0)
		r = phrase_append_mailbox(
		    into, name.len > 0 ? name.text : relay->from.name,
		    relay->from.address);
	return r < 0 ? r : phrase_end_field(into, start);
}
