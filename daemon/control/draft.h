/*
 * draft - a message as clients of the control API describe it
 *
 * Filled word by word, from a query string, a form or JSON, under the same
 * names: the envelope and its wishes (from, to, key, wait, …) and, where the
 * message is written here, what it says (subject, text, attachments, …).
 *
 * Promise: no value can break out of its header field or its SMTP command.
 * Thread: any; one at a time.
 */
#ifndef RELAIS_CONTROL_DRAFT_H
#define RELAIS_CONTROL_DRAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "buffer.h"

#define DRAFT_ERROR_SIZE 256

/* Of a header field or the envelope; name NULL: none. */
struct draft_mailbox {
	const char *name;
	const char *address;
};

enum draft_place {
	DRAFT_FROM,
	DRAFT_TO,
	DRAFT_CC,
	DRAFT_BCC,
	DRAFT_REPLY_TO,
	DRAFT_PLACES,
};

struct draft_mailboxes {
	struct draft_mailbox *list;
	size_t count;
};

struct draft_field {
	const char *name;
	const char *value;
};

struct draft_file {
	const char *name;       /* or NULL */
	const char *type;       /* or NULL: application/octet-stream */
	const char *content_id; /* of an image that the HTML shows; or NULL */
	const char *data;       /* borrowed */
	size_t len;
	char *owned; /* freed with the draft; or NULL */
};

struct draft {
	struct arena arena;
	bool is_raw; /* its content is there: only the envelope is described */
	size_t recipients_max;
	size_t recipient_count; /* named so far */

	const char *sender; /* of the envelope; "": nobody; NULL: see from */
	struct draft_mailboxes mailboxes[DRAFT_PLACES];
	const char *subject, *text, *html;
	struct draft_field *fields;
	size_t field_count;
	struct draft_file *files;
	size_t file_count;

	const char *key, *tag, *meta, *relay, *envelope_id, *hold_until;
	uint32_t wait_s, hold_for_s, deadline_s;
	int priority; /* RFC 6710; 0: normal */
	unsigned notify;
	const char *ret;
	bool is_dry_run;
};

/* recipients_max 0: no limit. */
void draft_init(struct draft *draft, bool is_raw, size_t recipients_max);
void draft_done(struct draft *draft);

/*
 * 0, or -EINVAL with a sentence in `error`. The value is copied, but for text
 * and html, which are borrowed; lists of addresses may be given in one value
 * or in several.
 */
int draft_set(struct draft *draft, const char *word, const char *value,
              char error[DRAFT_ERROR_SIZE]);

/* One mailbox in two parts; word as above: from, to, cc, bcc, reply_to. */
int draft_add_mailbox(struct draft *draft, const char *word, const char *name,
                      const char *address, char error[DRAFT_ERROR_SIZE]);

/* A header field of the client's choice. */
int draft_add_field(struct draft *draft, const char *name, const char *value,
                    char error[DRAFT_ERROR_SIZE]);

/* name, type and content_id are copied, the rest is taken over as it is. */
int draft_add_file(struct draft *draft, const struct draft_file *file,
                   char error[DRAFT_ERROR_SIZE]);

/* Is all there that a message needs? 0 or -EINVAL. */
int draft_check(const struct draft *draft, char error[DRAFT_ERROR_SIZE]);

/* MAIL and RCPT for a message of so many octets. */
void draft_append_commands(const struct draft *draft, uint64_t size_bytes,
                           struct buffer *out);

#endif
