#include "config.h"

#include "queue/lanes.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue/bigendian.h"
#include "queue/hash.h"
#include "queue/lane_row.h"
#include "queue/ledger.h"
#include "runtime/xalloc.h"

#define BUCKETS       1024
#define WAKE_KEY_SIZE 12
/* relay, priority (with a bit for large), submitter class; then the domain */
#define KEY_HEAD_SIZE 9
#define KEY_LARGE     0x80
#define KEY_SIZE_MAX  (KEY_HEAD_SIZE + LANE_DOMAIN_MAX)

TAILQ_HEAD(lane_uses, lane);
LIST_HEAD(lane_bucket, lane);

struct lanes {
	struct lane_uses by_use; /* most recent first */
	struct lane_bucket by_id[BUCKETS];
	struct lane_bucket by_key[BUCKETS];
	unsigned count;
	unsigned uses; /* since the last flush: how many may be dirty */
	uint32_t sweep_after;
};

struct key_bytes {
	unsigned char bytes[KEY_SIZE_MAX];
	size_t len;
};

static void encode_key(struct key_bytes *ret, const struct lane_key *key);
static struct lane_bucket *id_bucket(struct lanes *lanes, uint32_t id);
static struct lane_bucket *key_bucket(struct lanes *lanes,
                                      const struct key_bytes *key);
static bool keys_are_equal(const struct lane_key *a, const struct lane_key *b);
static struct lane *lookup_id(struct lanes *lanes, uint32_t id);
static int make_room(struct ledger *ledger);
static int make_lane(struct ledger *ledger, const struct lane_key *key,
                     const struct key_bytes *bytes, struct lane **ret_lane);
static int load_lane(struct ledger *ledger, uint32_t id,
                     struct lane **ret_lane);
static void remember(struct lanes *lanes, struct lane *lane);
static void forget(struct lanes *lanes, struct lane *lane);
static void use(struct lanes *lanes, struct lane *lane);
static int write_lane(struct ledger *ledger, struct lane *lane);
static int write_wake(struct ledger *ledger, struct lane *lane);
static int find_wake(struct ledger *ledger, struct lane *lane);
static void note_idle(struct ledger *ledger, struct lane *lane);
static int sweep_one(struct ledger *ledger, uint32_t id);

struct lanes *lanes_new(void)
{
	struct lanes *lanes = xcalloc(1, sizeof(*lanes));

	TAILQ_INIT(&lanes->by_use);
	return lanes;
}

void lanes_free(struct lanes *lanes)
{
	if (lanes == NULL)
		return;
	lanes_forget(lanes);
	free(lanes);
}

void lanes_forget(struct lanes *lanes)
{
	struct lane *lane;

	while ((lane = TAILQ_FIRST(&lanes->by_use)) != NULL)
		forget(lanes, lane);
	lanes->uses = 0;
}

/* ---------------------------------------------------------------- finding */

int lanes_open(struct ledger *ledger, const struct lane_key *key,
               struct lane **ret_lane)
{
	struct lanes *lanes = ledger->lanes;
	struct key_bytes bytes;
	struct store_bytes row;
	struct lane *lane;
	int r;

	encode_key(&bytes, key);
	LIST_FOREACH (lane, key_bucket(lanes, &bytes), by_key) {
		if (keys_are_equal(&lane->key, key)) {
			use(lanes, lane);
			*ret_lane = lane;
			return 0;
		}
	}
	r = store_get(ledger->txn, TABLE_LANE_KEY, bytes.bytes, bytes.len,
	              &row);
	if (r == 0)
		return row.len == 4
		           ? load_lane(ledger, be32_get(row.data), ret_lane)
		           : -EBADMSG;
	if (r != -ENOENT)
		return r;
	return make_lane(ledger, key, &bytes, ret_lane);
}

