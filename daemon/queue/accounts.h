/*
 * accounts - what each submitter has in the store
 *
 * A row a uid: its messages that have not ended, and the bytes of the bodies
 * that are kept for it, those included that still come in. Kept in step with
 * the rows by the transaction that changes them, so that nothing is counted at
 * start and a crash leaves them right.
 *
 * Memory: ACCOUNTS_HELD rows, whatever the number of submitters.
 * Thread: the committer's, or the one that opens the queue before it starts.
 */
#ifndef RELAIS_QUEUE_ACCOUNTS_H
#define RELAIS_QUEUE_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/queue.h"
#include "queue/store.h"

#define ACCOUNTS_HELD 64
/* What a message takes beside header and body: its record and its rows. */
#define ACCOUNT_MESSAGE_BYTES 1024

struct ledger;

struct account {
	uint32_t uid;
	uint64_t messages; /* not ended */
	uint64_t bytes;    /* bodies kept, ACCOUNT_MESSAGE_BYTES each besides */
	bool is_loaded;
	bool is_dirty;
};

/* All zero at first. */
struct accounts {
	struct account held[ACCOUNTS_HELD];
};

/* What a message with its body counts as. */
uint64_t account_cost(const struct message *message);

/*
 * May so much more be added within the quota? 0, -EUSERS (too many messages),
 * -EDQUOT (too many bytes); else the store's errors. Writes nothing.
 */
int accounts_may_add(struct ledger *ledger, uint32_t uid,
                     const struct queue_quota *quota, unsigned messages,
                     uint64_t bytes);

int accounts_add(struct ledger *ledger, uint32_t uid, unsigned messages,
                 uint64_t bytes);
int accounts_drop(struct ledger *ledger, uint32_t uid, unsigned messages,
                  uint64_t bytes);

/* Nobody has anything any more, for who counts again. */
int accounts_clear(struct ledger *ledger);

/* Writes what changed; before the commit. */
int accounts_flush(struct ledger *ledger);
/* After an abort: what is in memory is not what is on disk. */
void accounts_forget(struct accounts *accounts);

/* For readers; all zero for one who has nothing. 0, -EBADMSG, -EIO. */
int account_read(struct account *ret_account, struct store_txn *txn,
                 uint32_t uid);

#endif
