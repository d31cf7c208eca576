#include "config.h"

#include "queue/record.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "queue/hash.h"
#include "queue/pack.h"

/* timeline entries: bits of one number */
#define ENTRY_IS_CHARGED 1u
#define ENTRY_IS_FOR_ALL 2u

/* Octets that the shortest of each takes: what bounds a count. */
#define RECIPIENT_OCTETS_MIN 13
#define PART_OCTETS_MIN      5
#define ENTRY_OCTETS_MIN     14

static void pack_head(struct packer *packer, const struct message *message);
static void pack_recipient(struct packer *packer,
                           const struct message_recipient *recipient);
static void pack_part(struct packer *packer, const struct message_part *part);
static void pack_entry(struct packer *packer, const struct message *message,
                       const struct timeline_entry *entry);
static void pack_code(struct packer *packer, uint16_t code,
                      const uint16_t enhanced[3]);
static void pack_indexes(struct packer *packer,
                         const struct timeline_entry *entry);
static void unpack_head(struct unpacker *unpacker, struct message *message);
static void unpack_recipients(struct unpacker *unpacker,
                              struct message *message);
static void unpack_recipient(struct unpacker *unpacker,
                             struct message_recipient *recipient);
static void unpack_parts(struct unpacker *unpacker, struct message *message);
static void unpack_story(struct unpacker *unpacker, struct message *message);
static void unpack_entry(struct unpacker *unpacker, struct message *message,
                         struct timeline_entry *entry);
static void unpack_indexes(struct unpacker *unpacker, struct message *message,
                           struct timeline_entry *entry);
static void unpack_code(struct unpacker *unpacker, uint16_t *ret_code,
                        uint16_t ret_enhanced[3]);
static void *unpack_array(struct unpacker *unpacker, struct message *message,
                          size_t count, size_t size);
static void *copy_bytes(struct message *message, const void *bytes, size_t len);

/* --------------------------------------------------------------- writing */

int record_encode(struct record *record, const struct message *message)
{
	struct packer packer;

	assert(message->recipient_count > 0);
	assert(message->recipient_count <= RECORD_RECIPIENTS_MAX);
	assert(message->timeline_count <= RECORD_TIMELINE_MAX);

	pack_begin(&packer, record);
	pack_head(&packer, message);
	if (message->recipient_count <= RECORD_RECIPIENTS_INSIDE)
		for (unsigned i = 0; i < message->recipient_count; i++)
			pack_recipient(&packer, &message->recipients[i]);
	pack_number(&packer, message->part_count);
	for (unsigned i = 0; i < message->part_count; i++)
		pack_part(&packer, &message->parts[i]);
	pack_number(&packer, message->timeline_count);
	for (unsigned i = 0; i < message->timeline_count; i++)
		pack_entry(&packer, message, &message->timeline[i]);
	return pack_end(&packer);
}

int record_encode_recipient(struct record *record,
                            const struct message_recipient *recipient)
{
	struct packer packer;

	pack_begin(&packer, record);
	pack_number(&packer, RECORD_VERSION);
	pack_recipient(&packer, recipient);
	return pack_end(&packer);
}

/* Of the body, in records that were written once; nobody asks for it. */
static const unsigned char no_hash[HASH_SIZE];

/* record_peek() reads the first ones again, up to the size. */
#define NUMBERS_BEFORE_SIZE 5 /* from gid on */
static void pack_head(struct packer *packer, const struct message *message)
{
	pack_number(packer, RECORD_VERSION);
	pack_number(packer, message->state);
	pack_number(packer, message->flags);
	pack_number(packer, message->body_id);
	pack_number(packer, message->submitted_ms);
	pack_number(packer, message->ended_ms);
	pack_number(packer, message->recipient_count);
	pack_number(packer, message->priority);
	pack_number(packer, message->uid);
	pack_number(packer, message->gid);
	pack_number(packer, message->release_ms);
	pack_number(packer, message->deadline_ms);
	pack_number(packer, message->hold_until_ms);
	pack_number(packer, message->header_len);
	pack_number(packer, message->size);
	pack_bytes(packer, no_hash, sizeof(no_hash));
	pack_number(packer, message->next_part);
	pack_number(packer, message->relay);
	pack_number(packer, message->report_ms);
	pack_number(packer, message->crashes);
	pack_text(packer, message->sender);
	pack_text(packer, message->envelope_id);
	pack_text(packer, message->tag);
	pack_text(packer, message->key);
	pack_text(packer, message->meta);
	pack_text(packer, message->message_id);
	pack_text(packer, message->hold_reason);
	pack_text(packer, message->helo);
}

