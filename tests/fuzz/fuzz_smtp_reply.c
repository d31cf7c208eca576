/*
 * fuzz_smtp_reply - replies of any server, whole and byte by byte
 *
 * A reply must come out the same however the bytes arrive.
 */
#include "config.h"

#include "smtp/reply.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void look_at(const struct smtp_reply *reply)
{
	size_t cursor = 0;
	const char *line;
	char text[64];
	size_t len;

	while (smtp_reply_next_line(reply, &cursor, &line, &len))
		assert(line >= reply->data &&
		       line + len <= reply->data + reply->size);
	smtp_reply_text(reply, text, sizeof(text));
	assert(strlen(text) < sizeof(text));
	assert(!(smtp_reply_is_positive(reply) &&
	         smtp_reply_is_intermediate(reply)));
}

static int parse_by_bytes(const char *data, size_t len,
                          struct smtp_reply *ret_reply)
{
	struct smtp_reply_parser parser = { 0 };
	int r = -EAGAIN;
	size_t have;

	for (have = 0; have <= len && r == -EAGAIN; have++)
		r = smtp_reply_parse(&parser, data, have, ret_reply);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct smtp_reply_parser parser = { 0 };
	const char *rest = (const char *)data;
	struct smtp_reply reply;
	struct smtp_reply again;

	while (smtp_reply_parse(&parser, rest, len, &reply) == 0) {
		assert(reply.size > 0 && reply.size <= len);
		look_at(&reply);
		assert(parse_by_bytes(rest, len, &again) == 0);
		assert(again.size == reply.size && again.code == reply.code);
		rest += reply.size;
		len -= reply.size;
	}
	return 0;
}
