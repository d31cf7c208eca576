/*
 * lanes - the lines that parts wait in, as the committer keeps them
 *
 * At most LANES_CACHED are in memory, the least recently used go; what changed
 * is written once a transaction, with the lane's row in `wake` (one row a lane
 * that has rows in sched: the due of the first).
 *
 * Thread: the committer's.
 */
#ifndef RELAIS_QUEUE_LANES_H
#define RELAIS_QUEUE_LANES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "queue/queue.h"
#include "queue/store.h"

#define LANES_CACHED 4096
/* A lane without waiting or held parts is kept so long. */
#define LANE_IDLE_MS (10 * 60 * 1000)

#define LANE_NEVER UINT64_MAX

struct ledger;
struct lanes;

struct lane {
	uint32_t id;
	struct lane_key key; /* key.domain points to domain */
	uint32_t generation; /* of routing */
	uint64_t waiting;
	uint64_t waiting_bytes;
	uint64_t held;
	uint64_t fresh; /* of those that wait */
	uint64_t idle_since_ms;
	uint64_t wake_ms; /* due of its first row in sched; LANE_NEVER */
	/* The rest is of this module. */
	uint64_t wake_row_ms;
	bool is_dirty;
	bool is_wake_unsure;
	TAILQ_ENTRY(lane) by_use;
	LIST_ENTRY(lane) by_id;
	LIST_ENTRY(lane) by_key;
	char domain[];
};

struct lanes *lanes_new(void);
void lanes_free(struct lanes *lanes);

/*
 * The lane of a key, made where there is none; of an id, -ENOENT. Valid until
 * the next call. Else the store's errors, -EBADMSG for a damaged row.
 */
int lanes_open(struct ledger *ledger, const struct lane_key *key,
               struct lane **ret_lane);
int lanes_find(struct ledger *ledger, uint32_t id, struct lane **ret_lane);

/* Parts that came to or left the lane; the bytes are those of the message. */
void lane_add_waiting(struct lane *lane, uint64_t size_bytes);
void lane_drop_waiting(struct ledger *ledger, struct lane *lane,
                       uint64_t size_bytes);
void lane_note_fresh(struct lane *lane);
void lane_forget_fresh(struct lane *lane);
void lane_add_held(struct lane *lane);
void lane_drop_held(struct ledger *ledger, struct lane *lane);
/* A row of sched came or went. */
void lane_add_due(struct lane *lane, uint64_t due_ms);
void lane_drop_due(struct lane *lane, uint64_t due_ms);

/* Writes what changed; before the commit. */
int lanes_flush(struct ledger *ledger);
/* After an abort: what is in memory is not what is on disk. */
void lanes_forget(struct lanes *lanes);

/* Looks at `max` lanes from where it stopped last; removes the idle ones. */
int lanes_sweep(struct ledger *ledger, unsigned max);

#endif
