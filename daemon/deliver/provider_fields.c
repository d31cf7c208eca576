#include "config.h"

#include "deliver/provider_fields.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "deliver/phrase.h"
#include "header.h"
#include "providers.h"
#include "queue/message.h"

/* Resend takes no longer key; the shortest limit that is known. */
#define KEY_MAX        256
#define FIELD_NAME_MAX 128

/* One `name=value` of the metadata; borrowed from it. */
struct pair {
	const char *name, *value;
	size_t name_len, value_len;
};

static int append_tag(struct buffer *into, const char *name, const char *tag);
static int append_meta(struct buffer *into, const char *form, const char *meta);
static int append_key(struct buffer *into, const char *name,
                      const struct message *message);

/* Is the first word of `form` the name of a field that isn't there yet? */
static bool is_free(const char *form, const char *stored, size_t stored_len)
{
	char name[FIELD_NAME_MAX];
	struct header_field field;
	size_t len;

	if (!form)
		return false;
	len = strcspn(form, " ");
	if (len >= sizeof(name))
		return false;
	memcpy(name, form, len);
	name[len] = '\0';
	return !header_find(stored, stored_len, name, &field);
}

int provider_fields_append(struct buffer *into, const struct provider *provider,
                           const struct message *message, const char *stored,
                           size_t stored_len)
{
	int r = 0;

	if (message->tag && is_free(provider->tag_header, stored, stored_len))
		r = append_tag(into, provider->tag_header, message->tag);
	if (r == 0 && message->meta &&
	    is_free(provider->meta_header, stored, stored_len))
		r = append_meta(into, provider->meta_header, message->meta);
	if (r == 0 && message->key &&
	    is_free(provider->key_header, stored, stored_len))
		r = append_key(into, provider->key_header, message);
	return r;
}

static int append_tag(struct buffer *into, const char *name, const char *tag)
{
	size_t start = into->len;
	int r = buffer_appendf(into, "%s: ", name);

	if (r == 0)
		r = phrase_append_text(into, tag);
	return r < 0 ? r : phrase_end_field(into, start);
}

/* ---------------------------------------------------------- metadata */

/* The next of `name=value;name=value`; a part without `=` is no pair. */
static bool next_pair(const char **meta, struct pair *ret_pair)
{
	while (**meta) {
		const char *start = *meta;
		size_t len = strcspn(start, ";"), name_len;

		*meta = start + len + (start[len] == ';');
		while (len > 0 && *start == ' ') {
			start++;
			len--;
		}
		while (len > 0 && start[len - 1] == ' ')
			len--;
		name_len = strcspn(start, "=");
		if (name_len == 0 || name_len >= len)
			continue;
		*ret_pair = (struct pair){
			.name = start,
			.name_len = name_len,
			.value = start + name_len + 1,
			.value_len = len - name_len - 1,
		};
		return true;
	}
	return false;
}

/* Letters, digits, `-` and `_`: what a field's name or a token may hold. */
static bool is_token(const char *text, size_t len)
{
	static const char octets[] = "abcdefghijklmnopqrstuvwxyz"
				     "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

	for (size_t i = 0; i < len; i++)
		if (text[i] == '\0' || !strchr(octets, text[i]))
			return false;
	return len > 0;
}

/* A field for each pair: `X-PM-Metadata-*`. */
static int append_fields(struct buffer *into, const char *form,
                         const char *meta)
{
	struct pair pair;
	int r = 0;

	while (r == 0 && next_pair(&meta, &pair)) {
		size_t start = into->len;
		char value[512];

		if (!is_token(pair.name, pair.name_len) ||
		    pair.name_len > FIELD_NAME_MAX ||
		    pair.value_len >= sizeof(value))
			continue;
		memcpy(value, pair.value, pair.value_len);
		value[pair.value_len] = '\0';
		r = buffer_appendf(into, "%.*s%.*s: ", (int)strlen(form) - 1,
		                   form, (int)pair.name_len, pair.name);
		if (r == 0)
			r = phrase_append_text(into, value);
		if (r == 0)
			r = phrase_end_field(into, start);
	}
	return r;
}

