#include "config.h"

#include "queue/damaged.h"

#include <errno.h>
#include <stdbool.h>

#include "queue/bigendian.h"
#include "queue/ledger.h"
#include "queue/message_rows.h"
#include "queue/orphans.h"
#include "queue/parts.h"

#define RCPT_KEY_SIZE 10

/* Rows of one message found in one walk. */
#define ROWS_MAX 64

static int find_state(struct ledger *ledger, uint64_t id,
                      enum message_state *ret_state);
static int leave_fresh(struct ledger *ledger, uint64_t id);
static int leave_sched(struct ledger *ledger, uint64_t id);
static int leave_lane(struct ledger *ledger, uint64_t id, uint32_t lane,
                      uint16_t part, uint64_t due_ms, bool is_fresh);

int damaged_park(struct ledger *ledger, uint64_t id)
{
	unsigned char key[STATE_KEY_SIZE];
	enum message_state state;
	int r;

	r = find_state(ledger, id, &state);
	if (r == 0 && state == MESSAGE_PARKED)
		return -EALREADY;
	if (r == 0) {
		state_key_put(key, state, id);
		r = store_delete(ledger->txn, TABLE_STATE, key, sizeof(key));
		ledger_decrease(&ledger->totals.messages[state], 1);
	}
	if (r < 0 && r != -ENOENT)
		return r;
	state_key_put(key, MESSAGE_PARKED, id);
	r = store_put(ledger->txn, TABLE_STATE, key, sizeof(key), "", 0);
	ledger->totals.messages[MESSAGE_PARKED]++;
	if (r == 0)
		r = leave_fresh(ledger, id);
	if (r == 0)
		r = leave_sched(ledger, id);
	return r < 0 ? r : ledger_feed(ledger, id, TIMELINE_PARKED);
}

int damaged_delete(struct ledger *ledger, uint64_t id)
{
	unsigned char key[STATE_KEY_SIZE], id_key[8], rcpt[RCPT_KEY_SIZE];
	int r = damaged_park(ledger, id);

	if (r < 0 && r != -EALREADY)
		return r;
	state_key_put(key, MESSAGE_PARKED, id);
	r = store_delete(ledger->txn, TABLE_STATE, key, sizeof(key));
	ledger_decrease(&ledger->totals.messages[MESSAGE_PARKED], 1);
	be64_put(rcpt, id);
	for (unsigned i = 0; r == 0; i++) {
		be16_put(rcpt + 8, (uint16_t)i);
		r = store_delete(ledger->txn, TABLE_RCPT, rcpt, sizeof(rcpt));
	}
	if (r != -ENOENT)
		return r;
	be64_put(id_key, id);
	r = store_delete(ledger->txn, TABLE_MSG, id_key, sizeof(id_key));
	if (r == 0)
		r = orphans_appear(ledger);
	return r < 0 ? r : ledger_feed(ledger, id, TIMELINE_CANCELLED);
}

static int find_state(struct ledger *ledger, uint64_t id,
                      enum message_state *ret_state)
{
	unsigned char key[STATE_KEY_SIZE];
	int r = -ENOENT;

	for (unsigned s = MESSAGE_QUEUED; s < MESSAGE_STATES && r == -ENOENT;
	     s++) {
		struct store_bytes row;

		state_key_put(key, (enum message_state)s, id);
		r = store_get(ledger->txn, TABLE_STATE, key, sizeof(key), &row);
		*ret_state = (enum message_state)s;
	}
	return r;
}

static int leave_fresh(struct ledger *ledger, uint64_t id)
{
	unsigned char from[FRESH_KEY_SIZE];
	struct store_cursor *cursor = NULL;
	struct store_bytes key, row;
	int r;

	fresh_key_put(from, id, 0);
	do {
		uint16_t part = 0;
		uint32_t lane = 0;

		r = store_cursor_open(ledger->txn, TABLE_FRESH, &cursor);
		if (r < 0)
			return r;
		r = store_cursor_seek(cursor, from, sizeof(from), &key, &row);
		if (r == 0 && be64_get(key.data) != id)
			r = -ENOENT;
		if (r == 0) {
			part = be16_get(key.data + 8);
			lane = be32_get(row.data);
			r = store_cursor_delete(cursor);
		}
		store_cursor_close(cursor);
		if (r == 0)
			r = leave_lane(ledger, id, lane, part, 0, true);
	} while (r == 0);
	return r == -ENOENT ? 0 : r;
}

static int leave_sched(struct ledger *ledger, uint64_t id)
{
	struct store_cursor *cursor = NULL;
	struct store_bytes key;
	struct part_row rows[ROWS_MAX];
	unsigned count = 0;
	int r;

	r = store_cursor_open(ledger->txn, TABLE_SCHED, &cursor);
	if (r < 0)
		return r;
	r = store_cursor_first(cursor, &key, NULL);
	while (r == 0 && count < ROWS_MAX) {
		if (key.len == SCHED_KEY_SIZE && be64_get(key.data + 12) == id)
			rows[count++] = (struct part_row){
				.lane = be32_get(key.data),
				.due_ms = be64_get(key.data + 4),
				.part = be16_get(key.data + 20),
			};
		r = store_cursor_next(cursor, &key, NULL);
	}
	store_cursor_close(cursor);
	if (r < 0 && r != -ENOENT)
		return r;
	r = 0;
	for (unsigned i = 0; i < count && r == 0; i++) {
		unsigned char sched[SCHED_KEY_SIZE];

		sched_key_put(sched, rows[i].lane, rows[i].due_ms, id,
		              rows[i].part);
		r = store_delete(ledger->txn, TABLE_SCHED, sched,
		                 sizeof(sched));
		if (r == 0)
			r = leave_lane(ledger, id, rows[i].lane, rows[i].part,
			               rows[i].due_ms, false);
	}
	return r;
}

/* Its size is not known any more: the bytes of the lane are that much too many
   until it is empty. */
static int leave_lane(struct ledger *ledger, uint64_t id, uint32_t lane_id,
                      uint16_t part, uint64_t due_ms, bool is_fresh)
{
	struct message_part gone = { .number = part, .lane = lane_id };
	struct lane *lane;
	int r;

	ledger_notice(ledger, PART_NOW_SETTLED, id, &gone);
	ledger_decrease(&ledger->totals.waiting_parts, 1);
	r = lanes_find(ledger, lane_id, &lane);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	lane_drop_waiting(ledger, lane, 0);
	if (is_fresh)
		lane_forget_fresh(lane);
	else
		lane_drop_due(lane, due_ms);
	return 0;
}
