/*
 * ledger - a write transaction with all that goes along with it
 *
 * Totals, lanes, accounts, notices for the scheduler and the columns of the
 * filter are kept in step with the rows: all of them are right after a commit,
 * and back at what is on disk after an abort.
 *
 * Thread: the committer's, or the one that opens the queue before it starts.
 */
#ifndef RELAIS_QUEUE_LEDGER_H
#define RELAIS_QUEUE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/accounts.h"
#include "queue/feed.h"
#include "queue/lanes.h"
#include "queue/queue.h"
#include "queue/queue_time.h"
#include "queue/record.h"
#include "queue/store.h"
#include "queue/totals.h"

struct filter;

/* Of the settings; changed only between transactions. */
struct ledger_limits {
	uint64_t maximum_bytes;
	uint64_t keep_finished_ms;
	uint64_t keep_failed_bodies_ms;
	uint64_t gather_ms;  /* a report waits for more so long */
	uint64_t summary_ms; /* and so long where a relay was at fault */
};

struct ledger {
	struct store *store;
	struct queue_time time;
	struct ledger_limits limits;
	struct filter *filter;
	struct lanes *lanes;
	struct accounts accounts;
	struct feed_row_open feed;
	/* What was due at this queue time when the power went, is marked as
	 * a possible duplicate at its next attempt; 0: nothing. */
	uint64_t doubt_ms;
	/* More messages than these are not all read in one transaction. */
	uint64_t sweep_at_once;
	struct record scratch;
	/* Of the transaction under way. */
	struct store_txn *txn;
	uint64_t now_ms; /* queue time */
	uint64_t wall_ms;
	struct totals totals;
	struct totals committed; /* as on disk */
	struct part_notice *notices;
	size_t notice_count;
	size_t notice_size;
	bool has_reports;    /* some are owed, or earlier than before */
	uint64_t used_bytes; /* as of the last commit */
};

/* Reads the totals and the open block of the filter. */
int ledger_open(struct ledger *ledger, struct store *store);
void ledger_close(struct ledger *ledger);

int ledger_begin(struct ledger *ledger);
int ledger_commit(struct ledger *ledger);
void ledger_abort(struct ledger *ledger);

/* Strictly ascending, never given again; see queue_id.h. */
uint64_t ledger_next_id(struct ledger *ledger);

/* Sent to the scheduler after the commit. */
void ledger_notice(struct ledger *ledger, enum part_event event, uint64_t id,
                   const struct message_part *part);

/* Counts come from disk: one that is wrong there must not end the daemon. */
void ledger_decrease(uint64_t *count, uint64_t by);

/* One event for the feed. */
int ledger_feed(struct ledger *ledger, uint64_t id, enum timeline_kind kind);

#endif
