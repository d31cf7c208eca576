/*
 * smtp/reply - what a server answers, read from a stream of bytes
 *
 * Promise: never reads beyond the bytes given, never allocates, and nothing
 * a server sends can make a text longer or dirtier than its reader expects.
 */
#include "config.h"

#include "smtp/reply.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static int parse_line(struct smtp_reply_parser *parser, const char *line,
                      size_t len, bool *ret_is_last);
static void parse_enhanced(struct smtp_reply *reply);
static size_t enhanced_length(const char *text, size_t len, uint16_t code,
                              uint16_t ret_enhanced[3]);
static size_t utf8_length(const unsigned char *text, size_t len);

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int smtp_reply_parse(struct smtp_reply_parser *parser, const char *data,
                     size_t len, struct smtp_reply *ret_reply)
{
	bool is_last = false;

	while (!is_last) {
		const char *start = data + parser->line_start;
		const char *end = NULL;

		assert(parser->scanned <= len);
		if (parser->scanned < len)
			end = memchr(data + parser->scanned, '\n',
			             len - parser->scanned);
		if (!end) {
			parser->scanned = len;
			/* one more: it may be the CR */
			if (len - parser->line_start > SMTP_REPLY_LINE_MAX + 1)
				return -EPROTO;
			return -EAGAIN;
		}
		if (parse_line(parser, start, (size_t)(end - start), &is_last) <
		    0)
			return -EPROTO;
		parser->line_start = (size_t)(end + 1 - data);
		parser->scanned = parser->line_start;
	}

	*ret_reply = (struct smtp_reply){
		.code = parser->code,
		.is_inconsistent = parser->is_inconsistent,
		.data = data,
		.size = parser->line_start,
	};
	parse_enhanced(ret_reply);
	*parser = (struct smtp_reply_parser){ .code = 0 };
	return 0;
}

/* One line without its LF: `NNN`, `NNN text` or `NNN-text`. */
static int parse_line(struct smtp_reply_parser *parser, const char *line,
                      size_t len, bool *ret_is_last)
{
	uint16_t code;

	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (len > SMTP_REPLY_LINE_MAX ||
	    parser->line_start + len > SMTP_REPLY_SIZE_MAX ||
	    ++parser->lines > SMTP_REPLY_LINES_MAX)
		return -EPROTO;
	if (len < 3 || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) ||
	    !is_digit(line[2]))
		return -EPROTO;
	if (len > 3 && line[3] != ' ' && line[3] != '-')
		return -EPROTO;

	code = (uint16_t)((line[0] - '0') * 100 + (line[1] - '0') * 10 +
	                  (line[2] - '0'));
	if (parser->lines > 1 && code != parser->code)
		parser->is_inconsistent = true;
	parser->code = code;
	*ret_is_last = len == 3 || line[3] == ' ';
	return 0;
}

/* The first line that has one decides; RFC 2034 wants it on every line. */
static void parse_enhanced(struct smtp_reply *reply)
{
	const char *line;
	size_t cursor = 0;
	size_t len;

	while (smtp_reply_next_line(reply, &cursor, &line, &len)) {
		if (enhanced_length(line, len, reply->code, reply->enhanced))
			return;
	}
}

/*
 * How many octets of the text are `d.ddd.ddd` and the space behind it; 0 if
 * that is not how it starts. A 5.x.x behind a 4xx is seen in the wild; the code
 * decides, and the status still names the reason.
 */
static size_t enhanced_length(const char *text, size_t len, uint16_t code,
                              uint16_t ret_enhanced[3])
{
	uint16_t part[3] = { 0, 0, 0 };
	size_t at = 0;

	for (int i = 0; i < 3; i++) {
		size_t digits = 0;

		for (; at < len && digits < 4 && is_digit(text[at]); at++) {
			part[i] = (uint16_t)(part[i] * 10 + (text[at] - '0'));
			digits++;
		}
		if (digits == 0 || digits > (i == 0 ? 1 : 3))
			return 0;
		if (i < 2 && (at >= len || text[at++] != '.'))
			return 0;
	}
	if (at < len && text[at] != ' ')
		return 0;
	if (part[0] != 2 && part[0] != 4 && part[0] != 5)
		return 0;
	if ((part[0] == 2) != (code / 100 == 2))
		return 0;

	memcpy(ret_enhanced, part, sizeof part);
	while (at < len && text[at] == ' ')
		at++;
	return at;
}

