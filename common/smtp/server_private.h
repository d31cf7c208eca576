/*
 * server_private - what the two halves of the server share
 *
 * server.c           bytes to lines and content, states, answers
 * server_commands.c  one handler a command, which says something and returns
 *                    the next state
 */
#ifndef RELAIS_SMTP_SERVER_PRIVATE_H
#define RELAIS_SMTP_SERVER_PRIVATE_H

#include "smtp/command.h"
#include "smtp/content.h"
#include "smtp/server.h"

/* RFC 5321 4.5.3.1.4: the longest line of a command without parameters */
#define SHORT_COMMAND_MAX 512

enum server_state {
	AWAIT_COMMAND,
	AWAIT_DATA,
	AWAIT_CHUNK,
	AWAIT_MESSAGE_ANSWER,
	AWAIT_KEY_ANSWER,
	FINISHED,
};

struct smtp_server {
	/* Assigned by enter() in server.c only. */
	enum server_state state;
	/* Nothing more is read or said. */
	bool is_closing;
	/* HELO, EHLO, LHLO; UNKNOWN: none yet */
	enum smtp_verb hello;
	char helo[SHORT_COMMAND_MAX];

	struct smtp_server_settings settings;
	char *hostname;
	const struct smtp_server_callbacks *callbacks;
	void *session;

	/* The beginning of a line that is not whole yet. */
	struct buffer line;
	struct buffer output;

	struct smtp_envelope envelope;
	struct smtp_content content;
	/* LMTP: the line of each recipient that has an answer of its own */
	char **recipient_lines;
	/* of the verb XKEY, while its answer is awaited */
	const char *key;

	/* BDAT: the first chunk has come */
	bool has_chunks;
	bool is_last_chunk;
	uint64_t chunk_bytes;
	uint64_t chunk_left_bytes;
	/* why a chunk does not belong here; code 0: it does */
	struct smtp_answer chunk_refusal;

	unsigned errors;
	unsigned transactions;
};

/* Obeys one line, given without its CRLF. */
enum server_state server_obey(struct smtp_server *server, const char *line,
                              size_t len);

/* All octets of a chunk are there. */
enum server_state server_end_chunk(struct smtp_server *server);

/* The content of a message is complete. */
enum server_state server_end_message(struct smtp_server *server);

/* Each of these puts one reply into the output and returns the next state. */
enum server_state server_say(struct smtp_server *server,
                             struct smtp_answer answer);
/* The client made a mistake; too many of them end the session. */
enum server_state server_refuse(struct smtp_server *server, int code,
                                const char *enhanced, const char *text);
/* The session is over. */
enum server_state server_give_up(struct smtp_server *server, int code,
                                 const char *enhanced, const char *text);

/* What is wrong with the content so far. */
enum server_state server_say_failure(struct smtp_server *server);
/* The same at its end: in LMTP to every recipient. The transaction is over. */
enum server_state server_fail(struct smtp_server *server);

/* Forgets the transaction; is_lost: the session is told, if it knows of it. */
void server_reset(struct smtp_server *server, bool is_lost);

#endif