static void pack_recipient(struct packer *packer,
                           const struct message_recipient *recipient)
{
	const struct message_reply *reply = &recipient->reply;

	pack_text(packer, recipient->address);
	pack_text(packer, recipient->original);
	pack_number(packer, recipient->state);
	pack_number(packer, recipient->flags);
	pack_number(packer, recipient->notify);
	pack_number(packer, recipient->part);
	pack_number(packer, recipient->attempts);
	pack_code(packer, reply->code, reply->enhanced);
	pack_text(packer, reply->text);
	pack_text(packer, reply->relay);
	pack_text(packer, reply->host);
}

static void pack_part(struct packer *packer, const struct message_part *part)
{
	pack_number(packer, part->number);
	pack_number(packer, part->place);
	pack_number(packer, part->lane);
	pack_number(packer, part->attempts);
	pack_number(packer, part->due_ms);
}

static void pack_entry(struct packer *packer, const struct message *message,
                       const struct timeline_entry *entry)
{
	/* From the submission on: two octets where that was a moment ago. */
	pack_signed(packer, (int64_t)(entry->time_ms - message->submitted_ms));
	pack_number(packer, entry->kind);
	pack_number(packer, entry->phase);
	pack_number(packer, entry->scope);
	pack_number(packer, (entry->is_charged ? ENTRY_IS_CHARGED : 0) |
	                        (entry->is_for_all ? ENTRY_IS_FOR_ALL : 0));
	pack_code(packer, entry->code, entry->enhanced);
	pack_number(packer, entry->duration_ms);
	pack_text(packer, entry->relay);
	pack_text(packer, entry->host);
	pack_text(packer, entry->tls);
	pack_text(packer, entry->text);
	if (!entry->is_for_all)
		pack_indexes(packer, entry);
}

static void pack_code(struct packer *packer, uint16_t code,
                      const uint16_t enhanced[3])
{
	pack_number(packer, code);
	for (unsigned i = 0; i < 3; i++)
		pack_number(packer, enhanced[i]);
}

/* Ascending indexes as runs: how far from the end of the last, how many. */
static void pack_indexes(struct packer *packer,
                         const struct timeline_entry *entry)
{
	const uint16_t *indexes = entry->recipients;
	unsigned next = 0;

	pack_number(packer, entry->recipient_count);
	for (unsigned i = 0; i < entry->recipient_count;) {
		unsigned start = i;

		assert(indexes[i] >= next);
		while (++i < entry->recipient_count &&
		       indexes[i] == indexes[i - 1] + 1)
			;
		pack_number(packer, indexes[start] - next);
		pack_number(packer, i - start);
		next = indexes[i - 1] + 1u;
	}
}

/* --------------------------------------------------------------- reading */

int record_decode(struct message **ret_message, uint64_t id, const void *bytes,
                  size_t len, bool is_with_story)
{
	struct message *message = message_new();
	struct unpacker unpacker = { 0 };
	const void *copy;
	int r = -ENOMEM;

	copy = copy_bytes(message, bytes, len);
	if (copy == NULL)
		goto out;
	r = unpack_begin(&unpacker, copy, len);
	if (r < 0)
		goto out;
	message->id = id;
	unpack_head(&unpacker, message);
	unpack_recipients(&unpacker, message);
	unpack_parts(&unpacker, message);
	if (is_with_story)
		unpack_story(&unpacker, message);
	r = unpack_end(&unpacker, is_with_story);
	if (r < 0)
		goto out;

	*ret_message = message;
	message = NULL;
out:
	message_free(message);
	return r;
}

int record_decode_recipient(struct message *message, unsigned index,
                            const void *bytes, size_t len)
{
	struct message_recipient recipient = { 0 };
	struct unpacker unpacker;
	const void *copy;
	int r;

	assert(index < message->recipient_count);
	copy = copy_bytes(message, bytes, len);
	if (copy == NULL)
		return -ENOMEM;
	r = unpack_begin(&unpacker, copy, len);
	if (r < 0)
		return r;
	if (unpack_number(&unpacker, UINT64_MAX) != RECORD_VERSION)
		unpacker.is_bad = true;
	unpack_recipient(&unpacker, &recipient);
	r = unpack_end(&unpacker, true);
	if (r == 0)
		message->recipients[index] = recipient;
	return r;
}

