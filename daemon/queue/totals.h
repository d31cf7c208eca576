/*
 * totals - the numbers that every commit changes, in one row
 *
 * The row is that of lane 0 in the lane table, whose page is dirty in each
 * commit anyway, so that they cost no page of their own. Behind it, with keys
 * that begin as its own does, stand other rows of that kind: the accounts and
 * the open row of the feed.
 *
 * Thread: that of the transaction given.
 */
#ifndef RELAIS_QUEUE_TOTALS_H
#define RELAIS_QUEUE_TOTALS_H

#include <stdint.h>

#include "queue/message.h"
#include "queue/store.h"

struct totals {
	uint64_t last_id;
	uint64_t last_body_id;
	uint64_t last_sequence;
	uint64_t committed_ms; /* queue time of the last commit */
	uint64_t retained_to;  /* retention has looked at ids up to here */
	uint64_t waiting_parts;
	uint64_t messages[MESSAGE_STATES];
	uint32_t last_lane;
};

/* All zero in a new store. 0 or -errno; -EBADMSG: not ours. */
int totals_load(struct totals *ret_totals, struct store_txn *txn);
int totals_save(const struct totals *totals, struct store_txn *txn);

#endif
