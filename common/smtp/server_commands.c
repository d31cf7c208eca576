/*
 * server_commands - what the server does at each command
 *
 * The table says when a command may come; server_obey() alone answers 500 and
 * 503. A handler says one thing and returns the next state.
 */
#include "config.h"

#include "smtp/server_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "smtp/extensions.h"

/* How far a session has got, as far as it decides what may come next. */
enum phase {
	/* nobody has said EHLO, HELO or LHLO */
	PHASE_START = 1 << 0,
	PHASE_READY = 1 << 1,
	PHASE_MAIL = 1 << 2,
	PHASE_RCPT = 1 << 3,
	/* the first BDAT has come */
	PHASE_BDAT = 1 << 4,
	PHASE_ANY = (1 << 5) - 1,
};

typedef enum server_state (*handler)(struct smtp_server *server,
                                     const char *argument, size_t len);

static enum server_state on_helo(struct smtp_server *server,
                                 const char *argument, size_t len);
static enum server_state on_ehlo(struct smtp_server *server,
                                 const char *argument, size_t len);
static enum server_state on_lhlo(struct smtp_server *server,
                                 const char *argument, size_t len);
static enum server_state on_mail(struct smtp_server *server,
                                 const char *argument, size_t len);
static enum server_state on_rcpt(struct smtp_server *server,
                                 const char *argument, size_t len);
static enum server_state on_data(struct smtp_server *server,
                                 const char *argument, size_t len);
static enum server_state on_bdat(struct smtp_server *server,
                                 const char *argument, size_t len);
static enum server_state on_rset(struct smtp_server *server,
                                 const char *argument, size_t len);
static enum server_state on_noop(struct smtp_server *server,
                                 const char *argument, size_t len);
static enum server_state on_vrfy(struct smtp_server *server,
                                 const char *argument, size_t len);
static enum server_state on_expn(struct smtp_server *server,
                                 const char *argument, size_t len);
static enum server_state on_help(struct smtp_server *server,
                                 const char *argument, size_t len);
static enum server_state on_xkey(struct smtp_server *server,
                                 const char *argument, size_t len);
static enum server_state on_quit(struct smtp_server *server,
                                 const char *argument, size_t len);

/* In the order of a session; enum phase says when each is allowed. */
static const struct {
	unsigned phases;
	handler handle;
	/* has it an argument? */
	bool is_alone;
} commands[] = {
	[SMTP_VERB_HELO] = { PHASE_ANY, on_helo, false },
	[SMTP_VERB_EHLO] = { PHASE_ANY, on_ehlo, false },
	[SMTP_VERB_LHLO] = { PHASE_ANY, on_lhlo, false },
	[SMTP_VERB_MAIL] = { PHASE_READY, on_mail, false },
	[SMTP_VERB_RCPT] = { PHASE_MAIL | PHASE_RCPT, on_rcpt, false },
	[SMTP_VERB_DATA] = { PHASE_RCPT, on_data, true },
	/* Octets follow whatever we say: it judges its place by itself. */
	[SMTP_VERB_BDAT] = { PHASE_ANY, on_bdat, false },
	[SMTP_VERB_RSET] = { PHASE_ANY, on_rset, true },
	[SMTP_VERB_NOOP] = { PHASE_ANY, on_noop, false },
	[SMTP_VERB_VRFY] = { PHASE_ANY, on_vrfy, false },
	[SMTP_VERB_EXPN] = { PHASE_ANY, on_expn, false },
	[SMTP_VERB_HELP] = { PHASE_ANY, on_help, false },
	[SMTP_VERB_XKEY] = { PHASE_READY, on_xkey, false },
	[SMTP_VERB_QUIT] = { PHASE_ANY, on_quit, true },
};

static enum phase phase_of(const struct smtp_server *server)
{
	if (server->hello == SMTP_VERB_UNKNOWN)
		return PHASE_START;
	if (!server->envelope.sender)
		return PHASE_READY;
	if (server->has_chunks)
		return PHASE_BDAT;
	return server->envelope.recipient_count ? PHASE_RCPT : PHASE_MAIL;
}

