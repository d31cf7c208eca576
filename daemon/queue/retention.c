#include "config.h"

#include "queue/retention.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue/bigendian.h"
#include "queue/change.h"
#include "queue/feed.h"
#include "queue/filter.h"
#include "queue/idem.h"
#include "queue/ledger.h"
#include "queue/message_rows.h"
#include "queue/record.h"
#include "runtime/xalloc.h"

/* Fewer are not worth the pages, unless there is nothing else to do. */
#define PURGE_WORTH        64
#define PURGE_MAX          256
#define LOOKS_MAX          1024
#define STATE_LOOKS_MAX    4096
#define LANE_LOOKS_MAX     64
#define HOLDS_MAX          64
#define BODIES_MAX         16
#define IDEM_LOOKS_PER_JOB 4

#define DAY_MS             (24ull * 60 * 60 * 1000)
#define LATE_INTERVAL_MS   (60 * 60 * 1000)
#define BODIES_INTERVAL_MS (60 * 1000)
#define STEP_INTERVAL_MS   1000
#define EARLY_VAIN_MS      (10 * 60 * 1000)
/* Who waits for the end of a message, or has just cancelled it, reads it. */
#define EARLY_KEEP_MS 5000

struct retention {
	uint64_t next_step_ms; /* queue time */
	uint64_t next_late_ms;
	uint64_t next_bodies_ms;
	uint64_t next_early_ms;
	uint64_t late_after; /* ids */
	uint64_t early_after;
	uint64_t held_after;
	unsigned char bodies_after[STATE_KEY_SIZE];
	struct idem_hand idem_hand;
	bool is_busy;
	bool is_full;
	bool has_found_early; /* in this walk */
};

/* Ids found by a walk, before the rows under it are changed. */
struct find {
	uint64_t ids[PURGE_MAX];
	struct record_summary summaries[PURGE_MAX];
	unsigned count;
};

static int drop_what_is_old(struct retention *retention, struct ledger *ledger,
                            unsigned jobs);
static int purge_old(struct retention *retention, struct ledger *ledger,
                     unsigned jobs);
static int purge_early(struct retention *retention, struct ledger *ledger);
static int purge_late(struct retention *retention, struct ledger *ledger);
static int purge_found(struct ledger *ledger, const struct find *find);
static bool is_over(const struct ledger *ledger, uint64_t id,
                    const struct record_summary *summary);
static int read_summary(struct ledger *ledger, uint64_t id,
                        struct record_summary *ret_summary);
static int release_holds(struct retention *retention, struct ledger *ledger);
static int drop_bodies(struct retention *retention, struct ledger *ledger);
static int drop_body(struct ledger *ledger, uint64_t id);
static int trim_feed(struct ledger *ledger, unsigned jobs);

struct retention *retention_new(void)
{
	return xcalloc(1, sizeof(struct retention));
}

void retention_free(struct retention *retention)
{
	free(retention);
}

bool retention_is_busy(const struct retention *retention)
{
	return retention->is_busy;
}

void retention_hurry(struct retention *retention, bool is_full)
{
	if (is_full && !retention->is_full)
		retention->next_step_ms = retention->next_early_ms = 0;
	retention->is_full = is_full;
}

int retention_run(struct retention *retention, struct ledger *ledger,
                  unsigned jobs)
{
	int r = 0;

	if (jobs > 0 && store_count(ledger->txn, TABLE_IDEM) > 0)
		r = idem_sweep(ledger, &retention->idem_hand,
		               IDEM_LOOKS_PER_JOB * jobs);
	if (r < 0 ||
	    (!retention->is_busy && ledger->now_ms < retention->next_step_ms))
		return r;
	retention->next_step_ms = ledger->now_ms + STEP_INTERVAL_MS;
	retention->is_busy = false;
	if (jobs == 0 && store_count(ledger->txn, TABLE_IDEM) > 0)
		r = idem_sweep(ledger, &retention->idem_hand, LOOKS_MAX);
	if (r == 0 && !queue_time_is_unsure(&ledger->time))
		r = drop_what_is_old(retention, ledger, jobs);
	if (r == 0)
		r = purge_early(retention, ledger);
	if (r == 0)
		r = release_holds(retention, ledger);
	if (r == 0)
		r = lanes_sweep(ledger, LANE_LOOKS_MAX);
	if (r == 0)
		r = filter_purge(ledger->txn, 1);
	return r;
}

