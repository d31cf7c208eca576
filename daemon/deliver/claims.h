/*
 * claims - the messages that a worker has in hand, or that are being changed
 *
 * A message is in here while at least one of its parts is claimed by a ticket,
 * or a change of it is at the committer. A change that comes while a part is
 * being delivered waits here for the end of the attempt.
 *
 * Thread: one.
 */
#ifndef RELAIS_DELIVER_CLAIMS_H
#define RELAIS_DELIVER_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deliver/part.h"
#include "queue/queue.h"

struct claim {
	uint64_t id;
	unsigned delivering;    /* parts that are claimed */
	unsigned changing;      /* changes at the committer */
	struct part_list aside; /* parts that wait for these changes */
	struct letter *first_waiting, *last_waiting; /* struct change */
	struct claim *chain;
};

struct claims {
	struct claim **buckets;
	size_t bucket_count;
	size_t count;
	size_t delivering; /* parts, over all messages */
	struct claim *free;
};

void claims_init(struct claims *claims);
/* Frees the changes that wait as well. */
void claims_done(struct claims *claims);

struct claim *claims_find(const struct claims *claims, uint64_t id);
/* Made if it isn't there. */
struct claim *claims_get(struct claims *claims, uint64_t id);
/* Removes it if nothing keeps it any more. */
void claims_let_go(struct claims *claims, struct claim *claim);

/* Its parts are not to be handed out until the changes are done. */
bool claim_is_changing(const struct claim *claim);
void claim_queue_change_take(struct claim *claim, struct change *change);
struct change *claim_next_change(struct claim *claim);

/* Ids with parts being delivered, ascending; the caller frees. */
uint64_t *claims_list_delivering(const struct claims *claims,
                                 size_t *ret_count);

#endif
