#include "config.h"

#include "queue/submit.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue/bigendian.h"
#include "queue/body.h"
#include "queue/filter.h"
#include "queue/idem.h"
#include "queue/ledger.h"
#include "queue/message_rows.h"
#include "queue/parts.h"
#include "queue/story.h"
#include "runtime/xalloc.h"

#define BODY_KEY_SIZE   12
#define UPLOAD_ROW_SIZE 12

static int add_message(struct ledger *ledger, struct submission *submission);
static int store_body(struct ledger *ledger, struct submission *submission);
static int may_keep(struct ledger *ledger, const struct submission *submission);
static int read_upload(struct ledger *ledger, uint64_t body_id,
                       struct upload_row *ret_row);
static int write_upload(struct ledger *ledger, uint64_t body_id,
                        const struct upload_row *row);
static int end_upload(struct ledger *ledger, uint64_t body_id);
static int place_parts(struct ledger *ledger, struct submission *submission);
static int write_pieces(struct ledger *ledger, uint64_t body_id,
                        uint32_t *piece, struct body_plan *plan,
                        struct body_gather *gather);
static int write_piece_room(struct ledger *ledger, const unsigned char *key,
                            size_t len, void **ret_room);

int submit_apply(struct ledger *ledger, struct submission *submission)
{
	enum idem_answer answer;
	uint64_t id = 0;
	int r;

	submission->is_replay = false;
	r = idem_ask(ledger, submission->message, &answer, &id);
	if (r < 0)
		return r;
	submission->id = id;
	switch (answer) {
	case IDEM_NEW:
		r = may_keep(ledger, submission);
		return r < 0 ? r : add_message(ledger, submission);
	case IDEM_REPLAY:
		submission->is_replay = true;
		return submission->upload_id != 0
		           ? discard_apply(ledger, submission->upload_id)
		           : 0;
	case IDEM_CONFLICT:
		return -EEXIST;
	}
	return -EINVAL;
}

/* Before anything is written: a refusal is not to spoil the transaction. */
static int may_keep(struct ledger *ledger, const struct submission *submission)
{
	const struct message *message = submission->message;
	uint64_t cost = account_cost(message);
	struct upload_row upload = { 0 };
	int r = 0;

	if (submission->upload_id != 0)
		r = read_upload(ledger, submission->upload_id, &upload);
	if (r < 0)
		return r;
	/* What has come in is counted already. */
	return accounts_may_add(ledger, message->uid, &submission->quota, 1,
	                        cost > upload.bytes ? cost - upload.bytes : 0);
}

static int add_message(struct ledger *ledger, struct submission *submission)
{
	struct message *message = submission->message;
	bool is_held = message->state == MESSAGE_HELD;
	int r;

	assert(message->recipient_count > 0 && submission->part_count > 0);
	assert(message->state == MESSAGE_QUEUED || is_held);
	/* First, as this one may be refused. */
	r = submission->upload_id != 0
	        ? end_upload(ledger, submission->upload_id)
	        : 0;
	if (r < 0)
		return r;
	message->id = submission->id = ledger_next_id(ledger);
	if (submission->upload_id == 0 && submission->shared_body_id == 0)
		message->header_len = submission->header_len;
	r = idem_claim(ledger, message);
	if (r == 0)
		r = store_body(ledger, submission);
	if (r == 0)
		r = place_parts(ledger, submission);
	if (r < 0)
		return r;
	/* Done again after an abort, the story begins again. */
	message->timeline_count = 0;
	story_add_event(message, TIMELINE_ACCEPTED, message->submitted_ms,
	                NULL);
	if (is_held)
		story_add_event(message, TIMELINE_HELD, message->submitted_ms,
		                message->hold_reason);
	r = message_rows_append(ledger, message);
	if (r == 0)
		r = ledger_feed(ledger, message->id, TIMELINE_ACCEPTED);
	if (r == 0 && is_held)
		r = ledger_feed(ledger, message->id, TIMELINE_HELD);
	return r;
}

static int store_body(struct ledger *ledger, struct submission *submission)
{
	struct message *message = submission->message;
	struct body_gather gather;
	struct body_plan plan;
	uint32_t piece = 0;

	if (submission->upload_id != 0) {
		message->body_id = submission->upload_id;
		return 0;
	}
	if (submission->shared_body_id != 0) {
		message->body_id = submission->shared_body_id;
		return body_rows_share(ledger, message->body_id);
	}
	message->body_id = ++ledger->totals.last_body_id;
	body_plan_whole(&plan, submission->header_len,
	                body_chunks_len(submission->body));
	body_gather_begin(&gather, submission->header, submission->header_len,
	                  submission->body);
	return write_pieces(ledger, message->body_id, &piece, &plan, &gather);
}

static int write_pieces(struct ledger *ledger, uint64_t body_id,
                        uint32_t *piece, struct body_plan *plan,
                        struct body_gather *gather)
{
	unsigned char key[BODY_KEY_SIZE];
	size_t len;

	be64_put(key, body_id);
	while (body_plan_next(plan, &len)) {
		void *room;
		int r;

		be32_put(key + 8, (*piece)++);
		r = write_piece_room(ledger, key, len, &room);
		if (r < 0)
			return r;
		body_gather_copy(gather, room, len);
	}
	return 0;
}

