/*
 * fuzz_smtp_server - a whole session, in one piece and in small ones
 *
 * Both must hear the same replies and see the same events, and no message may
 * hold a bare CR or LF.
 */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "../support/recording_session.h"
#include "smtp/extensions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void play(struct recording_session *session,
                 const struct smtp_server_settings *settings, const char *text,
                 size_t len, size_t piece)
{
	const struct buffer *message;

	recording_session_init(session, settings);
	session->answer = smtp_answer(250, "2.0.0", "Ok");
	smtp_server_greet(session->server);
	(void)recording_session_feed(session, text, len, piece);

	message = &session->message;
	for (size_t i = 0; i < message->len; i++) {
		char next = i + 1 < message->len ? message->data[i + 1] : '\0';

		assert(message->data[i] != '\0');
		if (message->data[i] == '\r')
			assert(next == '\n');
		if (next == '\n')
			assert(message->data[i] == '\r');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct smtp_server_settings settings = {
		.hostname = "h",
		.message_size_bytes = 300,
		.max_recipients = 3,
		.header_size_bytes = 100,
		.hold_max_s = 100,
	};
	struct recording_session pieces;
	struct recording_session whole;
	const char *text = (const char *)data;

	if (len < 2)
		return 0;
	settings.extensions = data[0] & 1 ? ~0u : SMTP_EXT_BASIC;
	play(&whole, &settings, text + 1, len - 1, 0);
	play(&pieces, &settings, text + 1, len - 1, 1 + data[0] / 2 % 8);
	assert(strcmp(recording_session_log(&whole),
	              recording_session_log(&pieces)) == 0);
	assert(strcmp(recording_session_message(&whole),
	              recording_session_message(&pieces)) == 0);
	recording_session_done(&whole);
	recording_session_done(&pieces);
	return 0;
}
