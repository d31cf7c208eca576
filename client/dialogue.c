#include "config.h"

#include "dialogue.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "outcome.h"
#include "smtp/reply.h"

/* Of the envelope, in front of the chunks: MAIL and each RCPT. */
#define ENVELOPE_REPLIES(dialogue) (1 + (dialogue)->recipient_count)

static enum relais_result connect_anew(struct dialogue *dialogue,
                                       const char *path,
                                       struct relais_answer *answer);
static enum relais_result read_hello(struct dialogue *dialogue,
                                     struct relais_answer *answer);
static enum relais_result send_chunk(struct dialogue *dialogue,
                                     const void *data, size_t len, bool is_last,
                                     struct relais_answer *answer);
static enum relais_result take_reply(struct dialogue *dialogue,
                                     const struct smtp_reply *reply,
                                     struct relais_answer *answer);
static enum relais_result take_replies_there(struct dialogue *dialogue,
                                             struct relais_answer *answer);
static enum relais_result await_replies(struct dialogue *dialogue, size_t count,
                                        struct relais_answer *answer);
static enum relais_result lose(struct dialogue *dialogue, int error,
                               struct relais_answer *answer);

void dialogue_init(struct dialogue *dialogue)
{
	*dialogue = (struct dialogue){ 0 };
	connection_init(&dialogue->connection);
	buffer_init(&dialogue->commands, 0);
}

void dialogue_close(struct dialogue *dialogue)
{
	connection_close(&dialogue->connection);
	buffer_done(&dialogue->commands);
	dialogue->is_used = false;
}

enum relais_result dialogue_open(struct dialogue *dialogue, const char *path,
                                 struct relais_answer *answer)
{
	struct connection *connection = &dialogue->connection;
	struct smtp_reply reply;

	/* Whoever was silent for long has been told 421 and left. */
	if (connection_is_open(connection) &&
	    connection_try_reply(connection, &reply) != -EAGAIN)
		dialogue_close(dialogue);
	if (connection_is_open(connection))
		return RELAIS_OK;
	return connect_anew(dialogue, path, answer);
}

static enum relais_result connect_anew(struct dialogue *dialogue,
                                       const char *path,
                                       struct relais_answer *answer)
{
	static const char hello[] = "EHLO localhost\r\n";
	char copy[sizeof(hello)];
	struct iovec iov = { copy, sizeof(hello) - 1 };
	int r;

	memcpy(copy, hello, sizeof(hello));
	dialogue->is_complete = false;
	r = connection_open(&dialogue->connection, path);
	if (r < 0)
		return outcome_fail(answer, RELAIS_UNAVAILABLE, -r, "%s: %s",
		                    path, strerror(-r));
	/* It is relaisd: it listens while it greets. */
	r = connection_send(&dialogue->connection, &iov, 1);
	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		return lose(dialogue, r, answer);
	return read_hello(dialogue, answer);
}

static enum relais_result read_hello(struct dialogue *dialogue,
                                     struct relais_answer *answer)
{
	struct smtp_reply reply;

	for (int i = 0; i < 2; i++) {
		int r = connection_read_reply(&dialogue->connection, &reply);

		if (r < 0)
			return lose(dialogue, r, answer);
		if (!smtp_reply_is_positive(&reply)) {
			(void)outcome_take_reply(answer, &reply, false);
			dialogue_close(dialogue);
			return answer->result;
		}
	}
	offers_read(&dialogue->offers, &reply);
	if (smtp_capabilities_have(&dialogue->offers.smtp, SMTP_EXT_CHUNKING) &&
	    smtp_capabilities_have(&dialogue->offers.smtp, SMTP_EXT_PIPELINING))
		return RELAIS_OK;
	dialogue_close(dialogue);
	return outcome_fail(answer, RELAIS_UNSUPPORTED, ENOTSUP,
	                    "who listens there is not relaisd");
}

enum relais_result dialogue_begin(struct dialogue *dialogue,
                                  const struct relais_envelope *envelope,
                                  uint64_t size_bytes, const char *key,
                                  struct relais_answer *answer)
{
	enum relais_result result;

	result = envelope_check_offers(envelope, &dialogue->offers, size_bytes,
	                               answer);
	if (result != RELAIS_OK)
		return result;
	dialogue->answered = 0;
	dialogue->recipient_count = envelope->recipient_count;
	dialogue->sent = ENVELOPE_REPLIES(dialogue);
	dialogue->is_complete = false;
	dialogue->waits = envelope->wait_s > 0;
	dialogue->can_wait = dialogue->offers.private_words & PRIVATE_WAIT;
	buffer_clear(&dialogue->commands);
	if (envelope_append(&dialogue->commands, envelope, &dialogue->offers,
	                    size_bytes, key) < 0)
		return outcome_fail(answer, RELAIS_NO_MEMORY, ENOMEM,
		                    "out of memory");
	return RELAIS_OK;
}

enum relais_result dialogue_send(struct dialogue *dialogue, const void *data,
                                 size_t len, bool is_last,
                                 struct relais_answer *answer)
{
	bool is_held_back = is_last && dialogue->recipient_count > 1;
	enum relais_result result;