/* Bodies that came whole or begin are the last; other uploads' are not. */
static int write_piece_room(struct ledger *ledger, const unsigned char *key,
                            size_t len, void **ret_room)
{
	return be64_get(key) == ledger->totals.last_body_id
	           ? store_append_room(ledger->txn, TABLE_BODY, key,
	                               BODY_KEY_SIZE, len, ret_room)
	           : store_put_room(ledger->txn, TABLE_BODY, key, BODY_KEY_SIZE,
	                            len, ret_room);
}

static int place_parts(struct ledger *ledger, struct submission *submission)
{
	struct message *message = submission->message;
	unsigned count = submission->part_count;
	uint32_t *relays = xcalloc(message->recipient_count, sizeof(*relays));
	int r = 0;

	message->parts =
	    message_allocate(message, count * sizeof(*message->parts));
	message->part_count = count;
	message->next_part = (uint16_t)count;
	for (unsigned i = 0; i < count && r == 0; i++) {
		const struct submission_part *wanted = &submission->parts[i];
		struct message_part *part = &message->parts[i];
		struct lane *lane;

		r = lanes_open(ledger, &wanted->lane, &lane);
		if (r < 0)
			break;
		*part = (struct message_part){
			.number = (uint16_t)i,
			.lane = lane->id,
			.due_ms = wanted->due_ms,
		};
		r = part_place(ledger, message, part, true);
	}
	for (unsigned i = 0; i < message->recipient_count; i++) {
		assert(message->recipients[i].part < count);
		relays[i] =
		    submission->parts[message->recipients[i].part].lane.relay;
	}
	if (r == 0)
		filter_add(ledger->filter, message, relays);
	free(relays);
	return r;
}

/* ---------------------------------------------------------------- uploads */

int upload_apply(struct ledger *ledger, struct upload *upload)
{
	bool is_first = upload->first_piece == 0;
	uint64_t header_len = is_first ? upload->header_len : 0;
	uint64_t bytes = header_len + body_chunks_len(upload->chunks);
	struct upload_row row = { .uid = upload->uid };
	uint32_t piece = upload->first_piece;
	struct body_gather gather;
	struct body_plan plan;
	int r;

	r = accounts_may_add(ledger, upload->uid, &upload->quota, 0, bytes);
	if (r == 0 && !is_first)
		r = read_upload(ledger, upload->body_id, &row);
	if (r < 0)
		return r;
	if (is_first) {
		upload->body_id = ++ledger->totals.last_body_id;
		ledger->totals.messages[MESSAGE_RECEIVING]++;
	}
	row.bytes += bytes;
	r = write_upload(ledger, upload->body_id, &row);
	if (r == 0)
		r = accounts_add(ledger, row.uid, 0, bytes);
	if (r < 0)
		return r;
	body_plan_slice(&plan, is_first, header_len,
	                body_chunks_len(upload->chunks));
	body_gather_begin(&gather, upload->header, header_len, upload->chunks);
	r = write_pieces(ledger, upload->body_id, &piece, &plan, &gather);
	upload->next_piece = piece;
	return r;
}

static int read_upload(struct ledger *ledger, uint64_t body_id,
                       struct upload_row *ret_row)
{
	unsigned char key[STATE_KEY_SIZE];
	struct store_bytes bytes;
	int r;

	state_key_put(key, MESSAGE_RECEIVING, body_id);
	r = store_get(ledger->txn, TABLE_STATE, key, sizeof(key), &bytes);
	return r < 0 ? r : upload_row_read(ret_row, &bytes);
}

int upload_row_read(struct upload_row *ret_row, const struct store_bytes *row)
{
	if (row->len != UPLOAD_ROW_SIZE)
		return -EBADMSG;
	ret_row->uid = be32_get(row->data);
	ret_row->bytes = be64_get(row->data + 4);
	return 0;
}

static int write_upload(struct ledger *ledger, uint64_t body_id,
                        const struct upload_row *row)
{
	unsigned char key[STATE_KEY_SIZE], bytes[UPLOAD_ROW_SIZE];

	state_key_put(key, MESSAGE_RECEIVING, body_id);
	be32_put(bytes, row->uid);
	be64_put(bytes + 4, row->bytes);
	return store_put(ledger->txn, TABLE_STATE, key, sizeof(key), bytes,
	                 sizeof(bytes));
}

static int end_upload(struct ledger *ledger, uint64_t body_id)
{
	struct upload_row row = { 0 };
	unsigned char key[STATE_KEY_SIZE];
	int r;

	r = read_upload(ledger, body_id, &row);
	if (r < 0 && r != -EBADMSG)
		return r;
	state_key_put(key, MESSAGE_RECEIVING, body_id);
	r = store_delete(ledger->txn, TABLE_STATE, key, sizeof(key));
	if (r < 0)
		return r;
	ledger_decrease(&ledger->totals.messages[MESSAGE_RECEIVING], 1);
	return accounts_drop(ledger, row.uid, 0, row.bytes);
}

int discard_apply(struct ledger *ledger, uint64_t body_id)
{
	int r = end_upload(ledger, body_id);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : body_rows_delete(ledger, body_id);
}
