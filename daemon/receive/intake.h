/*
 * intake - one message's content on its way from a session into the store
 *
 * Gathers the body in chunks; up to 1 MiB waits for the one transaction of the
 * submission, more goes to the store in slices as it comes. At most one slice
 * is under way; while it is, another may gather, then the session pauses.
 *
 * Promise: what was stored of a message that is not submitted is discarded.
 * Thread: the receive loop's.
 */
#ifndef RELAIS_RECEIVE_INTAKE_H
#define RELAIS_RECEIVE_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/queue.h"

struct memory_budget;
struct outbox;

/* Where an intake tells its session something; letters come by way of it. */
struct intake_owner {
	struct queue *queue;
	struct outbox *outbox;
	struct mailbox *home;
	struct memory_budget *budget;
	uint32_t uid; /* the submitter, and what it may have */
	struct queue_quota quota;
	/* A slice is stored (or failed): the session may read on. */
	void (*on_slice_done)(struct intake_owner *owner);
	/* The submission of intake_submit() is on disk, or failed; borrowed
	 * for the call. */
	void (*on_submitted)(struct intake_owner *owner,
	                     const struct submission *submission);
};

struct intake;

/* owner is borrowed until intake_free(). Aborts without memory. */
struct intake *intake_new(struct intake_owner *owner);

/*
 * The session is gone: what is under way still finishes, and nobody hears of
 * it. NULL is allowed.
 */
void intake_free(struct intake *intake);

/* A new message; declared_bytes is MAIL's SIZE, 0 without. */
void intake_begin(struct intake *intake, uint64_t declared_bytes);

/* The kept header block; taken. The message is the intake's from here. */
void intake_take_header(struct intake *intake, struct message *message,
                        char *header, size_t len);

/* Part of the body. 0, -ENOMEM, or what a slice met (-ENOSPC, -EIO). */
int intake_add(struct intake *intake, const char *data, size_t len);

/* More content than may wait: the session stops reading until called. */
bool intake_is_crowded(const struct intake *intake);

/*
 * Stores what is complete now, though it is less than a slice. True where
 * something is on its way to the store: on_slice_done comes.
 */
bool intake_relieve(struct intake *intake);

/* The record under construction, for recipients and flags; NULL without. */
struct message *intake_message(struct intake *intake);

/*
 * The message is complete: routes it and posts it to the queue; on_submitted
 * comes later. settings: for the routes, borrowed for the call; relay: the
 * id of the one asked for, or 0.
 */
void intake_submit(struct intake *intake, const struct settings *settings,
                   uint32_t relay);

/* The message is not to be: everything of it goes. */
void intake_abandon(struct intake *intake);

/* --------------------------------------------------------------- memory */

/* All content of all sessions; a plain count, one thread. */
struct memory_budget {
	uint64_t used_bytes;
	uint64_t limit_bytes;
};

#endif
