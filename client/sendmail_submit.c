#include "config.h"

#include "sendmail_submit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "header.h"
#include "person.h"
#include "sendmail_complaint.h"
#include "sendmail_message.h"
#include "sendmail_recipients.h"
#include "session.h"

/* Longer than a commit on the slowest disk is waited for. */
#define TIMEOUT_MS (900 * 1000)

/* A message under way. */
struct submission {
	struct sendmail_options *options;
	struct sendmail_recipients recipients;
	struct sendmail_message message;
	struct header_scanner header;
	/* looked up when first asked for */
	struct person person;
	bool is_person_known;
	struct relais_session *session;
	/* of the piece in which the header ended: what is behind it */
	const char *rest;
	size_t rest_len;
};

static int read_header(struct submission *submission);
static int find_recipients(struct submission *submission);
static int find_sender(struct submission *submission);
static int send_message(struct submission *submission);
static int send_header(struct submission *submission);
static int send_body(struct submission *submission);
static int refuse_input(struct submission *submission, int error);
static int report(struct submission *submission,
                  const struct relais_answer *answer);
static const struct person *person_of(struct submission *submission);

int sendmail_submit(struct sendmail_options *options)
{
	struct submission *submission = calloc(1, sizeof(*submission));
	int code;

	if (!submission) {
		complain("out of memory");
		return EX_OSERR;
	}
	submission->options = options;
	sendmail_recipients_init(&submission->recipients);
	header_scanner_init(&submission->header, 0);
	sendmail_message_init(&submission->message, STDIN_FILENO,
	                      options->ends_at_dot);

	code = find_sender(submission);
	if (code == EX_OK)
		code = read_header(submission);
	if (code == EX_OK)
		code = find_recipients(submission);
	if (code == EX_OK)
		code = send_message(submission);
	if (code != EX_OK)
		sendmail_message_drain(&submission->message);

	relais_close(submission->session);
	header_scanner_done(&submission->header);
	sendmail_recipients_done(&submission->recipients);
	free(submission);
	return code;
}

static const struct person *person_of(struct submission *submission)
{
	if (!submission->is_person_known)
		person_look_up(&submission->person);
	submission->is_person_known = true;
	return &submission->person;
}

static int find_sender(struct submission *submission)
{
	struct sendmail_options *options = submission->options;
	int r;

	if (options->requires_tls) {
		complain("the message was not queued (relaisd cannot promise "
		         "REQUIRETLS for every hop; leave -O requiretls out)");
		return EX_UNAVAILABLE;
	}
	if (!options->sender) {
		options->envelope.sender = person_of(submission)->login;
		return EX_OK;
	}
	r = sendmail_recipients_parse_sender(&submission->recipients,
	                                     options->sender,
	                                     &options->envelope.sender);
	if (r == 0)
		return EX_OK;
	complain("the message was not queued (%s)",
	         submission->recipients.error);
	return EX_DATAERR;
}

static int refuse_input(struct submission *submission, int error)
{
	(void)submission;
	if (error == -EILSEQ) {
		complain("the message was not queued (it has a NUL, or a "
		         "carriage return inside a line; send it as an "
		         "attachment in base64)");
		return EX_DATAERR;
	}
	complain("the message was not queued (reading standard input: %s)",
	         strerror(-error));
	return EX_IOERR;
}

static int read_header(struct submission *submission)
{
	struct header_scanner *header = &submission->header;
	const char *data;
	size_t len, used;
	int r;

	while (header->state == HEADER_SCAN_OPEN) {
		r = sendmail_message_next(&submission->message, &data, &len);
		if (r < 0)
			return refuse_input(submission, r);
		if (len == 0) {
			r = header_scanner_finish(header);
			used = 0;
		} else {
			r = header_scanner_feed(header, data, len, &used);
		}
		if (r < 0) {
			complain("out of memory");
			return EX_OSERR;
		}
		submission->rest = data + used;
		submission->rest_len = len - used;
	}
	if (header->state == HEADER_SCAN_DONE)
		return EX_OK;
	complain("the message was not queued (its header is too large; at most "
	         "%d fields in %d KiB)",
	         HEADER_LIMIT_FIELDS, HEADER_LIMIT_BYTES / 1024);
	return EX_DATAERR;
}

