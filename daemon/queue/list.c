#include "config.h"

#include "queue/list.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "queue/bigendian.h"
#include "queue/filter.h"
#include "queue/lane_row.h"
#include "queue/message_rows.h"
#include "queue/record.h"
#include "queue/totals.h"

/* After so many records that did not match, a call gives up for now. */
#define LOOKS_MAX 10000
/* So many blocks of columns, 4,088 entries each. */
#define BLOCKS_MAX 1024
/* Records are about in the order of their times, but not quite. */
#define SINCE_SLACK_MS (60 * 60 * 1000)

#define FILTER_KEY_SIZE 9

enum step {
	STEP_ON,   /* go on */
	STEP_FULL, /* the page is full, or it was enough for one call */
	STEP_END,  /* nothing older can match */
};

struct wanted_print {
	enum filter_field field;
	uint16_t print;
};

struct lister {
	struct store_txn *txn;
	const struct queue_filter *filter;
	struct message **messages;
	unsigned max, count;
	unsigned looks, blocks;
	uint64_t last_id; /* the last that was looked at */
	struct wanted_print wanted[FILTER_FIELDS];
	unsigned wanted_count;
};

static void choose_columns(struct lister *lister);
static bool is_state_narrow(struct lister *lister);
static int walk_state(struct lister *lister, uint64_t before,
                      enum step *ret_step);
static int walk_messages(struct lister *lister, uint64_t before, uint64_t end,
                         enum step *ret_step);
static int walk_columns(struct lister *lister, uint64_t before,
                        enum step *ret_step);
static int look_in_block(struct lister *lister, uint64_t last_id,
                         const struct store_bytes *ids, uint64_t before,
                         enum step *ret_step);
static int look_at(struct lister *lister, uint64_t id,
                   const struct store_bytes *row, enum step *ret_step);
static bool matches(struct lister *lister, const struct message *message);

int list_messages(struct store_txn *txn, const struct queue_filter *filter,
                  uint64_t before, struct message **messages, unsigned max,
                  uint64_t *ret_next)
{
	struct lister lister = {
		.txn = txn,
		.filter = filter,
		.messages = messages,
		.max = max,
	};
	enum step step = STEP_ON;
	int r;

	*ret_next = 0;
	if (max == 0 ||
	    (filter->has_state && filter->state == MESSAGE_RECEIVING))
		return 0;
	if (before == 0)
		before = UINT64_MAX;
	choose_columns(&lister);
	if (is_state_narrow(&lister))
		r = walk_state(&lister, before, &step);
	else if (lister.wanted_count > 0)
		r = walk_columns(&lister, before, &step);
	else
		r = walk_messages(&lister, before, 0, &step);
	if (r < 0) {
		while (lister.count > 0)
			message_free(messages[--lister.count]);
		return r;
	}
	if (step == STEP_FULL)
		*ret_next = lister.last_id;
	return (int)lister.count;
}

static void want(struct lister *lister, enum filter_field field, uint16_t print)
{
	lister->wanted[lister->wanted_count++] = (struct wanted_print){
		.field = field,
		.print = print,
	};
}

static void want_address(struct lister *lister, const char *address,
                         enum filter_field field,
                         enum filter_field domain_field)
{
	if (address == NULL)
		return;
	if (address[0] == '@')
		want(lister, domain_field, filter_print_domain(address));
	else
		want(lister, field, filter_print_address(address));
}

static void choose_columns(struct lister *lister)
{
	const struct queue_filter *filter = lister->filter;

	want_address(lister, filter->recipient, FILTER_RECIPIENT,
	             FILTER_RECIPIENT_DOMAIN);
	want_address(lister, filter->sender, FILTER_SENDER,
	             FILTER_SENDER_DOMAIN);
	if (filter->tag != NULL)
		want(lister, FILTER_TAG, filter_print_text(filter->tag));
	if (filter->has_relay)
		want(lister, FILTER_RELAY,
		     filter_print_number(filter->relay_id));
	if (filter->has_uid)
		want(lister, FILTER_SUBMITTER,
		     filter_print_number(filter->uid));
}

