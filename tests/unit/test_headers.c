/*
 * What leaves for a relay, by files: tests/headers/NAME.in has directives and
 * a header block as submitted, NAME.expected the envelope sender and the
 * header block as received, octet by octet (line ends apart). The forms are in
 * tests/README.
 */
#include "config.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "buffer.h"
#include "deliver/compose.h"
#include "deliver/identity.h"
#include "providers.h"
#include "queue/message.h"
#include "runtime/xalloc.h"
#include "settings.h"

#define CASES_LEAST 30

struct case_file {
	char *name;
	struct settings settings;
	struct relay_settings relay;
	struct message message;
	struct buffer stored;
	char *texts[64]; /* what the structs point to */
	size_t text_count;
};

static const char *directory(void)
{
	static char path[4096];
	const char *source = getenv("srcdir");

	snprintf(path, sizeof(path), "%s/tests/headers", source ? source : ".");
	return path;
}

static char *read_file(const char *name, const char *suffix)
{
	char path[8192], *text;
	long size;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s%s", directory(), name, suffix);
	file = fopen(path, "rb");
	if (!file)
		fail_msg("%s is not there", path);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	size = ftell(file);
	rewind(file);
	text = xcalloc(1, (size_t)size + 1);
	assert_int_equal(fread(text, 1, (size_t)size, file), size);
	fclose(file);
	return text;
}

/* ------------------------------------------------------------ directives */

/* `\r`, `\n` and `\\`; then the case's own. */
static char *keep(struct case_file *c, const char *text)
{
	char *copy = xstrdup(text), *to = copy;

	for (const char *at = text; *at; at++) {
		char next = *at == '\\' ? at[1] : '\0';

		if (next == 'r' || next == 'n' || next == '\\') {
			*to++ = next == 'r' ? '\r' : next == 'n' ? '\n' : '\\';
			at++;
		} else {
			*to++ = *at;
		}
	}
	*to = '\0';
	assert_in_range(c->text_count, 0, 63);
	c->texts[c->text_count++] = copy;
	return copy;
}

static void add_allowed(struct settings_words *words, char *word)
{
	words->word =
	    xrealloc(words->word, (words->count + 1) * sizeof(*words->word));
	words->word[words->count++] = word;
}

static void add_header(struct case_file *c, char *value)
{
	struct relay_settings *relay = &c->relay;
	char *space = strchr(value, ' ');

	assert_non_null(space);
	*space = '\0';
	relay->headers = xrealloc(relay->headers, (relay->header_count + 1) *
	                                              sizeof(*relay->headers));
	relay->headers[relay->header_count++] = (struct relay_header){
		.name = value,
		.value = space + 1,
	};
}

static void set_apply(struct case_file *c, const char *word)
{
	if (strcmp(word, "always") == 0)
		c->relay.from_apply = RELAY_FROM_ALWAYS;
	else if (strcmp(word, "not-allowed") == 0)
		c->relay.from_apply = RELAY_FROM_NOT_ALLOWED;
	else
		assert_string_equal(word, "missing");
}

static void set_keep_author(struct case_file *c, const char *word)
{
	if (strcmp(word, "reply-to") == 0)
		c->relay.keep_author = RELAY_KEEP_AUTHOR_REPLY_TO;
	else if (strcmp(word, "off") == 0)
		c->relay.keep_author = RELAY_KEEP_AUTHOR_OFF;
	else
		assert_string_equal(word, "header");
}

static void set_missing(struct case_file *c, const char *word)
{
	if (strcmp(word, "from") == 0)
		c->message.flags |= MESSAGE_ADD_FROM;
	else if (strcmp(word, "date") == 0)
		c->message.flags |= MESSAGE_ADD_DATE;
	else if (strcmp(word, "message-id") == 0)
		c->message.flags |= MESSAGE_ADD_MESSAGE_ID;
	else
		fail_msg("%s: missing %s", c->name, word);
}

static void set_text(struct case_file *c, const char *key, char *value)
{
	const struct {
		const char *key;
		const char **text;
	} texts[] = {
		{ "sender", &c->message.sender },
		{ "tag", &c->message.tag },
		{ "meta", &c->message.meta },
		{ "key", &c->message.key },
		{ "envelope_id", &c->message.envelope_id },
		{ "message_id", &c->message.message_id },
		{ "helo", &c->message.helo },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(key, texts[i].key) == 0) {
			*texts[i].text = value;
			return;
		}
	fail_msg("%s: no directive %s", c->name, key);
}

