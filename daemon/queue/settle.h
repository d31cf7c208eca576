/*
 * settle - what an attempt or somebody's wish changes in a message
 *
 * Both work on the ledger's transaction and leave the job untouched, so that
 * they can be done again after an abort.
 *
 * Thread: the ledger's.
 */
#ifndef RELAIS_QUEUE_SETTLE_H
#define RELAIS_QUEUE_SETTLE_H

#include "queue/queue.h"

struct ledger;

/*
 * 0; -ENOENT where the message or its part is gone (nothing to do);
 * -EBADMSG, -ENOMEM; or the error that spoilt the transaction.
 */
int settle_apply(struct ledger *ledger, const struct settlement *settlement);

#endif
