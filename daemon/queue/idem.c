#include "config.h"

#include "queue/idem.h"

#include <errno.h>
#include <string.h>

#include "queue/bigendian.h"
#include "queue/hash.h"
#include "queue/ledger.h"
#include "uuid.h"

#define VALUE_SIZE 32 /* id, digest of the envelope, expiry */
#define DAY_MS     (24 * 3600 * UINT64_C(1000))

static void key_put(unsigned char key[IDEM_KEY_SIZE], uint32_t uid,
                    const char *text);
static void digest_envelope(unsigned char ret_digest[HASH_SIZE],
                            const struct message *message);
static bool is_kept(struct store_txn *txn, const struct store_bytes *value,
                    uint64_t now_ms);
static int look_up(struct store_txn *txn,
                   const unsigned char key[IDEM_KEY_SIZE], uint64_t now_ms,
                   struct store_bytes *ret_value);

/* key time (6), key hash (10), uid (4) */
static void key_put(unsigned char key[IDEM_KEY_SIZE], uint32_t uid,
                    const char *text)
{
	unsigned char hash_of_key[HASH_SIZE], time[8];
	struct hash hash;
	uint64_t time_ms;

	if (!uuid_v7_is(text, &time_ms))
		time_ms = 0;
	be64_put(time, time_ms);
	hash_init(&hash);
	hash_update(&hash, text, strlen(text));
	hash_final(&hash, hash_of_key);
	memcpy(key, time + 2, 6);
	memcpy(key + 6, hash_of_key, 10);
	be32_put(key + 16, uid);
}

/* The order of the recipients says nothing. */
static void digest_envelope(unsigned char ret_digest[HASH_SIZE],
                            const struct message *message)
{
	uint64_t sums[2] = { 0, 0 };
	unsigned char digest[HASH_SIZE];
	struct hash hash;

	for (unsigned i = 0; i < message->recipient_count; i++) {
		const char *address = message->recipients[i].address;

		hash_init(&hash);
		hash_update(&hash, address, strlen(address));
		hash_final(&hash, digest);
		sums[0] += be64_get(digest);
		sums[1] += be64_get(digest + 8);
	}
	hash_init(&hash);
	hash_update(&hash, message->sender, strlen(message->sender));
	be64_put(digest, sums[0]);
	be64_put(digest + 8, sums[1]);
	hash_update(&hash, digest, sizeof(digest));
	hash_final(&hash, ret_digest);
}

/* Until it expires, and as long as its message is: that may wait for longer. */
static bool is_kept(struct store_txn *txn, const struct store_bytes *value,
                    uint64_t now_ms)
{
	struct store_bytes row;

	return value->len == VALUE_SIZE &&
	       (be64_get(value->data + 24) > now_ms ||
	        store_get(txn, TABLE_MSG, value->data, 8, &row) == 0);
}

/* -ENOENT also where the row is expired. */
static int look_up(struct store_txn *txn,
                   const unsigned char key[IDEM_KEY_SIZE], uint64_t now_ms,
                   struct store_bytes *ret_value)
{
	int r = store_get(txn, TABLE_IDEM, key, IDEM_KEY_SIZE, ret_value);

	if (r == 0 && !is_kept(txn, ret_value, now_ms))
		r = -ENOENT;
	return r;
}

int idem_ask(struct ledger *ledger, const struct message *message,
             enum idem_answer *ret_answer, uint64_t *ret_id)
{
	unsigned char key[IDEM_KEY_SIZE], digest[HASH_SIZE];
	struct store_bytes value;
	int r;

	*ret_answer = IDEM_NEW;
	if (message->key == NULL)
		return 0;
	key_put(key, message->uid, message->key);
	r = look_up(ledger->txn, key, ledger->now_ms, &value);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	digest_envelope(digest, message);
	*ret_answer = memcmp(value.data + 8, digest, HASH_SIZE) == 0
	                  ? IDEM_REPLAY
	                  : IDEM_CONFLICT;
	*ret_id = be64_get(value.data);
	return 0;
}

int idem_claim(struct ledger *ledger, const struct message *message)
{
	unsigned char key[IDEM_KEY_SIZE], value[VALUE_SIZE];
	uint64_t keep_ms = ledger->limits.keep_finished_ms;

	if (message->key == NULL)
		return 0;
	if (keep_ms < DAY_MS)
		keep_ms = DAY_MS;
	key_put(key, message->uid, message->key);
	be64_put(value, message->id);
	digest_envelope(value + 8, message);
	be64_put(value + 24, ledger->now_ms + keep_ms);
	return store_put(ledger->txn, TABLE_IDEM, key, sizeof(key), value,
	                 sizeof(value));
}

int idem_find(struct store_txn *txn, uint32_t uid, const char *text,
              uint64_t now_ms, uint64_t *ret_id)
{
	unsigned char key[IDEM_KEY_SIZE];
	struct store_bytes value;
	int r;

	key_put(key, uid, text);
	r = look_up(txn, key, now_ms, &value);
	if (r == 0)
		*ret_id = be64_get(value.data);
	return r;
}

int idem_sweep(struct ledger *ledger, struct idem_hand *hand, unsigned max)
{
	struct store_cursor *cursor = NULL;
	struct store_bytes key, value;
	int r;

	r = store_cursor_open(ledger->txn, TABLE_IDEM, &cursor);
	if (r < 0)
		return r;
	r = store_cursor_seek(cursor, hand->key, sizeof(hand->key), &key,
	                      &value);
	while (r == 0 && max-- > 0) {
		if (!is_kept(ledger->txn, &value, ledger->now_ms))
			r = store_cursor_delete(cursor);
		if (r == 0)
			r = store_cursor_next(cursor, &key, &value);
	}
	if (r == 0 && key.len == IDEM_KEY_SIZE)
		memcpy(hand->key, key.data, sizeof(hand->key));
	else
		memset(hand->key, 0, sizeof(hand->key));
	store_cursor_close(cursor);
	return r == -ENOENT ? 0 : r;
}