/* What a command that came too early or too late is told. */
static const char *what_is_missing(const struct smtp_server *server,
                                   enum smtp_verb verb)
{
	switch (phase_of(server)) {
	case PHASE_START:
		return "Say EHLO, HELO or LHLO first";
	case PHASE_READY:
		return "Say MAIL first";
	case PHASE_MAIL:
	case PHASE_RCPT:
		if (verb == SMTP_VERB_MAIL || verb == SMTP_VERB_XKEY)
			return "A transaction is open already";
		return "There is no valid recipient";
	case PHASE_BDAT:
		return "Only BDAT or RSET can follow BDAT";
	case PHASE_ANY:
		break;
	}
	return "Not now";
}

enum server_state server_obey(struct smtp_server *server, const char *line,
                              size_t len)
{
	const char *argument;
	size_t argument_len;
	enum smtp_verb verb;
	bool is_long;

	verb = smtp_command_verb(line, len, &argument, &argument_len);
	if (verb == SMTP_VERB_FOREIGN)
		return server_give_up(server, 421, "4.7.0",
		                      "This is SMTP, not HTTP");
	if (verb == SMTP_VERB_UNKNOWN ||
	    (verb == SMTP_VERB_XKEY && !server->callbacks->on_key))
		return server_refuse(server, 500, "5.5.2", "Unknown command");
	is_long = verb == SMTP_VERB_MAIL || verb == SMTP_VERB_RCPT ||
	          verb == SMTP_VERB_XKEY;
	if (!is_long && len + 2 > SHORT_COMMAND_MAX)
		return server_refuse(server, 500, "5.5.2",
		                     "The line is too long");
	if (!(commands[verb].phases & phase_of(server)))
		return server_refuse(server, 503, "5.5.1",
		                     what_is_missing(server, verb));
	if (commands[verb].is_alone && argument_len > 0)
		return server_refuse(server, 501, "5.5.4",
		                     "This command has no argument");
	return commands[verb].handle(server, argument, argument_len);
}

/* Any of the three begins the session anew (RFC 5321 4.1.4). */
static bool take_hello(struct smtp_server *server, enum smtp_verb verb,
                       const char *name, size_t len)
{
	struct smtp_answer answer;

	if (!smtp_command_parse_helo(name, len, &answer)) {
		(void)server_refuse(server, answer.code, answer.enhanced,
		                    answer.text);
		return false;
	}
	server_reset(server, true);
	server->hello = verb;
	memcpy(server->helo, name, len);
	server->helo[len] = '\0';
	if (server->callbacks->on_helo)
		server->callbacks->on_helo(server->session, server->helo);
	return true;
}

static enum server_state on_helo(struct smtp_server *server,
                                 const char *argument, size_t len)
{
	if (!take_hello(server, SMTP_VERB_HELO, argument, len))
		return AWAIT_COMMAND;
	return server_say(server, smtp_answer(250, NULL, server->hostname));
}

static enum server_state announce(struct smtp_server *server)
{
	const struct smtp_server_settings *settings = &server->settings;
	struct smtp_extension_limits limits = {
		.size_bytes = settings->message_size_bytes,
		.rcpt_max = settings->max_recipients,
		.mail_max = settings->max_transactions,
		.hold_max_s = settings->hold_max_s,
		.by_min_s = settings->by_min_s,
	};

	if (settings->extensions & SMTP_EXT_FUTURERELEASE)
		limits.now_wall_ms = clock_wall_ms();
	if (!server->is_closing &&
	    smtp_extensions_announce(&server->output, server->hostname,
	                             settings->extensions, &limits) < 0)
		server->is_closing = true;
	return AWAIT_COMMAND;
}

static enum server_state on_ehlo(struct smtp_server *server,
                                 const char *argument, size_t len)
{
	if (!take_hello(server, SMTP_VERB_EHLO, argument, len))
		return AWAIT_COMMAND;
	return announce(server);
}

static enum server_state on_lhlo(struct smtp_server *server,
                                 const char *argument, size_t len)
{
	if (!take_hello(server, SMTP_VERB_LHLO, argument, len))
		return AWAIT_COMMAND;
	return announce(server);
}

/* Is what MAIL asks for within what we announced? */
static bool is_within_limits(const struct smtp_server *server,
                             const struct smtp_mail_params *params,
                             struct smtp_answer *ret_answer)
{
	const struct smtp_server_settings *settings = &server->settings;
	int64_t hold_max_s = (int64_t)settings->hold_max_s;

