#include "config.h"

#include "header.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

/* RFC 5322 2.1.1: a name that fills a whole line is none. */
#define NAME_MAX_BYTES 998
/* A header that was larger is not worth keeping its memory for. */
#define KEPT_BYTES (64 * 1024)

enum line_kind {
	/* begins a field */
	LINE_FIELD,
	/* continues one */
	LINE_FOLDED,
	LINE_EMPTY,
	/* "From " or ">From ", as mailbox files have in front of a message */
	LINE_MBOX,
	LINE_OTHER,
	/* so short still that it may become anything */
	LINE_UNDECIDED,
};

static enum line_kind line_kind(const char *line, size_t len, bool is_whole,
                                size_t *ret_colon);
static int take_part_of_line(struct header_scanner *scanner, const char *data,
                             size_t len);
static void judge_line(struct header_scanner *scanner, bool is_whole);
static void check_limits(struct header_scanner *scanner, bool is_new_field);
static void drop_mbox_lines(struct header_scanner *scanner);
static void end_block(struct header_scanner *scanner);

static bool is_wsp(char c)
{
	return c == ' ' || c == '\t';
}

/* The line at the start of text, with its end if it has one. */
static size_t line_len(const char *text, size_t len)
{
	const char *lf = memchr(text, '\n', len);

	return lf ? (size_t)(lf + 1 - text) : len;
}

void header_walk_init(struct header_walk *walk, const char *text, size_t len)
{
	walk->next = text;
	walk->end = len > 0 ? text + len : text;
}

bool header_walk_next(struct header_walk *walk, struct header_field *ret_field)
{
	const char *start = walk->next;
	size_t left = (size_t)(walk->end - start);
	size_t name_len;
	size_t colon;
	size_t len;

	if (left == 0)
		return false;
	len = line_len(start, left);
	if (line_kind(start, len, true, &colon) != LINE_FIELD)
		return false;
	while (len < left && is_wsp(start[len]))
		len += line_len(start + len, left - len);
	walk->next = start + len;

	for (name_len = colon; is_wsp(start[name_len - 1]);)
		name_len--;
	ret_field->raw = start;
	ret_field->raw_len = len;
	ret_field->name = start;
	ret_field->name_len = name_len;
	if (start[len - 1] == '\n')
		len--;
	if (start[len - 1] == '\r')
		len--;
	ret_field->body = start + colon + 1;
	ret_field->body_len = len - colon - 1;
	return true;
}

/*
 * What a line can be. RFC 5322 2.2: a name is printable ASCII without a colon;
 * 4.5 knows white space between name and colon.
 */
static enum line_kind line_kind(const char *line, size_t len, bool is_whole,
                                size_t *ret_colon)
{
	size_t i = 0;

	while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		len--;
	if (len == 0)
		return is_whole ? LINE_EMPTY : LINE_UNDECIDED;
	if (is_wsp(line[0]))
		return LINE_FOLDED;
	while (i < len && line[i] > ' ' && line[i] < 127 && line[i] != ':')
		i++;
	if (i == 0 || i > NAME_MAX_BYTES)
		return LINE_OTHER;
	while (i < len && is_wsp(line[i]))
		i++;
	if (i == len && !is_whole && i <= NAME_MAX_BYTES)
		return LINE_UNDECIDED;
	if (i < len && line[i] == ':') {
		*ret_colon = i;
		return LINE_FIELD;
	}
	if ((len >= 5 && memcmp(line, "From ", 5) == 0) ||
	    (len >= 6 && memcmp(line, ">From ", 6) == 0))
		return LINE_MBOX;
	return LINE_OTHER;
}

bool header_field_is(const struct header_field *field, const char *name)
{
	/* Most differ in the first letter, and there is much to compare. */
	return ((*name ^ *field->name) & ~0x20) == 0 &&
	       strlen(name) == field->name_len &&
	       strncasecmp(field->name, name, field->name_len) == 0;
}

bool header_field_is_any(const struct header_field *field,
                         const char *const *names)
{
	for (; *names; names++) {
		if (header_field_is(field, *names))
			return true;
	}
	return false;
}

bool header_find(const char *text, size_t len, const char *name,
                 struct header_field *ret_field)
{
	struct header_walk walk;

	header_walk_init(&walk, text, len);
	while (header_walk_next(&walk, ret_field)) {
		if (header_field_is(ret_field, name))
			return true;
	}
	return false;
}

size_t header_count(const char *text, size_t len, const char *name)
{
	struct header_field field;
	struct header_walk walk;
	size_t count = 0;

	header_walk_init(&walk, text, len);
	while (header_walk_next(&walk, &field))
		count += header_field_is(&field, name);
	return count;
}

int header_unfold(const struct header_field *field, struct buffer *out)
{
	const char *at = field->body;
	const char *end = at + field->body_len;
	int r;

	while (at < end && (is_wsp(*at) || *at == '\r' || *at == '\n'))
		at++;
	while (at < end &&
	       (is_wsp(end[-1]) || end[-1] == '\r' || end[-1] == '\n'))
		end--;
	r = buffer_reserve(out, (size_t)(end - at));
	if (r < 0)
		return r;
	for (; at < end; at++) {
		if (*at != '\r' && *at != '\n')
			out->data[out->len++] = *at;
	}
	return 0;
}

int header_filter(const char *text, size_t len, const char *const *names,
                  struct buffer *out)
{
	struct header_field field;
	struct header_walk walk;
	const char *kept = text;
	int r;

