/*
 * sendmail_options - the command line of sendmail, as struct
 *
 * Knows every option that a sendmail of the last forty years had: what it
 * means here, or that it means nothing. Options end at the first operand, so
 * that an address that somebody was tricked into passing can't be one.
 */
#ifndef RELAIS_SENDMAIL_OPTIONS_H
#define RELAIS_SENDMAIL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "relais.h"

enum sendmail_mode {
	/* -bm: take a message from standard input */
	MODE_SUBMIT,
	/* -bs: speak SMTP on standard input and output */
	MODE_SMTP,
	/* -bp, mailq */
	MODE_LIST,
	/* -bi, newaliases */
	MODE_ALIASES,
	/* -bv: may these addresses be mailed to? */
	MODE_VERIFY,
	/* -q: try again now what waits */
	MODE_FLUSH,
	/* -q30m, -bh and others: done as soon as said */
	MODE_NOTHING,
	MODE_HELP,
	MODE_VERSION,
};

struct sendmail_options {
	enum sendmail_mode mode;
	/* what MODE_NOTHING says on standard output; or NULL */
	const char *note;
	/* -t */
	bool takes_recipients;
	/* without -i: a line that is a dot ends the message */
	bool ends_at_dot;
	/* --print-id, RELAIS_PRINT_ID */
	bool prints_id;
	/* -O requiretls=yes */
	bool requires_tls;
	/* -v */
	unsigned verbosity;
	/* -f, as given; NULL: the caller's login name */
	const char *sender;
	/* -F or NAME; NULL */
	const char *full_name;
	/* -O relais.tempfail: instead of any code that means "try later"; 0 */
	int tempfail_code;
	/* RELAIS_ID_FD; -1 */
	int id_fd;
	/* -q: the letter (I, R, S or 0) and the text behind it */
	char flush_by;
	const char *flush_what;
	/* all but the addresses */
	struct relais_envelope envelope;
	char **operands;
	int operand_count;
};

#define OPTIONS_ERROR_SIZE 200

/*
 * Returns 0, or -EINVAL with a sentence in error. Texts are borrowed from argv
 * and the environment. Warnings about values that are ignored, a line each, go
 * to warn.
 */
int sendmail_options_parse(struct sendmail_options *options, int argc,
                           char **argv, void (*warn)(const char *format, ...),
                           char error[OPTIONS_ERROR_SIZE]);

extern const char sendmail_usage[];

#endif
