/*
 * address - mailbox addresses of the envelope (RFC 5321 4.1.2)
 *
 * Errors: -EINVAL (not an address), -EMSGSIZE (too long), -EILSEQ (has bytes
 *         above 127 and ADDRESS_UTF8 is not set, or is not valid UTF-8).
 */
#ifndef RELAIS_ADDRESS_H
#define RELAIS_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * RFC 5321 4.5.3.1 names 64 octets for a local part and asks for no limit
 * where one can do without: senders made for one recipient each (VERP) do
 * exceed 64.
 */
#define ADDRESS_LOCAL_MAX  255
#define ADDRESS_DOMAIN_MAX 255
/* Room for any address and its NUL */
#define ADDRESS_SIZE (ADDRESS_LOCAL_MAX + 1 + ADDRESS_DOMAIN_MAX + 1)

enum address_flag {
	/* RFC 6531: UTF-8 in local part and domain */
	ADDRESS_UTF8 = 1 << 0,
	/* a local part without a domain, as in "root" */
	ADDRESS_BARE = 1 << 1,
	/* the empty path "<>" */
	ADDRESS_NULL = 1 << 2,
};

/* Printable ASCII and whole UTF-8 characters, without control characters? */
bool address_is_utf8(const char *text, size_t len);

/* Is all of text a mailbox? */
int address_check(const char *text, size_t len, unsigned flags);

/*
 * Parses a path at the start of text: "<" [source route ":"] mailbox ">".
 * The mailbox is borrowed from text, the source route is dropped as RFC 5321
 * 4.1.1.3 allows; ret_used is the length of the whole path.
 */
int address_parse_path(const char *text, size_t len, unsigned flags,
                       const char **ret_mailbox, size_t *ret_mailbox_len,
                       size_t *ret_used);

/* The part after the last "@" of a checked mailbox; NULL if it is bare. */
const char *address_domain(const char *mailbox);

/* The length of a checked mailbox's local part, quotes included. */
size_t address_local_len(const char *mailbox);

/*
 * Writes the form by which checked mailboxes are compared: ASCII letters of
 * the domain in lower case, the local part without needless quotes. The local
 * part's case is kept (RFC 5321 2.4), IDNA is left as it is.
 */
void address_canonical(const char *mailbox, char out[ADDRESS_SIZE]);

/* Do both name the same mailbox, by their canonical forms? */
bool address_is_same(const char *mailbox, const char *other);

#endif
