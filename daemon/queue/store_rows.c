/*
 * store_rows - the part of store.h that reads, writes and walks rows
 */
#include "config.h"

#include "queue/store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue/store_private.h"

struct store_cursor {
	struct store_txn *txn;
	MDB_cursor *cursor;
};

static int write_row(struct store_txn *txn, enum store_table table,
                     const void *key, size_t key_len, MDB_val *value,
                     unsigned flags);
static int finish_write(struct store_txn *txn, int r);
static int move(struct store_cursor *cursor, MDB_cursor_op op, MDB_val *key,
                struct store_bytes *ret_key, struct store_bytes *ret_value);

/* LMDB takes keys and values by pointers that are not const. */
static MDB_val value_of(const void *data, size_t len)
{
	MDB_val value = { .mv_size = len };

	memcpy(&value.mv_data, &data, sizeof(data));
	return value;
}

static void give(struct store_bytes *ret_bytes, const MDB_val *value)
{
	if (ret_bytes == NULL)
		return;
	ret_bytes->data = value->mv_data;
	ret_bytes->len = value->mv_size;
}

int store_get(struct store_txn *txn, enum store_table table, const void *key,
              size_t key_len, struct store_bytes *ret_value)
{
	MDB_val key_value = value_of(key, key_len), value;
	int r =
	    mdb_get(txn->txn, txn->store->tables[table], &key_value, &value);

	if (r == 0)
		give(ret_value, &value);
	return store_translate(r);
}

int store_put(struct store_txn *txn, enum store_table table, const void *key,
              size_t key_len, const void *value, size_t value_len)
{
	MDB_val data = value_of(value, value_len);

	return write_row(txn, table, key, key_len, &data, 0);
}

int store_append(struct store_txn *txn, enum store_table table, const void *key,
                 size_t key_len, const void *value, size_t value_len)
{
	MDB_val data = value_of(value, value_len);
	int r = write_row(txn, table, key, key_len, &data, MDB_APPEND);

	/* A key out of order is a mistake of ours. */
	assert(r != -EEXIST);
	return r;
}

int store_append_room(struct store_txn *txn, enum store_table table,
                      const void *key, size_t key_len, size_t value_len,
                      void **ret_value)
{
	MDB_val data = { .mv_size = value_len };
	int r = write_row(txn, table, key, key_len, &data,
	                  MDB_APPEND | MDB_RESERVE);

	assert(r != -EEXIST);
	if (r == 0)
		*ret_value = data.mv_data;
	return r;
}

int store_put_room(struct store_txn *txn, enum store_table table,
                   const void *key, size_t key_len, size_t value_len,
                   void **ret_value)
{
	MDB_val data = { .mv_size = value_len };
	int r = write_row(txn, table, key, key_len, &data, MDB_RESERVE);

	if (r == 0)
		*ret_value = data.mv_data;
	return r;
}

static int write_row(struct store_txn *txn, enum store_table table,
                     const void *key, size_t key_len, MDB_val *value,
                     unsigned flags)
{
	MDB_val key_value = value_of(key, key_len);
	int r = store_fail_on_purpose(txn->store, STORE_CALL_PUT);

	if (r == 0)
		r = store_translate(mdb_put(txn->txn, txn->store->tables[table],
		                            &key_value, value, flags));
	return finish_write(txn, r);
}

int store_delete(struct store_txn *txn, enum store_table table, const void *key,
                 size_t key_len)
{
	MDB_val key_value = value_of(key, key_len);
	int r = store_fail_on_purpose(txn->store, STORE_CALL_DELETE);

	if (r == 0)
		r = store_translate(mdb_del(txn->txn, txn->store->tables[table],
		                            &key_value, NULL));
	return finish_write(txn, r);
}

static int finish_write(struct store_txn *txn, int r)
{
	/* Of a large transaction pages are written before its commit. */
	if (r == -EIO)
		r = store_why_not_written(txn->store);
	if (r == 0)
		txn->writes++;
	else if (r != -ENOENT && r != -EEXIST && txn->error == 0)
		txn->error = r;
	return r;
}

uint64_t store_count(struct store_txn *txn, enum store_table table)
{
	MDB_stat stat;

	if (mdb_stat(txn->txn, txn->store->tables[table], &stat) != 0)
		return 0;
	return stat.ms_entries;
}

/* ---------------------------------------------------------------- cursors */

int store_cursor_open(struct store_txn *txn, enum store_table table,
                      struct store_cursor **ret_cursor)
{
	struct store_cursor *cursor = calloc(1, sizeof(*cursor));
	int r;

	if (cursor == NULL)
		return -ENOMEM;
	cursor->txn = txn;
	r = mdb_cursor_open(txn->txn, txn->store->tables[table],
	                    &cursor->cursor);
	if (r != 0) {
		free(cursor);
		return store_translate(r);
	}
	*ret_cursor = cursor;
	return 0;
}

void store_cursor_close(struct store_cursor *cursor)
{
	if (cursor == NULL)
		return;
	mdb_cursor_close(cursor->cursor);
	free(cursor);
}

static int move(struct store_cursor *cursor, MDB_cursor_op op, MDB_val *key,
                struct store_bytes *ret_key, struct store_bytes *ret_value)
{
	MDB_val value;
	int r = mdb_cursor_get(cursor->cursor, key, &value, op);

	if (r == 0) {
		give(ret_key, key);
		give(ret_value, &value);
	}
	return store_translate(r);
}

int store_cursor_first(struct store_cursor *cursor, struct store_bytes *ret_key,
                       struct store_bytes *ret_value)
{
	MDB_val key;

	return move(cursor, MDB_FIRST, &key, ret_key, ret_value);
}

int store_cursor_last(struct store_cursor *cursor, struct store_bytes *ret_key,
                      struct store_bytes *ret_value)
{
	MDB_val key;

	return move(cursor, MDB_LAST, &key, ret_key, ret_value);
}

int store_cursor_next(struct store_cursor *cursor, struct store_bytes *ret_key,
                      struct store_bytes *ret_value)
{
	MDB_val key;

	return move(cursor, MDB_NEXT, &key, ret_key, ret_value);
}

int store_cursor_previous(struct store_cursor *cursor,
                          struct store_bytes *ret_key,
                          struct store_bytes *ret_value)
{
	MDB_val key;

	return move(cursor, MDB_PREV, &key, ret_key, ret_value);
}

int store_cursor_seek(struct store_cursor *cursor, const void *key,
                      size_t key_len, struct store_bytes *ret_key,
                      struct store_bytes *ret_value)
{
	MDB_val key_value = value_of(key, key_len);

	return move(cursor, MDB_SET_RANGE, &key_value, ret_key, ret_value);
}

int store_cursor_seek_below(struct store_cursor *cursor, const void *key,
                            size_t key_len, struct store_bytes *ret_key,
                            struct store_bytes *ret_value)
{
	int r = store_cursor_seek(cursor, key, key_len, NULL, NULL);

	if (r == -ENOENT)
		return store_cursor_last(cursor, ret_key, ret_value);
	if (r < 0)
		return r;
	return store_cursor_previous(cursor, ret_key, ret_value);
}

int store_cursor_delete(struct store_cursor *cursor)
{
	int r = store_fail_on_purpose(cursor->txn->store, STORE_CALL_DELETE);

	if (r == 0)
		r = store_translate(mdb_cursor_del(cursor->cursor, 0));
	return finish_write(cursor->txn, r);
}
