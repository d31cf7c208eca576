#include "config.h"

#include "smtp/server_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Texts of a transaction: an address with its parameters, and all of MAIL. */
#define RCPT_TEXT_BYTES    1536
#define MAIL_TEXT_BYTES    (2 * SMTP_COMMAND_MAX)
#define DEFAULT_RECIPIENTS 1000
#define DEFAULT_ERRORS     20
#define DEFAULT_RECEIVED   100

static void enter(struct smtp_server *server, enum server_state state);
static size_t take_line(struct smtp_server *server, const char *data,
                        size_t len);
static enum server_state obey_line(struct smtp_server *server, const char *line,
                                   size_t len);
static size_t take_data(struct smtp_server *server, const char *data,
                        size_t len);
static size_t take_chunk(struct smtp_server *server, const char *data,
                         size_t len);
static void say_to_recipients(struct smtp_server *server, const char *line);
static bool is_421(const char *line);
static void put(struct smtp_server *server, const char *line);
static void on_header(void *owner, const char *header, size_t len);
static void on_body(void *owner, const char *data, size_t len);

static const struct smtp_content_sink sink = { on_header, on_body };

int smtp_server_new(struct smtp_server **ret_server,
                    const struct smtp_server_settings *settings,
                    const struct smtp_server_callbacks *callbacks,
                    void *session)
{
	struct smtp_server *server;
	struct smtp_server_settings *own;

	server = calloc(1, sizeof(*server));
	if (!server)
		return -ENOMEM;
	own = &server->settings;
	*own = *settings;
	if (!own->max_recipients)
		own->max_recipients = DEFAULT_RECIPIENTS;
	if (!own->max_errors)
		own->max_errors = DEFAULT_ERRORS;
	if (!own->max_received)
		own->max_received = DEFAULT_RECEIVED;
	server->callbacks = callbacks;
	server->session = session;
	buffer_init(&server->line, SMTP_COMMAND_MAX);
	buffer_init(&server->output, 0);
	smtp_envelope_init(&server->envelope,
	                   MAIL_TEXT_BYTES +
	                       (size_t)own->max_recipients * RCPT_TEXT_BYTES);
	smtp_content_init(&server->content, &sink, server,
	                  own->header_size_bytes);
	server->content.limit_bytes = own->message_size_bytes;
	server->content.max_received = own->max_received;
	server->hostname = strdup(settings->hostname);
	if (!server->hostname) {
		smtp_server_free(server);
		return -ENOMEM;
	}
	own->hostname = server->hostname;
	*ret_server = server;
	return 0;
}

void smtp_server_free(struct smtp_server *server)
{
	if (!server)
		return;
	server_reset(server, false);
	buffer_done(&server->line);
	buffer_done(&server->output);
	smtp_envelope_done(&server->envelope);
	smtp_content_done(&server->content);
	free(server->hostname);
	free(server);
}

void smtp_server_greet(struct smtp_server *server)
{
	char text[SHORT_COMMAND_MAX];

	/* RFC 5321 4.2: the name comes first, no enhanced code (RFC 2034 4) */
	(void)snprintf(text, sizeof(text), "%s ESMTP relais", server->hostname);
	(void)server_say(server, smtp_answer(220, NULL, text));
}

size_t smtp_server_feed(struct smtp_server *server, const char *data,
                        size_t len)
{
	size_t used = 0;

	while (used < len && !server->is_closing &&
	       server->output.len < SMTP_SERVER_OUTPUT_HIGH) {
		const char *at = data + used;

		switch (server->state) {
		case AWAIT_COMMAND:
			used += take_line(server, at, len - used);
			break;
		case AWAIT_DATA:
			used += take_data(server, at, len - used);
			break;
		case AWAIT_CHUNK:
			used += take_chunk(server, at, len - used);
			break;
		case AWAIT_MESSAGE_ANSWER:
		case AWAIT_KEY_ANSWER:
		case FINISHED:
			return used;
		}
	}
	return used;
}

/* The owner is called last: it may answer, and so enter the next state. */
static void enter(struct smtp_server *server, enum server_state state)
{
	if (server->is_closing)
		state = FINISHED;
	server->state = state;
	if (state == AWAIT_MESSAGE_ANSWER)
		server->callbacks->on_message_end(server->session,
		                                  &server->envelope);
	else if (state == AWAIT_KEY_ANSWER)
		server->callbacks->on_key(server->session, server->key);
}

