/*
 * contents - a message's header block and body, read from the store for sending
 *
 * Holds one piece at a time; a message that fits into one is read once. The
 * memory is kept from message to message.
 *
 * Promise: what is given is the whole body, or an error: a body that is shorter
 *          than its record says is never taken for complete.
 * Thread:  that of the reader it was made with.
 */
#ifndef RELAIS_DELIVER_CONTENTS_H
#define RELAIS_DELIVER_CONTENTS_H

#include <stddef.h>
#include <stdint.h>

struct contents;
struct message;
struct queue_reader;

struct contents *contents_new(struct queue_reader *reader);
void contents_free(struct contents *contents);

/*
 * The stored header block; borrowed until the next call. 0, -EBADMSG (the
 * store has less than the record says), or what the store says.
 */
int contents_open(struct contents *contents, const struct message *message,
                  const char **ret_header, size_t *ret_len);

/* The body again from its start. */
void contents_rewind(struct contents *contents);

/* The next octets of the body, borrowed until the next call; len 0: the end. */
int contents_read(struct contents *contents, const char **ret_data,
                  size_t *ret_len);

/* Octets of the body. */
uint64_t contents_body_len(const struct contents *contents);

#endif
