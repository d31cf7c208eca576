#include "config.h"

#include "deliver/qualify.h"

#include <errno.h>
#include <string.h>

#include "address.h"
#include "address_list.h"

bool qualify_concerns(const struct header_field *field)
{
	static const char *const names[] = {
		"From",
		"Sender",
		"Reply-To",
		"To",
		"Cc",
		"Resent-From",
		"Resent-Sender",
		"Resent-Reply-To",
		"Resent-To",
		"Resent-Cc",
		NULL,
	};

	return header_field_is_any(field, names);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool ends_word(char c)
{
	return is_blank(c) || c == ',' || c == ':' || c == ';' || c == '<' ||
	       c == '(' || c == '"';
}

/* Behind a comment or a quoted string that begins at text; nested ones too. */
static const char *skip_enclosed(const char *text, const char *end)
{
	bool is_comment = *text == '(';
	unsigned depth = 0;

	for (; text < end; text++) {
		if (*text == '\\' && text + 1 < end) {
			text++;
		} else if (is_comment && *text == '(') {
			depth++;
		} else if (is_comment && *text == ')') {
			if (--depth == 0)
				return text + 1;
		} else if (!is_comment && *text == '"') {
			if (++depth == 2)
				return text + 1;
		}
	}
	return end;
}

/* Does the mailbox stand here, and nothing that would make it longer? */
static bool is_at(const char *text, const char *end, const char *mailbox)
{
	size_t len = strlen(mailbox);
	char next;

	if ((size_t)(end - text) < len || memcmp(text, mailbox, len) != 0)
		return false;
	if ((size_t)(end - text) == len)
		return true;
	next = text[len];
	return is_blank(next) || next == '>' || next == ',' || next == ';' ||
	       next == '(';
}

/*
 * The end of a bare mailbox in the list's member that ends at `end`: behind
 * the first "<" if there is one, else the member's first word.
 */
static const char *find_mailbox_end(const char *text, const char *end,
                                    const char *mailbox)
{
	const char *word = NULL;

	while (text < end) {
		if (is_blank(*text) || *text == ',' || *text == ':' ||
		    *text == ';') {
			/* a group's name is no mailbox */
			if (*text == ':')
				word = NULL;
			text++;
		} else if (*text == '<') {
			for (text++; text < end && is_blank(*text);)
				text++;
			return is_at(text, end, mailbox)
			           ? text + strlen(mailbox)
			           : NULL;
		} else if (*text == '(') {
			text = skip_enclosed(text, end);
		} else {
			if (!word && is_at(text, end, mailbox))
				word = text + strlen(mailbox);
			if (*text == '"') {
				text = skip_enclosed(text, end);
				continue;
			}
			do
				text++;
			while (text < end && !ends_word(*text));
		}
	}
	return word;
}

int qualify_append(struct buffer *into, const struct header_field *field,
                   const char *domain)
{
	const char *copied = field->raw, *end = field->raw + field->raw_len;
	const char *member = field->body;
	struct address_list list;
	int r = 0;

	address_list_init(&list, field->body, field->body_len,
	                  ADDRESS_UTF8 | ADDRESS_BARE);
	while (r == 0 && (r = address_list_next(&list)) != -ENOENT) {
		const char *here = NULL;

		if (r == 0 && !address_domain(list.mailbox))
			here =
			    find_mailbox_end(member, list.next, list.mailbox);
		r = 0;
		if (here) {
			r = buffer_append(into, copied,
			                  (size_t)(here - copied));
			if (r == 0)
				r = buffer_appendf(into, "@%s", domain);
			copied = here;
		}
		member = list.next;
	}
	if (r < 0 && r != -ENOENT)
		return r;
	return buffer_append(into, copied, (size_t)(end - copied));
}