	/* What was refused already needs no more of it. */
	if (dialogue->commands.len == 0) {
		result = take_replies_there(dialogue, answer);
		if (result != RELAIS_OK)
			return result;
	}
	if (!is_held_back || dialogue->answered >= ENVELOPE_REPLIES(dialogue))
		return send_chunk(dialogue, data, len, is_last, answer);
	if (len > 0) {
		result = send_chunk(dialogue, data, len, false, answer);
		if (result != RELAIS_OK)
			return result;
	}
	result = await_replies(dialogue, ENVELOPE_REPLIES(dialogue), answer);
	if (result != RELAIS_OK)
		return result;
	return send_chunk(dialogue, "", 0, true, answer);
}

static enum relais_result send_chunk(struct dialogue *dialogue,
                                     const void *data, size_t len, bool is_last,
                                     struct relais_answer *answer)
{
	struct buffer *commands = &dialogue->commands;
	struct iovec iov[2];
	int r;

	r = buffer_append_string(commands, "BDAT ");
	if (r == 0)
		r = buffer_append_number(commands, len);
	if (r == 0)
		r = buffer_append_string(commands,
		                         is_last ? " LAST\r\n" : "\r\n");
	if (r < 0)
		return lose(dialogue, r, answer);
	iov[0] = (struct iovec){ commands->data, commands->len };
	/* Only read; the struct is the kernel's. */
	iov[1].iov_len = len;
	memcpy(&iov[1].iov_base, &data, sizeof(data));
	r = connection_send(&dialogue->connection, iov, 2);
	buffer_clear(commands);
	dialogue->sent++;
	if (r == 0) {
		dialogue->is_complete = is_last;
		return RELAIS_OK;
	}
	/* It may have said why before it closed. */
	if (r == -EPIPE || r == -ECONNRESET)
		return await_replies(dialogue, dialogue->sent, answer);
	return lose(dialogue, r, answer);
}

enum relais_result dialogue_finish(struct dialogue *dialogue,
                                   struct relais_answer *answer)
{
	return await_replies(dialogue, dialogue->sent, answer);
}

enum relais_result dialogue_ask(struct dialogue *dialogue, const char *key,
                                struct relais_answer *answer)
{
	struct buffer *commands = &dialogue->commands;
	struct smtp_reply reply;
	struct iovec iov;
	int r;

	buffer_clear(commands);
	r = envelope_append_question(commands, key);
	if (r < 0)
		return lose(dialogue, r, answer);
	iov = (struct iovec){ commands->data, commands->len };
	r = connection_send(&dialogue->connection, &iov, 1);
	buffer_clear(commands);
	if (r == 0)
		r = connection_read_reply(&dialogue->connection, &reply);
	if (r < 0)
		return lose(dialogue, r, answer);
	return outcome_take_reply(answer, &reply, false);
}

/* ---------------------------------------------------------------- replies */

static enum relais_result await_replies(struct dialogue *dialogue, size_t count,
                                        struct relais_answer *answer)
{
	while (dialogue->answered < count) {
		struct smtp_reply reply;
		enum relais_result result;
		int r;

		r = connection_read_reply(&dialogue->connection, &reply);
		if (r < 0)
			return lose(dialogue, r, answer);
		result = take_reply(dialogue, &reply, answer);
		if (result != RELAIS_OK)
			return result;
	}
	return RELAIS_OK;
}

static enum relais_result take_replies_there(struct dialogue *dialogue,
                                             struct relais_answer *answer)
{
	while (dialogue->answered < dialogue->sent) {
		struct smtp_reply reply;
		enum relais_result result;
		int r;

		r = connection_try_reply(&dialogue->connection, &reply);
		if (r == -EAGAIN)
			return RELAIS_OK;
		if (r < 0)
			return lose(dialogue, r, answer);
		result = take_reply(dialogue, &reply, answer);
		if (result != RELAIS_OK)
			return result;
	}
	return RELAIS_OK;
}

static enum relais_result take_reply(struct dialogue *dialogue,
                                     const struct smtp_reply *reply,
                                     struct relais_answer *answer)
{
	size_t index = dialogue->answered++;
	bool is_final =
	    dialogue->is_complete && dialogue->answered == dialogue->sent;

	if (is_final || !smtp_reply_is_positive(reply))
		(void)outcome_take_reply(answer, reply,
		                         is_final && dialogue->waits);
	if (smtp_reply_is_positive(reply)) {
		if (!is_final)
			return RELAIS_OK;
		dialogue->is_used = true;
		dialogue->is_complete = false;
		if (dialogue->waits && !dialogue->can_wait)
			answer->result = RELAIS_PENDING;
		return answer->result;
	}
	if (index >= 1 && index <= dialogue->recipient_count)
		answer->recipient = (long)index - 1;
	/* A single recipient's refusal is the message's: the chunk behind it
	   is refused as well. So nothing is queued, whatever was sent. */
	dialogue->is_complete = false;
	dialogue_close(dialogue);
	return answer->result;
}

static enum relais_result lose(struct dialogue *dialogue, int error,
                               struct relais_answer *answer)
{
	enum relais_result result = RELAIS_UNAVAILABLE;
	const char *what = "relaisd has closed the connection";

	dialogue_close(dialogue);
	if (error == -ENOMEM)
		result = RELAIS_NO_MEMORY;
	else if (dialogue->is_complete)
		result = RELAIS_UNKNOWN;
	if (error != -ECONNRESET && error != -EPIPE)
		what = strerror(-error);
	return outcome_fail(
	    answer, result, -error, "%s%s", what,
	    result == RELAIS_UNKNOWN ? "; the message may be queued" : "");
}
