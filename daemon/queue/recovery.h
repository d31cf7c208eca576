/*
 * recovery - what a start makes of how the last run ended
 *
 * Half-received bodies are swept. After kill -9 each mark in flight marks
 * exactly its recipients; after a power cut, what was due before this boot is
 * in doubt, and marked at its next attempt. After a clean end, nothing.
 *
 * Thread: the one that opens the queue, before it starts.
 */
#ifndef RELAIS_QUEUE_RECOVERY_H
#define RELAIS_QUEUE_RECOVERY_H

#include <stdbool.h>

struct inflight;
struct ledger;

struct recovery_result {
	unsigned swept_bodies;
	unsigned marked_messages;
	unsigned crashes;         /* of ours, with a message in hand */
	unsigned parked_messages; /* for the third of them */
	bool was_power_cut;
};

int recovery_run(struct ledger *ledger, struct inflight *inflight,
                 struct recovery_result *ret_result);

/* The last commit of a run in which every job was done. */
int recovery_note_clean_end(struct ledger *ledger);

#endif