bool smtp_reply_next_line(const struct smtp_reply *reply, size_t *cursor,
                          const char **ret_line, size_t *ret_len)
{
	const char *line = reply->data + *cursor;
	const char *end;
	size_t len;

	if (*cursor >= reply->size)
		return false;
	end = memchr(line, '\n', reply->size - *cursor);
	assert(end);
	*cursor += (size_t)(end + 1 - line);

	len = (size_t)(end - line);
	if (len > 0 && line[len - 1] == '\r')
		len--;
	*ret_line = line + (len > 4 ? 4 : len);
	*ret_len = len > 4 ? len - 4 : 0;
	return true;
}

void smtp_reply_text(const struct smtp_reply *reply, char *ret_text,
                     size_t size)
{
	const char *line;
	size_t cursor = 0;
	size_t used = 0;
	size_t len;

	assert(size > 0);
	ret_text[0] = '\0';
	while (used + 1 < size &&
	       smtp_reply_next_line(reply, &cursor, &line, &len)) {
		uint16_t enhanced[3];
		size_t skip = enhanced_length(line, len, reply->code, enhanced);

		if (skip == len)
			continue;
		if (used > 0)
			ret_text[used++] = ' ';
		smtp_text_clean(ret_text + used, size - used, line + skip,
		                len - skip);
		used += strlen(ret_text + used);
	}
}

void smtp_text_clean(char *ret_text, size_t size, const char *text, size_t len)
{
	const unsigned char *from = (const unsigned char *)text;
	size_t used = 0;
	size_t at = 0;

	assert(size > 0);
	while (at < len) {
		size_t step = utf8_length(from + at, len - at);
		size_t width = step ? step : 1;

		if (used + width >= size)
			break;
		if (step)
			memcpy(ret_text + used, from + at, step);
		else
			ret_text[used] = from[at] == '\t' ? ' ' : '?';
		used += width;
		at += width;
	}
	ret_text[used] = '\0';
}

/* Octets of the printable character at the start; 0 if there is none. */
static size_t utf8_length(const unsigned char *text, size_t len)
{
	uint32_t point;
	size_t more;

	if (text[0] < 0x80)
		return text[0] >= 0x20 && text[0] != 0x7f ? 1 : 0;
	if (text[0] >= 0xc2 && text[0] <= 0xdf)
		more = 1;
	else if (text[0] >= 0xe0 && text[0] <= 0xef)
		more = 2;
	else if (text[0] >= 0xf0 && text[0] <= 0xf4)
		more = 3;
	else
		return 0;
	if (len <= more)
		return 0;

	point = text[0] & (0x3fu >> more);
	for (size_t i = 1; i <= more; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (text[i] & 0x3fu);
	}
	/* C1 controls, overlong forms, surrogates, beyond Unicode */
	if (point < 0xa0 || (more == 2 && point < 0x800) ||
	    (point >= 0xd800 && point <= 0xdfff) ||
	    (more == 3 && (point < 0x10000 || point > 0x10ffff)))
		return 0;
	/* line and paragraph separators, which some log viewers obey; and the
	 * marks that turn the writing direction of what follows */
	if ((point >= 0x2028 && point <= 0x202e) ||
	    (point >= 0x2066 && point <= 0x2069))
		return 0;
	return more + 1;
}

bool smtp_reply_is_positive(const struct smtp_reply *reply)
{
	return reply->code / 100 == 2;
}

bool smtp_reply_is_intermediate(const struct smtp_reply *reply)
{
	return reply->code / 100 == 3;
}
