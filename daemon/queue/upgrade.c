#include "config.h"

#include "queue/upgrade.h"

#include <errno.h>
#include <string.h>

#include "queue/bigendian.h"
#include "queue/store.h"

static const char format_key[] = "format";

static int read_format(struct store_txn *txn, uint32_t *ret_format);
static int move_accounts(struct store_txn *txn);

int upgrade_run(struct store *store)
{
	unsigned char version[4];
	struct store_txn *txn;
	uint32_t format = 0;
	int r;

	r = store_begin(store, &txn);
	if (r < 0)
		return r;
	r = read_format(txn, &format);
	if (r < 0 || format == STORE_FORMAT_VERSION) {
		store_abort(txn);
		return r;
	}
	r = move_accounts(txn);
	be32_put(version, STORE_FORMAT_VERSION);
	if (r == 0)
		r = store_put(txn, TABLE_META, format_key,
		              sizeof(format_key) - 1, version, sizeof(version));
	if (r == 0)
		return store_commit(txn);
	store_abort(txn);
	return r;
}

static int read_format(struct store_txn *txn, uint32_t *ret_format)
{
	struct store_bytes row;
	int r = store_get(txn, TABLE_META, format_key, sizeof(format_key) - 1,
	                  &row);

	if (r < 0)
		return r;
	if (row.len != 4)
		return -EBADMSG;
	*ret_format = be32_get(row.data);
	return 0;
}

/* Their key was the uid; now lane 0 stands before it. */
static int move_accounts(struct store_txn *txn)
{
	struct store_cursor *cursor = NULL;
	struct store_bytes uid, row;
	unsigned char key[8], value[16];
	int r;

	r = store_cursor_open(txn, TABLE_ACCOUNT, &cursor);
	if (r < 0)
		return r;
	while ((r = store_cursor_first(cursor, &uid, &row)) == 0) {
		if (uid.len != 4 || row.len != sizeof(value)) {
			r = -EBADMSG;
			break;
		}
		be32_put(key, 0);
		memcpy(key + 4, uid.data, 4);
		memcpy(value, row.data, sizeof(value));
		r = store_put(txn, TABLE_LANE, key, sizeof(key), value,
		              sizeof(value));
		if (r == 0)
			r = store_cursor_delete(cursor);
		if (r < 0)
			break;
	}
	store_cursor_close(cursor);
	return r == -ENOENT ? 0 : r;
}
