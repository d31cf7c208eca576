/*
 * command - one SMTP command line, parsed
 *
 * Takes the line without its CRLF. Texts of the result that must outlive the
 * line are copied into the arena given; others are borrowed from the line.
 *
 * Errors are answers: what the client is told. A parameter that belongs to an
 * extension which is not offered is unknown (555 5.5.4, RFC 5321 4.1.1.11).
 */
#ifndef RELAIS_SMTP_COMMAND_H
#define RELAIS_SMTP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "smtp/answer.h"
#include "smtp/envelope.h"

/*
 * The longest line, CRLF included: 512 octets (RFC 5321 4.5.3.1.4) and what
 * each extension adds, with room for the private parameters.
 */
#define SMTP_COMMAND_MAX 12288

#define SMTP_KEY_MAX  256
#define SMTP_TAG_MAX  128
#define SMTP_META_MAX 2048
#define SMTP_WAIT_MAX 300

enum smtp_verb {
	SMTP_VERB_UNKNOWN,
	/* HTTP and such: somebody tricked a browser into talking to us */
	SMTP_VERB_FOREIGN,
	SMTP_VERB_HELO,
	SMTP_VERB_EHLO,
	SMTP_VERB_LHLO,
	SMTP_VERB_MAIL,
	SMTP_VERB_RCPT,
	SMTP_VERB_DATA,
	SMTP_VERB_BDAT,
	SMTP_VERB_RSET,
	SMTP_VERB_NOOP,
	SMTP_VERB_VRFY,
	SMTP_VERB_EXPN,
	SMTP_VERB_HELP,
	SMTP_VERB_XKEY,
	SMTP_VERB_QUIT,
};

/* Splits a line into verb and argument (borrowed, without outer spaces). */
enum smtp_verb smtp_command_verb(const char *line, size_t len,
                                 const char **ret_argument,
                                 size_t *ret_argument_len);

/* How a verb is spelt; "" for UNKNOWN and FOREIGN. */
const char *smtp_verb_name(enum smtp_verb verb);

/*
 * The argument parsers. Each returns true and fills its result, or returns
 * false and says in ret_answer why. extensions: enum smtp_extension, or-ed.
 * arena takes the copies.
 */
bool smtp_command_parse_mail(const char *argument, size_t len,
                             unsigned extensions, struct arena *arena,
                             const char **ret_sender,
                             struct smtp_mail_params *ret_params,
                             struct smtp_answer *ret_answer);

/* is_smtputf8: did MAIL of this transaction say SMTPUTF8? */
bool smtp_command_parse_rcpt(const char *argument, size_t len,
                             unsigned extensions, bool is_smtputf8,
                             struct arena *arena,
                             struct smtp_recipient *ret_recipient,
                             struct smtp_answer *ret_answer);

bool smtp_command_parse_bdat(const char *argument, size_t len,
                             uint64_t *ret_size_bytes, bool *ret_is_last,
                             struct smtp_answer *ret_answer);

/* The name that HELO, EHLO or LHLO gives: printable, borrowed. */
bool smtp_command_parse_helo(const char *argument, size_t len,
                             struct smtp_answer *ret_answer);

/* Decodes the idempotency key of the verb XKEY into the arena. */
bool smtp_command_parse_xkey(const char *argument, size_t len,
                             struct arena *arena, const char **ret_key,
                             struct smtp_answer *ret_answer);

#endif
