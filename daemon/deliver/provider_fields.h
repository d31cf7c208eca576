/*
 * provider_fields - tag, metadata and key in the words of a known provider
 *
 * A relay's preset (data/providers.yaml) may name the header fields in which
 * its provider takes a tag, metadata and an idempotency key. A field that the
 * message has already is the submitter's and stays alone.
 *
 * Thread: any.
 */
#ifndef RELAIS_DELIVER_PROVIDER_FIELDS_H
#define RELAIS_DELIVER_PROVIDER_FIELDS_H

#include <stddef.h>

#include "buffer.h"

struct message;
struct provider;

/*
 * Appends the fields for a message whose own header block is given; what has
 * no form that the provider takes is left out. 0, -ENOMEM, -EMSGSIZE.
 */
int provider_fields_append(struct buffer *into, const struct provider *provider,
                           const struct message *message, const char *stored,
                           size_t stored_len);

#endif
