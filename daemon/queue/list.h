/*
 * list - the messages a filter lets through, newest first
 *
 * Takes the narrowest way there is: the rows of a state, the columns of the
 * filter, or the records themselves. Every hit is checked against its record.
 *
 * Thread: that of the transaction given.
 */
#ifndef RELAIS_QUEUE_LIST_H
#define RELAIS_QUEUE_LIST_H

#include "queue/queue.h"
#include "queue/store.h"

/* As queue_list(). */
int list_messages(struct store_txn *txn, const struct queue_filter *filter,
                  uint64_t before, struct message **messages, unsigned max,
                  uint64_t *ret_next);

#endif
