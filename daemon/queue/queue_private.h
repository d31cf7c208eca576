/*
 * queue_private - the struct behind queue.h, for the files that implement it
 */
#ifndef RELAIS_QUEUE_QUEUE_PRIVATE_H
#define RELAIS_QUEUE_QUEUE_PRIVATE_H

#include "queue/gauges.h"
#include "queue/ledger.h"
#include "queue/queue.h"

struct committer;
struct inflight;

struct queue {
	struct store *store;
	struct inflight *inflight;
	struct committer *committer;
	struct ledger ledger; /* the committer's once it runs */
	struct gauges gauges;
	bool is_running;
};

/* Wall clock; 0: the disk answers. */
uint64_t queue_stalled_since_ms(const struct queue *queue);

#endif
