#include "config.h"

#include "control/emit.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "buffer.h"
#include "clock.h"
#include "queue_id.h"

static void put(struct emitter *emitter, const char *data, size_t len);
static void begin_value(struct emitter *emitter, const char *key);
static void begin_level(struct emitter *emitter, const char *key, char begin,
                        char end);
static void put_quoted(struct emitter *emitter, const char *value);
static size_t plain_length(const unsigned char *text);
static size_t utf8_length(const unsigned char *text);
static void put_escape(struct emitter *emitter, unsigned char c);

void emit_init(struct emitter *emitter, struct buffer *out)
{
	memset(emitter, 0, sizeof(*emitter));
	emitter->out = out;
}

void emit_object(struct emitter *emitter, const char *key)
{
	begin_level(emitter, key, '{', '}');
}

void emit_array(struct emitter *emitter, const char *key)
{
	begin_level(emitter, key, '[', ']');
}

static void begin_level(struct emitter *emitter, const char *key, char begin,
                        char end)
{
	begin_value(emitter, key);
	put(emitter, &begin, 1);
	assert(emitter->depth < EMIT_DEPTH_MAX);
	emitter->level[emitter->depth].end = end;
	emitter->level[emitter->depth].has_member = false;
	emitter->depth++;
}

void emit_end(struct emitter *emitter)
{
	assert(emitter->depth > 0);
	emitter->depth--;
	put(emitter, &emitter->level[emitter->depth].end, 1);
}

void emit_text(struct emitter *emitter, const char *key, const char *value)
{
	if (!value) {
		emit_null(emitter, key);
		return;
	}
	begin_value(emitter, key);
	put_quoted(emitter, value);
}

void emit_number(struct emitter *emitter, const char *key, int64_t value)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%" PRId64, value);

	begin_value(emitter, key);
	put(emitter, text, (size_t)len);
}

void emit_bool(struct emitter *emitter, const char *key, bool value)
{
	begin_value(emitter, key);
	put(emitter, value ? "true" : "false", value ? 4 : 5);
}

void emit_null(struct emitter *emitter, const char *key)
{
	begin_value(emitter, key);
	put(emitter, "null", 4);
}

void emit_time(struct emitter *emitter, const char *key, uint64_t wall_ms)
{
	char text[CLOCK_RFC3339_SIZE];

	if (wall_ms == 0) {
		emit_null(emitter, key);
		return;
	}
	clock_format_rfc3339((int64_t)wall_ms, text);
	emit_text(emitter, key, text);
}

void emit_id(struct emitter *emitter, const char *key, uint64_t id)
{
	char text[QUEUE_ID_SIZE];

	queue_id_format(id, text);
	emit_text(emitter, key, text);
}

int emit_result(const struct emitter *emitter)
{
	assert(emitter->depth == 0);
	return emitter->result;
}

static void put(struct emitter *emitter, const char *data, size_t len)
{
	if (emitter->result == 0)
		emitter->result = buffer_append(emitter->out, data, len);
}

/* The comma before it, and its key. */
static void begin_value(struct emitter *emitter, const char *key)
{
	if (emitter->depth > 0) {
		bool *has_member =
		    &emitter->level[emitter->depth - 1].has_member;

		if (*has_member)
			put(emitter, ",", 1);
		*has_member = true;
	}
	if (key) {
		put_quoted(emitter, key);
		put(emitter, ":", 1);
	}
}

static void put_quoted(struct emitter *emitter, const char *value)
{
	const unsigned char *text = (const unsigned char *)value;

	put(emitter, "\"", 1);
	while (*text) {
		size_t len = plain_length(text);

		put(emitter, (const char *)text, len);
		text += len;
		if (*text)
			put_escape(emitter, *text++);
	}
	put(emitter, "\"", 1);
}

/* How much of the text can stand in a JSON string as it is. */
static size_t plain_length(const unsigned char *text)
{
	size_t len = 0;

	for (;;) {
		unsigned char c = text[len];
		size_t more;

		if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f)
			return len;
		more = c < 0x80 ? 1 : utf8_length(text + len);
		if (more == 0)
			return len;
		len += more;
	}
}

/* Octets of the character at text (RFC 3629); 0 if there is none. */
static size_t utf8_length(const unsigned char *text)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len, i;

	if (text[0] >= 0xc2 && text[0] <= 0xdf)
		len = 2;
	else if (text[0] >= 0xe0 && text[0] <= 0xef)
		len = 3;
	else if (text[0] >= 0xf0 && text[0] <= 0xf4)
		len = 4;
	else
		return 0;
	/* No overlong forms, no surrogates, nothing above U+10FFFF. */
	if (text[0] == 0xe0)
		low = 0xa0;
	else if (text[0] == 0xed)
		high = 0x9f;
	else if (text[0] == 0xf0)
		low = 0x90;
	else if (text[0] == 0xf4)
		high = 0x8f;
	for (i = 1; i < len; i++) {
		if (text[i] < low || text[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return len;
}

static void put_escape(struct emitter *emitter, unsigned char c)
{
	char text[8];
	int len;

	if (c >= 0x80)
		len = snprintf(text, sizeof(text), "\xef\xbf\xbd");
	else if (c == '"' || c == '\\')
		len = snprintf(text, sizeof(text), "\\%c", c);
	else if (c == '\n')
		len = snprintf(text, sizeof(text), "\\n");
	else
		len = snprintf(text, sizeof(text), "\\u%04x", c);
	put(emitter, text, (size_t)len);
}
