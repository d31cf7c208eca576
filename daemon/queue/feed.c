#include "config.h"

#include "queue/feed.h"

#include <errno.h>
#include <string.h>

#include "queue/bigendian.h"

/* Of the open row: the first event's sequence, then the events. */
#define HEAD_SIZE 8

/* Lane 0, and what no account has. */
static const unsigned char open_key[5] = { 0, 0, 0, 0, 0xff };

struct reading {
	uint64_t after;
	struct feed_row *events;
	unsigned count, max;
	uint64_t oldest; /* 0: none seen yet */
};

static int load(struct feed_row_open *open, struct store_txn *txn);
static int close_row(struct feed_row_open *open, struct store_txn *txn);
static int read_rows(struct reading *reading, struct store_txn *txn);
static int read_open_row(struct reading *reading, struct store_txn *txn);
static int read_events(struct reading *reading, uint64_t first,
                       const unsigned char *bytes, size_t len);
static bool parse_event(struct feed_row *ret_event, uint64_t sequence,
                        const unsigned char bytes[FEED_EVENT_SIZE]);

/* ---------------------------------------------------------------- writing */

int feed_add(struct feed_row_open *open, struct store_txn *txn,
             const struct feed_row *event)
{
	unsigned char *bytes;
	int r = load(open, txn);

	if (r == 0 && (open->count == FEED_ROW_EVENTS ||
	               open->first + open->count != event->sequence))
		r = close_row(open, txn);
	if (r < 0)
		return r;
	if (open->count == 0)
		open->first = event->sequence;
	bytes = open->events + FEED_EVENT_SIZE * open->count++;
	be64_put(bytes, event->id);
	be64_put(bytes + 8, event->time_ms);
	bytes[16] = (unsigned char)event->kind;
	open->is_dirty = true;
	return 0;
}

static int load(struct feed_row_open *open, struct store_txn *txn)
{
	struct store_bytes row;
	int r;

	if (open->is_loaded)
		return 0;
	open->count = 0;
	open->is_dirty = false;
	r = store_get(txn, TABLE_LANE, open_key, sizeof(open_key), &row);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0) {
		if (row.len < HEAD_SIZE ||
		    row.len > HEAD_SIZE + sizeof(open->events))
			return -EBADMSG;
		open->first = be64_get(row.data);
		open->count =
		    (unsigned)((row.len - HEAD_SIZE) / FEED_EVENT_SIZE);
		memcpy(open->events, row.data + HEAD_SIZE, row.len - HEAD_SIZE);
	}
	open->is_loaded = true;
	return 0;
}

static int close_row(struct feed_row_open *open, struct store_txn *txn)
{
	unsigned char key[8];
	unsigned count = open->count;

	open->count = 0;
	if (count == 0)
		return 0;
	be64_put(key, open->first);
	return store_append(txn, TABLE_FEED, key, sizeof(key), open->events,
	                    (size_t)count * FEED_EVENT_SIZE);
}

int feed_flush(struct feed_row_open *open, struct store_txn *txn)
{
	unsigned char row[HEAD_SIZE + sizeof(open->events)];
	size_t len = (size_t)open->count * FEED_EVENT_SIZE;

	if (!open->is_loaded || !open->is_dirty)
		return 0;
	open->is_dirty = false;
	be64_put(row, open->first);
	memcpy(row + HEAD_SIZE, open->events, len);
	return store_put(txn, TABLE_LANE, open_key, sizeof(open_key), row,
	                 HEAD_SIZE + len);
}

void feed_forget(struct feed_row_open *open)
{
	open->is_loaded = false;
}

/* ---------------------------------------------------------------- reading */

int feed_read(struct store_txn *txn, uint64_t after, struct feed_row *events,
              unsigned max, uint64_t *ret_oldest)
{
	struct reading reading = {
		.after = after,
		.events = events,
		.max = max,
	};
	int r;

	*ret_oldest = 0;
	if (after == UINT64_MAX)
		return 0;
	r = read_rows(&reading, txn);
	if (r == 0)
		r = read_open_row(&reading, txn);
	*ret_oldest = reading.oldest;
	if (r < 0)
		return r;
	return after + 1 < reading.oldest ? -ERANGE : (int)reading.count;
}

