/*
 * librelais_status - what became of a message, asked over control.sock
 *
 * A question is a connection of its own: nothing is shared between threads,
 * and no session is held up. What relaisd says beside what is known here is
 * skipped.
 */
#include "config.h"

#include "relais.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "control_socket.h"
#include "http.h"
#include "json_reader.h"
#include "outcome.h"
#include "queue_id.h"
#include "smtp/reply.h"

#define WAIT_MAX_S 300

static int ask(const char *path, const char *id, unsigned wait_s,
               unsigned timeout_ms, int *ret_status, char **ret_body);
static enum relais_result fail(struct relais_answer *answer, const char *path,
                               int error);
static enum relais_result refuse(struct relais_answer *answer, int status,
                                 const char *body);
static int read_message(const char *text, struct relais_message **ret_message);
static int read_recipients(struct json_reader *list,
                           struct relais_message *message);
static void read_recipient(struct json_reader *reader,
                           struct relais_recipient *recipient);
static void read_reply(struct json_reader *reader,
                       struct relais_recipient *recipient);
static void read_clean(struct json_reader *reader, char *out, size_t size);
static enum relais_state read_state(struct json_reader *reader);
static int64_t read_time_ms(struct json_reader *reader);

enum relais_result relais_status(const char *socket, const char *id,
                                 unsigned wait_s, unsigned timeout_ms,
                                 struct relais_message **ret_message,
                                 struct relais_answer *ret_answer)
{
	const char *path = control_socket_path(socket);
	struct relais_answer answer;
	char *body = NULL;
	uint64_t number;
	int status = 0;
	int r;

	*ret_message = NULL;
	outcome_clear(&answer);
	if (!id || queue_id_parse(id, &number) < 0) {
		(void)outcome_fail(&answer, RELAIS_INVALID, EINVAL,
		                   "this is no queue id");
	} else if (wait_s > WAIT_MAX_S) {
		(void)outcome_fail(&answer, RELAIS_INVALID, EINVAL,
		                   "no more than %d s can be waited for",
		                   WAIT_MAX_S);
	} else {
		r = ask(path, id, wait_s, timeout_ms, &status, &body);
		if (r == 0 && status == 200)
			r = read_message(body, ret_message);
		if (r < 0)
			(void)fail(&answer, path, -r);
		else if (status != 200)
			(void)refuse(&answer, status, body);
		else
			(void)snprintf(answer.id, sizeof(answer.id), "%s", id);
		answer.code = status;
	}
	free(body);
	if (ret_answer)
		*ret_answer = answer;
	return answer.result;
}

void relais_message_free(struct relais_message *message)
{
	if (!message)
		return;
	free(message->recipients);
	free(message);
}

static int ask(const char *path, const char *id, unsigned wait_s,
               unsigned timeout_ms, int *ret_status, char **ret_body)
{
	char target[64];
	const struct http_question question = {
		.method = "GET",
		.target = target,
		.timeout_ms = timeout_ms,
	};
	struct http *http = NULL;
	int len = snprintf(target, sizeof(target), "/v1/messages/%s", id);
	int r;

	if (wait_s > 0)
		(void)snprintf(target + len, sizeof(target) - (size_t)len,
		               "?wait=%u", wait_s);
	r = http_ask(&http, path, &question);
	if (r == 0) {
		*ret_status = http_status(http);
		r = http_read_all(http, ret_body, NULL);
	}
	http_close(http);
	return r;
}

static enum relais_result fail(struct relais_answer *answer, const char *path,
                               int error)
{
	if (error == ETIMEDOUT)
		return outcome_fail(answer, RELAIS_TIMED_OUT, error,
		                    "relaisd did not answer in time");
	if (error == ENOMEM)
		return outcome_fail(answer, RELAIS_NO_MEMORY, error,
		                    "out of memory");
	if (error == EPROTO)
		return outcome_fail(
		    answer, RELAIS_UNAVAILABLE, error,
		    "relaisd's answer is cut off, or makes no sense");
	return outcome_fail(answer, RELAIS_UNAVAILABLE, error,
	                    "relaisd cannot be asked: %s: %s", path,
	                    strerror(error));
}

static enum relais_result refuse(struct relais_answer *answer, int status,
                                 const char *body)
{
	enum relais_result result = RELAIS_REJECTED;
	char message[RELAIS_TEXT_SIZE];

	if (status == 404)
		result = RELAIS_NO_SUCH_MESSAGE;
	else if (status == 429 || status >= 500)
		result = RELAIS_TRY_LATER;
	(void)outcome_fail(answer, result, 0, "%s", "");
	json_reader_refusal(body, message, sizeof(message));
	smtp_text_clean(answer->text, sizeof(answer->text), message,
	                strlen(message));
	return result;
}

