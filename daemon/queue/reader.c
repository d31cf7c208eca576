/*
 * reader - the reads of queue.h: each in a read transaction of its own, or
 * several in one that is held
 *
 * Nothing borrowed from the store leaves this file: what a caller gets is
 * copied before the transaction ends.
 */
#include "config.h"

#include "queue/queue.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue/bigendian.h"
#include "queue/feed.h"
#include "queue/idem.h"
#include "queue/lane_row.h"
#include "queue/list.h"
#include "queue/message_rows.h"
#include "queue/parts.h"
#include "queue/queue_private.h"
#include "queue/record.h"
#include "queue/reports.h"

#define BODY_KEY_SIZE 12
#define WAKE_KEY_SIZE 12

struct queue_reader {
	struct queue *queue;
	struct store_txn *txn;
	bool is_held; /* its transaction goes on from read to read */
};

static int read_begin(struct queue_reader *reader);
static void read_end(struct queue_reader *reader);
static int walk_rows(struct queue_reader *reader, enum store_table table,
                     const void *from, size_t from_len,
                     bool (*on_row)(void *context,
                                    const struct store_bytes *key,
                                    const struct store_bytes *value),
                     void *context);

int queue_reader_new(struct queue_reader **ret_reader, struct queue *queue)
{
	struct queue_reader *reader = calloc(1, sizeof(*reader));
	int r;

	if (reader == NULL)
		return -ENOMEM;
	reader->queue = queue;
	r = store_reader_new(&reader->txn, queue->store);
	if (r < 0) {
		free(reader);
		return r;
	}
	*ret_reader = reader;
	return 0;
}

void queue_reader_free(struct queue_reader *reader)
{
	if (reader == NULL)
		return;
	store_reader_free(reader->txn);
	free(reader);
}

int queue_reader_hold(struct queue_reader *reader)
{
	int r;

	assert(!reader->is_held);
	r = store_reader_begin(reader->txn);
	reader->is_held = r == 0;
	return r;
}

void queue_reader_release(struct queue_reader *reader)
{
	assert(reader->is_held);
	reader->is_held = false;
	store_reader_end(reader->txn);
}

static int read_begin(struct queue_reader *reader)
{
	return reader->is_held ? 0 : store_reader_begin(reader->txn);
}

static void read_end(struct queue_reader *reader)
{
	if (!reader->is_held)
		store_reader_end(reader->txn);
}

int queue_read_message(struct queue_reader *reader, uint64_t id,
                       struct message **ret_message)
{
	int r = read_begin(reader);

	if (r < 0)
		return r;
	r = message_rows_read(ret_message, reader->txn, id, true);
	read_end(reader);
	return r;
}

int queue_read_piece(struct queue_reader *reader, uint64_t body_id,
                     uint32_t piece, char *into, size_t *ret_len)
{
	unsigned char key[BODY_KEY_SIZE];
	struct store_bytes value;
	int r;

	be64_put(key, body_id);
	be32_put(key + 8, piece);
	r = read_begin(reader);
	if (r < 0)
		return r;
	r = store_get(reader->txn, TABLE_BODY, key, sizeof(key), &value);
	if (r == 0 && value.len > BODY_PIECE_MAX)
		r = -EBADMSG;
	if (r == 0) {
		memcpy(into, value.data, value.len);
		*ret_len = value.len;
	}
	read_end(reader);
	return r;
}

/* ------------------------------------------------------------------ lanes */

int queue_read_lane(struct queue_reader *reader, uint32_t lane,
                    struct lane_info *ret_info)
{
	struct store_bytes row;
	unsigned char key[4];
	int r;

	if (lane == 0) /* the totals' row */
		return -ENOENT;
	be32_put(key, lane);
	r = read_begin(reader);
	if (r < 0)
		return r;
	r = store_get(reader->txn, TABLE_LANE, key, sizeof(key), &row);
	if (r == 0)
		r = lane_row_parse(ret_info, lane, &row);
	read_end(reader);
	return r;
}

/* Calls on_row from the key on until it says no. 0 or -errno. */
static int walk_rows(struct queue_reader *reader, enum store_table table,
                     const void *from, size_t from_len,
                     bool (*on_row)(void *context,
                                    const struct store_bytes *key,
                                    const struct store_bytes *value),
                     void *context)
{
	struct store_cursor *cursor = NULL;
	struct store_bytes key, value;
	int r;

	r = read_begin(reader);
	if (r < 0)
		return r;
	r = store_cursor_open(reader->txn, table, &cursor);
	if (r == 0)
		r = store_cursor_seek(cursor, from, from_len, &key, &value);
	while (r == 0 && on_row(context, &key, &value))
		r = store_cursor_next(cursor, &key, &value);
	store_cursor_close(cursor);
	read_end(reader);
	return r == -ENOENT ? 0 : r;
}