static size_t take_line(struct smtp_server *server, const char *data,
                        size_t len)
{
	const char *lf = memchr(data, '\n', len);
	size_t used = lf ? (size_t)(lf + 1 - data) : len;
	const char *line = data;
	size_t line_len = used;
	int r;

	if (!lf || server->line.len > 0) {
		r = buffer_append(&server->line, data, used);
		if (r < 0) {
			enter(server,
			      r == -EMSGSIZE
			          ? server_give_up(server, 500, "5.5.2",
			                           "The line is too long")
			          : server_give_up(server, 421, "4.3.1",
			                           "Out of memory"));
			return used;
		}
		line = server->line.data;
		line_len = server->line.len;
	}
	if (lf) {
		enter(server, obey_line(server, line, line_len));
		buffer_clear(&server->line);
	}
	return used;
}

/*
 * Commands end in CRLF and have no control characters but tabs. What ends
 * otherwise is not from an SMTP client, or tries to be read as something else
 * by someone else: there is no more talking to it.
 */
static enum server_state obey_line(struct smtp_server *server, const char *line,
                                   size_t len)
{
	if (len > SMTP_COMMAND_MAX)
		return server_give_up(server, 500, "5.5.2",
		                      "The line is too long");
	if (len < 2 || line[len - 2] != '\r')
		return server_give_up(server, 500, "5.5.2",
		                      "Lines must end in CRLF");
	len -= 2;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)line[i];

		if ((c < ' ' && c != '\t') || c == 127)
			return server_give_up(
			    server, 500, "5.5.2",
			    "Control characters are not allowed");
	}
	return server_obey(server, line, len);
}

static size_t take_data(struct smtp_server *server, const char *data,
                        size_t len)
{
	size_t used = smtp_content_take(&server->content, data, len);

	if (smtp_content_is_at_end(&server->content)) {
		smtp_content_finish(&server->content);
		enter(server, server_end_message(server));
	}
	return used;
}

static size_t take_chunk(struct smtp_server *server, const char *data,
                         size_t len)
{
	if (len > server->chunk_left_bytes)
		len = (size_t)server->chunk_left_bytes;
	if (server->chunk_refusal.code == 0)
		(void)smtp_content_take(&server->content, data, len);
	server->chunk_left_bytes -= len;
	if (server->chunk_left_bytes == 0)
		enter(server, server_end_chunk(server));
	return len;
}

static void on_header(void *owner, const char *header, size_t len)
{
	struct smtp_server *server = owner;

	server->callbacks->on_header(server->session, header, len);
}

static void on_body(void *owner, const char *data, size_t len)
{
	struct smtp_server *server = owner;

	server->callbacks->on_content(server->session, data, len);
}

struct buffer *smtp_server_output(struct smtp_server *server)
{
	return &server->output;
}

bool smtp_server_is_suspended(const struct smtp_server *server)
{
	return server->state == AWAIT_MESSAGE_ANSWER ||
	       server->state == AWAIT_KEY_ANSWER;
}

bool smtp_server_is_finished(const struct smtp_server *server)
{
	return server->is_closing;
}

bool smtp_server_is_in_content(const struct smtp_server *server)
{
	return server->state == AWAIT_DATA || server->state == AWAIT_CHUNK;
}

bool smtp_server_is_draining(const struct smtp_server *server)
{
	return smtp_server_is_in_content(server) &&
	       (smtp_content_has_failed(&server->content) ||
	        server->chunk_refusal.code != 0);
}

bool smtp_server_is_lmtp(const struct smtp_server *server)
{
	return server->hello == SMTP_VERB_LHLO;
}

const char *smtp_server_helo(const struct smtp_server *server)
{
	return server->helo;
}

void smtp_server_answer_recipient(struct smtp_server *server, size_t index,
                                  struct smtp_answer answer)
{
	struct smtp_envelope *envelope = &server->envelope;
	size_t count = envelope->recipient_count;
	char line[SMTP_ANSWER_SIZE];
	char *copy;

	assert(server->state == AWAIT_MESSAGE_ANSWER);
	assert(index < count);
	if (!smtp_server_is_lmtp(server))
		return;
	if (!server->recipient_lines) {
		server->recipient_lines =
		    calloc(count, sizeof(*server->recipient_lines));
		if (!server->recipient_lines)
			goto out_of_memory;
	}
	smtp_answer_format(answer, line);
	copy = strdup(line);
	if (!copy)
		goto out_of_memory;
	free(server->recipient_lines[index]);
	server->recipient_lines[index] = copy;
	return;
out_of_memory:
	/* One recipient's answer must not go to another: say nothing. */
	server->is_closing = true;
}

