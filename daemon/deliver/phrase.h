/*
 * phrase - a person's or a service's name as header fields take it
 *
 * Thread: any.
 */
#ifndef RELAIS_DELIVER_PHRASE_H
#define RELAIS_DELIVER_PHRASE_H

#include "buffer.h"

/*
 * Appends a display name (RFC 5322 3.2.5): as it is where it consists of
 * words, else quoted, and as encoded words (RFC 2047) where it has octets above
 * 127. Control characters become spaces, so nothing can end the field.
 * 0, -ENOMEM, -EMSGSIZE.
 */
int phrase_append(struct buffer *into, const char *name);

/*
 * Appends the text of an unstructured field: as it is, or as encoded words
 * where it has more than printable ASCII or a word as long as a line. Control
 * characters become spaces.
 */
int phrase_append_text(struct buffer *into, const char *text);

/* Appends `name <address>`, or the address alone where the name is empty. */
int phrase_append_mailbox(struct buffer *into, const char *name,
                          const char *address);

/*
 * Ends the field that began at `start`: folds it at spaces (RFC 5322 2.2.3) and
 * adds the line end. A word that is longer than a line wants to be stays whole;
 * where a line would be longer than it may be, the field is taken out again.
 */
int phrase_end_field(struct buffer *into, size_t start);

#endif