struct lane_walk {
	struct lane_info *infos;
	unsigned count, max;
};

static bool on_lane(void *context, const struct store_bytes *key,
                    const struct store_bytes *value)
{
	struct lane_walk *walk = context;
	uint32_t id = be32_get(key->data);

	if (walk->count == walk->max)
		return false;
	if (lane_row_parse(&walk->infos[walk->count], id, value) == 0)
		walk->count++;
	return true;
}

int queue_read_lanes(struct queue_reader *reader, uint32_t after,
                     struct lane_info *infos, unsigned max)
{
	struct lane_walk walk = { .infos = infos, .max = max };
	unsigned char from[4];
	int r;

	if (after == UINT32_MAX)
		return 0;
	be32_put(from, after + 1);
	r = walk_rows(reader, TABLE_LANE, from, sizeof(from), on_lane, &walk);
	return r < 0 ? r : (int)walk.count;
}

/* ------------------------------------------------------------------ parts */

struct part_walk {
	struct part_row *rows;
	unsigned count, max;
	uint32_t lane;
	uint64_t until_ms;
	uint64_t next_due_ms;
};

static bool on_fresh(void *context, const struct store_bytes *key,
                     const struct store_bytes *value)
{
	struct part_walk *walk = context;

	if (walk->count == walk->max)
		return false;
	if (key->len == FRESH_KEY_SIZE && value->len == 4)
		walk->rows[walk->count++] = (struct part_row){
			.id = be64_get(key->data),
			.part = be16_get(key->data + 8),
			.lane = be32_get(value->data),
		};
	return true;
}

int queue_read_fresh(struct queue_reader *reader, uint64_t after_id,
                     uint16_t after_part, struct part_row *rows, unsigned max)
{
	struct part_walk walk = { .rows = rows, .max = max };
	unsigned char from[FRESH_KEY_SIZE + 1];
	int r;

	/* One octet more is the smallest key above it. */
	fresh_key_put(from, after_id, after_part);
	from[FRESH_KEY_SIZE] = 0;
	r = walk_rows(reader, TABLE_FRESH, from, sizeof(from), on_fresh, &walk);
	return r < 0 ? r : (int)walk.count;
}

static bool on_sched(void *context, const struct store_bytes *key,
                     const struct store_bytes *value)
{
	struct part_walk *walk = context;
	uint64_t due_ms;

	if (key->len != SCHED_KEY_SIZE || be32_get(key->data) != walk->lane)
		return false;
	due_ms = be64_get(key->data + 4);
	if (walk->count == walk->max || due_ms > walk->until_ms) {
		walk->next_due_ms = due_ms;
		return false;
	}
	walk->rows[walk->count++] = (struct part_row){
		.id = be64_get(key->data + 12),
		.due_ms = due_ms,
		.lane = walk->lane,
		.part = be16_get(key->data + 20),
		.attempts = value->len == 2 ? be16_get(value->data) : 0,
	};
	return true;
}

int queue_read_due(struct queue_reader *reader, uint32_t lane,
                   const struct part_row *from, uint64_t until_ms,
                   struct part_row *rows, unsigned max, uint64_t *ret_next_due)
{
	struct part_walk walk = {
		.rows = rows,
		.max = max,
		.lane = lane,
		.until_ms = until_ms,
		.next_due_ms = UINT64_MAX,
	};
	unsigned char key[SCHED_KEY_SIZE];
	int r;

	sched_key_put(key, lane, from->due_ms, from->id, from->part);
	r = walk_rows(reader, TABLE_SCHED, key, sizeof(key), on_sched, &walk);
	if (r < 0)
		return r;
	*ret_next_due = walk.next_due_ms;
	return (int)walk.count;
}

struct wake_walk {
	struct wake_row *rows;
	unsigned count, max;
};

static bool on_wake(void *context, const struct store_bytes *key,
                    const struct store_bytes *value)
{
	struct wake_walk *walk = context;

	(void)value;
	if (walk->count == walk->max || key->len != WAKE_KEY_SIZE)
		return false;
	walk->rows[walk->count++] = (struct wake_row){
		.due_ms = be64_get(key->data),
		.lane = be32_get(key->data + 8),
	};
	return true;
}

int queue_read_wake(struct queue_reader *reader, const struct wake_row *from,
                    struct wake_row *rows, unsigned max)
{
	struct wake_walk walk = { .rows = rows, .max = max };
	unsigned char key[WAKE_KEY_SIZE];
	int r;

	be64_put(key, from->due_ms);
	be32_put(key + 8, from->lane);
	r = walk_rows(reader, TABLE_WAKE, key, sizeof(key), on_wake, &walk);
	return r < 0 ? r : (int)walk.count;
}

/* ----------------------------------------------------------------- others */

int queue_read_relay(struct queue_reader *reader, uint32_t relay,
                     struct relay_memory *ret_memory)
{
	struct store_bytes value;
	unsigned char key[4];
	int r;

