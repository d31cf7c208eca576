#include "config.h"

#include "queue/message_rows.h"

#include <assert.h>
#include <errno.h>

#include "queue/bigendian.h"
#include "queue/ledger.h"
#include "queue/record.h"

#define RCPT_KEY_SIZE 10
#define BODY_KEY_SIZE 12

static bool has_rows_of_its_own(const struct message *message);
static void rcpt_key_put(unsigned char key[RCPT_KEY_SIZE], uint64_t id,
                         unsigned index);
static int read_recipients(struct store_txn *txn, struct message *message);
static int set_shared(struct ledger *ledger, uint64_t body_id, uint32_t before,
                      uint32_t others);
static int shared_with(struct ledger *ledger, uint64_t body_id,
                       uint32_t *ret_others);
static int delete_prefix(struct ledger *ledger, enum store_table table,
                         uint64_t prefix, size_t key_len);
static bool is_body_wanted(const struct message *message);
static int write_state(struct ledger *ledger, const struct message *message,
                       enum message_state before);

void state_key_put(unsigned char key[STATE_KEY_SIZE], enum message_state state,
                   uint64_t id)
{
	key[0] = (unsigned char)state;
	be64_put(key + 1, id);
}

static bool has_rows_of_its_own(const struct message *message)
{
	return message->recipient_count > RECORD_RECIPIENTS_INSIDE;
}

static void rcpt_key_put(unsigned char key[RCPT_KEY_SIZE], uint64_t id,
                         unsigned index)
{
	be64_put(key, id);
	be16_put(key + 8, (uint16_t)index);
}

/* ---------------------------------------------------------------- reading */

int message_rows_read(struct message **ret_message, struct store_txn *txn,
                      uint64_t id, bool is_with_story)
{
	unsigned char key[8];
	struct store_bytes row;
	int r;

	be64_put(key, id);
	r = store_get(txn, TABLE_MSG, key, sizeof(key), &row);
	if (r < 0)
		return r;
	return message_rows_decode(ret_message, txn, id, &row, is_with_story);
}

int message_rows_decode(struct message **ret_message, struct store_txn *txn,
                        uint64_t id, const struct store_bytes *row,
                        bool is_with_story)
{
	struct message *message = NULL;
	int r;

	r = record_decode(&message, id, row->data, row->len, is_with_story);
	if (r < 0)
		goto out;
	if (has_rows_of_its_own(message))
		r = read_recipients(txn, message);
	if (r < 0)
		goto out;

	*ret_message = message;
	message = NULL;
out:
	message_free(message);
	return r;
}

