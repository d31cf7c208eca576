#include "config.h"

#include "deliver/phrase.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/*
 * Octets in one encoded word: with `=?utf-8?b?`, `?=` and the name of a short
 * field it stays within the 76 characters of a line (RFC 2047 2).
 */
#define WORD_OCTETS 39

/* RFC 5322 2.1.1, without CRLF */
#define LINE_WANTED_MAX 78
#define LINE_MAX_OCTETS 998

/* With the name of its field in front it still fits into a line. */
#define PLAIN_WORD_MAX 800

static bool is_word_octet(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z') ||
	       (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~ ", c) != NULL);
}

static bool is_control(unsigned char c)
{
	return c < ' ' || c == 127;
}

static int append_quoted(struct buffer *into, const char *name)
{
	int r = buffer_append(into, "\"", 1);

	for (; r == 0 && *name; name++) {
		char c = is_control((unsigned char)*name) ? ' ' : *name;

		if (c == '"' || c == '\\')
			r = buffer_append(into, "\\", 1);
		if (r == 0)
			r = buffer_append(into, &c, 1);
	}
	return r < 0 ? r : buffer_append(into, "\"", 1);
}

static int append_base64(struct buffer *into, const unsigned char *data,
                         size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	int r = 0;

	for (size_t i = 0; i < len && r == 0; i += 3) {
		uint32_t bits = (uint32_t)data[i] << 16;
		char four[4];

		if (i + 1 < len)
			bits |= (uint32_t)data[i + 1] << 8;
		if (i + 2 < len)
			bits |= data[i + 2];
		for (unsigned j = 0; j < 4; j++)
			four[j] = digits[bits >> (18 - 6 * j) & 63];
		for (size_t j = len - i + 1; j < 4; j++)
			four[j] = '=';
		r = buffer_append(into, four, sizeof(four));
	}
	return r;
}

/* As many octets as fit into one word; no character is cut in two. */
static size_t word_len(const char *text)
{
	size_t len = strnlen(text, WORD_OCTETS + 1);

	if (len <= WORD_OCTETS)
		return len;
	len = WORD_OCTETS;
	while (len > 1 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return len;
}

static int append_encoded(struct buffer *into, const char *name)
{
	unsigned char octets[WORD_OCTETS];
	const char *separator = "";
	int r = 0;

	while (r == 0 && *name) {
		size_t len = word_len(name);

		for (size_t i = 0; i < len; i++) {
			octets[i] = (unsigned char)name[i];
			if (is_control(octets[i]))
				octets[i] = ' ';
		}
		r = buffer_appendf(into, "%s=?utf-8?b?", separator);
		if (r == 0)
			r = append_base64(into, octets, len);
		if (r == 0)
			r = buffer_append_string(into, "?=");
		separator = "\r\n ";
		name += len;
	}
	return r;
}

int phrase_append(struct buffer *into, const char *name)
{
	bool is_plain = true;

	/* What looks like an encoded word must not be read as one. */
	if (strstr(name, "=?"))
		return append_encoded(into, name);
	for (const char *p = name; *p; p++) {
		if ((unsigned char)*p >= 0x80)
			return append_encoded(into, name);
		if (!is_word_octet((unsigned char)*p))
			is_plain = false;
	}
	if (!is_plain || name[0] == ' ' || name[0] == '\0')
		return append_quoted(into, name);
	return buffer_append_string(into, name);
}

int phrase_append_text(struct buffer *into, const char *text)
{
	size_t word = 0;
	int r = 0;

	for (const char *p = text; *p; p++) {
		word = *p == ' ' ? 0 : word + 1;
		if ((unsigned char)*p >= 0x80 || word > PLAIN_WORD_MAX)
			return append_encoded(into, text);
	}
	for (; r == 0 && *text; text++) {
		char c = is_control((unsigned char)*text) ? ' ' : *text;

		r = buffer_append(into, &c, 1);
	}
	return r;
}

int phrase_append_mailbox(struct buffer *into, const char *name,
                          const char *address)
{
	int r;

	if (!name || !*name)
		return buffer_append_string(into, address);
	r = phrase_append(into, name);
	if (r < 0)
		return r;
	return buffer_appendf(into, " <%s>", address);
}

/* Lines that were folded before are left alone. */
static int fold(struct buffer *into, size_t start)
{
	size_t line = start, space = 0;
	int r;

	for (size_t i = start; i < into->len; i++) {
		if (into->data[i] == '\n') {
			line = i + 1;
			space = 0;
		} else if (into->data[i] == ' ' && i > line &&
		           into->data[i - 1] != ':') {
			space = i;
		}
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

static bool has_long_line(const struct buffer *into, size_t start)
{
	size_t len = 0;

	for (size_t i = start; i < into->len; i++) {
		len = into->data[i] == '\n' ? 0 : len + 1;
		if (len > LINE_MAX_OCTETS)
			return true;
	}
	return false;
}

int phrase_end_field(struct buffer *into, size_t start)
{
	int r = fold(into, start);

	if (r < 0)
		return r;
	if (has_long_line(into, start)) {
		buffer_truncate(into, start);
		return 0;
	}
	return buffer_append(into, "\r\n", 2);
}
