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

/*
 * Appends the whole header block and the empty line to `into`. `stored` is the
 * header block as kept, without the empty line. 0, -ENOMEM, -EMSGSIZE.
 *
 * In this order: Received; the stored fields, bare mailboxes qualified; then
 * what is missing of From, Date, Message-ID and the relay's Reply-To; then the
 * relay's own fields. Whatever a value may hold, it can't end its field.
 */
int compose_header(struct buffer *into, const struct message *message,
                   const struct settings *settings,
                   const struct relay_settings *relay, const char *stored,
                   size_t stored_len);

/*
 * The envelope sender for this relay: the record's, or the relay's own identity
 * where the record's has no domain that means something elsewhere. The null
 * sender stays. Borrowed from either.
 */
const char *compose_sender(const struct message *message,
                           const struct relay_settings *relay);

#endif
