#include "config.h"

#include "control/draft_json.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "control/json.h"

static_assert(JSON_ERROR_SIZE == DRAFT_ERROR_SIZE, "one goes for the other");

#define HEADERS     "headers."
#define ATTACHMENTS "attachments[]"
#define WORD_SIZE   32

struct reader {
	const struct draft_taker *taker;
	struct draft draft;
	bool is_open; /* a message has begun */
	bool is_array;
	/* What is wrong with the message; the rest of it is skipped. */
	bool is_bad;
	char error[DRAFT_ERROR_SIZE];
	/* Of the object that is open. */
	const char *name, *address;
	struct draft_file file;
};

static int on_value(void *context, const char *path,
                    const struct json_value *value,
                    char error[JSON_ERROR_SIZE]);
static void on_message(struct reader *reader, enum json_kind kind);
static int on_member(struct reader *reader, const char *path,
                     const struct json_value *value);
static int on_mailbox(struct reader *reader, const char *path,
                      const struct json_value *value);
static int on_file(struct reader *reader, const char *member,
                   const struct json_value *value);
static int on_scalar(struct reader *reader, const char *path,
                     const struct json_value *value);

int draft_json_read(const char *text, size_t len,
                    const struct draft_taker *taker, bool *ret_is_array,
                    char error[DRAFT_ERROR_SIZE])
{
	struct reader reader = { .taker = taker };
	size_t skipped = 0;
	int r;

	while (skipped < len && strchr(" \t\r\n", text[skipped]) != NULL)
		skipped++;
	reader.is_array = skipped < len && text[skipped] == '[';
	r = json_walk_all(text, len, on_value, &reader, error);
	if (reader.is_open)
		draft_done(&reader.draft);
	free(reader.file.owned);
	*ret_is_array = reader.is_array;
	return r;
}

static int on_value(void *context, const char *path,
                    const struct json_value *value, char error[JSON_ERROR_SIZE])
{
	struct reader *reader = context;

	if (reader->is_array) {
		if (strncmp(path, "[]", 2) != 0)
			return -EINVAL;
		path += path[2] == '.' ? 3 : 2;
	}
	if (*path == '\0'
	        ? value->kind != JSON_IS_OBJECT && value->kind != JSON_IS_END
	        : !reader->is_open) {
		(void)snprintf(error, JSON_ERROR_SIZE,
		               "expected a message as an object");
		return -EINVAL;
	}
	if (*path == '\0')
		on_message(reader, value->kind);
	else if (!reader->is_bad)
		reader->is_bad = on_member(reader, path, value) < 0;
	return 0;
}

static void on_message(struct reader *reader, enum json_kind kind)
{
	const struct draft_taker *taker = reader->taker;

	if (kind == JSON_IS_OBJECT) {
		reader->is_bad = false;
		taker->begin(taker->context, &reader->draft);
		reader->is_open = true;
		return;
	}
	taker->end(taker->context, &reader->draft,
	           reader->is_bad ? reader->error : NULL);
	draft_done(&reader->draft);
	reader->is_open = false;
}

static int complain(struct reader *reader, const char *path,
                    const char *expected)
{
	(void)snprintf(reader->error, sizeof(reader->error),
	               "%.80s: expected %s", path, expected);
	return -EINVAL;
}

static bool is_of(const char *path, const char *prefix)
{
	return strncmp(path, prefix, strlen(prefix)) == 0;
}

static int on_member(struct reader *reader, const char *path,
                     const struct json_value *value)
{
	bool is_edge =
	    value->kind == JSON_IS_OBJECT || value->kind == JSON_IS_END;

	if (strcmp(path, "headers") == 0)
		return is_edge ? 0 : complain(reader, path, "an object");
	if (is_of(path, HEADERS)) {
		char name[128];

		if (value->kind != JSON_IS_TEXT)
			return complain(reader, path, "a text");
		(void)snprintf(name, sizeof(name), "%s",
		               path + strlen(HEADERS));
		/* Several of one name are an array. */
		if (strlen(name) > 2 &&
		    strcmp(name + strlen(name) - 2, "[]") == 0)
			name[strlen(name) - 2] = '\0';
		return draft_add_field(&reader->draft, name, value->text,
		                       reader->error);
	}
	if (strcmp(path, ATTACHMENTS) == 0 && is_edge)
		return on_file(reader, NULL, value);
	if (is_of(path, ATTACHMENTS "."))
		return on_file(reader, path + strlen(ATTACHMENTS "."), value);
	if (is_edge || strchr(path, '.') != NULL)
		return on_mailbox(reader, path, value);
	return on_scalar(reader, path, value);
}