	if (settings->message_size_bytes &&
	    params->size_bytes > settings->message_size_bytes) {
		*ret_answer =
		    smtp_answer(552, "5.3.4", "The message is too large");
		return false;
	}
	if (params->hold_for_s > settings->hold_max_s ||
	    (params->hold_until_wall_ms &&
	     (params->hold_until_wall_ms - clock_wall_ms()) / 1000 >
	         hold_max_s)) {
		*ret_answer = smtp_answer(
		    501, "5.5.4",
		    "It cannot be held for so long: EHLO says how long");
		return false;
	}
	if (params->by.mode == SMTP_BY_RETURN &&
	    params->by.seconds < (int64_t)settings->by_min_s) {
		*ret_answer =
		    smtp_answer(501, "5.5.4", "It cannot be delivered so soon");
		return false;
	}
	return true;
}

static enum server_state on_mail(struct smtp_server *server,
                                 const char *argument, size_t len)
{
	const struct smtp_server_settings *settings = &server->settings;
	struct smtp_envelope *envelope = &server->envelope;
	struct smtp_answer answer;
	const char *sender;

	if (settings->max_transactions &&
	    server->transactions >= settings->max_transactions)
		return server_give_up(server, 421, "4.7.0",
		                      "Enough messages for one session");
	smtp_envelope_reset(envelope);
	if (!smtp_command_parse_mail(argument, len, settings->extensions,
	                             &envelope->arena, &sender,
	                             &envelope->params, &answer) ||
	    !is_within_limits(server, &envelope->params, &answer))
		return server_refuse(server, answer.code, answer.enhanced,
		                     answer.text);

	envelope->sender = sender;
	answer = smtp_answer(250, "2.1.0", "Sender ok");
	if (server->callbacks->on_mail)
		answer = server->callbacks->on_mail(server->session, envelope);
	if (smtp_answer_is_positive(answer))
		server->transactions++;
	else
		envelope->sender = NULL;
	return server_say(server, answer);
}

static enum server_state on_rcpt(struct smtp_server *server,
                                 const char *argument, size_t len)
{
	struct smtp_envelope *envelope = &server->envelope;
	struct smtp_recipient recipient;
	struct smtp_answer answer;

	if (envelope->recipient_count >= server->settings.max_recipients)
		return server_say(
		    server, smtp_answer(452, "4.5.3", "Too many recipients"));
	if (!smtp_command_parse_rcpt(argument, len, server->settings.extensions,
	                             envelope->params.is_smtputf8,
	                             &envelope->arena, &recipient, &answer))
		return server_refuse(server, answer.code, answer.enhanced,
		                     answer.text);

	answer = smtp_answer(250, "2.1.5", "Recipient ok");
	if (server->callbacks->on_rcpt)
		answer = server->callbacks->on_rcpt(server->session, envelope,
		                                    &recipient);
	if (smtp_answer_is_positive(answer) &&
	    smtp_envelope_add(envelope, &recipient) < 0)
		answer = smtp_answer(452, "4.5.3", "Too many recipients");
	return server_say(server, answer);
}

/* May content come? Asks the session, once a message. */
static struct smtp_answer welcome(struct smtp_server *server)
{
	if (!server->callbacks->on_data)
		return smtp_answer(250, NULL, "");
	return server->callbacks->on_data(server->session, &server->envelope);
}

static enum server_state on_data(struct smtp_server *server,
                                 const char *argument, size_t len)
{
	struct smtp_answer answer;

	(void)argument;
	(void)len;
	smtp_content_begin(&server->content, true);
	answer = welcome(server);
	if (!smtp_answer_is_positive(answer))
		return server_say(server, answer);
	(void)server_say(
	    server,
	    smtp_answer(354, NULL, "Go ahead, and end with <CRLF>.<CRLF>"));
	return AWAIT_DATA;
}

