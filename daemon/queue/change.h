/*
 * change - somebody's wish for one message, done to its rows
 *
 * Thread: the ledger's.
 */
#ifndef RELAIS_QUEUE_CHANGE_H
#define RELAIS_QUEUE_CHANGE_H

#include "queue/queue.h"

struct ledger;

/*
 * Leaves the job untouched, so that it can be done again after an abort.
 * 0; -ENOENT, -EALREADY, -EINVAL (no lanes to move to), -EBADMSG, -ENOMEM;
 * or the error that spoilt the transaction.
 */
int change_apply(struct ledger *ledger, const struct change *change);

#endif
