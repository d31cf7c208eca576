/*
 * slot - the right to one connection to a relay, and what is done with it
 *
 * Works through an assignment part by part: takes the connection that is open
 * or makes one (link.h), hands over the transactions of each attempt, and
 * decides after each result: next transaction, next host, a new connection, or
 * the end. A connection found dead before anything was said of a message is
 * replaced once, and nobody is charged.
 *
 * Thread: its worker's.
 */
#ifndef RELAIS_DELIVER_SLOT_H
#define RELAIS_DELIVER_SLOT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct assignment;
struct credentials;
struct loop;
struct mailbox;
struct queue;
struct queue_reader;
struct resolver;
struct settings;
struct settlement;
struct slot;

/* What the slots of one worker share. */
struct workshop {
	struct loop *loop;
	struct mailbox *inbox;
	struct queue *queue;
	struct queue_reader *reader;
	struct resolver *resolver;
	struct credentials *credentials;
	const struct settings *settings; /* in force; NULL: never told */
	/* No new part is begun. */
	bool is_draining;
	/* Jobs that have not come home from the committer. */
	unsigned unsettled;

	/* The worker's part. */
	void (*settle_take)(struct workshop *workshop,
	                    struct settlement *settlement);
	void (*park)(struct workshop *workshop, uint64_t id,
	             const char *reason);
};

/* More verdicts than these waiting for the disk, and no message is begun. */
#define UNSETTLED_MAX 256

LIST_HEAD(slot_list, slot);

/* Is in `list` until it frees itself, unused, or slot_free(). */
struct slot *slot_new(struct workshop *workshop, uint32_t number,
                      struct slot_list *list);
/* At any time; an assignment in hand is freed too. */
void slot_free(struct slot *slot);

struct slot *slot_next(const struct slot *slot);
uint32_t slot_number(const struct slot *slot);

/* One at a time; it goes home by itself. */
void slot_assign_take(struct slot *slot, struct assignment *assignment);

/* A verdict has reached the disk: go on if that was waited for. */
void slot_on_room(struct slot *slot);

/* Other settings are in force. */
void slot_on_settings(struct slot *slot);

/* Ends what is under way, if anything, and goes home. */
void slot_cut(struct slot *slot);

/* The message has been cancelled. */
void slot_forget(struct slot *slot, uint64_t id);

#endif
