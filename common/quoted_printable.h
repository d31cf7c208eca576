/*
 * quoted_printable - octets as lines of printable ASCII (RFC 2045 6.7)
 *
 * Thread: any.
 */
#ifndef RELAIS_QUOTED_PRINTABLE_H
#define RELAIS_QUOTED_PRINTABLE_H

#include <stddef.h>

#include "buffer.h"

/*
 * Appends the text encoded, with lines of at most 76 characters. CRLF is a line
 * end and stays one; every other octet that is not plain is encoded, a CR or LF
 * alone too. 0, -ENOMEM, -EMSGSIZE.
 */
int quoted_printable_append(struct buffer *into, const char *text, size_t len);

#endif