int lanes_find(struct ledger *ledger, uint32_t id, struct lane **ret_lane)
{
	struct lane *lane = lookup_id(ledger->lanes, id);

	if (lane == NULL)
		return load_lane(ledger, id, ret_lane);
	use(ledger->lanes, lane);
	*ret_lane = lane;
	return 0;
}

static struct lane *lookup_id(struct lanes *lanes, uint32_t id)
{
	struct lane *lane;

	LIST_FOREACH (lane, id_bucket(lanes, id), by_id)
		if (lane->id == id)
			return lane;
	return NULL;
}

static int make_lane(struct ledger *ledger, const struct lane_key *key,
                     const struct key_bytes *bytes, struct lane **ret_lane)
{
	unsigned char id_bytes[4];
	struct lane *lane;
	int r;

	r = make_room(ledger);
	if (r < 0)
		return r;
	/* Ids come back after 4 billion lanes; skip those in use, and 0. */
	do {
		be32_put(id_bytes, ++ledger->totals.last_lane);
		r = store_get(ledger->txn, TABLE_LANE, id_bytes, 4, NULL);
	} while (r == 0 || ledger->totals.last_lane == 0);
	if (r != -ENOENT)
		return r;
	r = store_put(ledger->txn, TABLE_LANE_KEY, bytes->bytes, bytes->len,
	              id_bytes, 4);
	if (r < 0)
		return r;

	lane = lane_new(ledger->totals.last_lane, key);
	lane->idle_since_ms = ledger->now_ms;
	lane->is_dirty = true;
	remember(ledger->lanes, lane);
	*ret_lane = lane;
	return 0;
}

static int load_lane(struct ledger *ledger, uint32_t id, struct lane **ret_lane)
{
	unsigned char key[4];
	struct store_bytes row;
	struct lane *lane;
	int r;

	r = make_room(ledger);
	if (r < 0)
		return r;
	be32_put(key, id);
	r = store_get(ledger->txn, TABLE_LANE, key, sizeof(key), &row);
	if (r < 0)
		return r;
	lane = lane_from_row(id, &row);
	if (lane == NULL)
		return -EBADMSG;
	remember(ledger->lanes, lane);
	*ret_lane = lane;
	return 0;
}

static int make_room(struct ledger *ledger)
{
	struct lanes *lanes = ledger->lanes;
	struct lane *lane;
	int r;

	if (lanes->count < LANES_CACHED)
		return 0;
	lane = TAILQ_LAST(&lanes->by_use, lane_uses);
	r = write_lane(ledger, lane);
	if (r < 0)
		return r;
	forget(lanes, lane);
	return 0;
}

static void remember(struct lanes *lanes, struct lane *lane)
{
	struct key_bytes bytes;

	encode_key(&bytes, &lane->key);
	lanes->uses++;
	TAILQ_INSERT_HEAD(&lanes->by_use, lane, by_use);
	LIST_INSERT_HEAD(id_bucket(lanes, lane->id), lane, by_id);
	LIST_INSERT_HEAD(key_bucket(lanes, &bytes), lane, by_key);
	lanes->count++;
}

static void forget(struct lanes *lanes, struct lane *lane)
{
	TAILQ_REMOVE(&lanes->by_use, lane, by_use);
	LIST_REMOVE(lane, by_id);
	LIST_REMOVE(lane, by_key);
	lanes->count--;
	free(lane);
}

static void use(struct lanes *lanes, struct lane *lane)
{
	lanes->uses++;
	TAILQ_REMOVE(&lanes->by_use, lane, by_use);
	TAILQ_INSERT_HEAD(&lanes->by_use, lane, by_use);
}

static void encode_key(struct key_bytes *ret, const struct lane_key *key)
{
	size_t len = strlen(key->domain);

	assert(len < LANE_DOMAIN_MAX);
	be32_put(ret->bytes, key->relay);
	ret->bytes[4] =
	    (unsigned char)key->priority | (key->is_large ? KEY_LARGE : 0);
	be32_put(ret->bytes + 5, key->submitter_class);
	memcpy(ret->bytes + KEY_HEAD_SIZE, key->domain, len);
	ret->len = KEY_HEAD_SIZE + len;
}