/* From the row on that has the wanted event, or would have it. */
static int read_rows(struct reading *reading, struct store_txn *txn)
{
	struct store_cursor *cursor = NULL;
	struct store_bytes key, value;
	unsigned char behind[8];
	int r;

	r = store_cursor_open(txn, TABLE_FEED, &cursor);
	if (r < 0)
		return r;
	r = store_cursor_first(cursor, &key, NULL);
	if (r == 0 && key.len == 8)
		reading->oldest = be64_get(key.data);
	be64_put(behind, reading->after + 2);
	if (r == 0 && reading->after + 1 > reading->oldest)
		r = store_cursor_seek_below(cursor, behind, sizeof(behind),
		                            &key, &value);
	else if (r == 0)
		r = store_cursor_first(cursor, &key, &value);
	while (r == 0 && reading->count < reading->max) {
		r = key.len == 8 ? read_events(reading, be64_get(key.data),
		                               value.data, value.len)
		                 : -EBADMSG;
		if (r == 0)
			r = store_cursor_next(cursor, &key, &value);
	}
	store_cursor_close(cursor);
	return r == -ENOENT ? 0 : r;
}

static int read_open_row(struct reading *reading, struct store_txn *txn)
{
	struct store_bytes row;
	int r = store_get(txn, TABLE_LANE, open_key, sizeof(open_key), &row);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (row.len < HEAD_SIZE)
		return -EBADMSG;
	if (reading->oldest == 0 && row.len > HEAD_SIZE)
		reading->oldest = be64_get(row.data);
	return read_events(reading, be64_get(row.data), row.data + HEAD_SIZE,
	                   row.len - HEAD_SIZE);
}

static int read_events(struct reading *reading, uint64_t first,
                       const unsigned char *bytes, size_t len)
{
	uint64_t skipped =
	    reading->after + 1 > first ? reading->after + 1 - first : 0;
	size_t count = len / FEED_EVENT_SIZE;

	if (len % FEED_EVENT_SIZE != 0)
		return -EBADMSG;
	for (uint64_t i = skipped; i < count && reading->count < reading->max;
	     i++)
		if (!parse_event(&reading->events[reading->count++], first + i,
		                 bytes + i * FEED_EVENT_SIZE))
			return -EBADMSG;
	return 0;
}

static bool parse_event(struct feed_row *ret_event, uint64_t sequence,
                        const unsigned char bytes[FEED_EVENT_SIZE])
{
	if (bytes[16] > TIMELINE_RESCHEDULED)
		return false;
	ret_event->sequence = sequence;
	ret_event->id = be64_get(bytes);
	ret_event->time_ms = be64_get(bytes + 8);
	ret_event->kind = (enum timeline_kind)bytes[16];
	return true;
}

/* --------------------------------------------------------------- trimming */

unsigned feed_count_old(struct store_txn *txn, uint64_t last,
                        uint64_t now_wall_ms, unsigned max)
{
	struct store_cursor *cursor = NULL;
	struct store_bytes key, value;
	unsigned count = 0;
	int r;

	if (store_cursor_open(txn, TABLE_FEED, &cursor) < 0)
		return 0;
	r = store_cursor_first(cursor, &key, &value);
	while (r == 0 && count < max && key.len == 8 &&
	       value.len >= FEED_EVENT_SIZE) {
		const unsigned char *end = value.data + value.len;
		uint64_t newest =
		    be64_get(key.data) + value.len / FEED_EVENT_SIZE - 1;

		if (newest + FEED_EVENTS_MAX > last &&
		    be64_get(end - 9) + FEED_AGE_MAX_MS >= now_wall_ms)
			break;
		count++;
		r = store_cursor_next(cursor, &key, &value);
	}
	store_cursor_close(cursor);
	return count;
}

int feed_trim(struct store_txn *txn, unsigned count)
{
	struct store_cursor *cursor = NULL;
	int r;

	r = store_cursor_open(txn, TABLE_FEED, &cursor);
	if (r < 0)
		return r;
	while (count-- > 0 && r == 0) {
		r = store_cursor_first(cursor, NULL, NULL);
		if (r == 0)
			r = store_cursor_delete(cursor);
	}
	store_cursor_close(cursor);
	return r == -ENOENT ? 0 : r;
}
