#include "config.h"

#include "consistency.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/accounts.h"
#include "queue/bigendian.h"
#include "queue/feed.h"
#include "queue/lane_row.h"
#include "queue/message_rows.h"
#include "queue/parts.h"
#include "queue/queue_private.h"
#include "queue/reports.h"

/* Tests have mail of few submitters. */
#define UIDS_MAX 16

/* What the records say there should be. */
struct tally {
	uint64_t messages[MESSAGE_STATES];
	uint64_t fresh, sched, states, bodies, reports;
	uint64_t waiting[CONSISTENCY_LANES], bytes[CONSISTENCY_LANES];
	uint64_t fresh_in[CONSISTENCY_LANES];
	uint64_t held[CONSISTENCY_LANES], wake[CONSISTENCY_LANES];
	struct account accounts[UIDS_MAX];
	unsigned account_count;
	uint64_t account_rows;
};

struct look {
	struct store_txn *txn;
	struct tally tally;
	uint64_t id; /* of the message or lane that is looked at */
	unsigned faults;
};

/* Goes on after a fault: the first ones say most together. */
#define EXPECT(look, condition)                                                \
	expect(look, condition, #condition, __func__, __LINE__)

static void expect(struct look *look, bool is_so, const char *what,
                   const char *where, int line)
{
	if (is_so)
		return;
	if (look->faults++ < 5)
		fprintf(stderr, "%s:%d: of %" PRIx64 ", not so: %s\n", where,
		        line, look->id, what);
}

static bool has_row(struct look *look, enum store_table table, const void *key,
                    size_t key_len)
{
	int r = store_get(look->txn, table, key, key_len, NULL);

	EXPECT(look, r == 0 || r == -ENOENT);
	return r == 0;
}

static void look_at_part(struct look *look, const struct message *m,
                         const struct message_part *part)
{
	struct tally *tally = &look->tally;
	unsigned char key[SCHED_KEY_SIZE];
	unsigned users = 0;

	for (unsigned i = 0; i < m->recipient_count; i++)
		users += m->recipients[i].state == RECIPIENT_WAITING &&
		         m->recipients[i].part == part->number;
	EXPECT(look, users > 0);
	EXPECT(look, part->lane > 0 && part->lane < CONSISTENCY_LANES);
	if (part->lane >= CONSISTENCY_LANES)
		return;
	switch (part->place) {
	case PART_FRESH:
		fresh_key_put(key, m->id, part->number);
		EXPECT(look, has_row(look, TABLE_FRESH, key, FRESH_KEY_SIZE));
		tally->fresh++;
		tally->fresh_in[part->lane]++;
		break;
	case PART_SCHED:
		sched_key_put(key, part->lane, part->due_ms, m->id,
		              part->number);
		EXPECT(look, has_row(look, TABLE_SCHED, key, SCHED_KEY_SIZE));
		tally->sched++;
		if (part->due_ms < tally->wake[part->lane])
			tally->wake[part->lane] = part->due_ms;
		break;
	case PART_HELD:
		EXPECT(look,
		       m->state == MESSAGE_HELD || m->state == MESSAGE_PARKED);
		tally->held[part->lane]++;
		return;
	}
	EXPECT(look, m->state == MESSAGE_QUEUED);
	tally->waiting[part->lane]++;
	tally->bytes[part->lane] += m->size;
}

static void look_at_state(struct look *look, const struct message *m)
{
	unsigned char key[STATE_KEY_SIZE];

	for (unsigned s = 0; s < MESSAGE_STATES; s++) {
		state_key_put(key, (enum message_state)s, m->id);
		EXPECT(look, has_row(look, TABLE_STATE, key, sizeof(key)) ==
		                 (s == m->state && s != MESSAGE_DELIVERED));
	}
	look->tally.messages[m->state]++;
	look->tally.states += m->state != MESSAGE_DELIVERED;
}

/* Pieces without a gap, as many octets as the record says. */
static void look_at_body(struct look *look, const struct message *m)
{
	struct store_bytes piece;
	unsigned char key[12];
	uint64_t octets = 0;
	uint32_t count = 0;

	EXPECT(look,
	       (m->body_id == 0) == ((m->flags & MESSAGE_BODY_GONE) != 0));
	if (m->body_id == 0)
		return;
	be64_put(key, m->body_id);
	for (;; count++) {
		be32_put(key + 8, count);
		if (store_get(look->txn, TABLE_BODY, key, sizeof(key), &piece) <
		    0)
			break;
		octets += piece.len;
	}
	EXPECT(look, count > 0);
	EXPECT(look, octets + 2 == m->size);
	look->tally.bodies += count;
}

static void look_at_report(struct look *look, const struct message *m)
{
	unsigned char key[REPORT_KEY_SIZE];

	EXPECT(look, (m->report_ms != 0) == reports_are_owed(m));
	if (m->report_ms == 0)
		return;
	be64_put(key, m->report_ms);
	be64_put(key + 8, m->id);
	EXPECT(look, has_row(look, TABLE_REPORT, key, sizeof(key)));
	look->tally.reports++;
}

static struct account *account_of(struct look *look, uint32_t uid)
{
	struct tally *tally = &look->tally;
	unsigned i = 0;

	while (i < tally->account_count && tally->accounts[i].uid != uid)
		i++;
	if (i == UIDS_MAX)
		abort();
	if (i == tally->account_count) {
		tally->accounts[i].uid = uid;
		tally->account_count++;
	}
	return &tally->accounts[i];
}

static void look_at_submitter(struct look *look, const struct message *m)
{
	struct account *account = account_of(look, m->uid);

	account->messages += m->ended_ms == 0;
	account->bytes += m->body_id != 0 ? account_cost(m) : 0;
}

/* Those that have nothing have no row. */
static void look_at_accounts(struct look *look)
{
	struct tally *tally = &look->tally;
	struct account found;

	for (unsigned i = 0; i < tally->account_count; i++) {
		const struct account *due = &tally->accounts[i];

		look->id = due->uid;
		EXPECT(look, account_read(&found, look->txn, due->uid) == 0);
		EXPECT(look, found.messages == due->messages);
		EXPECT(look, found.bytes == due->bytes);
		tally->account_rows += due->messages > 0 || due->bytes > 0;
	}
	EXPECT(look, store_count(look->txn, TABLE_ACCOUNT) == 0);
}

static void look_at_message(struct look *look, struct message *m)
{
	look->id = m->id;
	look_at_state(look, m);
	look_at_submitter(look, m);
	for (unsigned i = 0; i < m->part_count; i++)
		look_at_part(look, m, &m->parts[i]);
	for (unsigned i = 0; i < m->recipient_count; i++)
		EXPECT(look,
		       m->recipients[i].state != RECIPIENT_WAITING ||
		           message_find_part(m, m->recipients[i].part) != NULL);
	look_at_report(look, m);
	EXPECT(look, (m->ended_ms != 0) == (m->part_count == 0));
	look_at_body(look, m);
}

static void look_at_messages(struct look *look)
{
	struct store_cursor *cursor;
	struct store_bytes key, row;
	int r = store_cursor_open(look->txn, TABLE_MSG, &cursor);

	EXPECT(look, r == 0);
	if (r < 0)
		return;
	for (r = store_cursor_first(cursor, &key, &row); r == 0;
	     r = store_cursor_next(cursor, &key, &row)) {
		struct message *m = NULL;

		look->id = be64_get(key.data);
		r = message_rows_decode(&m, look->txn, look->id, &row, true);
		EXPECT(look, r == 0);
		if (r == 0)
			look_at_message(look, m);
		message_free(m);
	}
	EXPECT(look, r == -ENOENT);
	store_cursor_close(cursor);
}

static void look_at_lane(struct look *look, uint32_t id,
                         const struct store_bytes *row, uint64_t *wakes)
{
	struct lane *lane = lane_from_row(id, row);
	const struct tally *tally = &look->tally;
	unsigned char wake[12];

	look->id = id;
	EXPECT(look, lane != NULL && id < CONSISTENCY_LANES);
	if (lane == NULL || id >= CONSISTENCY_LANES)
		return;
	EXPECT(look, lane->waiting == tally->waiting[id]);
	EXPECT(look, lane->waiting_bytes == tally->bytes[id]);
	EXPECT(look, lane->fresh == tally->fresh_in[id]);
	EXPECT(look, lane->held == tally->held[id]);
	EXPECT(look, lane->wake_ms == tally->wake[id]);
	if (lane->wake_ms != LANE_NEVER) {
		++*wakes;
		be64_put(wake, lane->wake_ms);
		be32_put(wake + 8, id);
		EXPECT(look, has_row(look, TABLE_WAKE, wake, sizeof(wake)));
	}
	free(lane);
}

static void look_at_lanes(struct look *look)
{
	struct store_cursor *cursor;
	struct store_bytes key, row;
	uint64_t wakes = 0, lanes = 0, accounts = 0;
	int r = store_cursor_open(look->txn, TABLE_LANE, &cursor);

	EXPECT(look, r == 0);
	if (r < 0)
		return;
	for (r = store_cursor_first(cursor, &key, &row); r == 0;
	     r = store_cursor_next(cursor, &key, &row)) {
		uint32_t id = be32_get(key.data);

		/* Lane 0 has totals, accounts and the feed's open row. */
		if (id == 0) {
			accounts += key.len == 8;
			continue;
		}
		lanes++;
		look_at_lane(look, id, &row, &wakes);
	}
	EXPECT(look, r == -ENOENT);
	store_cursor_close(cursor);
	EXPECT(look, accounts == look->tally.account_rows);
	EXPECT(look, store_count(look->txn, TABLE_WAKE) == wakes);
	EXPECT(look, store_count(look->txn, TABLE_LANE_KEY) == lanes);
}

/* One event after the other, up to the last one that the totals know. */
static void look_at_feed(struct look *look, uint64_t last)
{
	struct feed_row events[64];
	uint64_t oldest, after;
	int count = feed_read(look->txn, 0, events, 64, &oldest);

	after = count == -ERANGE ? oldest - 1 : 0;
	do {
		count = feed_read(look->txn, after, events, 64, &oldest);
		EXPECT(look, count >= 0);
		for (int i = 0; i < count; i++) {
			after++;
			EXPECT(look, events[i].sequence == after);
		}
	} while (count > 0);
	EXPECT(look, after == last);
}

static void look_at_totals(struct look *look)
{
	const struct tally *tally = &look->tally;
	struct totals totals;
	int r = totals_load(&totals, look->txn);

	EXPECT(look, r == 0);
	if (r < 0)
		return;
	EXPECT(look, totals.waiting_parts == tally->fresh + tally->sched);
	EXPECT(look, memcmp(totals.messages, tally->messages,
	                    sizeof(totals.messages)) == 0);
	EXPECT(look, store_count(look->txn, TABLE_FRESH) == tally->fresh);
	EXPECT(look, store_count(look->txn, TABLE_SCHED) == tally->sched);
	EXPECT(look, store_count(look->txn, TABLE_STATE) == tally->states);
	EXPECT(look, store_count(look->txn, TABLE_BODY) == tally->bodies);
	EXPECT(look, store_count(look->txn, TABLE_REPORT) == tally->reports);
	look_at_feed(look, totals.last_sequence);
}

bool consistency_is_kept(struct queue *queue)
{
	struct look *look = calloc(1, sizeof(*look));
	bool is_kept;

	if (look == NULL || store_reader_new(&look->txn, queue->store) < 0 ||
	    store_reader_begin(look->txn) < 0)
		abort();
	memset(look->tally.wake, 0xff, sizeof(look->tally.wake));
	look_at_messages(look);
	look_at_accounts(look);
	look_at_lanes(look);
	look_at_totals(look);
	store_reader_end(look->txn);
	store_reader_free(look->txn);
	is_kept = look->faults == 0;
	free(look);
	return is_kept;
}
