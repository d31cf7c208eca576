/*
 * worker - one loop that makes attempts: connections of many relays
 *
 * The scheduler hands over an assignment: some parts of one lane for one slot.
 * A slot is the right to one connection to a relay; the worker keeps the
 * connection of each of its slots open as long as the relay's limits allow.
 * For each part it reads the record, composes what goes out, sends it, and
 * posts the settlement straight to the committer; then the assignment goes
 * home to the scheduler with what the relay is to be charged for.
 *
 * A part whose attempt met a fault of the relay is not settled: it goes home
 * as returned, and nothing is written (promise P6).
 */
#ifndef RELAIS_DELIVER_WORKER_H
#define RELAIS_DELIVER_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "deliver/brake.h"
#include "queue/queue.h"
#include "runtime/mailbox.h"
#include "smtp/verdict.h"

struct command_helper;
struct loop;
struct oauth;
struct resolver;
struct relay_settings;
struct settings;
struct worker;

#define ASSIGNMENT_PARTS_MAX 16

enum assignment_outcome {
	PART_NOT_TRIED, /* came after a fault: still in the scheduler's hands */
	PART_SETTLED,   /* posted to the committer; its notice ends the claim */
	PART_RETURNED,  /* a relay's fault: nobody is charged */
	PART_KEPT,      /* is_fallback: only the lane's own relay may have it */
	PART_GONE,      /* nothing waits in it any more, or it is held */
	PART_MISROUTED, /* waits, but another relay is to have it now */
};

struct assignment {
	struct letter letter;
	struct mailbox *home;
	void (*on_done)(struct letter *letter);
	void *owner;   /* the scheduler's */
	uint32_t slot; /* unique over all relays and workers */
	const struct settings *settings;    /* one reference */
	const struct relay_settings *relay; /* of these settings */
	uint32_t lane;
	char domain[LANE_DOMAIN_MAX]; /* "" but with direct */
	bool is_draining; /* the slot's connection is to be closed after it */
	/*
	 * No attempt is made: the relay is in trouble, as `fault` says (then
	 * in, not out). What is too old is settled by that verdict; all else
	 * goes home as returned.
	 */
	bool is_expiring;
	/* A refusal of this signature is a fault of the relay; 0: none is. */
	uint64_t watched;
	/* `relay` is not the lane's own, only serves it now. */
	bool is_fallback;
	/* And may have it though the own one's last outcome is unknown. */
	bool takes_unknown;
	unsigned part_count;
	struct {
		uint64_t id;
		uint16_t part;
		enum assignment_outcome outcome;
		struct refusal refusal; /* out */
		bool has_delivered;     /* out */
	} parts[ASSIGNMENT_PARTS_MAX];
	/* out: the last fault of the relay; class VERDICT_NONE without */
	struct verdict fault;
	char *fault_host; /* malloc'ed; or NULL */
	bool has_met_watched;
	struct verdict refusal;      /* the last of a whole message */
	unsigned delivered;          /* recipients */
	unsigned refused;            /* recipients that failed for good */
	uint64_t certificate_end_ms; /* as transport.h; 0: none was seen */
	bool had_session;    /* the relay let us in: the breaker may close */
	uint64_t size_limit; /* learnt; 0: not said */
};
struct assignment *assignment_new(void);
void assignment_free(struct assignment *assignment);

int worker_new(struct worker **ret_worker, unsigned index, struct queue *queue,
               struct resolver *resolver, struct command_helper *helper,
               struct oauth *oauth);
int worker_start(struct worker *worker);
struct loop *worker_loop(struct worker *worker);

/* Any thread. */
void worker_assign_take(struct worker *worker, struct assignment *assignment);

/* Any thread: this message was cancelled; skipped if not yet at DATA. */
void worker_forget(struct worker *worker, uint64_t id);

/*
 * These settings are in force. What is kept of older ones is let go: idle
 * connections, and secrets that no relay asks for any more. Takes the
 * reference. Any thread.
 */
void worker_apply_settings_take(struct worker *worker,
                                const struct settings *settings_ref);

/* No new parts are begun; what runs may end. Any thread. */
void worker_drain(struct worker *worker);

/*
 * What runs is cut: where the final dot was sent the recipients' outcome is
 * settled as unknown, the rest goes home as returned. The loop stops once all
 * verdicts are on disk. Any thread.
 */
void worker_cut(struct worker *worker);

/* Waits until the loop has stopped. */
void worker_join(struct worker *worker);

/*
 * With its loop ended and the resolver's loop, the committer and the command
 * helper stopped: what they still had to answer would come home to it.
 */
void worker_free(struct worker *worker);

#endif
