/*
 * Mail as clients of the control API send it: a form if it begins like one,
 * else JSON; what is right becomes commands and a message.
 */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/draft.h"
#include "control/draft_json.h"
#include "control/form.h"
#include "control/mime.h"
#include "header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_library;

/* One MAIL, then RCPT; nothing but the line ends controls anything. */
static void check_commands(const struct draft *draft)
{
	struct buffer out;
	size_t i, lines = 0;

	buffer_init(&out, 0);
	draft_append_commands(draft, 1, &out);
	for (i = 0; i < out.len; i++) {
		unsigned char c = (unsigned char)out.data[i];

		if (c >= ' ' && c != 127)
			continue;
		assert(c == '\r' && i + 1 < out.len && out.data[i + 1] == '\n');
		i++;
		lines++;
		assert(i + 1 == out.len ||
		       strncmp(out.data + i + 1, "RCPT TO:<", 9) == 0);
	}
	assert(strncmp(out.data, "MAIL FROM:<", 11) == 0 && lines > 1);
	buffer_done(&out);
}

/* The header is all fields up to the empty line, and keeps the secret. */
static void check_message(const struct draft *draft)
{
	struct header_walk walk;
	struct header_field field;
	char *text, *end;
	size_t len;

	mime_build(draft, &text, &len);
	end = memmem(text, len, "\n\n", 2);
	assert(end != NULL && memchr(text, '\0', (size_t)(end - text)) == NULL);
	header_walk_init(&walk, text, len);
	while (header_walk_next(&walk, &field))
		assert(!header_field_is(&field, "Bcc"));
	assert(walk.next == end + 1);
	assert(header_count(text, len, "From") <= 1);
	assert(header_count(text, len, "Subject") <= 1);
	assert(header_count(text, len, "Content-Type") == 1);
	free(text);
}

static void begin(void *context, struct draft *draft)
{
	(void)context;
	draft_init(draft, false, 50);
}

static void end(void *context, struct draft *draft, const char *error)
{
	char why[DRAFT_ERROR_SIZE];

	(void)context;
	if (error != NULL) {
		assert(*error != '\0');
		return;
	}
	if (draft_check(draft, why) < 0)
		return;
	check_commands(draft);
	if (has_library)
		check_message(draft);
}

static void take_json(const char *text, size_t len)
{
	const struct draft_taker taker = { begin, end, NULL };
	char error[DRAFT_ERROR_SIZE] = "";
	bool is_array;
	int r = draft_json_read(text, len, &taker, &is_array, error);

	assert(r == 0 || error[0] != '\0');
}

static void take_form(const char *text, size_t len)
{
	char error[FORM_ERROR_SIZE] = "";
	struct form form;
	size_t i;
	int r;

	r = form_read(&form, "multipart/form-data; boundary=b", text, len,
	              error);
	assert(r == 0 || error[0] != '\0');
	for (i = 0; r == 0 && i < form.count; i++) {
		const struct form_part *part = &form.parts[i];

		assert(part->name != NULL && part->data >= text &&
		       part->data + part->len <= text + len);
		if (part->filename == NULL)
			take_json(part->data, part->len);
	}
	form_done(&form);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *why, *text = (const char *)data;

	has_library = mime_prepare(&why) == 0;
	if (size > 3 && memcmp(data, "--b", 3) == 0)
		take_form(text, size);
	else
		take_json(text, size);
	return 0;
}