int record_peek(struct record_summary *ret_summary, const void *bytes,
                size_t len)
{
	struct record_summary summary = { 0 };
	struct unpacker unpacker;
	int r;

	r = unpack_begin(&unpacker, bytes, len);
	if (r < 0)
		return r;
	if (unpack_number(&unpacker, UINT64_MAX) != RECORD_VERSION)
		unpacker.is_bad = true;
	summary.state =
	    (enum message_state)unpack_number(&unpacker, MESSAGE_DELIVERED);
	summary.flags = (uint32_t)unpack_number(&unpacker, UINT32_MAX);
	summary.body_id = unpack_number(&unpacker, UINT64_MAX);
	summary.submitted_ms = unpack_number(&unpacker, UINT64_MAX);
	summary.ended_ms = unpack_number(&unpacker, UINT64_MAX);
	summary.recipient_count =
	    (unsigned)unpack_number(&unpacker, RECORD_RECIPIENTS_MAX);
	(void)unpack_number(&unpacker, PRIORITY_BULK);
	summary.uid = (uint32_t)unpack_number(&unpacker, UINT32_MAX);
	for (unsigned i = 0; i < NUMBERS_BEFORE_SIZE; i++)
		(void)unpack_number(&unpacker, UINT64_MAX);
	summary.size = unpack_number(&unpacker, UINT64_MAX);
	r = unpack_end(&unpacker, false);
	if (r == 0)
		*ret_summary = summary;
	return r;
}

static void unpack_head(struct unpacker *unpacker, struct message *message)
{
	unsigned char ignored[HASH_SIZE];

	if (unpack_number(unpacker, UINT64_MAX) != RECORD_VERSION)
		unpacker->is_bad = true;
	message->state =
	    (enum message_state)unpack_number(unpacker, MESSAGE_DELIVERED);
	message->flags = (uint32_t)unpack_number(unpacker, UINT32_MAX);
	message->body_id = unpack_number(unpacker, UINT64_MAX);
	message->submitted_ms = unpack_number(unpacker, UINT64_MAX);
	message->ended_ms = unpack_number(unpacker, UINT64_MAX);
	message->recipient_count =
	    (unsigned)unpack_number(unpacker, RECORD_RECIPIENTS_MAX);
	message->priority =
	    (enum priority)unpack_number(unpacker, PRIORITY_BULK);
	message->uid = (uint32_t)unpack_number(unpacker, UINT32_MAX);
	message->gid = (uint32_t)unpack_number(unpacker, UINT32_MAX);
	message->release_ms = unpack_number(unpacker, UINT64_MAX);
	message->deadline_ms = unpack_number(unpacker, UINT64_MAX);
	message->hold_until_ms = unpack_number(unpacker, UINT64_MAX);
	message->header_len = unpack_number(unpacker, UINT64_MAX);
	message->size = unpack_number(unpacker, UINT64_MAX);
	unpack_bytes(unpacker, ignored, sizeof(ignored));
	message->next_part = (uint16_t)unpack_number(unpacker, UINT16_MAX);
	message->relay = (uint32_t)unpack_number(unpacker, UINT32_MAX);
	message->report_ms = unpack_number(unpacker, UINT64_MAX);
	message->crashes = (uint16_t)unpack_number(unpacker, UINT16_MAX);
	message->sender = unpack_text(unpacker);
	message->envelope_id = unpack_text(unpacker);
	message->tag = unpack_text(unpacker);
	message->key = unpack_text(unpacker);
	message->meta = unpack_text(unpacker);
	message->message_id = unpack_text(unpacker);
	message->hold_reason = unpack_text(unpacker);
	message->helo = unpack_text(unpacker);
	if (message->recipient_count == 0 || message->sender == NULL)
		unpacker->is_bad = true;
}

static void unpack_recipients(struct unpacker *unpacker,
                              struct message *message)
{
	unsigned count = message->recipient_count;
	bool is_inside = count <= RECORD_RECIPIENTS_INSIDE;

	if (is_inside && count > unpack_left(unpacker) / RECIPIENT_OCTETS_MIN)
		unpacker->is_bad = true;
	message->recipients = unpack_array(unpacker, message, count,
	                                   sizeof(*message->recipients));
	for (unsigned i = 0; is_inside && i < count && !unpacker->is_bad; i++)
		unpack_recipient(unpacker, &message->recipients[i]);
}

static void unpack_recipient(struct unpacker *unpacker,
                             struct message_recipient *recipient)
{
	struct message_reply *reply = &recipient->reply;

	recipient->address = unpack_text(unpacker);
	recipient->original = unpack_text(unpacker);
	recipient->state =
	    (enum recipient_state)unpack_number(unpacker, RECIPIENT_CANCELLED);
	recipient->flags = (uint8_t)unpack_number(unpacker, UINT8_MAX);
	recipient->notify = (uint8_t)unpack_number(unpacker, UINT8_MAX);
	recipient->part = (uint16_t)unpack_number(unpacker, UINT16_MAX);
	recipient->attempts = (uint16_t)unpack_number(unpacker, UINT16_MAX);
	unpack_code(unpacker, &reply->code, reply->enhanced);
	reply->text = unpack_text(unpacker);
	reply->relay = unpack_text(unpacker);
	reply->host = unpack_text(unpacker);
	if (recipient->address == NULL)
		unpacker->is_bad = true;
}