/* RFC 8259 7: all in ASCII; what is no UTF-8 becomes U+FFFD. */
static int append_escape(struct buffer *into, const char **text,
                         const char *end)
{
	const unsigned char *at = (const unsigned char *)*text;
	unsigned more = at[0] >= 0xf0 ? 3 : at[0] >= 0xe0 ? 2 : at[0] >= 0xc2;
	uint32_t c = at[0] < 0x80 ? at[0] : at[0] & (0x3fu >> more);
	unsigned used = 1;

	while (used <= more && *text + used < end && (at[used] & 0xc0) == 0x80)
		c = c << 6 | (at[used++] & 0x3f);
	if (used <= more || (at[0] >= 0x80 && more == 0) || c > 0x10ffff)
		c = 0xfffd;
	*text += used;
	if (c < 0x10000)
		return buffer_appendf(into, "\\u%04x", (unsigned)c);
	c -= 0x10000;
	return buffer_appendf(into, "\\u%04x\\u%04x",
	                      (unsigned)(0xd800 + (c >> 10)),
	                      (unsigned)(0xdc00 + (c & 0x3ff)));
}

static int append_json_text(struct buffer *into, const char *text, size_t len)
{
	const char *end = text + len;
	int r = buffer_append(into, "\"", 1);

	while (r == 0 && text < end) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\' || c < ' ' || c >= 127)
			r = append_escape(into, &text, end);
		else
			r = buffer_append(into, text++, 1);
	}
	return r < 0 ? r : buffer_append(into, "\"", 1);
}

/* All pairs in one object: `X-Mailgun-Variables {}`. */
static int append_object(struct buffer *into, const char *meta)
{
	const char *before = "{";
	struct pair pair;
	int r = 0;

	while (r == 0 && next_pair(&meta, &pair)) {
		r = buffer_append_string(into, before);
		if (r == 0)
			r = append_json_text(into, pair.name, pair.name_len);
		if (r == 0)
			r = buffer_append_string(into, ": ");
		if (r == 0)
			r = append_json_text(into, pair.value, pair.value_len);
		before = ", ";
	}
	return r < 0 || *before == '{' ? r : buffer_append(into, "}", 1);
}

/* `name=value, name=value` of tokens: `X-SES-MESSAGE-TAGS =,`. */
static int append_list(struct buffer *into, const char *meta)
{
	const char *before = "";
	struct pair pair;
	int r = 0;

	while (r == 0 && next_pair(&meta, &pair)) {
		if (!is_token(pair.name, pair.name_len) ||
		    !is_token(pair.value, pair.value_len))
			continue;
		r = buffer_appendf(into, "%s%.*s=%.*s", before,
		                   (int)pair.name_len, pair.name,
		                   (int)pair.value_len, pair.value);
		before = ", ";
	}
	return r;
}

static int append_meta(struct buffer *into, const char *form, const char *meta)
{
	size_t start = into->len, name_len = strcspn(form, " "), value;
	int r;

	if (form[name_len] == '\0')
		return append_fields(into, form, meta);
	r = buffer_appendf(into, "%.*s: ", (int)name_len, form);
	value = into->len;
	if (r == 0)
		r = form[name_len + 1] == '{' ? append_object(into, meta)
		                              : append_list(into, meta);
	if (r == 0 && into->len == value) {
		buffer_truncate(into, start);
		return 0;
	}
	return r < 0 ? r : phrase_end_field(into, start);
}

/* --------------------------------------------------------------- key */

/*
 * A key is its submitter's, the provider's account is shared: the uid keeps
 * them apart. A message of several recipients may go in several transactions,
 * which the provider would take for one and drop: it has no key.
 */
static int append_key(struct buffer *into, const char *name,
                      const struct message *message)
{
	char value[KEY_MAX + 1];
	int len;

	if (message->recipient_count != 1)
		return 0;
	len = snprintf(value, sizeof(value), "%u:%s", (unsigned)message->uid,
	               message->key);
	if (len < 0 || (size_t)len >= sizeof(value))
		return 0;
	for (int i = 0; i < len; i++)
		if (value[i] <= ' ' || value[i] >= 127)
			return 0;
	return buffer_appendf(into, "%s: %s\r\n", name, value);
}
