/*
 * fuzz_json - JSON from anybody, in both directions
 *
 * The daemon's walk over an order, and the two readers that clients have for an
 * answer: each says no or gives texts that are whole.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/json.h"
#include "control/selection.h"
#include "json_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int visit(void *context, const char *path,
                 const struct json_value *value, char error[JSON_ERROR_SIZE])
{
	struct selection *selection = context;

	assert(path != NULL);
	if (value->kind != JSON_IS_TEXT)
		return 0;
	assert(value->text != NULL);
	return selection_set(selection, path, value->text, error) == -EINVAL
	           ? -EINVAL
	           : 0;
}

static void walk(const char *text, size_t len)
{
	char error[JSON_ERROR_SIZE] = "";
	struct selection selection;
	int r;

	selection_init(&selection);
	r = json_walk(text, len, visit, &selection, error);
	assert(r == 0 || (error[0] != '\0' &&
	                  memchr(error, '\0', sizeof(error)) != NULL));
	selection_done(&selection);
}

/* As deep as it goes; each value in turn read as text, number or skipped. */
static void read_value(struct json_reader *reader, unsigned depth)
{
	char name[JSON_NAME_SIZE], text[16];

	if (depth > 20) {
		json_reader_skip(reader);
		return;
	}
	if (*reader->at == '{' && json_reader_enter_object(reader)) {
		while (json_reader_next_member(reader, name)) {
			assert(strlen(name) < sizeof(name));
			read_value(reader, depth + 1);
		}
	} else if (*reader->at == '[' && json_reader_enter_array(reader)) {
		while (json_reader_next_item(reader))
			read_value(reader, depth + 1);
	} else if (*reader->at == '"') {
		json_reader_text(reader, text, sizeof(text));
		assert(strlen(text) < sizeof(text));
	} else if (*reader->at == '-') {
		(void)json_reader_number(reader);
	} else {
		json_reader_skip(reader);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct json_reader reader;
	char *text = malloc(len + 1);

	if (text == NULL)
		return 0;
	if (len > 0)
		memcpy(text, data, len);
	text[len] = '\0';
	walk(text, len);
	json_reader_init(&reader, text);
	read_value(&reader, 0);
	assert(reader.at >= text && reader.at <= text + len);
	free(text);
	return 0;
}