static int read_recipients(struct store_txn *txn, struct message *message)
{
	unsigned char key[RCPT_KEY_SIZE];
	struct store_bytes row;
	int r;

	for (unsigned i = 0; i < message->recipient_count; i++) {
		rcpt_key_put(key, message->id, i);
		r = store_get(txn, TABLE_RCPT, key, sizeof(key), &row);
		if (r == -ENOENT)
			return -EBADMSG;
		if (r < 0)
			return r;
		r = record_decode_recipient(message, i, row.data, row.len);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---------------------------------------------------------------- writing */

int message_rows_append(struct ledger *ledger, const struct message *message)
{
	unsigned char key[8], state_key[STATE_KEY_SIZE], until[8];
	bool has_end =
	    message->state == MESSAGE_HELD && message->hold_until_ms != 0;
	int r;

	r = record_encode(&ledger->scratch, message);
	if (r < 0)
		return r;
	be64_put(key, message->id);
	r = store_append(ledger->txn, TABLE_MSG, key, sizeof(key),
	                 ledger->scratch.bytes, ledger->scratch.len);
	for (unsigned i = 0; r == 0 && has_rows_of_its_own(message) &&
	                     i < message->recipient_count;
	     i++)
		r = message_rows_write_recipient(ledger, message, i);
	if (r < 0)
		return r;
	r = accounts_add(ledger, message->uid, 1, account_cost(message));
	if (r < 0)
		return r;
	state_key_put(state_key, message->state, message->id);
	be64_put(until, message->hold_until_ms);
	ledger->totals.messages[message->state]++;
	return store_put(ledger->txn, TABLE_STATE, state_key, sizeof(state_key),
	                 until, has_end ? sizeof(until) : 0);
}

int message_rows_write_recipient(struct ledger *ledger,
                                 const struct message *message, unsigned index)
{
	unsigned char key[RCPT_KEY_SIZE];
	int r;

	if (!has_rows_of_its_own(message))
		return 0;
	r = record_encode_recipient(&ledger->scratch,
	                            &message->recipients[index]);
	if (r < 0)
		return r;
	rcpt_key_put(key, message->id, index);
	return store_put(ledger->txn, TABLE_RCPT, key, sizeof(key),
	                 ledger->scratch.bytes, ledger->scratch.len);
}

int message_rows_write(struct ledger *ledger, struct message *message,
                       enum message_state before)
{
	enum message_state state = message_state_of(message);
	unsigned char key[8];
	int r;

	/* Held and parked are said by whoever does it; an end wins. */
	if (state != MESSAGE_QUEUED) {
		message->state = state;
		if (message->ended_ms == 0)
			message->ended_ms = ledger->wall_ms;
		if (!is_body_wanted(message)) {
			r = message_rows_drop_body(ledger, message);
			if (r < 0)
				return r;
		}
	}
	if (before <= MESSAGE_PARKED && message->state > MESSAGE_PARKED) {
		r = accounts_drop(ledger, message->uid, 1, 0);
		if (r < 0)
			return r;
	}
	r = write_state(ledger, message, before);
	if (r < 0)
		return r;
	r = record_encode(&ledger->scratch, message);
	if (r < 0)
		return r;
	be64_put(key, message->id);
	return store_put(ledger->txn, TABLE_MSG, key, sizeof(key),
	                 ledger->scratch.bytes, ledger->scratch.len);
}

/* Of what failed or expired for somebody, for resending and looking at; and
 * of what the sender is still to be told about. */
static bool is_body_wanted(const struct message *message)
{
	if (message->report_ms != 0)
		return true;
	for (unsigned i = 0; i < message->recipient_count; i++) {
		enum recipient_state state = message->recipients[i].state;

		if (state == RECIPIENT_FAILED || state == RECIPIENT_EXPIRED)
			return true;
	}
	return false;
}

int message_rows_drop_body(struct ledger *ledger, struct message *message)
{
	int r;

	if ((message->flags & MESSAGE_BODY_GONE) != 0)
		return 0;
	r = body_rows_delete(ledger, message->body_id);
	if (r < 0)
		return r;
	message->flags |= MESSAGE_BODY_GONE;
	message->body_id = 0;
	return accounts_drop(ledger, message->uid, 0, account_cost(message));
}

/*
 * The value is a time that a sweep looks for: when a hold ends, or when the
 * body kept of a message that failed may go.
 */
static int write_state(struct ledger *ledger, const struct message *message,
                       enum message_state before)
{
	unsigned char key[STATE_KEY_SIZE], time[8];
	uint64_t time_ms = 0;
	int r;

	if (message->state != before) {
		ledger_decrease(&ledger->totals.messages[before], 1);
		ledger->totals.messages[message->state]++;
		state_key_put(key, before, message->id);
		r = store_delete(ledger->txn, TABLE_STATE, key, sizeof(key));
		if (r < 0 && r != -ENOENT)
			return r;
	} else if (message->state != MESSAGE_HELD) {
		return 0;
	}
	if (message->state == MESSAGE_DELIVERED)
		return 0;
	if (message->state == MESSAGE_HELD)
		time_ms = message->hold_until_ms;
	else if (message->ended_ms != 0 && message->body_id != 0)
		time_ms =
		    message->ended_ms + ledger->limits.keep_failed_bodies_ms;
	state_key_put(key, message->state, message->id);
	be64_put(time, time_ms);
	return store_put(ledger->txn, TABLE_STATE, key, sizeof(key), time,
	                 time_ms > 0 ? sizeof(time) : 0);
}

/* --------------------------------------------------------------- deleting */

int message_rows_purge(struct ledger *ledger, uint64_t id,
                       const struct record_summary *summary)
{
	unsigned char key[STATE_KEY_SIZE], id_key[8];
	int r = 0;

	assert(summary->ended_ms != 0);
	if (summary->body_id != 0)
		r = body_rows_delete(ledger, summary->body_id);
	if (r == 0 && summary->body_id != 0)
		r = accounts_drop(ledger, summary->uid, 0,
		                  summary->size + ACCOUNT_MESSAGE_BYTES);
	if (r == 0 && summary->recipient_count > RECORD_RECIPIENTS_INSIDE)
		r = delete_prefix(ledger, TABLE_RCPT, id, RCPT_KEY_SIZE);
	if (r == 0 && summary->state != MESSAGE_DELIVERED) {
		state_key_put(key, summary->state, id);
		r = store_delete(ledger->txn, TABLE_STATE, key, sizeof(key));
		if (r == -ENOENT)
			r = 0;
	}
	if (r < 0)
		return r;
	ledger_decrease(&ledger->totals.messages[summary->state], 1);
	be64_put(id_key, id);
	return store_delete(ledger->txn, TABLE_MSG, id_key, sizeof(id_key));
}

int body_rows_share(struct ledger *ledger, uint64_t body_id)
{
	uint32_t others = 0;
	int r;

	r = shared_with(ledger, body_id, &others);
	return r < 0 ? r : set_shared(ledger, body_id, others, others + 1);
}

/* others: how many more than one had it, and have it. */
static int set_shared(struct ledger *ledger, uint64_t body_id, uint32_t before,
                      uint32_t others)
{
	unsigned char key[8], count[4];

	be64_put(key, body_id);
	be32_put(count, others);
	if (others > 0)
		return store_put(ledger->txn, TABLE_SHARED, key, sizeof(key),
		                 count, sizeof(count));
	return before == 0
	           ? 0
	           : store_delete(ledger->txn, TABLE_SHARED, key, sizeof(key));
}

int body_rows_set_owners(struct ledger *ledger, uint64_t body_id,
                         uint32_t owners)
{
	uint32_t others = 0;
	int r;

	r = shared_with(ledger, body_id, &others);
	if (r < 0 || others == owners - 1)
		return r;
	return set_shared(ledger, body_id, others, owners - 1);
}

/* How many other messages have the body. */
static int shared_with(struct ledger *ledger, uint64_t body_id,
                       uint32_t *ret_others)
{
	struct store_bytes row;
	unsigned char key[8];
	int r;

	*ret_others = 0;
	if (store_count(ledger->txn, TABLE_SHARED) == 0)
		return 0;
	be64_put(key, body_id);
	r = store_get(ledger->txn, TABLE_SHARED, key, sizeof(key), &row);
	if (r == 0 && row.len == 4)
		*ret_others = be32_get(row.data);
	return r == -ENOENT ? 0 : r;
}

int body_rows_delete(struct ledger *ledger, uint64_t body_id)
{
	uint32_t others;
	int r;

	r = shared_with(ledger, body_id, &others);
	if (r < 0)
		return r;
	if (others > 0)
		return set_shared(ledger, body_id, others, others - 1);
	return delete_prefix(ledger, TABLE_BODY, body_id, BODY_KEY_SIZE);
}

static int delete_prefix(struct ledger *ledger, enum store_table table,
                         uint64_t prefix, size_t key_len)
{
	struct store_cursor *cursor = NULL;
	struct store_bytes key;
	unsigned char first[8];
	int r;

	r = store_cursor_open(ledger->txn, table, &cursor);
	if (r < 0)
		return r;
	be64_put(first, prefix);
	r = store_cursor_seek(cursor, first, sizeof(first), &key, NULL);
	while (r == 0 && key.len == key_len && be64_get(key.data) == prefix) {
		r = store_cursor_delete(cursor);
		if (r == 0)
			r = store_cursor_next(cursor, &key, NULL);
	}
	store_cursor_close(cursor);
	return r == -ENOENT ? 0 : r;
}
