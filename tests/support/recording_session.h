/*
 * recording_session - an owner of smtp/server that writes down what happens
 *
 * One line an event in log: "mail a@b", "rcpt c@d", "data", "end 1", "reset".
 * A message is its header, empty line and body together, as it would be
 * delivered.
 */
#ifndef RELAIS_TESTS_RECORDING_SESSION_H
#define RELAIS_TESTS_RECORDING_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "smtp/server.h"

struct recording_session {
	struct smtp_server *server;
	struct buffer log;
	/* what has come of the current message, and the last that was whole */
	struct buffer content;
	struct buffer message;
	/* on_message_end() answers this at once; code 0: it does not */
	struct smtp_answer answer;
	/* given by on_mail(), on_data(), and to recipients at "refused" */
	struct smtp_answer mail_answer;
	struct smtp_answer data_answer;
	struct smtp_answer rcpt_answer;
	/* on_content() fails the message with it; code 0: it does not */
	struct smtp_answer content_failure;
	size_t messages;
	/* the last message, copied at its end */
	struct smtp_mail_params params;
	char orcpt[512];
	unsigned notify;
};

/* settings NULL: hostname "relais.example", all that is offered always */
void recording_session_init(struct recording_session *session,
                            const struct smtp_server_settings *settings);
void recording_session_done(struct recording_session *session);

/* Feeds all of it, in pieces of at most so many bytes (0: in one), taking the
   output away whenever it is in the way. Returns what was taken. */
size_t recording_session_feed(struct recording_session *session,
                              const char *data, size_t len, size_t piece);

/* Strings, valid until the next event: what was said since the last call, all
   events so far, the last message. */
const char *recording_session_replies(struct recording_session *session);
const char *recording_session_log(struct recording_session *session);
const char *recording_session_message(struct recording_session *session);

#endif
