/*
 * author - the From field, as a relay's identity lets it leave
 *
 * Thread: any. Errors: 0, -ENOMEM, -EMSGSIZE.
 */
#ifndef RELAIS_DELIVER_AUTHOR_H
#define RELAIS_DELIVER_AUTHOR_H

#include <stdbool.h>

#include "address.h"
#include "buffer.h"
#include "header.h"

struct relay_settings;

struct author {
	struct header_field field; /* borrowed from the stored header */
	/* The relay's identity takes the place of all its mailboxes. */
	bool is_replaced;
	/* Somebody could answer it: all of it is mailboxes. */
	bool is_readable;
	/* It is the identity's own address, without the name it has. */
	bool has_no_name;
};

/*
 * Looks at the field. Bare mailboxes are judged with `domain` behind them. A
 * field in which something is no mailbox stays only if the relay's identity is
 * for what is missing.
 */
void author_judge(struct author *author, const struct header_field *field,
                  const struct relay_settings *relay, const char *domain);

/*
 * Appends `From: name <address>`, folded, with its line end: the identity's
 * address and the first mailbox's display name; the identity's where it has
 * none. A comment behind a mailbox without a name is its name, as it was
 * before there were names.
 */
int author_append(struct buffer *into, const struct author *author,
                  const struct relay_settings *relay);

#endif