	be32_put(key, relay);
	r = read_begin(reader);
	if (r < 0)
		return r;
	r = store_get(reader->txn, TABLE_RELAY, key, sizeof(key), &value);
	if (r == 0 && value.len > RELAY_MEMORY_MAX)
		r = -EBADMSG;
	if (r == 0) {
		ret_memory->relay = relay;
		ret_memory->len = value.len;
		memcpy(ret_memory->bytes, value.data, value.len);
	}
	read_end(reader);
	return r;
}

int queue_read_key(struct queue_reader *reader, uint32_t uid, const char *key,
                   uint64_t *ret_id)
{
	int r = read_begin(reader);

	if (r < 0)
		return r;
	r = idem_find(reader->txn, uid, key, queue_time_ms(reader->queue),
	              ret_id);
	read_end(reader);
	return r;
}

int queue_read_feed(struct queue_reader *reader, uint64_t after,
                    struct feed_row *rows, unsigned max, uint64_t *ret_oldest)
{
	int r = read_begin(reader);

	if (r < 0)
		return r;
	r = feed_read(reader->txn, after, rows, max, ret_oldest);
	read_end(reader);
	return r;
}

int queue_list(struct queue_reader *reader, const struct queue_filter *filter,
               uint64_t before, struct message **messages, unsigned max,
               uint64_t *ret_next)
{
	int r = read_begin(reader);

	if (r < 0)
		return r;
	r = list_messages(reader->txn, filter, before, messages, max, ret_next);
	read_end(reader);
	return r;
}

/* Time of the oldest record, which is the first by id. */
static uint64_t oldest_kept_ms(struct store_txn *txn)
{
	struct store_cursor *cursor = NULL;
	struct record_summary summary = { 0 };
	struct store_bytes key, value;

	if (store_cursor_open(txn, TABLE_MSG, &cursor) < 0)
		return 0;
	if (store_cursor_first(cursor, &key, &value) == 0)
		(void)record_peek(&summary, value.data, value.len);
	store_cursor_close(cursor);
	return summary.submitted_ms;
}

int queue_read_counts(struct queue_reader *reader, struct queue_counts *ret)
{
	struct queue *queue = reader->queue;
	struct totals totals;
	int r;

	r = read_begin(reader);
	if (r < 0)
		return r;
	r = totals_load(&totals, reader->txn);
	memset(ret, 0, sizeof(*ret));
	if (r == 0) {
		memcpy(ret->messages, totals.messages, sizeof(ret->messages));
		ret->waiting_parts = totals.waiting_parts;
		ret->last_sequence = totals.last_sequence;
		ret->oldest_kept_ms = oldest_kept_ms(reader->txn);
	}
	ret->bytes_used = store_used_bytes(reader->txn);
	read_end(reader);
	ret->bytes_maximum =
	    atomic_load(&queue->gauges.maximum_bytes) -
	    store_reserve_bytes(atomic_load(&queue->gauges.maximum_bytes));
	ret->disk_free = atomic_load(&queue->gauges.disk_free);
	ret->stalled_since_ms = queue_stalled_since_ms(queue);
	ret->is_full = atomic_load(&queue->gauges.is_full);
	ret->commits = atomic_load(&queue->gauges.commits);
	ret->committed_jobs = atomic_load(&queue->gauges.committed_jobs);
	return r;
}

/* ---------------------------------------------------------------- reports */

struct report_walk {
	uint64_t until_ms;
	struct report_row *rows;
	unsigned count, max;
	uint64_t next_due;
};

static bool on_report(void *context, const struct store_bytes *key,
                      const struct store_bytes *value)
{
	struct report_walk *walk = context;
	uint64_t due_ms;

	(void)value;
	if (key->len != REPORT_KEY_SIZE)
		return false;
	due_ms = be64_get(key->data);
	if (due_ms > walk->until_ms || walk->count == walk->max) {
		walk->next_due = due_ms;
		return false;
	}
	walk->rows[walk->count++] = (struct report_row){
		.due_ms = due_ms,
		.id = be64_get(key->data + 8),
	};
	return true;
}

int queue_read_reports(struct queue_reader *reader,
                       const struct report_row *from, uint64_t until_ms,
                       struct report_row *rows, unsigned max,
                       uint64_t *ret_next_due)
{
	struct report_walk walk = {
		.until_ms = until_ms,
		.rows = rows,
		.max = max,
		.next_due = UINT64_MAX,
	};
	unsigned char key[REPORT_KEY_SIZE];
	int r;

	be64_put(key, from->due_ms);
	be64_put(key + 8, from->id);
	r = walk_rows(reader, TABLE_REPORT, key, sizeof(key), on_report, &walk);
	*ret_next_due = walk.next_due;
	return r < 0 ? r : (int)walk.count;
}
