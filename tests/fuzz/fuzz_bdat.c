/*
 * fuzz_bdat - the same content in chunks of any size, and behind DATA
 *
 * However content is framed, and however the bytes arrive: both are refused, or
 * both are the same message; and what stands behind the frames is commands.
 */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "../support/recording_session.h"
#include "smtp/dot_stuffing.h"
#include "smtp/extensions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char opening[] = "EHLO c\r\nMAIL FROM:<a@b.c>\r\n"
			      "RCPT TO:<d@e.f>\r\n";
static const char closing[] = "MAIL FROM:<after@b.c>\r\n";

static void put(struct buffer *out, const char *data, size_t len)
{
	assert(buffer_append(out, data, len) == 0);
}

/* The sizes are bytes of the input, too; the last chunk may be empty. */
static void frame_bdat(struct buffer *out, const uint8_t *sizes, size_t count,
                       const char *content, size_t len)
{
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		size_t n = sizes[i] < len - used ? sizes[i] : len - used;

		assert(buffer_appendf(out, "BDAT %zu\r\n", n) == 0);
		put(out, content + used, n);
		used += n;
	}
	assert(buffer_appendf(out, "BDAT %zu LAST\r\n", len - used) == 0);
	put(out, content + used, len - used);
}

/* A dot is added at each start of a line, be it behind CRLF or not. */
static void frame_data(struct buffer *out, const char *content, size_t len)
{
	bool is_at_line = true;

	put(out, "DATA\r\n", 6);
	for (size_t i = 0; i < len; i++) {
		if (content[i] == '.' && is_at_line)
			put(out, ".", 1);
		put(out, content + i, 1);
		is_at_line =
		    content[i] == '\n' && i > 0 && content[i - 1] == '\r';
	}
	if (!is_at_line || len == 0)
		put(out, "\r\n", 2);
	put(out, ".\r\n", 3);
}

static void play(struct recording_session *session, struct buffer *text,
                 size_t piece)
{
	static const struct smtp_server_settings settings = {
		.hostname = "h",
		.extensions = SMTP_EXT_BASIC,
		.message_size_bytes = 100000,
		.header_size_bytes = 100000,
		.max_recipients = 3,
	};

	recording_session_init(session, &settings);
	session->answer = smtp_answer(250, "2.0.0", "Ok");
	smtp_server_greet(session->server);
	(void)recording_session_feed(session, text->data, text->len, piece);
}

static bool is_followed(struct recording_session *session)
{
	return strstr(recording_session_log(session), "mail after@b.c\n") !=
	       NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct recording_session in_chunks, in_lines;
	struct buffer chunks, lines;
	const char *content;
	size_t count;

	if (len < 2)
		return 0;
	count = data[0] % 16;
	if (len < 2 + count)
		return 0;
	content = (const char *)data + 2 + count;
	len -= 2 + count;
	/* DATA can't say that a last line ends in a bare LF. */
	while (len > 0 && content[len - 1] == '\n' &&
	       (len == 1 || content[len - 2] != '\r'))
		len--;
	buffer_init(&chunks, 0);
	buffer_init(&lines, 0);
	put(&chunks, opening, strlen(opening));
	put(&lines, opening, strlen(opening));
	frame_bdat(&chunks, data + 2, count, content, len);
	frame_data(&lines, content, len);
	put(&chunks, closing, strlen(closing));
	put(&lines, closing, strlen(closing));

	play(&in_chunks, &chunks, data[1] % 32);
	play(&in_lines, &lines, data[1] / 32);
	assert(is_followed(&in_chunks));
	assert(in_chunks.messages <= 1 && in_lines.messages <= 1);
	if (is_followed(&in_lines)) {
		assert(in_chunks.messages == in_lines.messages);
		assert(strcmp(recording_session_message(&in_chunks),
		              recording_session_message(&in_lines)) == 0);
	}
	recording_session_done(&in_chunks);
	recording_session_done(&in_lines);
	buffer_done(&chunks);
	buffer_done(&lines);
	return 0;
}