/* A chunk in the wrong place has to be read over all the same. */
static void place_chunk(struct smtp_server *server)
{
	enum phase phase = phase_of(server);
	struct smtp_answer answer;

	server->chunk_refusal = (struct smtp_answer){ 0 };
	if (phase == PHASE_BDAT)
		return;
	if (phase != PHASE_RCPT) {
		server->chunk_refusal = smtp_answer(
		    503, "5.5.1", what_is_missing(server, SMTP_VERB_BDAT));
		return;
	}
	server->has_chunks = true;
	smtp_content_begin(&server->content, false);
	answer = welcome(server);
	if (!smtp_answer_is_positive(answer))
		smtp_content_fail(&server->content, answer);
}

static enum server_state on_bdat(struct smtp_server *server,
                                 const char *argument, size_t len)
{
	struct smtp_answer answer;

	/* Where the chunk ends, and the next command begins, is unknown. */
	if (!smtp_command_parse_bdat(argument, len, &server->chunk_bytes,
	                             &server->is_last_chunk, &answer))
		return server_give_up(server, answer.code, answer.enhanced,
		                      answer.text);
	server->chunk_left_bytes = server->chunk_bytes;
	place_chunk(server);
	if (server->chunk_left_bytes == 0)
		return server_end_chunk(server);
	return AWAIT_CHUNK;
}

enum server_state server_end_chunk(struct smtp_server *server)
{
	struct smtp_answer refusal = server->chunk_refusal;
	char text[64];

	if (refusal.code)
		return server_refuse(server, refusal.code, refusal.enhanced,
		                     refusal.text);
	if (server->is_last_chunk) {
		smtp_content_finish(&server->content);
		return server_end_message(server);
	}
	if (smtp_content_has_failed(&server->content))
		return server_say_failure(server);
	(void)snprintf(text, sizeof(text), "%" PRIu64 " octets received",
	               server->chunk_bytes);
	return server_say(server, smtp_answer(250, "2.0.0", text));
}

enum server_state server_end_message(struct smtp_server *server)
{
	if (!smtp_content_has_failed(&server->content))
		return AWAIT_MESSAGE_ANSWER;
	return server_fail(server);
}

static enum server_state on_rset(struct smtp_server *server,
                                 const char *argument, size_t len)
{
	(void)argument;
	(void)len;
	server_reset(server, true);
	return server_say(server, smtp_answer(250, "2.0.0", "Ok"));
}

static enum server_state on_noop(struct smtp_server *server,
                                 const char *argument, size_t len)
{
	(void)argument;
	(void)len;
	return server_say(server, smtp_answer(250, "2.0.0", "Ok"));
}

/* RFC 5321 3.5.3: 252 where an address is not looked up. */
static enum server_state on_vrfy(struct smtp_server *server,
                                 const char *argument, size_t len)
{
	(void)argument;
	if (len == 0)
		return server_refuse(server, 501, "5.5.4",
		                     "Syntax: VRFY address");
	return server_say(
	    server, smtp_answer(252, "2.1.5",
	                        "Not verified, but mail to it will be tried"));
}

static enum server_state on_expn(struct smtp_server *server,
                                 const char *argument, size_t len)
{
	(void)argument;
	(void)len;
	return server_refuse(server, 502, "5.5.1", "There are no lists here");
}

static enum server_state on_help(struct smtp_server *server,
                                 const char *argument, size_t len)
{
	char text[128] = "";

	(void)argument;
	(void)len;
	for (enum smtp_verb verb = SMTP_VERB_HELO; verb <= SMTP_VERB_QUIT;
	     verb++) {
		if (verb == SMTP_VERB_EXPN ||
		    (verb == SMTP_VERB_XKEY && !server->callbacks->on_key))
			continue;
		strcat(text, smtp_verb_name(verb));
		strcat(text, verb == SMTP_VERB_QUIT ? "" : " ");
	}
	return server_say(server, smtp_answer(214, "2.0.0", text));
}

static enum server_state on_xkey(struct smtp_server *server,
                                 const char *argument, size_t len)
{
	struct arena *arena = &server->envelope.arena;
	struct smtp_answer answer;

	arena_reset(arena);
	if (!smtp_command_parse_xkey(argument, len, arena, &server->key,
	                             &answer))
		return server_refuse(server, answer.code, answer.enhanced,
		                     answer.text);
	return AWAIT_KEY_ANSWER;
}

static enum server_state on_quit(struct smtp_server *server,
                                 const char *argument, size_t len)
{
	(void)argument;
	(void)len;
	return server_give_up(server, 221, "2.0.0", "Bye");
}