static int find_recipients(struct submission *submission)
{
	struct sendmail_recipients *recipients = &submission->recipients;
	const struct sendmail_options *options = submission->options;
	const char *block;
	size_t len;
	int r = 0;

	for (int i = 0; i < options->operand_count && r == 0; i++) {
		r = sendmail_recipients_add_operand(recipients,
		                                    options->operands[i]);
		if (r == -EINVAL) {
			complain("the message was not queued (%s)",
			         recipients->error);
			return options->operands[i][0] == '-' ? EX_USAGE
			                                      : EX_DATAERR;
		}
	}
	block = header_scanner_block_borrow(&submission->header, &len);
	if (r == 0 && options->takes_recipients)
		r = sendmail_recipients_add_header(recipients, block, len);
	if (r == -EINVAL) {
		complain("the message was not queued (%s)", recipients->error);
		return EX_DATAERR;
	}
	if (r < 0) {
		complain("out of memory");
		return EX_OSERR;
	}
	if (recipients->count > 0)
		return EX_OK;
	complain(
	    options->takes_recipients
		? "the message was not queued (its header names no recipient)"
		: "the message was not queued (no recipient was named; give "
		  "addresses, or -t to take those of the header)");
	return EX_USAGE;
}

static void print_trace(bool is_ours, const char *line, size_t len)
{
	(void)printf("%s %.*s\n", is_ours ? ">>>" : "<<<", (int)len, line);
}

static int send_message(struct submission *submission)
{
	struct sendmail_options *options = submission->options;
	struct relais_answer answer;

	options->envelope.recipients = submission->recipients.list;
	options->envelope.recipient_count = submission->recipients.count;
	submission->session = relais_open(NULL);
	if (!submission->session) {
		complain("out of memory");
		return EX_OSERR;
	}
	if (options->verbosity > 1)
		session_set_tracer(submission->session, print_trace);
	if (relais_begin(submission->session, &options->envelope, TIMEOUT_MS,
	                 &answer) == RELAIS_OK) {
		int code = send_header(submission);

		if (code == EX_OK)
			code = send_body(submission);
		if (code != EX_OK) {
			relais_abort(submission->session);
			return code;
		}
		(void)relais_finish(submission->session, &answer);
	}
	return report(submission, &answer);
}

/* The header, with the From field that only we know the name for. */
static int send_header(struct submission *submission)
{
	static const char *const dropped[] = { "Content-Length", NULL };
	const struct sendmail_options *options = submission->options;
	struct header_field field;
	struct buffer out;
	const char *name = options->full_name;
	const char *sender = options->envelope.sender;
	const char *block;
	size_t len;
	int r = 0;

	block = header_scanner_block_borrow(&submission->header, &len);
	buffer_init(&out, 0);
	if (!header_find(block, len, "From", &field)) {
		/* The account's name is not that of another address. */
		if (!name && !options->sender)
			name = person_of(submission)->full_name;
		if (*sender == '\0')
			sender = person_of(submission)->login;
		if (name && *name)
			r = person_append_from(&out, name, sender);
	}
	if (r == 0)
		r = header_filter(block, len, dropped, &out);
	if (r == 0)
		r = buffer_append_string(&out, "\r\n");
	if (r == 0)
		(void)relais_write(submission->session, out.data, out.len);
	buffer_done(&out);
	if (r == 0)
		return EX_OK;
	complain("out of memory");
	return EX_OSERR;
}

/* A failure to send is found again, and said, by relais_finish(). */
static int send_body(struct submission *submission)
{
	struct relais_session *session = submission->session;
	enum relais_result result;
	const char *data;
	size_t len;
	int r;

	data = header_scanner_rest_borrow(&submission->header, &len);
	result = relais_write(session, data, len);
	if (result == RELAIS_OK)
		result = relais_write(session, submission->rest,
		                      submission->rest_len);
	while (result == RELAIS_OK) {
		r = sendmail_message_next(&submission->message, &data, &len);
		if (r < 0)
			return refuse_input(submission, r);
		if (len == 0)
			break;
		result = relais_write(session, data, len);
	}
	return EX_OK;
}

/* The message has been accepted or not: a pipe that nobody reads is no news. */
static int report(struct submission *submission,
                  const struct relais_answer *answer)
{
	const struct sendmail_options *options = submission->options;

	if (answer->id[0]) {
		if (options->prints_id || options->verbosity > 0 ||
		    options->id_fd >= 0)
			(void)signal(SIGPIPE, SIG_IGN);
		if (options->prints_id)
			(void)printf("%s\n", answer->id);
		else if (options->verbosity > 0)
			(void)printf("Queued as %s\n", answer->id);
		if (options->id_fd >= 0)
			(void)dprintf(options->id_fd, "%s\n", answer->id);
		(void)fflush(stdout);
	}
	return complain_of_answer(options, answer,
	                          options->envelope.recipients);
}
