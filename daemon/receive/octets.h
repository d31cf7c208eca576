/*
 * octets - what a relay wants to know of content before it gets it
 *
 * Thread: any.
 */
#ifndef RELAIS_RECEIVE_OCTETS_H
#define RELAIS_RECEIVE_OCTETS_H

#include <stdbool.h>
#include <stddef.h>

/* Is there an octet above 127? */
bool octets_have_high(const char *data, size_t len);

/*
 * Is there a line over 998 octets (RFC 5322 2.1.1)? Content comes in pieces:
 * *line_octets carries the length of the unfinished line, 0 at the start.
 */
bool octets_have_long_line(size_t *line_octets, const char *data, size_t len);

#endif
