#include "config.h"

#include "deliver/dkim.h"

#include <string.h>
#include <strings.h>

#include "header.h"

/* Names, each with its NUL. */
int dkim_note_change(struct buffer *changes, const char *name, size_t len)
{
	int r = buffer_append(changes, name, len);

	return r < 0 ? r : buffer_append(changes, "", 1);
}

static bool has_changed(const struct buffer *changes, const char *name,
                        size_t len)
{
	size_t at = 0;

	while (at < changes->len) {
		size_t other = strlen(changes->data + at);

		if (other == len &&
		    strncasecmp(changes->data + at, name, len) == 0)
			return true;
		at += other + 1;
	}
	return false;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The value of the tag `h`; NULL without one. RFC 6376 3.2 */
static const char *find_covered(const struct header_field *field,
                                const char **ret_end)
{
	const char *at = field->body, *end = at + field->body_len;

	while (at < end) {
		const char *stop = memchr(at, ';', (size_t)(end - at));

		if (!stop)
			stop = end;
		while (at < stop && is_space(*at))
			at++;
		if (at < stop && (*at == 'h' || *at == 'H')) {
			for (at++; at < stop && is_space(*at);)
				at++;
			if (at < stop && *at == '=') {
				*ret_end = stop;
				return at + 1;
			}
		}
		at = stop < end ? stop + 1 : end;
	}
	return NULL;
}

/* One that can't be read covers From: every signature has to (5.4). */
static bool is_broken(const struct header_field *field,
                      const struct buffer *changes)
{
	const char *at, *end;

	at = find_covered(field, &end);
	if (!at)
		return has_changed(changes, "From", 4);
	while (at < end) {
		const char *stop = memchr(at, ':', (size_t)(end - at));
		size_t len;

		if (!stop)
			stop = end;
		while (at < stop && is_space(*at))
			at++;
		for (len = (size_t)(stop - at);
		     len > 0 && is_space(at[len - 1]);)
			len--;
		if (has_changed(changes, at, len))
			return true;
		at = stop < end ? stop + 1 : end;
	}
	return false;
}

unsigned dkim_remove_broken(struct buffer *block, size_t start,
                            const struct buffer *changes)
{
	struct header_field field;
	struct header_walk walk;
	unsigned count = 0;
	char *kept;

	if (changes->len == 0)
		return 0;
	kept = block->data + start;
	header_walk_init(&walk, kept, block->len - start);
	while (header_walk_next(&walk, &field)) {
		if (header_field_is(&field, "DKIM-Signature") &&
		    is_broken(&field, changes)) {
			count++;
			continue;
		}
		if (kept != field.raw)
			memmove(kept, field.raw, field.raw_len);
		kept += field.raw_len;
	}
	buffer_truncate(block, (size_t)(kept - block->data));
	return count;
}
