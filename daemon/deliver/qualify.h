/*
 * qualify - address fields in which every mailbox has a domain
 *
 * `From: root` means something on this host only; the rest of the field stays
 * as the submitter wrote it, comments, names and folding included.
 *
 * Thread: any.
 */
#ifndef RELAIS_DELIVER_QUALIFY_H
#define RELAIS_DELIVER_QUALIFY_H

#include <stdbool.h>

#include "buffer.h"
#include "header.h"

/* Is it one of From, Sender, Reply-To, To, Cc and their Resent- forms? */
bool qualify_concerns(const struct header_field *field);

/*
 * Appends the whole field, `@domain` added behind each bare mailbox. A field
 * that cannot be understood is appended as it is. 0, -ENOMEM, -EMSGSIZE.
 */
int qualify_append(struct buffer *into, const struct header_field *field,
                   const char *domain);

#endif