static void take_directive(struct case_file *c, const char *line)
{
	char *key = keep(c, line), *value = strchr(key, ' ');

	if (value)
		*value++ = '\0';
	else
		value = key + strlen(key);
	if (strcmp(key, "from") == 0)
		c->relay.from.address = value;
	else if (strcmp(key, "name") == 0)
		c->relay.from.name = value;
	else if (strcmp(key, "apply") == 0)
		set_apply(c, value);
	else if (strcmp(key, "allowed") == 0)
		add_allowed(&c->relay.allowed_from, value);
	else if (strcmp(key, "reply_to") == 0)
		c->relay.reply_to.address = value;
	else if (strcmp(key, "reply_name") == 0)
		c->relay.reply_to.name = value;
	else if (strcmp(key, "keep_author") == 0)
		set_keep_author(c, value);
	else if (strcmp(key, "header") == 0)
		add_header(c, value);
	else if (strcmp(key, "provider") == 0)
		assert_non_null(c->relay.provider = provider_find(value));
	else if (strcmp(key, "domain") == 0)
		c->settings.domain = value;
	else if (strcmp(key, "missing") == 0)
		set_missing(c, value);
	else if (strcmp(key, "recipients") == 0)
		c->message.recipient_count = (unsigned)atoi(value);
	else
		set_text(c, key, value);
}

static void case_open(struct case_file *c, const char *name)
{
	char *text, *line, *end;

	*c = (struct case_file){
		.settings.hostname = (char *)"web1.example.com",
		.settings.domain = (char *)"example.com",
		.relay.name = (char *)"office",
		.message = {
			.id = 42,
			.uid = 33,
			.submitted_ms = 1763923201123,
			.sender = "app@example.com",
			.helo = "localhost",
			.message_id = "<1@example.com>",
			.recipient_count = 1,
		},
	};
	c->name = xstrdup(name);
	buffer_init(&c->stored, 0);
	text = read_file(name, ".in");
	for (line = text; *line; line = end + 1) {
		end = strchr(line, '\n');
		assert_non_null(end);
		*end = '\0';
		if (line[0] == '#' && line[1] == '!') {
			take_directive(c, line + 3);
			continue;
		}
		assert_int_equal(buffer_appendf(&c->stored, "%s\r\n", line), 0);
	}
	free(text);
}

static void case_close(struct case_file *c)
{
	for (size_t i = 0; i < c->text_count; i++)
		free(c->texts[i]);
	free(c->relay.headers);
	free(c->relay.allowed_from.word);
	buffer_done(&c->stored);
	free(c->name);
}

/* -------------------------------------------------------------- the test */

/* The envelope, what the story tells, and the block, its CRs taken out. */
static char *compose(const struct case_file *c)
{
	struct buffer out, text;
	unsigned notes;
	char *result;

	buffer_init(&out, 0);
	buffer_init(&text, 0);
	assert_int_equal(compose_header(&out,
	                                &(struct composition){
					    .message = &c->message,
					    .settings = &c->settings,
					    .relay = &c->relay,
					    .stored = c->stored.data,
					    .stored_len = c->stored.len,
					},
	                                &notes),
	                 0);
	assert_int_equal(
	    buffer_appendf(&text, "MAIL FROM:<%s>\n%s",
	                   identity_sender(&c->relay, c->message.sender),
	                   notes & COMPOSED_UNSIGNED ? "unsigned\n" : ""),
	    0);
	for (size_t i = 0; i < out.len; i++) {
		bool is_end = out.data[i] == '\r';

		/* No CR without LF, no LF without CR, no NUL. */
		assert_int_not_equal(out.data[i], '\0');
		if (is_end)
			assert_int_equal(out.data[++i], '\n');
		else
			assert_int_not_equal(out.data[i], '\n');
		assert_int_equal(buffer_append(&text, &out.data[i], 1), 0);
	}
	assert_int_equal(buffer_take(&text, &result, NULL), 0);
	buffer_done(&out);
	return result;
}

static void assert_lines_fit(const char *text, const char *name)
{
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");

		if (len > 998)
			fail_msg("%s: a line of %zu octets", name, len);
		line += len + 1;
	}
}

static void run_case(const char *name)
{
	struct case_file c;
	char *received, *again, *expected;

	case_open(&c, name);
	received = compose(&c);
	again = compose(&c);
	assert_string_equal(received, again);
	assert_lines_fit(received, name);
	/* One empty line, and that at the end. */
	assert_ptr_equal(strstr(received, "\n\n"),
	                 received + strlen(received) - 2);
	expected = read_file(name, ".expected");
	if (strcmp(received, expected) != 0)
		fail_msg("%s: received\n%sexpected\n%s", name, received,
		         expected);
	free(received);
	free(again);
	free(expected);
	case_close(&c);
}

static void sends_what_each_file_expects(void **state)
{
	struct dirent *entry;
	unsigned count = 0;
	DIR *dir;

	(void)state;
	dir = opendir(directory());
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (len < 4 || strcmp(entry->d_name + len - 3, ".in") != 0)
			continue;
		entry->d_name[len - 3] = '\0';
		run_case(entry->d_name);
		count++;
	}
	closedir(dir);
	assert_true(count >= CASES_LEAST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sends_what_each_file_expects),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests_name("headers", tests, NULL, NULL);
}
