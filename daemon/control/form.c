#include "config.h"

#include "control/form.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "header.h"
#include "runtime/xalloc.h"

/* RFC 2046 5.1.1 */
#define BOUNDARY_MAX 70
#define HEAD_MAX     8192

/* What is left of the body. */
struct rest {
	const char *at, *end;
	char delimiter[BOUNDARY_MAX + 5]; /* CRLF, two dashes, the boundary */
	size_t delimiter_len;
};

static int find_boundary(struct rest *rest, const char *type);
static int read_part(struct form *form, struct rest *rest,
                     char error[FORM_ERROR_SIZE]);
static int read_head(struct form *form, struct form_part *part,
                     const char *head, size_t len, char error[FORM_ERROR_SIZE]);
static const char *read_parameter(struct form *form, const char *value,
                                  size_t len, const char *name);

static int complain(char error[FORM_ERROR_SIZE], const char *what)
{
	(void)snprintf(error, FORM_ERROR_SIZE, "form: %s", what);
	return -EINVAL;
}

static bool skip(struct rest *rest, const char *text, size_t len)
{
	if ((size_t)(rest->end - rest->at) < len ||
	    memcmp(rest->at, text, len) != 0)
		return false;
	rest->at += len;
	return true;
}

int form_read(struct form *form, const char *type, const char *data, size_t len,
              char error[FORM_ERROR_SIZE])
{
	struct rest rest = { .at = data, .end = data + len };
	const char *first;
	int r;

	memset(form, 0, sizeof(*form));
	arena_init(&form->arena, 0);
	if (find_boundary(&rest, type) < 0)
		return complain(error, "Content-Type has no boundary");
	/* The first delimiter may lack the line end that belongs to it. */
	if (!skip(&rest, rest.delimiter + 2, rest.delimiter_len - 2)) {
		first = memmem(data, len, rest.delimiter, rest.delimiter_len);
		if (first == NULL)
			return complain(error, "there is no part");
		rest.at = first + rest.delimiter_len;
	}
	while (!skip(&rest, "--", 2)) {
		r = read_part(form, &rest, error);
		if (r < 0)
			return r;
	}
	return 0;
}

void form_done(struct form *form)
{
	free(form->parts);
	arena_done(&form->arena);
}

static int find_boundary(struct rest *rest, const char *type)
{
	struct form scratch;
	const char *boundary;
	int len = -1;

	memset(&scratch, 0, sizeof(scratch));
	arena_init(&scratch.arena, 0);
	boundary = read_parameter(&scratch, type, strlen(type), "boundary");
	if (boundary != NULL && *boundary != '\0' &&
	    strlen(boundary) <= BOUNDARY_MAX)
		len = snprintf(rest->delimiter, sizeof(rest->delimiter),
		               "\r\n--%s", boundary);
	arena_done(&scratch.arena);
	rest->delimiter_len = (size_t)len;
	return len < 0 ? -EINVAL : 0;
}

static struct form_part *add_part(struct form *form)
{
	if ((form->count & (form->count - 1)) == 0)
		form->parts = xrealloc(
		    form->parts, (form->count == 0 ? 1 : 2 * form->count) *
				     sizeof(*form->parts));
	memset(&form->parts[form->count], 0, sizeof(*form->parts));
	return &form->parts[form->count++];
}

/* Stands behind a delimiter, and in the end behind the next one. */
static int read_part(struct form *form, struct rest *rest,
                     char error[FORM_ERROR_SIZE])
{
	struct form_part *part;
	const char *head, *end;
	int r;

	while (rest->at < rest->end && (*rest->at == ' ' || *rest->at == '\t'))
		rest->at++;
	if (!skip(rest, "\r\n", 2))
		return complain(error, "it is cut off, or a boundary is wrong");
	if (form->count == FORM_PARTS_MAX)
		return complain(error, "there are too many parts");
	part = add_part(form);
	head = rest->at;
	end = memmem(head, (size_t)(rest->end - head), "\r\n\r\n", 4);
	if (end == NULL || end - head > HEAD_MAX)
		return complain(error, "a part has no end of its header");
	r = read_head(form, part, head, (size_t)(end - head) + 2, error);
	if (r < 0)
		return r;
	part->data = end + 4;
	/* The line end in front of a delimiter is part of it; where there is
	 * no content it ends the header as well. */
	end = memmem(end + 2, (size_t)(rest->end - end - 2), rest->delimiter,
	             rest->delimiter_len);
	if (end == NULL)
		return complain(error, "it is cut off");
	part->len = end > part->data ? (size_t)(end - part->data) : 0;
	rest->at = end + rest->delimiter_len;
	return 0;
}

