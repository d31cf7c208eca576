/*
 * submit - a new message, or a slice of its body, put into the store
 *
 * What a job brings is only read, so that nothing is lost by an abort; its
 * results (`id`, `body_id` …) count once the commit is done.
 *
 * Thread: the ledger's.
 */
#ifndef RELAIS_QUEUE_SUBMIT_H
#define RELAIS_QUEUE_SUBMIT_H

#include "queue/queue.h"

struct ledger;

/* 0, -EEXIST (the key is another's), or what spoilt the transaction. */
int submit_apply(struct ledger *ledger, struct submission *submission);

/* 0, or what spoilt the transaction. */
int upload_apply(struct ledger *ledger, struct upload *upload);
int discard_apply(struct ledger *ledger, uint64_t body_id);

#endif
