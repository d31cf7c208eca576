/*
 * roster - the recipients of one attempt, and what was said of each
 *
 * Whoever has a verdict of class VERDICT_NONE is still to be sent to.
 *
 * Thread: any.
 */
#ifndef RELAIS_DELIVER_ROSTER_H
#define RELAIS_DELIVER_ROSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "smtp/verdict.h"

struct roster_entry {
	uint16_t index;   /* in the record */
	bool is_sent;     /* in the transaction under way */
	bool relay_tells; /* the sender, of its success */
	struct verdict verdict;
};

/* Zero: empty. The memory is kept by roster_clear(). */
struct roster {
	struct roster_entry *entries;
	unsigned count, room;
};

void roster_done(struct roster *roster);
void roster_clear(struct roster *roster);
void roster_add(struct roster *roster, unsigned index);

/*
 * Picks at most `max` of those who have no verdict for a transaction, in their
 * order; their number.
 */
unsigned roster_select(struct roster *roster, unsigned max);

/*
 * The verdicts of those selected, in their order, and whether the relay will
 * tell the sender of a success. Who was one too many goes into the next
 * transaction, if this one has carried somebody (RFC 5321 4.5.3.1.10). True if
 * anybody has a verdict now who had none.
 */
bool roster_take_verdicts(struct roster *roster, const struct verdict *verdicts,
                          unsigned count, bool relay_tells);

/* The same verdict for all who are being sent to; for all who have none. */
void roster_decide_sent(struct roster *roster, const struct verdict *verdict);
void roster_decide_rest(struct roster *roster, const struct verdict *verdict);

/* Whoever was put off before DATA has no verdict again. */
void roster_reopen(struct roster *roster);

/*
 * Whoever was refused for good by a reply of this signature (brake.h) has no
 * verdict again; the reply is a fault of the relay then. False: nobody was.
 */
bool roster_take_back(struct roster *roster, uint64_t signature,
                      struct verdict *ret_fault);

bool roster_has_unsent(const struct roster *roster);

/* Has anybody got a verdict that no later attempt can undo? */
bool roster_has_lasting(const struct roster *roster);

#endif