/* The word without the marks of an array and of a member in it. */
static void read_word(const char *path, char word[WORD_SIZE])
{
	size_t len = strcspn(path, "[.");

	(void)snprintf(word, WORD_SIZE, "%.*s",
	               len < WORD_SIZE ? (int)len : WORD_SIZE - 1, path);
}

static int on_mailbox(struct reader *reader, const char *path,
                      const struct json_value *value)
{
	const char *member = strchr(path, '.');
	char word[WORD_SIZE];

	if (value->kind == JSON_IS_OBJECT) {
		reader->name = reader->address = NULL;
		return member == NULL ? 0 : complain(reader, path, "a text");
	}
	if (value->kind == JSON_IS_END) {
		read_word(path, word);
		return draft_add_mailbox(&reader->draft, word, reader->name,
		                         reader->address, reader->error);
	}
	if (value->kind == JSON_IS_NULL)
		return 0;
	if (value->kind != JSON_IS_TEXT)
		return complain(reader, path, "a text");
	if (strcmp(member, ".name") == 0)
		reader->name = value->text;
	else if (strcmp(member, ".address") == 0)
		reader->address = value->text;
	else
		return complain(reader, path, "name and address alone");
	return 0;
}

/* ----------------------------------------------------------- attachments */

static int decode(struct reader *reader, const struct json_value *value)
{
	struct draft_file *file = &reader->file;

	if (file->owned != NULL)
		return complain(reader, "content", "one");
	file->owned = malloc(BASE64_DECODED_MAX(value->len));
	if (file->owned == NULL)
		abort();
	if (base64_decode(value->text, value->len, file->owned, &file->len) < 0)
		return complain(reader, "attachments: content", "base64");
	file->data = file->owned;
	return 0;
}

static int end_file(struct reader *reader)
{
	struct draft_file *file = &reader->file;

	if (file->owned == NULL)
		return complain(reader, ATTACHMENTS, "content, in base64");
	/* The draft has it now, whatever it says. */
	if (draft_add_file(&reader->draft, file, reader->error) < 0) {
		memset(file, 0, sizeof(*file));
		return -EINVAL;
	}
	memset(file, 0, sizeof(*file));
	return 0;
}

/* member NULL: the object itself begins or ends. */
static int on_file(struct reader *reader, const char *member,
                   const struct json_value *value)
{
	struct draft_file *file = &reader->file;

	if (value->kind == JSON_IS_OBJECT && member == NULL) {
		free(file->owned);
		memset(file, 0, sizeof(*file));
		return 0;
	}
	if (member == NULL)
		return end_file(reader);
	if (value->kind == JSON_IS_NULL)
		return 0;
	if (value->kind != JSON_IS_TEXT)
		return complain(reader, member, "a text");
	if (strcmp(member, "content") == 0)
		return decode(reader, value);
	if (strcmp(member, "filename") == 0)
		file->name = value->text;
	else if (strcmp(member, "type") == 0)
		file->type = value->text;
	else if (strcmp(member, "content_id") == 0)
		file->content_id = value->text;
	else
		return complain(reader, member,
		                "filename, type, content or content_id");
	return 0;
}

/* --------------------------------------------------------------- scalars */

static const char *const lists[] = { "to",       "cc",     "bcc",
	                             "reply_to", "notify", NULL };
static const char *const seconds[] = { "wait", "hold_for", "deadline", NULL };
static const char *const flags[] = { "dry_run", NULL };

static bool is_any(const char *word, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(*list, word) == 0)
			return true;
	return false;
}

static int on_scalar(struct reader *reader, const char *path,
                     const struct json_value *value)
{
	const char *array = strstr(path, "[]");
	char word[WORD_SIZE], number[24];
	const char *text = value->text;

	read_word(path, word);
	if (array != NULL && (array[2] != '\0' || !is_any(word, lists)))
		return complain(reader, path, "no array");
	switch (value->kind) {
	case JSON_IS_NULL:
		return 0;
	case JSON_IS_TEXT:
		break;
	case JSON_IS_NUMBER:
		if (!is_any(word, seconds))
			return complain(reader, path, "a text");
		(void)snprintf(number, sizeof(number), "%" PRId64,
		               value->number);
		text = number;
		break;
	case JSON_IS_BOOL:
		if (!is_any(word, flags))
			return complain(reader, path, "a text");
		text = value->is_true ? "true" : "false";
		break;
	case JSON_IS_OBJECT:
	case JSON_IS_END:
		return complain(reader, path, "a text");
	}
	return draft_set(&reader->draft, word, text, reader->error);
}