static struct lane_bucket *id_bucket(struct lanes *lanes, uint32_t id)
{
	return &lanes->by_id[id % BUCKETS];
}

static struct lane_bucket *key_bucket(struct lanes *lanes,
                                      const struct key_bytes *key)
{
	return &lanes->by_key[hash_bytes(key->bytes, key->len) % BUCKETS];
}

static bool keys_are_equal(const struct lane_key *a, const struct lane_key *b)
{
	return a->relay == b->relay && a->priority == b->priority &&
	       a->submitter_class == b->submitter_class &&
	       a->is_large == b->is_large && strcmp(a->domain, b->domain) == 0;
}

/* --------------------------------------------------------------- counting */

void lane_add_waiting(struct lane *lane, uint64_t size_bytes)
{
	lane->waiting++;
	lane->waiting_bytes += size_bytes;
	lane->is_dirty = true;
}

void lane_drop_waiting(struct ledger *ledger, struct lane *lane,
                       uint64_t size_bytes)
{
	ledger_decrease(&lane->waiting, 1);
	ledger_decrease(&lane->waiting_bytes, size_bytes);
	/* What a damaged message took along. */
	if (lane->waiting == 0)
		lane->waiting_bytes = 0;
	note_idle(ledger, lane);
}

void lane_note_fresh(struct lane *lane)
{
	lane->fresh++;
	lane->is_dirty = true;
}

void lane_forget_fresh(struct lane *lane)
{
	ledger_decrease(&lane->fresh, 1);
	lane->is_dirty = true;
}

void lane_add_held(struct lane *lane)
{
	lane->held++;
	lane->is_dirty = true;
}

void lane_drop_held(struct ledger *ledger, struct lane *lane)
{
	ledger_decrease(&lane->held, 1);
	note_idle(ledger, lane);
}

static void note_idle(struct ledger *ledger, struct lane *lane)
{
	lane->is_dirty = true;
	if (lane->waiting == 0 && lane->held == 0)
		lane->idle_since_ms = ledger->now_ms;
}

void lane_add_due(struct lane *lane, uint64_t due_ms)
{
	lane->is_dirty = true;
	if (due_ms < lane->wake_ms)
		lane->wake_ms = due_ms;
}

void lane_drop_due(struct lane *lane, uint64_t due_ms)
{
	lane->is_dirty = true;
	if (due_ms <= lane->wake_ms)
		lane->is_wake_unsure = true;
}

/* ---------------------------------------------------------------- writing */

int lanes_flush(struct ledger *ledger)
{
	struct lane *lane;
	int r;

	/* What was used since the last flush stands in front. */
	TAILQ_FOREACH (lane, &ledger->lanes->by_use, by_use) {
		if (ledger->lanes->uses == 0)
			break;
		ledger->lanes->uses--;
		r = write_lane(ledger, lane);
		if (r < 0)
			return r;
	}
	ledger->lanes->uses = 0;
	return 0;
}

static int write_lane(struct ledger *ledger, struct lane *lane)
{
	unsigned char key[4];
	int r;

	if (!lane->is_dirty)
		return 0;
	r = write_wake(ledger, lane);
	if (r < 0)
		return r;
	r = lane_to_row(&ledger->scratch, lane);
	if (r < 0)
		return r;
	be32_put(key, lane->id);
	r = store_put(ledger->txn, TABLE_LANE, key, sizeof(key),
	              ledger->scratch.bytes, ledger->scratch.len);
	if (r == 0)
		lane->is_dirty = false;
	return r;
}

static void encode_wake(unsigned char key[WAKE_KEY_SIZE], uint64_t due_ms,
                        uint32_t lane)
{
	be64_put(key, due_ms);
	be32_put(key + 8, lane);
}

