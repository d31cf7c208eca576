/*
 * damaged - a message whose record cannot be read, set aside or deleted
 *
 * Its rows are looked for by its id alone, its body by what no other message
 * has. That is slow (whole tables are read through), and rare.
 *
 * Thread: the ledger's.
 */
#ifndef RELAIS_QUEUE_DAMAGED_H
#define RELAIS_QUEUE_DAMAGED_H

#include <stdint.h>

struct ledger;

/* Out of its lines, and shown as parked. -EALREADY: it is. */
int damaged_park(struct ledger *ledger, uint64_t id);

/* Nothing is left of it; of its body neither, once no record is damaged. */
int damaged_delete(struct ledger *ledger, uint64_t id);

#endif