static void unpack_parts(struct unpacker *unpacker, struct message *message)
{
	uint64_t max = unpack_left(unpacker) / PART_OCTETS_MIN;
	unsigned count = (unsigned)unpack_number(
	    unpacker, max < UINT16_MAX ? max : UINT16_MAX);

	message->parts =
	    unpack_array(unpacker, message, count, sizeof(*message->parts));
	if (unpacker->is_bad)
		return;
	message->part_count = count;
	for (unsigned i = 0; i < count; i++) {
		struct message_part *part = &message->parts[i];

		part->number = (uint16_t)unpack_number(unpacker, UINT16_MAX);
		part->place =
		    (enum part_place)unpack_number(unpacker, PART_HELD);
		part->lane = (uint32_t)unpack_number(unpacker, UINT32_MAX);
		part->attempts = (uint16_t)unpack_number(unpacker, UINT16_MAX);
		part->due_ms = unpack_number(unpacker, UINT64_MAX);
	}
}

static void unpack_story(struct unpacker *unpacker, struct message *message)
{
	uint64_t max = unpack_left(unpacker) / ENTRY_OCTETS_MIN;
	unsigned count = (unsigned)unpack_number(
	    unpacker, max < RECORD_TIMELINE_MAX ? max : RECORD_TIMELINE_MAX);

	message->timeline =
	    unpack_array(unpacker, message, count, sizeof(*message->timeline));
	if (unpacker->is_bad)
		return;
	message->timeline_count = count;
	for (unsigned i = 0; i < count && !unpacker->is_bad; i++)
		unpack_entry(unpacker, message, &message->timeline[i]);
}

static void unpack_entry(struct unpacker *unpacker, struct message *message,
                         struct timeline_entry *entry)
{
	uint64_t bits;

	entry->time_ms =
	    message->submitted_ms + (uint64_t)unpack_signed(unpacker);
	entry->kind =
	    (enum timeline_kind)unpack_number(unpacker, TIMELINE_RESCHEDULED);
	entry->phase = (enum smtp_phase)unpack_number(unpacker, PHASE_QUIT);
	entry->scope =
	    (enum verdict_scope)unpack_number(unpacker, SCOPE_STAGING);
	bits = unpack_number(unpacker, ENTRY_IS_CHARGED | ENTRY_IS_FOR_ALL);
	entry->is_charged = (bits & ENTRY_IS_CHARGED) != 0;
	entry->is_for_all = (bits & ENTRY_IS_FOR_ALL) != 0;
	unpack_code(unpacker, &entry->code, entry->enhanced);
	entry->duration_ms = (uint32_t)unpack_number(unpacker, UINT32_MAX);
	entry->relay = unpack_text(unpacker);
	entry->host = unpack_text(unpacker);
	entry->tls = unpack_text(unpacker);
	entry->text = unpack_text(unpacker);
	if (!entry->is_for_all)
		unpack_indexes(unpacker, message, entry);
}

static void unpack_indexes(struct unpacker *unpacker, struct message *message,
                           struct timeline_entry *entry)
{
	unsigned count =
	    (unsigned)unpack_number(unpacker, message->recipient_count);
	uint16_t *indexes =
	    unpack_array(unpacker, message, count, sizeof(*indexes));
	unsigned filled = 0, next = 0;

	while (filled < count && !unpacker->is_bad) {
		unsigned left = message->recipient_count - next;
		unsigned gap = (unsigned)unpack_number(unpacker, left);
		unsigned run = (unsigned)unpack_number(unpacker, left - gap);

		if (run == 0 || run > count - filled) {
			unpacker->is_bad = true;
			return;
		}
		for (next += gap; run > 0; run--)
			indexes[filled++] = (uint16_t)next++;
	}
	entry->recipients = indexes;
	entry->recipient_count = filled;
}

static void unpack_code(struct unpacker *unpacker, uint16_t *ret_code,
                        uint16_t ret_enhanced[3])
{
	*ret_code = (uint16_t)unpack_number(unpacker, UINT16_MAX);
	for (unsigned i = 0; i < 3; i++)
		ret_enhanced[i] = (uint16_t)unpack_number(unpacker, UINT16_MAX);
}

/* Zeroed; NULL where the record is bad already or memory is gone. */
static void *unpack_array(struct unpacker *unpacker, struct message *message,
                          size_t count, size_t size)
{
	void *array;

	if (unpacker->is_bad)
		return NULL;
	array = message_try_allocate(message, count * size);
	if (array == NULL) {
		unpacker->is_bad = unpacker->is_out_of_memory = true;
		return NULL;
	}
	return memset(array, 0, count * size);
}

static void *copy_bytes(struct message *message, const void *bytes, size_t len)
{
	void *copy = message_try_allocate(message, len);

	return copy == NULL ? NULL : memcpy(copy, bytes, len);
}
