#include "config.h"

#include "queue/ledger.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "queue/bigendian.h"
#include "queue/filter.h"
#include "queue_id.h"
#include "runtime/xalloc.h"

#define SWEEP_AT_ONCE 10000

static uint64_t seen_time_ms(const struct totals *totals);
static void back_to_disk(struct ledger *ledger);

int ledger_open(struct ledger *ledger, struct store *store)
{
	struct store_txn *txn;
	int r;

	memset(ledger, 0, sizeof(*ledger));
	ledger->store = store;
	ledger->sweep_at_once = SWEEP_AT_ONCE;
	ledger->lanes = lanes_new();
	ledger->filter = filter_new();
	r = store_begin(store, &txn);
	if (r < 0)
		return r;
	r = totals_load(&ledger->committed, txn);
	if (r == 0)
		r = filter_load(ledger->filter, txn);
	ledger->used_bytes = store_used_bytes(txn);
	store_abort(txn);
	ledger->totals = ledger->committed;
	queue_time_start(&ledger->time, seen_time_ms(&ledger->committed));
	return r;
}

static uint64_t seen_time_ms(const struct totals *totals)
{
	uint64_t id_ms = queue_id_time_ms(totals->last_id);

	return id_ms > totals->committed_ms ? id_ms : totals->committed_ms;
}

void ledger_close(struct ledger *ledger)
{
	if (ledger->txn != NULL)
		ledger_abort(ledger);
	lanes_free(ledger->lanes);
	filter_free(ledger->filter);
	free(ledger->notices);
	record_done(&ledger->scratch);
	memset(ledger, 0, sizeof(*ledger));
}

int ledger_begin(struct ledger *ledger)
{
	assert(ledger->txn == NULL);
	ledger->now_ms = queue_time_now_ms(&ledger->time);
	ledger->wall_ms = wall_now_ms();
	ledger->notice_count = 0;
	ledger->has_reports = false;
	return store_begin(ledger->store, &ledger->txn);
}

int ledger_commit(struct ledger *ledger)
{
	uint64_t used_bytes;
	int r;

	ledger->totals.committed_ms = ledger->now_ms;
	r = lanes_flush(ledger);
	if (r == 0)
		r = accounts_flush(ledger);
	if (r == 0)
		r = feed_flush(&ledger->feed, ledger->txn);
	if (r == 0)
		r = filter_write(ledger->filter, ledger->txn);
	if (r == 0)
		r = totals_save(&ledger->totals, ledger->txn);
	if (r < 0) {
		ledger_abort(ledger);
		return r;
	}
	used_bytes = store_used_bytes(ledger->txn);
	r = store_commit(ledger->txn);
	ledger->txn = NULL;
	if (r < 0) {
		back_to_disk(ledger);
		return r;
	}
	ledger->committed = ledger->totals;
	ledger->used_bytes = used_bytes;
	filter_keep(ledger->filter);
	return 0;
}

void ledger_abort(struct ledger *ledger)
{
	store_abort(ledger->txn);
	ledger->txn = NULL;
	back_to_disk(ledger);
}

static void back_to_disk(struct ledger *ledger)
{
	ledger->totals = ledger->committed;
	ledger->notice_count = 0;
	lanes_forget(ledger->lanes);
	accounts_forget(&ledger->accounts);
	feed_forget(&ledger->feed);
	filter_drop(ledger->filter);
}

uint64_t ledger_next_id(struct ledger *ledger)
{
	uint64_t id = ledger->now_ms << QUEUE_ID_TIME_SHIFT;

	if (id <= ledger->totals.last_id)
		id = ledger->totals.last_id + 1;
	ledger->totals.last_id = id;
	return id;
}

void ledger_notice(struct ledger *ledger, enum part_event event, uint64_t id,
                   const struct message_part *part)
{
	if (ledger->notice_count == ledger->notice_size) {
		ledger->notice_size =
		    ledger->notice_size > 0 ? 2 * ledger->notice_size : 256;
		ledger->notices =
		    xrealloc(ledger->notices,
		             ledger->notice_size * sizeof(*ledger->notices));
	}
	ledger->notices[ledger->notice_count++] = (struct part_notice){
		.event = event,
		.part = part->number,
		.lane = part->lane,
		.id = id,
		.due_ms = part->due_ms,
	};
}

void ledger_decrease(uint64_t *count, uint64_t by)
{
	*count -= *count < by ? *count : by;
}

int ledger_feed(struct ledger *ledger, uint64_t id, enum timeline_kind kind)
{
	struct feed_row event = {
		.sequence = ++ledger->totals.last_sequence,
		.id = id,
		.time_ms = ledger->wall_ms,
		.kind = kind,
	};

	return feed_add(&ledger->feed, ledger->txn, &event);
}
