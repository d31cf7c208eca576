/*
 * sendmail_message - a message as it comes on standard input
 *
 * Content keeps its line ends, LF or CRLF in any mix. What can't be sent is
 * refused where it is met: a NUL, and a CR that is not in front of a LF. Where
 * asked for, a line that is a dot and nothing else ends the message.
 *
 * Promise: the end is reported only where the input has ended well.
 */
#ifndef RELAIS_SENDMAIL_MESSAGE_H
#define RELAIS_SENDMAIL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#define MESSAGE_READ_BYTES (64 * 1024)

struct sendmail_message {
	int fd;
	bool ends_at_dot;
	bool is_at_end;
	/* is the next byte the first of a line? */
	bool is_at_line;
	/* read, and waiting for what follows: a CR, or a dot and a CR */
	size_t held_len;
	char held[2];
	char buffer[MESSAGE_READ_BYTES];
};

/* fd is borrowed. */
void sendmail_message_init(struct sendmail_message *message, int fd,
                           bool ends_at_dot);

/*
 * The next piece, borrowed until the next call. 0 with a length of 0 at the
 * end; -EILSEQ: a NUL or a stray CR; -errno of read(2).
 */
int sendmail_message_next(struct sendmail_message *message,
                          const char **ret_data, size_t *ret_len);

/* Reads over the rest, so that whoever writes it is not killed for it. */
void sendmail_message_drain(struct sendmail_message *message);

#endif
