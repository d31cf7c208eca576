/*
 * idem - idempotency keys: a submission that is sent again is queued once
 *
 * A key belongs to its uid, and is kept for a day at least and as long as its
 * message. Rows are in the order of the time in the key (UUIDv7), so that new
 * ones are appended; expired ones count as absent and are swept in the order
 * of the keys.
 *
 * Thread: the ledger's.
 */
#ifndef RELAIS_QUEUE_IDEM_H
#define RELAIS_QUEUE_IDEM_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/message.h"
#include "queue/store.h"

struct ledger;

enum idem_answer {
	IDEM_NEW,
	IDEM_REPLAY,   /* the same envelope: it is message `id` */
	IDEM_CONFLICT, /* the key belongs to another envelope, message `id` */
};

/* Where message->key is NULL it is new, always. */
int idem_ask(struct ledger *ledger, const struct message *message,
             enum idem_answer *ret_answer, uint64_t *ret_id);
/* After IDEM_NEW: the key belongs to this message from now on. */
int idem_claim(struct ledger *ledger, const struct message *message);

/* -ENOENT: no message with this key. For readers. */
int idem_find(struct store_txn *txn, uint32_t uid, const char *key,
              uint64_t now_ms, uint64_t *ret_id);

#define IDEM_KEY_SIZE 20
struct idem_hand {
	unsigned char key[IDEM_KEY_SIZE];
};
/* Looks at `max` rows from the hand on; removes the expired ones. */
int idem_sweep(struct ledger *ledger, struct idem_hand *hand, unsigned max);

#endif
