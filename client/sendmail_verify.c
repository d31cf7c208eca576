#include "config.h"

#include "sendmail_verify.h"

#include <errno.h>
#include <stdio.h>

#include <string.h>
#include <sysexits.h>

#include "dialogue.h"
#include "outcome.h"
#include "person.h"
#include "sendmail_complaint.h"
#include "sendmail_recipients.h"
#include "submit_socket.h"

#define TIMEOUT_MS (60 * 1000)

static int verify(const struct sendmail_options *options,
                  struct sendmail_recipients *recipients, const char *sender);
static int say(struct dialogue *dialogue,
               const struct relais_envelope *envelope,
               struct relais_answer *answer);

int sendmail_verify(const struct sendmail_options *options)
{
	struct sendmail_recipients recipients;
	struct person person;
	const char *sender;
	int code = EX_DATAERR;
	int r = 0;

	sendmail_recipients_init(&recipients);
	person_look_up(&person);
	sender = person.login;
	if (options->sender)
		r = sendmail_recipients_parse_sender(&recipients,
		                                     options->sender, &sender);
	for (int i = 0; i < options->operand_count && r == 0; i++)
		r = sendmail_recipients_add_operand(&recipients,
		                                    options->operands[i]);
	if (r == -EINVAL) {
		complain_mildly("%s", recipients.error);
	} else if (r < 0) {
		complain("out of memory");
		code = EX_OSERR;
	} else if (recipients.count == 0) {
		complain_mildly("-bv: no address was named");
		code = EX_USAGE;
	} else {
		code = verify(options, &recipients, sender);
	}
	sendmail_recipients_done(&recipients);
	return code;
}

/* Each address in a transaction of its own, which is never completed. */
static int verify(const struct sendmail_options *options,
                  struct sendmail_recipients *recipients, const char *sender)
{
	int code = EX_OK;

	for (size_t i = 0; i < recipients->count; i++) {
		struct relais_envelope envelope = {
			.sender = sender,
			.recipients = &recipients->list[i],
			.recipient_count = 1,
		};
		struct relais_answer answer;
		struct dialogue dialogue;

		dialogue_init(&dialogue);
		connection_set_timeout(&dialogue.connection, TIMEOUT_MS);
		if (dialogue_open(&dialogue, submit_socket_path(NULL),
		                  &answer) != RELAIS_OK)
			return complain_of_answer(options, &answer, NULL);
		if (say(&dialogue, &envelope, &answer) == EX_OK) {
			printf("%s: relaisd takes mail to it\n",
			       recipients->list[i]);
		} else {
			printf("%s: %s\n", recipients->list[i], answer.text);
			code = EX_NOUSER;
		}
		dialogue_close(&dialogue);
	}
	return code;
}

static int say(struct dialogue *dialogue,
               const struct relais_envelope *envelope,
               struct relais_answer *answer)
{
	struct connection *connection = &dialogue->connection;
	struct smtp_reply reply;
	struct iovec iov;
	int r;

	if (dialogue_begin(dialogue, envelope, 0, NULL, answer) != RELAIS_OK)
		return EX_NOUSER;
	iov = (struct iovec){ dialogue->commands.data, dialogue->commands.len };
	r = connection_send(connection, &iov, 1);
	for (int i = 0; i < 2 && r == 0; i++) {
		r = connection_read_reply(connection, &reply);
		if (r == 0 &&
		    outcome_take_reply(answer, &reply, false) != RELAIS_OK)
			return EX_NOUSER;
	}
	if (r == 0)
		return EX_OK;
	(void)outcome_fail(answer, RELAIS_UNAVAILABLE, -r, "%s", strerror(-r));
	return EX_UNAVAILABLE;
}
