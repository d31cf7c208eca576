/*
 * damaged - a message whose record cannot be read, set aside or deleted
 *
 * Its rows are looked for by its id alone. That is slow (`sched` is read
 * through), and rare.
 *
 * Thread: the ledger's.
 */
#ifndef RELAIS_QUEUE_DAMAGED_H
#define RELAIS_QUEUE_DAMAGED_H

#include <stdint.h>

struct ledger;

/* Out of its lines, and shown as parked. -EALREADY: it is. */
int damaged_park(struct ledger *ledger, uint64_t id);

/* Nothing is left of it, but for its body if it had one. */
int damaged_delete(struct ledger *ledger, uint64_t id);

#endif