/* Are the rows of the state the shorter way? */
static bool is_state_narrow(struct lister *lister)
{
	enum message_state state = lister->filter->state;
	struct totals totals;

	if (!lister->filter->has_state || state == MESSAGE_DELIVERED)
		return false;
	return lister->wanted_count == 0 ||
	       totals_load(&totals, lister->txn) < 0 ||
	       totals.messages[state] <= LOOKS_MAX;
}

/* ------------------------------------------------------------- three ways */

static int walk_state(struct lister *lister, uint64_t before,
                      enum step *ret_step)
{
	enum message_state state = lister->filter->state;
	struct store_cursor *cursor = NULL;
	unsigned char below[STATE_KEY_SIZE];
	struct store_bytes key;
	int r;

	r = store_cursor_open(lister->txn, TABLE_STATE, &cursor);
	if (r < 0)
		return r;
	state_key_put(below, state, before);
	r = store_cursor_seek_below(cursor, below, sizeof(below), &key, NULL);
	while (r == 0 && key.len == STATE_KEY_SIZE && key.data[0] == state &&
	       *ret_step == STEP_ON) {
		r = look_at(lister, be64_get(key.data + 1), NULL, ret_step);
		if (r == 0)
			r = store_cursor_previous(cursor, &key, NULL);
	}
	store_cursor_close(cursor);
	return r == -ENOENT ? 0 : r;
}

/* Ids below `before` and above `end`. */
static int walk_messages(struct lister *lister, uint64_t before, uint64_t end,
                         enum step *ret_step)
{
	struct store_cursor *cursor = NULL;
	struct store_bytes key, row;
	unsigned char below[8];
	int r;

	r = store_cursor_open(lister->txn, TABLE_MSG, &cursor);
	if (r < 0)
		return r;
	be64_put(below, before);
	r = store_cursor_seek_below(cursor, below, sizeof(below), &key, &row);
	while (r == 0 && be64_get(key.data) > end && *ret_step == STEP_ON) {
		r = look_at(lister, be64_get(key.data), &row, ret_step);
		if (r == 0)
			r = store_cursor_previous(cursor, &key, &row);
	}
	store_cursor_close(cursor);
	return r == -ENOENT ? 0 : r;
}

/* First the records that are in no closed block, then the blocks. */
static int walk_columns(struct lister *lister, uint64_t before,
                        enum step *ret_step)
{
	struct store_cursor *cursor = NULL;
	unsigned char name[FILTER_KEY_SIZE];
	struct store_bytes key, ids;
	uint64_t end;
	int r;

	r = filter_end(lister->txn, &end);
	if (r == 0)
		r = walk_messages(lister, before, end, ret_step);
	if (r < 0 || *ret_step != STEP_ON)
		return r;
	r = store_cursor_open(lister->txn, TABLE_FILTER, &cursor);
	if (r < 0)
		return r;
	/* The block that has the largest id below `before`. */
	name[0] = FILTER_ID;
	be64_put(name + 1, before);
	r = store_cursor_seek(cursor, name, sizeof(name), &key, &ids);
	if (r == -ENOENT || (r == 0 && key.data[0] != FILTER_ID)) {
		name[0] = FILTER_ID + 1;
		be64_put(name + 1, 0);
		r = store_cursor_seek_below(cursor, name, sizeof(name), &key,
		                            &ids);
	}
	while (r == 0 && key.data[0] == FILTER_ID && *ret_step == STEP_ON) {
		r = look_in_block(lister, be64_get(key.data + 1), &ids, before,
		                  ret_step);
		if (r == 0)
			r = store_cursor_previous(cursor, &key, &ids);
	}
	store_cursor_close(cursor);
	return r == -ENOENT ? 0 : r;
}

static int look_in_block(struct lister *lister, uint64_t last_id,
                         const struct store_bytes *ids, uint64_t before,
                         enum step *ret_step)
{
	struct store_bytes columns[FILTER_FIELDS];
	size_t count = ids->len / 8;

