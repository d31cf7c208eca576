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
#include "queue/store.h"

struct ledger;

/* A body that is coming in: whose it is, and how much has come. Its row is in
 * `state`, under the number of the body. */
struct upload_row {
	uint32_t uid;
	uint64_t bytes;
};
/* 0 or -EBADMSG. */
int upload_row_read(struct upload_row *ret_row, const struct store_bytes *row);

/* 0, -EEXIST (the key is another's), or what spoilt the transaction. */
int submit_apply(struct ledger *ledger, struct submission *submission);

/* 0, or what spoilt the transaction. */
int upload_apply(struct ledger *ledger, struct upload *upload);
int discard_apply(struct ledger *ledger, uint64_t body_id);

#endif
