/*
 * smtp/client_internal - what the files of smtp/client share
 *
 * client.c has the session (greeting to login, QUIT, loss), client_mail.c the
 * transaction (MAIL to the reply to the dot), client_verdict.c what comes out
 * of it, client_command.c writes MAIL and RCPT with their parameters.
 */
#ifndef RELAIS_SMTP_CLIENT_INTERNAL_H
#define RELAIS_SMTP_CLIENT_INTERNAL_H

#include "buffer.h"
#include "smtp/client.h"
#include "smtp/dot_stuffing.h"

enum client_state {
	AWAIT_GREETING,
	AWAIT_EHLO,
	AWAIT_HELO,
	AWAIT_STARTTLS,
	AWAIT_TLS,
	AWAIT_AUTH,
	AWAIT_AUTH_CANCEL,
	AWAIT_MESSAGE,
	AWAIT_RSET,
	AWAIT_MAIL,
	AWAIT_RCPT,
	AWAIT_DATA,
	/* the content is going out; no reply is due */
	SENDING_CONTENT,
	AWAIT_ACCEPTANCE,
	/* a lone dot went out, since DATA was pipelined and nobody accepted */
	AWAIT_CANCEL,
	AWAIT_QUIT,
	CLOSED,
};

/*
 * One transaction is a list of steps, each a command and its reply:
 * STEP_RSET, STEP_MAIL, one for each recipient, and DATA behind them. Two
 * cursors move over it: what was sent, and what was answered.
 */
enum {
	STEP_RSET = 0,
	STEP_MAIL = 1,
	STEP_RCPT = 2,
};

struct client_transaction {
	const struct smtp_client_message *message;
	/* recipients in this transaction; those beyond are for another one */
	unsigned count;
	unsigned sent;
	unsigned answered;
	/* recipients that got 250 and have no final word yet */
	unsigned accepted;
	/* LMTP: the next recipient that a reply to the dot is for */
	unsigned next_acceptance;
	/* MAIL failed: later replies of the group say nothing */
	bool is_abandoned;
	/* once more without optional parameters */
	bool is_repeated;
	/* content not yet encoded */
	const char *piece;
	size_t piece_len;
	struct dot_encoder encoder;
};

struct smtp_client {
	struct smtp_client_options options;
	enum client_state state;
	struct buffer out;
	struct smtp_capabilities capabilities;
	bool has_tls;
	bool has_refused_tls;
	unsigned auth_steps;

	/* answered messages on this connection, well or not */
	unsigned messages;
	bool must_reset;
	bool must_close;
	/* an output is incomplete: the connection ends before any of it */
	bool has_no_memory;
	bool has_accepted_rcpt;
	bool has_no_parameters;
	bool is_stale;
	struct verdict fault;

	struct client_transaction mail;
	/* RCPT was answered 2xx; one a recipient */
	bool *is_accepted;
	struct verdict *verdicts;
	unsigned room;
};

/* client.c */

/* Ends the session for a fault of the relay; returns CLOSED. */
enum client_state client_fail(struct smtp_client *client,
                              const struct verdict *verdict);
/* Appends to the output; out of memory ends the session. */
void client_append(struct smtp_client *client, const char *text);

/* client_mail.c: the handlers of a transaction's replies */

enum client_state client_on_rset(struct smtp_client *client,
                                 const struct smtp_reply *reply);
enum client_state client_on_mail(struct smtp_client *client,
                                 const struct smtp_reply *reply);
enum client_state client_on_rcpt(struct smtp_client *client,
                                 const struct smtp_reply *reply);
enum client_state client_on_data(struct smtp_client *client,
                                 const struct smtp_reply *reply);
enum client_state client_on_early(struct smtp_client *client,
                                  const struct smtp_reply *reply);
enum client_state client_on_acceptance(struct smtp_client *client,
                                       const struct smtp_reply *reply);
enum client_state client_on_cancel(struct smtp_client *client,
                                   const struct smtp_reply *reply);

/* Encodes content into the output; returns the next state. */
enum client_state client_fill(struct smtp_client *client);

enum client_state client_start_transaction(struct smtp_client *client);

/* client_verdict.c */

/* What a reply means here: the rules, and what else is known. */
void client_judge(struct smtp_client *client, struct verdict *ret_verdict,
                  const struct smtp_reply *reply, enum smtp_phase phase);
/* MAIL was refused, and with it everybody. */
void client_settle_all(struct smtp_client *client,
                       const struct verdict *verdict);
void client_settle_accepted(struct smtp_client *client,
                            const struct verdict *verdict);
/* The transaction is over. */
enum client_state client_finish(struct smtp_client *client);
/* The connection ends before DATA: whoever has no word yet was not tried. */
enum client_state client_drop(struct smtp_client *client,
                              const struct verdict *verdict);
enum client_state client_drop_out_of_step(struct smtp_client *client,
                                          enum smtp_phase phase);
/* The connection is gone: settles the message under way; returns CLOSED. */
enum client_state client_settle_lost(struct smtp_client *client,
                                     enum verdict_fault fault,
                                     const char *text);

/* client_command.c: 0, -ENOMEM or -EMSGSIZE */

int client_command_mail(struct buffer *out, const char *sender,
                        const struct smtp_mail_params *params,
                        const struct smtp_capabilities *capabilities);
int client_command_rcpt(struct buffer *out,
                        const struct smtp_recipient *recipient,
                        const struct smtp_capabilities *capabilities);

#endif
