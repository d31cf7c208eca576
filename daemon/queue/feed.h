/*
 * feed - what happened, in order: a ring of events in the store
 *
 * Events stand in rows of many. The last row is open: it grows in a place that
 * every commit writes anyway (a row of lane 0, see totals.h), and joins the
 * table when it is full.
 *
 * Thread: that of the transaction given.
 */
#ifndef RELAIS_QUEUE_FEED_H
#define RELAIS_QUEUE_FEED_H

#include "queue/queue.h"
#include "queue/store.h"

#define FEED_EVENTS_MAX 1000000
#define FEED_AGE_MAX_MS (14ull * 24 * 60 * 60 * 1000)

#define FEED_EVENT_SIZE 17
/* Three full rows fill a page. */
#define FEED_ROW_EVENTS 78

/* The open row; all zero at first. */
struct feed_row_open {
	bool is_loaded;
	bool is_dirty;
	unsigned count;
	uint64_t first; /* sequence */
	unsigned char events[FEED_ROW_EVENTS * FEED_EVENT_SIZE];
};

int feed_add(struct feed_row_open *open, struct store_txn *txn,
             const struct feed_row *event);
/* Writes what changed; before the commit. */
int feed_flush(struct feed_row_open *open, struct store_txn *txn);
/* After an abort: what is in memory is not what is on disk. */
void feed_forget(struct feed_row_open *open);

/* As queue_read_feed(). */
int feed_read(struct store_txn *txn, uint64_t after, struct feed_row *events,
              unsigned max, uint64_t *ret_oldest);

/*
 * Full rows at the front with nothing in them that is within age and number,
 * at most `max`. last: the newest event's sequence.
 */
unsigned feed_count_old(struct store_txn *txn, uint64_t last,
                        uint64_t now_wall_ms, unsigned max);
int feed_trim(struct store_txn *txn, unsigned count);

#endif