static int drop_what_is_old(struct retention *retention, struct ledger *ledger,
                            unsigned jobs)
{
	int r;

	r = purge_old(retention, ledger, jobs);
	if (r == 0)
		r = purge_late(retention, ledger);
	if (r == 0)
		r = drop_bodies(retention, ledger);
	return r < 0 ? r : trim_feed(ledger, jobs);
}

/* ------------------------------------------------------ whole messages */

static bool is_old(const struct ledger *ledger, uint64_t id,
                   const struct record_summary *summary)
{
	return queue_time_age_ms(id, summary->submitted_ms, ledger->now_ms,
	                         ledger->wall_ms) >=
	       ledger->limits.keep_finished_ms;
}

/* An end that is yet to come was told by a clock that has been set since. */
static bool is_over(const struct ledger *ledger, uint64_t id,
                    const struct record_summary *summary)
{
	return summary->ended_ms != 0 && is_old(ledger, id, summary) &&
	       (summary->ended_ms + DAY_MS <= ledger->wall_ms ||
	        summary->ended_ms > ledger->wall_ms);
}

static int note_late(struct ledger *ledger, uint64_t id)
{
	unsigned char key[8];

	be64_put(key, id);
	return store_put(ledger->txn, TABLE_LATE, key, sizeof(key), "", 0);
}

/* In the order of ids, from where the last walk ended. */
static int purge_old(struct retention *retention, struct ledger *ledger,
                     unsigned jobs)
{
	unsigned worth = jobs == 0 ? 1 : PURGE_WORTH;
	struct store_cursor *cursor = NULL;
	struct store_bytes key, row;
	unsigned char after[8];
	struct find find = { .count = 0 };
	uint64_t late[LOOKS_MAX];
	unsigned late_count = 0, looks = 0;
	uint64_t position = ledger->totals.retained_to;
	int r;

	r = store_cursor_open(ledger->txn, TABLE_MSG, &cursor);
	if (r < 0)
		return r;
	be64_put(after, position + 1);
	r = store_cursor_seek(cursor, after, sizeof(after), &key, &row);
	while (r == 0 && looks++ < LOOKS_MAX && find.count < PURGE_MAX) {
		struct record_summary *summary = &find.summaries[find.count];
		uint64_t id = be64_get(key.data);

		if (record_peek(summary, row.data, row.len) < 0) {
			late[late_count++] = id;
		} else if (is_over(ledger, id, summary)) {
			find.ids[find.count++] = id;
		} else if (!is_old(ledger, id, summary)) {
			break;
		} else {
			late[late_count++] = id;
		}
		position = id;
		r = store_cursor_next(cursor, &key, &row);
	}
	store_cursor_close(cursor);
	if (r < 0 && r != -ENOENT)
		return r;
	if (find.count + late_count < worth)
		return 0;
	retention->is_busy = find.count == PURGE_MAX || looks > LOOKS_MAX;
	ledger->totals.retained_to = position;
	for (unsigned i = 0; i < late_count; i++) {
		r = note_late(ledger, late[i]);
		if (r < 0)
			return r;
	}
	return purge_found(ledger, &find);
}

static bool has_just_ended(const struct ledger *ledger,
                           const struct record_summary *summary)
{
	return summary->ended_ms <= ledger->wall_ms &&
	       ledger->wall_ms - summary->ended_ms < EARLY_KEEP_MS;
}

