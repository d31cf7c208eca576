/*
 * feed - what happened, in order: a ring of events in the store
 *
 * Thread: that of the transaction given.
 */
#ifndef RELAIS_QUEUE_FEED_H
#define RELAIS_QUEUE_FEED_H

#include "queue/queue.h"
#include "queue/store.h"

#define FEED_ROWS_MAX   1000000
#define FEED_AGE_MAX_MS (14ull * 24 * 60 * 60 * 1000)

int feed_append(struct store_txn *txn, const struct feed_row *row);

/* As queue_read_feed(). */
int feed_read(struct store_txn *txn, uint64_t after, struct feed_row *rows,
              unsigned max, uint64_t *ret_oldest);

/* Rows at the front that are beyond age or number, at most `max`. */
unsigned feed_count_old(struct store_txn *txn, uint64_t now_wall_ms,
                        unsigned max);
int feed_trim(struct store_txn *txn, unsigned count);

#endif
