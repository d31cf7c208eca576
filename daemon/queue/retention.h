/*
 * retention - what the store gets rid of by itself, a little at a time
 *
 * Messages that ended long ago, bodies of failed ones, the oldest delivered
 * when the store is more than half full, old events, expired keys, idle lanes,
 * columns of the filter nobody needs; and holds that have an end are released.
 * Every step looks at a bounded number of rows.
 *
 * Thread: the ledger's.
 */
#ifndef RELAIS_QUEUE_RETENTION_H
#define RELAIS_QUEUE_RETENTION_H

#include <stdbool.h>
#include <stdint.h>

struct ledger;
struct retention;

struct retention *retention_new(void);
void retention_free(struct retention *retention);

/*
 * Rides on the ledger's transaction, which has done `jobs` jobs; alone where
 * there is nothing else to do (then small purges are worth a commit, too).
 * 0, or what spoilt the transaction.
 */
int retention_run(struct retention *retention, struct ledger *ledger,
                  unsigned jobs);

/* Is there so much to do that the next transaction should go on at once? */
bool retention_is_busy(const struct retention *retention);

/* History gives way to mail: the store is full. */
void retention_hurry(struct retention *retention, bool is_full);

#endif