/* Above half of the maximum, and all the more where it is full. */
static int purge_early(struct retention *retention, struct ledger *ledger)
{
	struct store_cursor *cursor = NULL;
	struct find find = { .count = 0 };
	struct store_bytes key, row;
	unsigned char after[8];
	unsigned looks = 0;
	int r;

	if (ledger->now_ms < retention->next_early_ms ||
	    (!retention->is_full &&
	     ledger->used_bytes <= ledger->limits.maximum_bytes / 2) ||
	    ledger->totals.messages[MESSAGE_DELIVERED] +
	            ledger->totals.messages[MESSAGE_CANCELLED] ==
	        0)
		return 0;
	r = store_cursor_open(ledger->txn, TABLE_MSG, &cursor);
	if (r < 0)
		return r;
	be64_put(after, retention->early_after + 1);
	r = store_cursor_seek(cursor, after, sizeof(after), &key, &row);
	while (r == 0 && looks++ < LOOKS_MAX && find.count < PURGE_WORTH) {
		struct record_summary *summary = &find.summaries[find.count];

		retention->early_after = be64_get(key.data);
		if (record_peek(summary, row.data, row.len) == 0 &&
		    summary->ended_ms != 0 &&
		    (summary->state == MESSAGE_DELIVERED ||
		     summary->state == MESSAGE_CANCELLED)) {
			retention->has_found_early = true;
			if (!has_just_ended(ledger, summary))
				find.ids[find.count++] = retention->early_after;
		}
		r = store_cursor_next(cursor, &key, &row);
	}
	store_cursor_close(cursor);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0) {
		retention->is_busy = true;
		return purge_found(ledger, &find);
	}
	/* At the end; a walk that was in vain is not repeated soon. */
	retention->early_after = 0;
	retention->next_early_ms =
	    ledger->now_ms +
	    (retention->has_found_early ? STEP_INTERVAL_MS : EARLY_VAIN_MS);
	retention->has_found_early = false;
	return purge_found(ledger, &find);
}

/* Once an hour, those that were not over when their time came. */
static int purge_late(struct retention *retention, struct ledger *ledger)
{
	struct store_cursor *cursor = NULL;
	struct find find = { .count = 0 };
	struct store_bytes key;
	unsigned char after[8];
	unsigned looks = 0;
	int r;

	if (ledger->now_ms < retention->next_late_ms)
		return 0;
	r = store_cursor_open(ledger->txn, TABLE_LATE, &cursor);
	if (r < 0)
		return r;
	be64_put(after, retention->late_after + 1);
	r = store_cursor_seek(cursor, after, sizeof(after), &key, NULL);
	while (r == 0 && looks++ < LOOKS_MAX && find.count < PURGE_MAX) {
		struct record_summary *summary = &find.summaries[find.count];
		int found;

		retention->late_after = be64_get(key.data);
		found = read_summary(ledger, retention->late_after, summary);
		/* One that is gone leaves only its row here. */
		if (found == -ENOENT)
			*summary = (struct record_summary){ 0 };
		if (found == -ENOENT ||
		    (found == 0 &&
		     is_over(ledger, retention->late_after, summary)))
			find.ids[find.count++] = retention->late_after;
		r = store_cursor_next(cursor, &key, NULL);
	}
	store_cursor_close(cursor);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == -ENOENT) {
		retention->late_after = 0;
		retention->next_late_ms = ledger->now_ms + LATE_INTERVAL_MS;
	}
	return purge_found(ledger, &find);
}

static int read_summary(struct ledger *ledger, uint64_t id,
                        struct record_summary *ret_summary)
{
	struct store_bytes row;
	unsigned char key[8];
	int r;

	be64_put(key, id);
	r = store_get(ledger->txn, TABLE_MSG, key, sizeof(key), &row);
	return r < 0 ? r : record_peek(ret_summary, row.data, row.len);
}