	header_walk_init(&walk, text, len);
	while (header_walk_next(&walk, &field)) {
		if (!header_field_is_any(&field, names))
			continue;
		r = buffer_append(out, kept, (size_t)(field.raw - kept));
		if (r < 0)
			return r;
		kept = field.raw + field.raw_len;
	}
	return buffer_append(out, kept, (size_t)(walk.next - kept));
}

void header_scanner_init(struct header_scanner *scanner, size_t limit_bytes)
{
	*scanner = (struct header_scanner){ .state = HEADER_SCAN_OPEN };
	scanner->limit_bytes = limit_bytes ? limit_bytes : HEADER_LIMIT_BYTES;
	buffer_init(&scanner->block, 0);
}

void header_scanner_done(struct header_scanner *scanner)
{
	buffer_done(&scanner->block);
}

void header_scanner_reset(struct header_scanner *scanner)
{
	if (scanner->block.cap > KEPT_BYTES)
		buffer_done(&scanner->block);
	buffer_clear(&scanner->block);
	scanner->state = HEADER_SCAN_OPEN;
	scanner->line_start = 0;
	scanner->fields = 0;
	scanner->mbox_len = 0;
}

int header_scanner_feed(struct header_scanner *scanner, const char *data,
                        size_t len, size_t *ret_used)
{
	size_t used = 0;

	while (used < len && scanner->state == HEADER_SCAN_OPEN) {
		size_t part = line_len(data + used, len - used);
		int r;

		/* A long line may turn out to be the body's after its first
		   kilobyte: no need to copy more of it. */
		if (part > NAME_MAX_BYTES + 1)
			part = NAME_MAX_BYTES + 1;
		r = take_part_of_line(scanner, data + used, part);
		if (r < 0)
			return r;
		used += part;
	}
	*ret_used = used;
	return 0;
}

static int take_part_of_line(struct header_scanner *scanner, const char *data,
                             size_t len)
{
	int r;

	r = buffer_append(&scanner->block, data, len);
	if (r < 0)
		return r;
	judge_line(scanner, data[len - 1] == '\n');
	return 0;
}

static void judge_line(struct header_scanner *scanner, bool is_whole)
{
	struct buffer *block = &scanner->block;
	const char *line = block->data + scanner->line_start;
	size_t len = block->len - scanner->line_start;
	size_t colon;

	switch (line_kind(line, len, is_whole, &colon)) {
	case LINE_UNDECIDED:
		return;
	case LINE_FIELD:
		drop_mbox_lines(scanner);
		check_limits(scanner, is_whole);
		break;
	case LINE_FOLDED:
		if (scanner->fields == 0)
			end_block(scanner);
		else
			check_limits(scanner, false);
		break;
	case LINE_EMPTY:
		if (scanner->mbox_len == 0)
			buffer_truncate(block, scanner->line_start);
		end_block(scanner);
		break;
	case LINE_MBOX:
		if (is_whole && scanner->fields == 0)
			scanner->mbox_len = block->len;
		if (scanner->fields > 0 || len > NAME_MAX_BYTES ||
		    scanner->mbox_len > scanner->limit_bytes)
			end_block(scanner);
		break;
	case LINE_OTHER:
		end_block(scanner);
		break;
	}
	if (is_whole && scanner->state == HEADER_SCAN_OPEN)
		scanner->line_start = block->len;
}

/*
 * Only what is known to be header counts, so that the verdict is the same
 * however the content was cut.
 */
static void check_limits(struct header_scanner *scanner, bool is_new_field)
{
	if (is_new_field)
		scanner->fields++;
	if (scanner->block.len > scanner->limit_bytes)
		scanner->state = HEADER_SCAN_TOO_LARGE;
	else if (scanner->fields > HEADER_LIMIT_FIELDS)
		scanner->state = HEADER_SCAN_TOO_MANY;
}

/* A field follows them: they were a mailbox file's, not the message's. */
static void drop_mbox_lines(struct header_scanner *scanner)
{
	if (scanner->mbox_len == 0)
		return;
	buffer_consume(&scanner->block, scanner->mbox_len);
	scanner->line_start -= scanner->mbox_len;
	scanner->mbox_len = 0;
}

static void end_block(struct header_scanner *scanner)
{
	/* No field has followed the mbox lines: they are text. */
	if (scanner->mbox_len > 0)
		scanner->line_start = 0;
	scanner->state = HEADER_SCAN_DONE;
}

int header_scanner_finish(struct header_scanner *scanner)
{
	int r;

	if (scanner->state != HEADER_SCAN_OPEN)
		return 0;
	if (scanner->block.len > scanner->line_start) {
		/* Content always ends in CRLF; whoever fed other gets it. */
		r = take_part_of_line(scanner, "\r\n", 2);
		if (r < 0)
			return r;
	}
	if (scanner->state == HEADER_SCAN_OPEN)
		end_block(scanner);
	return 0;
}

const char *header_scanner_block_borrow(const struct header_scanner *scanner,
                                        size_t *ret_len)
{
	assert(scanner->state == HEADER_SCAN_DONE);
	*ret_len = scanner->line_start;
	return scanner->line_start ? scanner->block.data : "";
}

const char *header_scanner_rest_borrow(const struct header_scanner *scanner,
                                       size_t *ret_len)
{
	assert(scanner->state == HEADER_SCAN_DONE);
	*ret_len = scanner->block.len - scanner->line_start;
	return *ret_len ? scanner->block.data + scanner->line_start : "";
}
