/*
 * compose - the header block that leaves for a relay
 *
 * The stored header plus what depends on the relay: a Received field on top
 * (RFC 5321 4.4), Date, Message-ID and From where the submitter left them out,
 * identity rewrites and header templates. Made from the record and the
 * relay's settings alone, so every attempt at one relay sends the same bytes.
 *
 * Thread: any.
 */
#ifndef RELAIS_DELIVER_COMPOSE_H
#define RELAIS_DELIVER_COMPOSE_H

#include <stddef.h>

#include "buffer.h"

struct message;
struct relay_settings;
struct settings;

/* Whose header, for which relay. All of it is borrowed for the call. */
struct composition {
	const struct message *message;
	const struct settings *settings;
	const struct relay_settings *relay;
	/* The header block as kept, without the empty line. */
	const char *stored;
	size_t stored_len;
};

/* What the story of the message has to say of it. */
#define COMPOSED_UNSIGNED 0x01u /* a DKIM-Signature was removed: broken */

/*
 * Appends the whole header block and the empty line to `into`. 0, -ENOMEM,
 * -EMSGSIZE.
 *
 * In this order: Received; the stored fields, bare mailboxes qualified, authors
 * as the relay's identity has it; then what is missing of From, Date,
 * Message-ID and Reply-To; then the provider's and the relay's own fields.
 * Whatever a value may hold, it can't end its field.
 */
int compose_header(struct buffer *into, const struct composition *what,
                   unsigned *ret_notes);

#endif