void smtp_server_answer_message(struct smtp_server *server,
                                struct smtp_answer answer)
{
	char line[SMTP_ANSWER_SIZE];

	assert(server->state == AWAIT_MESSAGE_ANSWER);
	smtp_answer_format(answer, line);
	say_to_recipients(server, line);
	server_reset(server, false);
	if (smtp_answer_is_positive(answer))
		server->errors = 0;
	if (answer.code == 421)
		server->is_closing = true;
	enter(server, AWAIT_COMMAND);
}

/* To every recipient in LMTP, else once. */
static void say_to_recipients(struct smtp_server *server, const char *line)
{
	size_t count = 1;

	if (smtp_server_is_lmtp(server))
		count = server->envelope.recipient_count;
	for (size_t i = 0; i < count; i++) {
		const char *own =
		    server->recipient_lines ? server->recipient_lines[i] : NULL;

		put(server, own ? own : line);
	}
}

void smtp_server_answer_key(struct smtp_server *server,
                            struct smtp_answer answer)
{
	assert(server->state == AWAIT_KEY_ANSWER);
	server->key = NULL;
	enter(server, server_say(server, answer));
}

void smtp_server_fail_message(struct smtp_server *server,
                              struct smtp_answer answer)
{
	smtp_content_fail(&server->content, answer);
}

void smtp_server_close(struct smtp_server *server, struct smtp_answer answer)
{
	char line[SMTP_ANSWER_SIZE];

	smtp_answer_format(answer, line);
	put(server, line);
	/* No more content is wanted from what was read already. */
	smtp_content_fail(&server->content, answer);
	server->is_closing = true;
}

enum server_state server_say(struct smtp_server *server,
                             struct smtp_answer answer)
{
	char line[SMTP_ANSWER_SIZE];

	smtp_answer_format(answer, line);
	put(server, line);
	if (answer.code != 421)
		return AWAIT_COMMAND;
	/* RFC 5321 3.8: after 421 the channel is closed. */
	server_reset(server, true);
	server->is_closing = true;
	return FINISHED;
}

enum server_state server_say_failure(struct smtp_server *server)
{
	const char *line = server->content.failure;

	put(server, line);
	if (!is_421(line))
		return AWAIT_COMMAND;
	server_reset(server, true);
	server->is_closing = true;
	return FINISHED;
}

enum server_state server_fail(struct smtp_server *server)
{
	const char *line = server->content.failure;

	say_to_recipients(server, line);
	server_reset(server, true);
	if (!is_421(line))
		return AWAIT_COMMAND;
	server->is_closing = true;
	return FINISHED;
}

static bool is_421(const char *line)
{
	return strncmp(line, "421", 3) == 0;
}

enum server_state server_refuse(struct smtp_server *server, int code,
                                const char *enhanced, const char *text)
{
	if (++server->errors > server->settings.max_errors)
		return server_give_up(server, 421, "4.7.0", "Too many errors");
	return server_say(server, smtp_answer(code, enhanced, text));
}

enum server_state server_give_up(struct smtp_server *server, int code,
                                 const char *enhanced, const char *text)
{
	(void)server_say(server, smtp_answer(code, enhanced, text));
	server_reset(server, true);
	server->is_closing = true;
	return FINISHED;
}

static void put(struct smtp_server *server, const char *line)
{
	if (server->is_closing)
		return;
	/* Without its reply a client cannot be served. */
	if (buffer_append_string(&server->output, line) < 0)
		server->is_closing = true;
}

void server_reset(struct smtp_server *server, bool is_lost)
{
	struct smtp_envelope *envelope = &server->envelope;
	bool is_open = envelope->sender != NULL;

	if (server->recipient_lines) {
		for (size_t i = 0; i < envelope->recipient_count; i++)
			free(server->recipient_lines[i]);
		free(server->recipient_lines);
		server->recipient_lines = NULL;
	}
	server->has_chunks = false;
	smtp_envelope_reset(envelope);
	if (is_open && is_lost && server->callbacks->on_reset)
		server->callbacks->on_reset(server->session);
}
