/*
 * scheduler - which part goes next, to which relay, on which slot
 *
 * Owned by the main loop. Holds the lanes that have something due (4,096 at
 * most), the fresh parts (65,536 at most), every relay's breaker, limits and
 * slots, and the claims: parts that a worker has in hand. Everything else that
 * waits stays in the store and is read when it is due (promise P4).
 *
 * Never polls: it is woken by the committer's notices, by assignments coming
 * home, and by one timer set to the earliest due.
 */
#ifndef RELAIS_DELIVER_SCHEDULER_H
#define RELAIS_DELIVER_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/queue.h"
#include "runtime/mailbox.h"
#include "smtp/verdict.h"

struct loop;
struct scheduler;
struct settings;
struct worker;

/* Before queue_start(): registers for the queue's notices. */
int scheduler_new(struct scheduler **ret_scheduler, struct loop *loop,
                  struct queue *queue, const struct settings *settings,
                  struct worker **workers, unsigned worker_count);

/* Reads what waits from the store and begins. In the loop's thread. */
int scheduler_start(struct scheduler *scheduler);

/* In the loop's thread; a changed relay's breaker closes at once. */
void scheduler_apply_settings(struct scheduler *scheduler,
                              const struct settings *settings);

/*
 * Who is told of a relay's trouble that lasts, and of its end; called in the
 * loop's thread. Before the start.
 */
struct trouble;
void scheduler_listen_trouble(struct scheduler *scheduler,
                              void (*tell_take)(void *context,
                                                struct trouble *trouble),
                              void *context);

/* No further assignments; on_idle once no part is claimed. */
void scheduler_drain(struct scheduler *scheduler, void (*on_idle)(void *),
                     void *context);
/* After queue_stop(): what is at the committer still belongs to it. */
void scheduler_free(struct scheduler *scheduler);

/*
 * Any thread. Goes on to the committer when no part of the message is being
 * delivered; else is_accepted_only is set, the job goes home at once, and a
 * copy is done as soon as the attempt has ended (if anything still waits).
 * A retry of a message also makes its lane ask again at once.
 */
void scheduler_change_take(struct scheduler *scheduler, struct change *change);

enum breaker_state {
	BREAKER_CLOSED,
	BREAKER_OPEN,      /* until a time, then one probe */
	BREAKER_HALF_OPEN, /* the probe is under way */
	BREAKER_HELD,      /* until the settings change or somebody resumes */
	BREAKER_PAUSED,    /* by an administrator */
};
const char *breaker_state_name(enum breaker_state state);

/* A submitter whose mail a relay refuses again and again (brake.h). */
struct submitter_hold {
	uint32_t submitter;          /* class */
	uint64_t since_ms, until_ms; /* wall */
	char *reason;
};

/* One relay, as it is now. Strings are the query's. */
struct relay_status {
	uint32_t id;
	char *name;  /* its last one; "unknown-" and the id where not known */
	bool is_set; /* there are settings for it */
	enum breaker_state state;
	char *carrier; /* the fallback that serves its mail now, or NULL */
	struct verdict fault; /* what opened it; class NONE without */
	char *fault_host;
	uint64_t since_ms; /* wall; when the state began */
	uint64_t until_ms; /* wall; 0: no end known */
	/* Its rates are used up until then; wall; 0: they are not. */
	uint64_t rate_until_ms;
	/* It has said "too fast": messages a minute since then; 0: not. */
	uint32_t learned_pace;
	uint64_t learned_ms; /* wall */
	uint32_t connections, connection_limit;
	uint64_t waiting[3], waiting_bytes[3]; /* parts, by priority */
	uint64_t oldest_due_age_s;
	uint64_t delivered, refused, faults; /* recipients since start */
	uint64_t delivered_24h;
	struct submitter_hold *holds;
	size_t hold_count;
	uint64_t certificate_end_ms; /* wall; 0: not seen */
};

/* A look at the scheduler's state, for the control loop. */
struct scheduler_query {
	struct letter letter;
	struct mailbox *home;
	void (*on_done)(struct letter *letter);
	void *context; /* the asker's */
	/* Nothing is counted that waits: relays as they are, and claims. */
	bool is_brief;
	/* out */
	struct relay_status *relays;
	size_t relay_count;
	uint64_t *delivering; /* ids that a worker has in hand, ascending */
	size_t delivering_count;
	uint64_t lanes_in_memory, fresh_in_memory;
	/* Routing has changed: what waits is looked at, part by part. */
	bool is_rerouting;
	uint64_t parts_looked_at, parts_to_look_at, messages_moved;
};
struct scheduler_query *scheduler_query_new(void);
void scheduler_query_free(struct scheduler_query *query);
void scheduler_ask_take(struct scheduler *scheduler,
                        struct scheduler_query *query);

/*
 * The relay in the deepest trouble, or none. Cheap: no counts. The caller frees
 * it by scheduler_query_free(). Thread: the scheduler's.
 */
struct scheduler_query *scheduler_find_worst_relay(struct scheduler *scheduler);

/* Any thread. until_ms 0: until resumed. resume closes the breaker. */
void scheduler_pause_relay(struct scheduler *scheduler, uint32_t relay,
                           uint64_t until_ms, const char *reason);
void scheduler_resume_relay(struct scheduler *scheduler, uint32_t relay);

#endif