/* 0; -EPROTO if it is no message, -ENOMEM. */
static int read_message(const char *text, struct relais_message **ret_message)
{
	struct relais_message *message = calloc(1, sizeof(*message));
	struct json_reader reader;
	char name[JSON_NAME_SIZE];
	int r = 0;

	if (!message)
		return -ENOMEM;
	json_reader_init(&reader, text);
	if (!json_reader_enter_object(&reader))
		reader.is_bad = true;
	while (r == 0 && json_reader_next_member(&reader, name)) {
		if (strcmp(name, "id") == 0)
			json_reader_text(&reader, message->id,
			                 sizeof(message->id));
		else if (strcmp(name, "state") == 0)
			message->state = read_state(&reader);
		else if (strcmp(name, "submitted") == 0)
			message->submitted_ms = read_time_ms(&reader);
		else if (strcmp(name, "ended") == 0)
			message->ended_ms = read_time_ms(&reader);
		else if (strcmp(name, "recipients") == 0)
			r = read_recipients(&reader, message);
		else
			json_reader_skip(&reader);
	}
	if (r == 0 && (reader.is_bad || !message->id[0]))
		r = -EPROTO;
	if (r < 0)
		relais_message_free(message);
	else
		*ret_message = message;
	return r;
}

static int read_recipients(struct json_reader *list,
                           struct relais_message *message)
{
	size_t room = 0;

	if (message->recipients || !json_reader_enter_array(list))
		return -EPROTO;
	message->recipient_count = 0;
	while (json_reader_next_item(list)) {
		if (message->recipient_count == room) {
			struct relais_recipient *more;

			room = room ? 2 * room : 1;
			more = reallocarray(message->recipients, room,
			                    sizeof(*more));
			if (!more)
				return -ENOMEM;
			message->recipients = more;
		}
		read_recipient(
		    list, &message->recipients[message->recipient_count++]);
	}
	return 0;
}

static void read_recipient(struct json_reader *reader,
                           struct relais_recipient *recipient)
{
	char name[JSON_NAME_SIZE];

	memset(recipient, 0, sizeof(*recipient));
	if (!json_reader_enter_object(reader)) {
		reader->is_bad = true;
		return;
	}
	while (json_reader_next_member(reader, name)) {
		if (strcmp(name, "address") == 0)
			read_clean(reader, recipient->address,
			           sizeof(recipient->address));
		else if (strcmp(name, "state") == 0)
			recipient->state = read_state(reader);
		else if (strcmp(name, "attempts") == 0)
			recipient->attempts =
			    (unsigned)json_reader_number(reader);
		else if (strcmp(name, "next_attempt") == 0)
			recipient->next_attempt_ms = read_time_ms(reader);
		else if (strcmp(name, "reply") == 0)
			read_reply(reader, recipient);
		else
			json_reader_skip(reader);
	}
}

static void read_reply(struct json_reader *reader,
                       struct relais_recipient *recipient)
{
	char name[JSON_NAME_SIZE];

	if (!json_reader_enter_object(reader))
		return; /* null: there was none */
	while (json_reader_next_member(reader, name)) {
		if (strcmp(name, "code") == 0)
			recipient->code = (int)json_reader_number(reader);
		else if (strcmp(name, "enhanced") == 0)
			read_clean(reader, recipient->status,
			           sizeof(recipient->status));
		else if (strcmp(name, "text") == 0)
			read_clean(reader, recipient->text,
			           sizeof(recipient->text));
		else
			json_reader_skip(reader);
	}
}

/* Servers' texts: no control character goes on from here. */
static void read_clean(struct json_reader *reader, char *out, size_t size)
{
	char raw[RELAIS_ADDRESS_SIZE];

	json_reader_text(reader, raw, sizeof(raw));
	smtp_text_clean(out, size, raw, strlen(raw));
}

static enum relais_state read_state(struct json_reader *reader)
{
	static const struct {
		const char *name;
		enum relais_state state;
	} states[] = {
		{ "queued", RELAIS_STATE_QUEUED },
		{ "waiting", RELAIS_STATE_QUEUED },
		{ "delivering", RELAIS_STATE_DELIVERING },
		{ "held", RELAIS_STATE_HELD },
		{ "parked", RELAIS_STATE_PARKED },
		{ "delivered", RELAIS_STATE_DELIVERED },
		{ "failed", RELAIS_STATE_FAILED },
		{ "expired", RELAIS_STATE_EXPIRED },
		{ "cancelled", RELAIS_STATE_CANCELLED },
		{ "partial", RELAIS_STATE_PARTIAL },
	};
	char name[16];

	json_reader_text(reader, name, sizeof(name));
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcmp(states[i].name, name) == 0)
			return states[i].state;
	}
	return RELAIS_STATE_OTHER;
}

/* 0 for null */
static int64_t read_time_ms(struct json_reader *reader)
{
	char text[CLOCK_RFC3339_SIZE + 8];
	int64_t at_ms;

	json_reader_text(reader, text, sizeof(text));
	return clock_parse_rfc3339(text, &at_ms) == 0 ? at_ms : 0;
}
