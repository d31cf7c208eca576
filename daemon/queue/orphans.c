#include "config.h"

#include "queue/orphans.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "queue/bigendian.h"
#include "queue/ledger.h"
#include "queue/message_rows.h"
#include "queue/record.h"
#include "queue/submit.h"
#include "runtime/xalloc.h"

struct owned {
	uint64_t body_id;
	uint32_t owners;
	bool is_under_way; /* its session has not ended */
};

struct sweep {
	struct ledger *ledger;
	struct owned *bodies; /* ascending */
	size_t count, room;
};

static const char noted_key[] = "orphans";

static int sweep_all(struct ledger *ledger);
static int list_bodies(struct sweep *sweep);
static int count_owners(struct sweep *sweep);
static int find_under_way(struct sweep *sweep);
static int settle_body(struct sweep *sweep, const struct owned *body);
static int count_accounts(struct ledger *ledger);
static int count_messages(struct ledger *ledger);
static int count_uploads(struct ledger *ledger);

int orphans_appear(struct ledger *ledger)
{
	if (store_count(ledger->txn, TABLE_MSG) <= ledger->sweep_at_once)
		return sweep_all(ledger);
	return store_put(ledger->txn, TABLE_META, noted_key,
	                 sizeof(noted_key) - 1, "", 0);
}

int orphans_sweep_noted(struct ledger *ledger)
{
	int r = ledger_begin(ledger);

	if (r < 0)
		return r;
	r = store_delete(ledger->txn, TABLE_META, noted_key,
	                 sizeof(noted_key) - 1);
	if (r == 0)
		r = sweep_all(ledger);
	if (r == 0)
		return ledger_commit(ledger);
	ledger_abort(ledger);
	return r == -ENOENT ? 0 : r;
}

static int sweep_all(struct ledger *ledger)
{
	struct sweep sweep = { .ledger = ledger };
	int r;

	r = list_bodies(&sweep);
	if (r == 0)
		r = count_owners(&sweep);
	if (r == 0)
		r = find_under_way(&sweep);
	for (size_t i = 0; i < sweep.count && r == 0; i++)
		r = settle_body(&sweep, &sweep.bodies[i]);
	if (r == 0)
		r = count_accounts(ledger);
	free(sweep.bodies);
	return r == -EBADMSG ? 0 : r;
}

static void add_body(struct sweep *sweep, uint64_t body_id)
{
	if (sweep->count == sweep->room) {
		sweep->room = sweep->room == 0 ? 64 : sweep->room * 2;
		sweep->bodies = xrealloc(sweep->bodies,
		                         sweep->room * sizeof(*sweep->bodies));
	}
	sweep->bodies[sweep->count++] = (struct owned){ .body_id = body_id };
}

/* From the first piece of each to that of the next. */
static int list_bodies(struct sweep *sweep)
{
	struct store_cursor *cursor = NULL;
	struct store_bytes key;
	unsigned char from[8] = { 0 };
	int r;

	r = store_cursor_open(sweep->ledger->txn, TABLE_BODY, &cursor);
	if (r < 0)
		return r;
	while ((r = store_cursor_seek(cursor, from, sizeof(from), &key,
	                              NULL)) == 0) {
		uint64_t body_id = be64_get(key.data);

		add_body(sweep, body_id);
		be64_put(from, body_id + 1);
	}
	store_cursor_close(cursor);
	return r == -ENOENT ? 0 : r;
}

static int compare(const void *key, const void *element)
{
	const uint64_t *body_id = key;
	const struct owned *body = element;

	if (*body_id != body->body_id)
		return *body_id < body->body_id ? -1 : 1;
	return 0;
}

static struct owned *find(const struct sweep *sweep, uint64_t body_id)
{
	if (sweep->count == 0)
		return NULL;
	return bsearch(&body_id, sweep->bodies, sweep->count,
	               sizeof(*sweep->bodies), compare);
}

/* -EBADMSG: some record is damaged. */
static int count_owners(struct sweep *sweep)
{
	struct store_cursor *cursor = NULL;
	struct store_bytes key, row;
	struct record_summary summary;
	struct owned *body;
	int r;

	r = store_cursor_open(sweep->ledger->txn, TABLE_MSG, &cursor);
	if (r < 0)
		return r;
	for (r = store_cursor_first(cursor, &key, &row); r == 0;
	     r = store_cursor_next(cursor, &key, &row)) {
		r = record_peek(&summary, row.data, row.len);
		if (r < 0)
			break;
		body = find(sweep, summary.body_id);
		if (body != NULL)
			body->owners++;
	}
	store_cursor_close(cursor);
	return r == -ENOENT ? 0 : r;
}

static int find_under_way(struct sweep *sweep)
{
	struct store_cursor *cursor = NULL;
	struct store_bytes key;
	struct owned *body;
	int r;

	r = store_cursor_open(sweep->ledger->txn, TABLE_STATE, &cursor);
	if (r < 0)
		return r;
	for (r = store_cursor_first(cursor, &key, NULL);
	     r == 0 && key.len == STATE_KEY_SIZE &&
	     key.data[0] == MESSAGE_RECEIVING;
	     r = store_cursor_next(cursor, &key, NULL)) {
		body = find(sweep, be64_get(key.data + 1));
		if (body != NULL)
			body->is_under_way = true;
	}
	store_cursor_close(cursor);
	return r == -ENOENT ? 0 : r;
}

static int settle_body(struct sweep *sweep, const struct owned *body)
{
	struct ledger *ledger = sweep->ledger;
	int r;

	if (body->is_under_way)
		return 0;
	r = body_rows_set_owners(ledger, body->body_id,
	                         body->owners > 0 ? body->owners : 1);
	if (r == 0 && body->owners == 0)
		r = body_rows_delete(ledger, body->body_id);
	return r;
}

/* Whose the lost message was is not known either: all accounts are new. */
static int count_accounts(struct ledger *ledger)
{
	int r = accounts_clear(ledger);

	if (r == 0)
		r = count_messages(ledger);
	return r == 0 ? count_uploads(ledger) : r;
}

static int count_messages(struct ledger *ledger)
{
	struct store_cursor *cursor = NULL;
	struct store_bytes key, row;
	struct record_summary summary;
	int r;

	r = store_cursor_open(ledger->txn, TABLE_MSG, &cursor);
	if (r < 0)
		return r;
	for (r = store_cursor_first(cursor, &key, &row); r == 0;
	     r = store_cursor_next(cursor, &key, &row)) {
		r = record_peek(&summary, row.data, row.len);
		if (r < 0)
			break;
		r = accounts_add(ledger, summary.uid, summary.ended_ms == 0,
		                 summary.body_id != 0
		                     ? summary.size + ACCOUNT_MESSAGE_BYTES
		                     : 0);
		if (r < 0)
			break;
	}
	store_cursor_close(cursor);
	return r == -ENOENT ? 0 : r;
}

static int count_uploads(struct ledger *ledger)
{
	struct store_cursor *cursor = NULL;
	struct store_bytes key, row;
	struct upload_row upload;
	int r;

	r = store_cursor_open(ledger->txn, TABLE_STATE, &cursor);
	if (r < 0)
		return r;
	for (r = store_cursor_first(cursor, &key, &row);
	     r == 0 && key.data[0] == MESSAGE_RECEIVING;
	     r = store_cursor_next(cursor, &key, &row)) {
		r = upload_row_read(&upload, &row);
		if (r == 0)
			r = accounts_add(ledger, upload.uid, 0, upload.bytes);
		if (r < 0)
			break;
	}
	store_cursor_close(cursor);
	return r == -ENOENT ? 0 : r;
}
