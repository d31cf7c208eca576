/*
 * dkim - signatures that no longer hold once a header field has changed
 *
 * Nothing is verified: a signature names the fields it covers (RFC 6376 3.5,
 * h=), and one that covers a field which was changed, added or removed can't be
 * valid any more. A broken signature is worse than none.
 *
 * Thread: any.
 */
#ifndef RELAIS_DELIVER_DKIM_H
#define RELAIS_DELIVER_DKIM_H

#include <stdbool.h>
#include <stddef.h>

#include "buffer.h"

/* Adds a field's name to those that have changed. 0, -ENOMEM. */
int dkim_note_change(struct buffer *changes, const char *name, size_t len);

/*
 * Removes from the header block that begins at `start` of `block` each
 * DKIM-Signature field that covers one of the changes; how many those were.
 */
unsigned dkim_remove_broken(struct buffer *block, size_t start,
                            const struct buffer *changes);

#endif
