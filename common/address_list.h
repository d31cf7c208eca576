/*
 * address_list - the mailboxes in an address field of a header (RFC 5322 3.4)
 *
 * Takes what people write: comments, folding, groups, quoted strings, display
 * names with dots or at signs, source routes, empty list members. Every mailbox
 * it gives has passed address_check().
 *
 * Errors: those of address.h.
 */
#ifndef RELAIS_ADDRESS_LIST_H
#define RELAIS_ADDRESS_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "address.h"

/* One walk over the body of an address header field, folded or not. */
struct address_list {
	const char *next;
	const char *end;
	unsigned flags;
	/* The mailbox found last, without comments and folding, with a NUL. */
	char mailbox[ADDRESS_SIZE];
	/* Its display name as written (borrowed from the field); may be empty,
	   encoded words and quotes are left alone. */
	const char *name;
	size_t name_len;
};

/* Borrows text for the time of the walk. flags: ADDRESS_UTF8, ADDRESS_BARE */
void address_list_init(struct address_list *list, const char *text, size_t len,
                       unsigned flags);

/*
 * Finds the next mailbox, those inside groups included. Returns 0, -ENOENT at
 * the end of the list, or an error of above; the walk stands behind the faulty
 * member then and may go on.
 */
int address_list_next(struct address_list *list);

#endif
