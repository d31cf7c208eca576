/*
 * server - the receiving side of SMTP (RFC 5321) and LMTP (RFC 2033)
 *
 * A pure engine: it is fed with bytes, and gives replies into its output and
 * events to its owner, the session. It does no I/O and knows no time but that
 * of the clock module, for FUTURERELEASE.
 *
 * After the end of a message the server is suspended until the session calls
 * smtp_server_answer_message() - the commit happens in between - and leaves
 * pipelined input unread for so long. The replies of a pipelined group gather
 * in the output, so one write answers all of them.
 *
 * Promise: a message is ended by CRLF.CRLF or the last BDAT chunk and by
 *          nothing else; its content reaches the session with CRLF line ends
 *          only, and on_message_end() is called only for a message in which
 *          nothing was wrong.
 * Thread:  one thread at a time.
 */
#ifndef RELAIS_SMTP_SERVER_H
#define RELAIS_SMTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "smtp/answer.h"
#include "smtp/envelope.h"

struct smtp_server;

/*
 * What the session decides. Every answer is written at once, so its texts may
 * be the session's for the time of the call. A member that may be NULL says so.
 *
 * None of these may free the server. The answer functions below may be called
 * from on_message_end() and on_key(), and smtp_server_fail_message() and
 * smtp_server_close() from any.
 */
struct smtp_server_callbacks {
	/* A transaction begins. envelope->sender and ->params are set. NULL:
	   always 250 2.1.0. An answer of 400 or more ends the transaction. */
	struct smtp_answer (*on_mail)(void *session,
	                              const struct smtp_envelope *envelope);

	/* One more recipient, not yet in envelope->recipients. NULL: always
	   250 2.1.5. */
	struct smtp_answer (*on_rcpt)(void *session,
	                              const struct smtp_envelope *envelope,
	                              const struct smtp_recipient *recipient);

	/* Content is about to come: DATA, or the first BDAT. An answer of 400
	   or more refuses it; any other is replaced by the engine's own. NULL:
	   always welcome. */
	struct smtp_answer (*on_data)(void *session,
	                              const struct smtp_envelope *envelope);

	/* The header block is complete: all fields, CRLF after each, without
	   the empty line behind. Called once per message, before any
	   on_content(); both borrow for the call. */
	void (*on_header)(void *session, const char *header, size_t len);

	/* A piece of the body, CRLF line ends, cut anywhere. */
	void (*on_content)(void *session, const char *data, size_t len);

	/* The message is complete and good; the server is suspended. The
	   envelope stays valid until the message is answered. */
	void (*on_message_end)(void *session,
	                       const struct smtp_envelope *envelope);

	/* A transaction that on_mail() had accepted is gone without
	   on_message_end(): RSET, EHLO, QUIT, a refused message, a client
	   that is sent away. Not after smtp_server_close(), nor from
	   smtp_server_free(). May be NULL. */
	void (*on_reset)(void *session);

	/* The verb XKEY; key is valid until smtp_server_answer_key(), and so
	   long the server is suspended. NULL: the verb is unknown. */
	void (*on_key)(void *session, const char *key);

	/* EHLO, LHLO or HELO came, with this name (borrowed). May be NULL. */
	void (*on_helo)(void *session, const char *name);
};

struct smtp_server_settings {
	/* Our name in the greeting; copied. */
	const char *hostname;
	/* enum smtp_extension, or-ed */
	unsigned extensions;
	/* 0: no limit */
	uint64_t message_size_bytes;
	/* recipients a transaction may have; 0: 1000 */
	unsigned max_recipients;
	/* transactions a session may have; 0: any number */
	unsigned max_transactions;
	/* refused commands until 421; 0: 20 */
	unsigned max_errors;
	/* 0: HEADER_LIMIT_BYTES */
	size_t header_size_bytes;
	/* 0: 100 (RFC 5321 6.3) */
	unsigned max_received;
	/* FUTURERELEASE and DELIVERBY, as they are announced */
	uint64_t hold_max_s;
	uint64_t by_min_s;
};

/* settings are copied; callbacks and session are borrowed for its lifetime.
   -ENOMEM */
int smtp_server_new(struct smtp_server **ret_server,
                    const struct smtp_server_settings *settings,
                    const struct smtp_server_callbacks *callbacks,
                    void *session);
void smtp_server_free(struct smtp_server *server);

/* Puts the greeting "220 name ESMTP" into the output. */
void smtp_server_greet(struct smtp_server *server);

/*
 * Takes input, in pieces cut anywhere. Returns how many bytes were taken:
 * fewer than len when the server is suspended or finished, or when the output
 * has grown beyond SMTP_SERVER_OUTPUT_HIGH. The caller keeps the rest and
 * feeds it again when that has passed.
 */
#define SMTP_SERVER_OUTPUT_HIGH (64 * 1024)
size_t smtp_server_feed(struct smtp_server *server, const char *data,
                        size_t len);

/* Replies to be sent; the caller consumes what it has written. */
struct buffer *smtp_server_output(struct smtp_server *server);

/* Is an answer awaited, to a message or to a key? */
bool smtp_server_is_suspended(const struct smtp_server *server);

/* To be closed once the output is sent: QUIT, 421, too many errors. */
bool smtp_server_is_finished(const struct smtp_server *server);

/* Is content received that is refused already, only to get to its end? */
bool smtp_server_is_draining(const struct smtp_server *server);

/* Is content being received (a longer time-out applies)? */
bool smtp_server_is_in_content(const struct smtp_server *server);

/* Did the client say LHLO? Then a message is answered once a recipient. */
bool smtp_server_is_lmtp(const struct smtp_server *server);
/* The name of HELO, EHLO or LHLO; "" before. Borrowed, changes with the next */
const char *smtp_server_helo(const struct smtp_server *server);

/*
 * The answer to a message. In LMTP it goes to every recipient that has no
 * answer of its own; those are given before, with the recipient's index.
 */
void smtp_server_answer_recipient(struct smtp_server *server, size_t index,
                                  struct smtp_answer answer);
void smtp_server_answer_message(struct smtp_server *server,
                                struct smtp_answer answer);

void smtp_server_answer_key(struct smtp_server *server,
                            struct smtp_answer answer);

/*
 * While content comes in: the session cannot take this message. What is left of
 * its content is drained, then this answer is given (texts are copied);
 * on_message_end() is not called. The first failure counts.
 */
void smtp_server_fail_message(struct smtp_server *server,
                              struct smtp_answer answer);

/* Says a last word (421 for instance) and finishes. */
void smtp_server_close(struct smtp_server *server, struct smtp_answer answer);

#endif
