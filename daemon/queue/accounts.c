#include "config.h"

#include "queue/accounts.h"

#include <errno.h>
#include <string.h>

#include "queue/bigendian.h"
#include "queue/ledger.h"

#define KEY_SIZE 8
#define ROW_SIZE 16

static void put_key(unsigned char key[KEY_SIZE], uint32_t uid);
static int open_account(struct ledger *ledger, uint32_t uid,
                        struct account **ret_account);
static int write_account(struct ledger *ledger, struct account *account);

uint64_t account_cost(const struct message *message)
{
	return message->size + ACCOUNT_MESSAGE_BYTES;
}

static bool is_above(uint64_t has, uint64_t more, uint64_t limit)
{
	return limit != 0 && (has > limit || more > limit - has);
}

int accounts_may_add(struct ledger *ledger, uint32_t uid,
                     const struct queue_quota *quota, unsigned messages,
                     uint64_t bytes)
{
	struct account *account;
	int r;

	if (quota->messages == 0 && quota->bytes == 0)
		return 0;
	r = open_account(ledger, uid, &account);
	if (r < 0)
		return r;
	if (messages > 0 &&
	    is_above(account->messages, messages, quota->messages))
		return -EUSERS;
	return is_above(account->bytes, bytes, quota->bytes) ? -EDQUOT : 0;
}

int accounts_add(struct ledger *ledger, uint32_t uid, unsigned messages,
                 uint64_t bytes)
{
	struct account *account;
	int r = open_account(ledger, uid, &account);

	if (r < 0)
		return r;
	account->messages += messages;
	account->bytes += bytes;
	account->is_dirty = true;
	return 0;
}

int accounts_drop(struct ledger *ledger, uint32_t uid, unsigned messages,
                  uint64_t bytes)
{
	struct account *account;
	int r = open_account(ledger, uid, &account);

	if (r < 0)
		return r;
	ledger_decrease(&account->messages, messages);
	ledger_decrease(&account->bytes, bytes);
	account->is_dirty = true;
	return 0;
}

/* A row of lane 0. */
static void put_key(unsigned char key[KEY_SIZE], uint32_t uid)
{
	be32_put(key, 0);
	be32_put(key + 4, uid);
}

/* Each uid has one place, which another one's row leaves for it. */
static int open_account(struct ledger *ledger, uint32_t uid,
                        struct account **ret_account)
{
	struct account *account = &ledger->accounts.held[uid % ACCOUNTS_HELD];
	int r;

	*ret_account = account;
	if (account->is_loaded && account->uid == uid)
		return 0;
	r = write_account(ledger, account);
	if (r < 0)
		return r;
	account->is_loaded = false;
	return account_read(account, ledger->txn, uid);
}

int account_read(struct account *ret_account, struct store_txn *txn,
                 uint32_t uid)
{
	struct account account = { .uid = uid, .is_loaded = true };
	struct store_bytes row;
	unsigned char key[KEY_SIZE];
	int r;

	put_key(key, uid);
	r = store_get(txn, TABLE_LANE, key, sizeof(key), &row);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0 && row.len != ROW_SIZE)
		return -EBADMSG;
	if (r == 0) {
		account.messages = be64_get(row.data);
		account.bytes = be64_get(row.data + 8);
	}
	*ret_account = account;
	return 0;
}

/* Who has nothing has no row. */
static int write_account(struct ledger *ledger, struct account *account)
{
	unsigned char key[KEY_SIZE], row[ROW_SIZE];
	int r;

	if (!account->is_dirty)
		return 0;
	put_key(key, account->uid);
	be64_put(row, account->messages);
	be64_put(row + 8, account->bytes);
	if (account->messages == 0 && account->bytes == 0)
		r = store_delete(ledger->txn, TABLE_LANE, key, sizeof(key));
	else
		r = store_put(ledger->txn, TABLE_LANE, key, sizeof(key), row,
		              sizeof(row));
	if (r < 0 && r != -ENOENT)
		return r;
	account->is_dirty = false;
	return 0;
}

int accounts_flush(struct ledger *ledger)
{
	int r = 0;

	for (unsigned i = 0; i < ACCOUNTS_HELD && r == 0; i++)
		r = write_account(ledger, &ledger->accounts.held[i]);
	return r;
}

int accounts_clear(struct ledger *ledger)
{
	struct store_cursor *cursor = NULL;
	unsigned char from[KEY_SIZE];
	struct store_bytes key;
	int r;

	accounts_forget(&ledger->accounts);
	r = store_cursor_open(ledger->txn, TABLE_LANE, &cursor);
	if (r < 0)
		return r;
	put_key(from, 0);
	r = store_cursor_seek(cursor, from, sizeof(from), &key, NULL);
	while (r == 0 && be32_get(key.data) == 0) {
		if (key.len == KEY_SIZE)
			r = store_cursor_delete(cursor);
		if (r == 0)
			r = store_cursor_next(cursor, &key, NULL);
	}
	store_cursor_close(cursor);
	return r == -ENOENT ? 0 : r;
}

void accounts_forget(struct accounts *accounts)
{
	memset(accounts, 0, sizeof(*accounts));
}