static const char *copy(struct form *form, const char *text, size_t len)
{
	const char *own = arena_copy(&form->arena, text, len);

	if (own == NULL)
		abort();
	return own;
}

static int read_head(struct form *form, struct form_part *part,
                     const char *head, size_t len, char error[FORM_ERROR_SIZE])
{
	struct header_walk walk;
	struct header_field field;

	header_walk_init(&walk, head, len);
	while (header_walk_next(&walk, &field)) {
		const char *value = field.body;
		size_t value_len = field.body_len;

		while (value_len > 0 && *value == ' ') {
			value++;
			value_len--;
		}
		if (header_field_is(&field, "Content-Disposition")) {
			part->name =
			    read_parameter(form, value, value_len, "name");
			part->filename =
			    read_parameter(form, value, value_len, "filename");
		} else if (header_field_is(&field, "Content-Type")) {
			/* Without its parameters. */
			const char *stop = memchr(value, ';', value_len);

			part->type = copy(form, value,
			                  stop != NULL ? (size_t)(stop - value)
			                               : value_len);
		} else if (header_field_is(&field,
		                           "Content-Transfer-Encoding") &&
		           (value_len < 4 ||
		            strncasecmp(value, "8bit", 4) != 0) &&
		           (value_len < 4 ||
		            strncasecmp(value, "7bit", 4) != 0) &&
		           (value_len < 6 ||
		            strncasecmp(value, "binary", 6) != 0)) {
			/* RFC 7578 4.7 */
			return complain(
			    error,
			    "parts come as they are, without an encoding");
		}
	}
	if (part->name == NULL)
		return complain(error, "a part has no name");
	return 0;
}

/* Behind a value, quoted or not; what a quoted one escapes doesn't end it. */
static const char *end_of_value(const char *at, const char *end)
{
	bool is_quoted = at < end && *at == '"';

	for (at += is_quoted; at < end; at++) {
		if (is_quoted && *at == '\\' && at + 1 < end)
			at++;
		else if (is_quoted && *at == '"')
			return at + 1;
		else if (!is_quoted && (*at == ';' || *at == ' '))
			return at;
	}
	return end;
}

static const char *copy_value(struct form *form, const char *at,
                              const char *end)
{
	char *out = arena_allocate(&form->arena, (size_t)(end - at) + 1);
	bool is_quoted = at < end && *at == '"';
	size_t used = 0;

	if (out == NULL)
		abort();
	for (at += is_quoted; at < end && !(is_quoted && *at == '"'); at++) {
		if (is_quoted && *at == '\\' && at + 1 < end &&
		    (at[1] == '"' || at[1] == '\\'))
			at++;
		out[used++] = *at;
	}
	out[used] = '\0';
	return out;
}

/* "value; name=x; other=\"y\"": NULL if it isn't there. */
static const char *read_parameter(struct form *form, const char *value,
                                  size_t len, const char *name)
{
	const char *at = value, *end = value + len;
	size_t name_len = strlen(name);

	while (at < end && (at = memchr(at, ';', (size_t)(end - at))) != NULL) {
		const char *word, *start;
		size_t word_len;

		for (at++; at < end && (*at == ' ' || *at == '\t');)
			at++;
		word = at;
		while (at < end && *at != '=' && *at != ';')
			at++;
		word_len = (size_t)(at - word);
		if (at == end || *at == ';')
			continue;
		start = at + 1;
		at = end_of_value(start, end);
		if (word_len == name_len &&
		    strncasecmp(word, name, name_len) == 0)
			return copy_value(form, start, at);
	}
	return NULL;
}
