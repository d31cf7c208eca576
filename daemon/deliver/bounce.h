/*
 * bounce - tells a sender what became of a message (RFC 3464, RFC 6522)
 *
 * One report for all recipients whose news is owed: failed and expired, late,
 * or delivered to where nobody reports success. In three parts: what happened
 * and what to do, in plain words; the same for machines; and the message or its
 * header.
 *
 * The report is ASCII unless the address it goes to is not: then it is in the
 * form of RFC 6533 as a whole.
 * Thread: any.
 */
#ifndef RELAIS_DELIVER_BOUNCE_H
#define RELAIS_DELIVER_BOUNCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

struct contents;
struct message;
struct message_recipient;
struct reported;
struct settings;
struct submission;
struct timeline_entry;

/* Borrowed for the call. */
struct bounce {
	const struct settings *settings;
	const struct message *message;
	const struct reported *recipients;
	unsigned count;
	/* The stored header block; NULL where it is gone. */
	const char *header;
	size_t header_len;
	/* Opened at the body's start; NULL where it is gone. */
	struct contents *contents;
	int64_t now_ms; /* wall */
};

/* Never NULL. */
struct submission *bounce_make(const struct bounce *bounce);

/* Where reports about this message go. */
const char *bounce_address(const struct settings *settings,
                           const struct message *message);

/* Bulk and automatic mail: nobody waits for news of its delay. */
bool bounce_suppresses_delay(const char *header, size_t header_len);

/* ----------------------------------------------- the parts, for bounce.c */

/* bounce_text.c: the first part. */
void bounce_add_text(struct buffer *into, const struct bounce *bounce);

/* bounce_status.c: the second. is_utf8: in the form of RFC 6533. */
void bounce_add_status(struct buffer *into, const struct bounce *bounce,
                       bool is_utf8);

/* The last attempt that the story tells of this recipient; or NULL. */
const struct timeline_entry *bounce_last_attempt(const struct message *message,
                                                 unsigned index);

/*
 * What the far side said last, behind an expiry too. NULL where it never said
 * anything.
 */
const struct timeline_entry *bounce_last_answer(const struct message *message,
                                                unsigned index);

#endif
