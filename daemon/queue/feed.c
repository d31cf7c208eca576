#include "config.h"

#include "queue/feed.h"

#include <errno.h>

#include "queue/bigendian.h"

#define VALUE_SIZE 17

static bool parse_row(struct feed_row *ret_row, const struct store_bytes *key,
                      const struct store_bytes *value);

int feed_append(struct store_txn *txn, const struct feed_row *row)
{
	unsigned char key[8], value[VALUE_SIZE];

	be64_put(key, row->sequence);
	be64_put(value, row->id);
	be64_put(value + 8, row->time_ms);
	value[16] = (unsigned char)row->kind;
	return store_append(txn, TABLE_FEED, key, sizeof(key), value,
	                    sizeof(value));
}

static bool parse_row(struct feed_row *ret_row, const struct store_bytes *key,
                      const struct store_bytes *value)
{
	if (key->len != 8 || value->len != VALUE_SIZE ||
	    value->data[16] > TIMELINE_RESCHEDULED)
		return false;
	ret_row->sequence = be64_get(key->data);
	ret_row->id = be64_get(value->data);
	ret_row->time_ms = be64_get(value->data + 8);
	ret_row->kind = (enum timeline_kind)value->data[16];
	return true;
}

int feed_read(struct store_txn *txn, uint64_t after, struct feed_row *rows,
              unsigned max, uint64_t *ret_oldest)
{
	struct store_cursor *cursor = NULL;
	struct store_bytes key, value;
	unsigned char wanted[8];
	unsigned count = 0;
	int r;

	*ret_oldest = 0;
	if (after == UINT64_MAX)
		return 0;
	r = store_cursor_open(txn, TABLE_FEED, &cursor);
	if (r < 0)
		return r;
	r = store_cursor_first(cursor, &key, &value);
	if (r == 0 && key.len == 8)
		*ret_oldest = be64_get(key.data);
	if (r == 0 && after + 1 < *ret_oldest) {
		r = -ERANGE;
		goto out;
	}
	be64_put(wanted, after + 1);
	if (r == 0)
		r = store_cursor_seek(cursor, wanted, sizeof(wanted), &key,
		                      &value);
	while (r == 0 && count < max) {
		if (!parse_row(&rows[count], &key, &value)) {
			r = -EBADMSG;
			goto out;
		}
		count++;
		r = store_cursor_next(cursor, &key, &value);
	}
	if (r == 0 || r == -ENOENT)
		r = (int)count;
out:
	store_cursor_close(cursor);
	return r;
}

unsigned feed_count_old(struct store_txn *txn, uint64_t now_wall_ms,
                        unsigned max)
{
	uint64_t rows = store_count(txn, TABLE_FEED);
	struct store_cursor *cursor = NULL;
	struct store_bytes key, value;
	struct feed_row row;
	unsigned count = 0;
	int r;

	if (rows > FEED_ROWS_MAX) {
		uint64_t over = rows - FEED_ROWS_MAX;

		return over < max ? (unsigned)over : max;
	}
	if (store_cursor_open(txn, TABLE_FEED, &cursor) < 0)
		return 0;
	r = store_cursor_first(cursor, &key, &value);
	while (r == 0 && count < max && parse_row(&row, &key, &value) &&
	       row.time_ms + FEED_AGE_MAX_MS < now_wall_ms) {
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
