/*
 * record - a message's record as bytes on disk, and back
 *
 * Promise: what record_decode() accepts is complete and consistent: lengths,
 *          counts, enums, indexes and the check sum at the end are right.
 *          Everything else is -EBADMSG, whatever the bytes are.
 *
 * Format (version 1): the version's byte, then integers as little-endian base
 * 128 and texts, in the order of record.c, and a check sum over all (4 octets).
 * A text is 0 (none), 2n+1 and n octets and a NUL, or 2k+2: the k-th new text
 * of this record once more. So a decoded record points into one copy of its
 * bytes, and a reply told by recipient and story is stored once.
 *
 * Thread: any; plain values.
 */
#ifndef RELAIS_QUEUE_RECORD_H
#define RELAIS_QUEUE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/message.h"

#define RECORD_VERSION 1

/* Messages with more recipients keep these apart, one row each. */
#define RECORD_RECIPIENTS_INSIDE 50

#define RECORD_RECIPIENTS_MAX 65535
#define RECORD_TIMELINE_MAX   256

/* Bytes being made; reusable. Zero it first. */
struct record {
	unsigned char *bytes;
	size_t len;
	size_t size;
};
void record_done(struct record *record);

/* The bytes are record->bytes[0..len). 0 or -ENOMEM. */
int record_encode(struct record *record, const struct message *message);
int record_encode_recipient(struct record *record,
                            const struct message_recipient *recipient);

/*
 * Of a message with more than RECORD_RECIPIENTS_INSIDE recipients these are
 * zeroed: record_decode_recipient() fills each from its own row.
 * 0, -EBADMSG, -ENOMEM.
 */
int record_decode(struct message **ret_message, uint64_t id, const void *bytes,
                  size_t len, bool is_with_story);
int record_decode_recipient(struct message *message, unsigned index,
                            const void *bytes, size_t len);

/* What retention needs to know, without the rest. 0 or -EBADMSG. */
struct record_summary {
	enum message_state state;
	uint32_t flags;
	uint64_t body_id;
	uint64_t submitted_ms;
	uint64_t ended_ms;
	unsigned recipient_count;
	uint32_t uid;
	uint64_t size;
};
int record_peek(struct record_summary *ret_summary, const void *bytes,
                size_t len);

#endif
