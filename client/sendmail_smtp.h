/*
 * sendmail_smtp - SMTP on standard input and output (-bs)
 *
 * A pipe to relaisd and back until it closes. A client whose first line ends
 * in a bare LF is one that knows no CRLF: its lines are translated one by one,
 * but for the octets of BDAT. Of other clients nothing is changed: to them,
 * LF.LF does not end a message.
 */
#ifndef RELAIS_SENDMAIL_SMTP_H
#define RELAIS_SENDMAIL_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "sendmail_options.h"

/* An exit code. */
int sendmail_smtp(const struct sendmail_options *options);

enum line_ends {
	LINE_ENDS_UNKNOWN,
	LINE_ENDS_CRLF,
	LINE_ENDS_LF,
};

struct line_translator {
	enum line_ends ends;
	/* the line so far, as much as tells a command: "BDAT 12345" */
	char line[32];
	size_t line_len;
	bool was_cr;
	bool is_in_data;
	/* octets that belong to BDAT */
	uint64_t chunk_left;
};

/* Appends what is to be sent for data, cut anywhere. 0 or -ENOMEM. */
int line_translator_feed(struct line_translator *translator, const char *data,
                         size_t len, struct buffer *out);

#endif