static int write_wake(struct ledger *ledger, struct lane *lane)
{
	unsigned char key[WAKE_KEY_SIZE];
	int r;

	if (lane->is_wake_unsure) {
		r = find_wake(ledger, lane);
		if (r < 0)
			return r;
	}
	if (lane->wake_ms == lane->wake_row_ms)
		return 0;
	if (lane->wake_row_ms != LANE_NEVER) {
		encode_wake(key, lane->wake_row_ms, lane->id);
		r = store_delete(ledger->txn, TABLE_WAKE, key, sizeof(key));
		if (r < 0 && r != -ENOENT)
			return r;
	}
	if (lane->wake_ms != LANE_NEVER) {
		encode_wake(key, lane->wake_ms, lane->id);
		r = store_put(ledger->txn, TABLE_WAKE, key, sizeof(key), "", 0);
		if (r < 0)
			return r;
	}
	lane->wake_row_ms = lane->wake_ms;
	return 0;
}

/* The due of the lane's first row in sched. */
static int find_wake(struct ledger *ledger, struct lane *lane)
{
	struct store_cursor *cursor = NULL;
	unsigned char prefix[4];
	struct store_bytes key;
	int r;

	r = store_cursor_open(ledger->txn, TABLE_SCHED, &cursor);
	if (r < 0)
		return r;
	be32_put(prefix, lane->id);
	r = store_cursor_seek(cursor, prefix, sizeof(prefix), &key, NULL);
	lane->wake_ms = LANE_NEVER;
	if (r == 0 && key.len == 22 && be32_get(key.data) == lane->id)
		lane->wake_ms = be64_get(key.data + 4);
	store_cursor_close(cursor);
	if (r < 0 && r != -ENOENT)
		return r;
	lane->is_wake_unsure = false;
	return 0;
}

/* --------------------------------------------------------------- sweeping */

int lanes_sweep(struct ledger *ledger, unsigned max)
{
	struct lanes *lanes = ledger->lanes;

	while (max-- > 0) {
		struct store_cursor *cursor = NULL;
		unsigned char after[4];
		struct store_bytes key;
		uint32_t id = 0;
		int r;

		/* The totals are row 0. */
		be32_put(after, lanes->sweep_after + 1);
		r = store_cursor_open(ledger->txn, TABLE_LANE, &cursor);
		if (r < 0)
			return r;
		if (lanes->sweep_after < UINT32_MAX)
			r = store_cursor_seek(cursor, after, sizeof(after),
			                      &key, NULL);
		else
			r = -ENOENT;
		if (r == 0 && key.len == 4)
			id = be32_get(key.data);
		store_cursor_close(cursor);
		if (r < 0 && r != -ENOENT)
			return r;
		lanes->sweep_after = id;
		if (id == 0)
			return 0;
		r = sweep_one(ledger, id);
		if (r < 0)
			return r;
	}
	return 0;
}

static int sweep_one(struct ledger *ledger, uint32_t id)
{
	struct key_bytes bytes;
	struct lane *lane;
	unsigned char key[4];
	int r;

	r = lanes_find(ledger, id, &lane);
	if (r == -EBADMSG)
		return 0;
	if (r < 0)
		return r;
	if (lane->waiting > 0 || lane->held > 0 ||
	    lane->wake_row_ms != LANE_NEVER ||
	    lane->idle_since_ms + LANE_IDLE_MS > ledger->now_ms)
		return 0;
	encode_key(&bytes, &lane->key);
	r = store_delete(ledger->txn, TABLE_LANE_KEY, bytes.bytes, bytes.len);
	if (r < 0 && r != -ENOENT)
		return r;
	be32_put(key, id);
	r = store_delete(ledger->txn, TABLE_LANE, key, sizeof(key));
	if (r < 0 && r != -ENOENT)
		return r;
	forget(ledger->lanes, lane);
	return 0;
}
