/*
 * handover - messages that come whole, for a client that speaks no SMTP
 *
 * Another loop has put them into MAIL and RCPT commands and a content each,
 * and posts all of them at once to the receiver, which answers every message
 * as it would answer it at the socket: see visit.h.
 *
 * Thread: one at a time; it changes threads by its letter.
 */
#ifndef RELAIS_RECEIVE_HANDOVER_H
#define RELAIS_RECEIVE_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "receive/outcome.h"
#include "runtime/mailbox.h"
#include "runtime/peer.h"
#include "smtp/answer.h"

struct evbuffer;

#define HANDOVER_TEXT_SIZE 512

struct handover_message {
	/* MAIL and every RCPT, each with its CRLF. */
	char *commands;
	size_t commands_len;
	/* Emptied as it is taken. NULL: only the commands are tried. */
	struct evbuffer *content;

	/* out: the answer, that of the first command which was refused */
	int code;
	char enhanced[20]; /* "" where there is none */
	char text[HANDOVER_TEXT_SIZE];
	long recipient;  /* the index of the one that was refused; -1 */
	uint64_t id;     /* it is stored; or, refused: who has the key; or 0 */
	bool is_replay;  /* it was there already */
	bool is_lowered; /* its priority is not the one that was asked for */
	bool has_waited; /* for the outcome, which is */
	enum outcome how;
};

struct handover {
	struct letter letter;
	struct mailbox *home;
	void (*on_done)(struct letter *letter); /* letter.open, at home */
	/* Comes home before, where answers are late: all contents are taken. */
	struct letter taken; /* open is the sender's */
	void *context;
	void *receiver; /* its own */
	struct peer peer;
	unsigned count;
	struct handover_message *messages;
};

/* peer is copied. Aborts without memory. */
struct handover *handover_new(const struct peer *peer);
void handover_free(struct handover *handover);

/* Takes what is in the buffer, which is left empty, and the content. */
void handover_add_take(struct handover *handover, struct buffer *commands,
                       struct evbuffer *content);

/* Sets the answer to one message. */
void handover_answer(struct handover_message *message,
                     struct smtp_answer answer);

#endif