	for (unsigned i = 0; i < lister->wanted_count; i++) {
		unsigned char name[FILTER_KEY_SIZE];
		int r;

		name[0] = (unsigned char)lister->wanted[i].field;
		be64_put(name + 1, last_id);
		r = store_get(lister->txn, TABLE_FILTER, name, sizeof(name),
		              &columns[i]);
		if (r < 0 || columns[i].len != 2 * count)
			return r < 0 && r != -ENOENT ? r : -EBADMSG;
	}
	for (size_t e = count; e > 0 && *ret_step == STEP_ON; e--) {
		unsigned i = 0;
		uint64_t id;
		int r;

		while (i < lister->wanted_count &&
		       filter_print_matches(
			   be16_get(columns[i].data + 2 * (e - 1)),
			   lister->wanted[i].print))
			i++;
		if (i < lister->wanted_count)
			continue;
		/* The column of ids is long: read only where it is a hit. */
		id = be64_get(ids->data + 8 * (e - 1));
		if (id >= before || id == lister->last_id)
			continue;
		r = look_at(lister, id, NULL, ret_step);
		if (r < 0)
			return r;
	}
	if (*ret_step == STEP_ON && ++lister->blocks == BLOCKS_MAX) {
		lister->last_id = be64_get(ids->data);
		*ret_step = STEP_FULL;
	}
	return 0;
}

/* --------------------------------------------------------------- records */

static int look_at(struct lister *lister, uint64_t id,
                   const struct store_bytes *row, enum step *ret_step)
{
	struct message *message = NULL;
	int r;

	lister->last_id = id;
	r = row != NULL
	        ? message_rows_decode(&message, lister->txn, id, row, false)
	        : message_rows_read(&message, lister->txn, id, false);
	/* Purged since the column was written: not to be shown. */
	if (r < 0 && r != -ENOENT && r != -EBADMSG)
		return r;
	if (r == -EBADMSG) {
		message = message_new_stand_in(id);
		r = 0;
	}
	if (r == 0 &&
	    message->submitted_ms + SINCE_SLACK_MS < lister->filter->since_ms)
		*ret_step = STEP_END;
	if (r == 0 && matches(lister, message)) {
		lister->messages[lister->count++] = message;
		message = NULL;
	}
	message_free(message);
	if (*ret_step == STEP_ON &&
	    (lister->count == lister->max || ++lister->looks == LOOKS_MAX))
		*ret_step = STEP_FULL;
	return 0;
}

static bool address_matches(const char *address, const char *wanted)
{
	const char *at;

	if (wanted[0] != '@')
		return strcasecmp(address, wanted) == 0;
	at = strrchr(address, '@');
	return at != NULL && strcasecmp(at, wanted) == 0;
}

static bool has_recipient(const struct message *message, const char *wanted)
{
	for (unsigned i = 0; i < message->recipient_count; i++)
		if (address_matches(message->recipients[i].address, wanted))
			return true;
	return false;
}

/* Waits for it, or was last tried there. */
static bool has_relay(struct lister *lister, const struct message *message)
{
	const struct queue_filter *filter = lister->filter;

	for (unsigned i = 0; i < message->part_count; i++) {
		struct lane_info info;
		struct store_bytes row;
		unsigned char key[4];

		be32_put(key, message->parts[i].lane);
		if (store_get(lister->txn, TABLE_LANE, key, sizeof(key),
		              &row) == 0 &&
		    lane_row_parse(&info, message->parts[i].lane, &row) == 0 &&
		    info.key.relay == filter->relay_id)
			return true;
	}
	for (unsigned i = 0; i < message->recipient_count; i++) {
		const char *relay = message->recipients[i].reply.relay;

		if (relay != NULL && filter->relay != NULL &&
		    strcmp(relay, filter->relay) == 0)
			return true;
	}
	return false;
}

static bool matches(struct lister *lister, const struct message *message)
{
	const struct queue_filter *filter = lister->filter;

	if (filter->has_state && message->state != filter->state)
		return false;
	if (filter->has_uid && message->uid != filter->uid)
		return false;
	if (message->submitted_ms < filter->since_ms)
		return false;
	if (filter->sender != NULL &&
	    !address_matches(message->sender, filter->sender))
		return false;
	if (filter->recipient != NULL &&
	    !has_recipient(message, filter->recipient))
		return false;
	if (filter->tag != NULL &&
	    (message->tag == NULL || strcmp(message->tag, filter->tag) != 0))
		return false;
	return !filter->has_relay || has_relay(lister, message);
}