static int purge_found(struct ledger *ledger, const struct find *find)
{
	bool has_late = store_count(ledger->txn, TABLE_LATE) > 0;

	for (unsigned i = 0; i < find->count; i++) {
		unsigned char key[8];
		int r = 0;

		if (find->summaries[i].ended_ms != 0)
			r = message_rows_purge(ledger, find->ids[i],
			                       &find->summaries[i]);
		if (r == 0 && has_late) {
			be64_put(key, find->ids[i]);
			r = store_delete(ledger->txn, TABLE_LATE, key,
			                 sizeof(key));
		}
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

/* ------------------------------------------- times noted in `state` */

/* Is this row's time there, and has it come? */
static bool is_due(const struct ledger *ledger, const struct store_bytes *value)
{
	return value->len == 8 && be64_get(value->data) <= ledger->wall_ms;
}

static int release_holds(struct retention *retention, struct ledger *ledger)
{
	static char reason[] = "the hold has ended";
	unsigned char after[STATE_KEY_SIZE];
	struct store_cursor *cursor = NULL;
	struct store_bytes key, value;
	uint64_t ids[HOLDS_MAX];
	unsigned count = 0, looks = 0;
	int r;

	if (ledger->totals.messages[MESSAGE_HELD] == 0)
		return 0;
	r = store_cursor_open(ledger->txn, TABLE_STATE, &cursor);
	if (r < 0)
		return r;
	state_key_put(after, MESSAGE_HELD, retention->held_after + 1);
	r = store_cursor_seek(cursor, after, sizeof(after), &key, &value);
	while (r == 0 && key.data[0] == MESSAGE_HELD && count < HOLDS_MAX &&
	       looks++ < STATE_LOOKS_MAX) {
		retention->held_after = be64_get(key.data + 1);
		if (is_due(ledger, &value))
			ids[count++] = retention->held_after;
		r = store_cursor_next(cursor, &key, &value);
	}
	if (r == -ENOENT || (r == 0 && key.data[0] != MESSAGE_HELD)) {
		retention->held_after = 0;
		r = 0;
	}
	store_cursor_close(cursor);
	retention->is_busy |= count == HOLDS_MAX;
	for (unsigned i = 0; i < count && r == 0; i++) {
		struct change change = {
			.kind = CHANGE_RELEASE,
			.id = ids[i],
			.reason = reason,
		};

		r = change_apply(ledger, &change);
		if (store_txn_error(ledger->txn) == 0 && r != 0)
			r = 0;
	}
	return r;
}

/* Bodies of what failed, once keep_failed_bodies is over. */
static int drop_bodies(struct retention *retention, struct ledger *ledger)
{
	struct store_cursor *cursor = NULL;
	struct store_bytes key, value;
	uint64_t ids[BODIES_MAX];
	unsigned count = 0, looks = 0;
	int r;

	if (ledger->now_ms < retention->next_bodies_ms)
		return 0;
	r = store_cursor_open(ledger->txn, TABLE_STATE, &cursor);
	if (r < 0)
		return r;
	if (retention->bodies_after[0] < MESSAGE_FAILED)
		state_key_put(retention->bodies_after, MESSAGE_FAILED, 0);
	r = store_cursor_seek(cursor, retention->bodies_after, STATE_KEY_SIZE,
	                      &key, &value);
	while (r == 0 && count < BODIES_MAX && looks++ < STATE_LOOKS_MAX) {
		memcpy(retention->bodies_after, key.data, STATE_KEY_SIZE);
		if (is_due(ledger, &value))
			ids[count++] = be64_get(key.data + 1);
		r = store_cursor_next(cursor, &key, &value);
	}
	store_cursor_close(cursor);
	if (r == -ENOENT) {
		memset(retention->bodies_after, 0, STATE_KEY_SIZE);
		retention->next_bodies_ms = ledger->now_ms + BODIES_INTERVAL_MS;
		r = 0;
	}
	retention->is_busy |= count == BODIES_MAX;
	for (unsigned i = 0; i < count && r == 0; i++)
		r = drop_body(ledger, ids[i]);
	return r;
}

static int drop_body(struct ledger *ledger, uint64_t id)
{
	struct message *message = NULL;
	unsigned char state_key[STATE_KEY_SIZE], key[8];
	int r;

	r = message_rows_read(&message, ledger->txn, id, true);
	if (r == -EBADMSG || r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	/* The report shows its header; it comes before the next look. */
	if (message->report_ms != 0) {
		message_free(message);
		return 0;
	}
	r = message_rows_drop_body(ledger, message);
	if (r == 0) {
		state_key_put(state_key, message->state, id);
		r = store_put(ledger->txn, TABLE_STATE, state_key,
		              sizeof(state_key), "", 0);
	}
	if (r == 0)
		r = record_encode(&ledger->scratch, message);
	if (r == 0) {
		be64_put(key, id);
		r = store_put(ledger->txn, TABLE_MSG, key, sizeof(key),
		              ledger->scratch.bytes, ledger->scratch.len);
	}
	message_free(message);
	return r;
}

static int trim_feed(struct ledger *ledger, unsigned jobs)
{
	unsigned worth = jobs == 0 ? 1 : PURGE_WORTH;
	unsigned count =
	    feed_count_old(ledger->txn, ledger->totals.last_sequence,
	                   ledger->wall_ms, 2 * PURGE_MAX);

	return count < worth ? 0 : feed_trim(ledger->txn, count);
}
