/*
 * scheduler_state - what the scheduler's files share; for no one else
 *
 * scheduler.c           made, woken, ended; notices; whose turn it is
 * scheduler_assign.c    assignments go out and come home
 * scheduler_brake.c     refusals again and again
 * scheduler_fallback.c  mail of a relay in trouble goes by another
 * scheduler_expiry.c    mail too old behind a relay in trouble
 * scheduler_lanes.c     lanes come from the store and go again
 * scheduler_change.c    someone's wishes for messages and relays
 * scheduler_reroute.c   mail whose relay is another one now moves there
 * scheduler_round.c     all that waits is looked at after settings changed
 * scheduler_relays.c    relays are paused, remembered, and spoken of
 * scheduler_status.c    what the control loop asks
 * scheduler_trouble.c   trouble that lasts is told
 */
#ifndef RELAIS_DELIVER_SCHEDULER_STATE_H
#define RELAIS_DELIVER_SCHEDULER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deliver/alarm.h"
#include "deliver/claims.h"
#include "deliver/hop.h"
#include "deliver/lane.h"
#include "deliver/part.h"
#include "deliver/relay.h"
#include "deliver/scheduler.h"
#include "queue/queue.h"

struct assignment;
struct event;
struct trouble;

enum round_stage {
	ROUND_GONE,  /* lanes whose relay can't have them: theirs first */
	ROUND_FRESH, /* all other mail, if routing changed */
	ROUND_LANES,
	ROUND_DONE,
};

/* How far the look at what waits has come, after a change of settings. */
struct scheduler_round {
	struct alarm alarm;
	enum round_stage stage;
	uint32_t lane; /* GONE and LANES: the one looked at */
	struct part_row from;
	uint64_t digest;      /* of the routing that holds */
	uint64_t done_digest; /* of that by which all waits, as remembered */
	uint64_t looked, total, moved;
	struct relay_memory *memory;
	bool is_remembering;
	bool has_latecomers; /* mail came while it ran, maybe behind it */
};

/* Lanes in memory that have no fresh parts; and those of one relay that stand
   in line with nothing but retries, so that it leaves room for others. */
#define SCHEDULER_LANES_MAX       4096
#define SCHEDULER_RELAY_LANES_MAX (SCHEDULER_LANES_MAX / 4)

struct scheduler {
	struct loop *loop;
	struct queue *queue;
	struct queue_reader *reader;
	struct mailbox *inbox;
	const struct settings *settings;
	struct worker **workers;
	unsigned worker_count;

	struct part_table parts;
	struct claims claims;
	struct lanes lanes;
	struct hops hops;
	struct relay *relays;
	struct alarm_heap alarms;
	struct event *timer;
	uint64_t timer_ms; /* what it is set to */
	uint64_t now_ms;   /* queue time of this wake-up */
	uint32_t random_state;
	uint32_t next_ticket_id;
	unsigned at_workers; /* assignments */

	struct alarm wake;         /* rows of wake are due */
	struct wake_row wake_from; /* rows before it have been looked at */
	bool is_full;              /* the next one found no room */
	bool is_walking;           /* rows behind it are due, too */
	bool must_walk_again;      /* from the front: some were passed over */
	uint64_t walked_ms;        /* when the walk began at the front */

	size_t changing;  /* changes of others at the committer */
	size_t rerouting; /* and of its own */
	struct scheduler_round round;

	void (*tell_trouble_take)(void *context, struct trouble *trouble);
	void *tell_trouble_context;

	bool is_started, is_draining;
	void (*on_idle)(void *);
	void *on_idle_context;
};

/* scheduler.c */

/* Every entry from outside begins and ends with these. */
void scheduler_wake(struct scheduler *scheduler);
void scheduler_turn(struct scheduler *scheduler);
struct relay *scheduler_relay(struct scheduler *scheduler, uint32_t id);
uint32_t scheduler_random(struct scheduler *scheduler);
/* Forget a part that waits, is set aside or claimed. */
void scheduler_forget_part(struct scheduler *scheduler, struct part *part);

/* scheduler_assign.c */

/* One assignment of this relay goes out, if one may. */
bool scheduler_assign(struct scheduler *scheduler, struct relay *relay);
void scheduler_send(struct scheduler *scheduler, struct ticket *ticket,
                    const struct lane *lane, struct part **parts,
                    unsigned count);
/* True where its message is being changed: not to be handed out. */
bool scheduler_set_aside(struct scheduler *scheduler, struct part *part);

/* scheduler_fallback.c */

/* Who serves its mail, itself or another. Its lanes are the caller's. */
void scheduler_choose_carrier(struct scheduler *scheduler, struct relay *relay);
/* What this relay is, others' carrier depends on. */
void scheduler_carrier_changed(struct scheduler *scheduler,
                               struct relay *relay);
/* A part in no list, that no other relay may have. */
void scheduler_keep_part(struct scheduler *scheduler, struct part *part);
void scheduler_release_kept(struct scheduler *scheduler, struct relay *relay);
/* Between a relay's own mail and what it carries: may this mail go? */
bool scheduler_has_turn(const struct scheduler *scheduler,
                        const struct relay *relay);

/* scheduler_expiry.c */

/* The next ones that are too old behind this hop, if there are any. */
void scheduler_expire(struct scheduler *scheduler, struct hop *hop);
void scheduler_expiry_ended(struct scheduler *scheduler, struct ticket *ticket,
                            unsigned settled);

/* scheduler_brake.c */

/* Is this lane's submitter held at its relay? */
bool scheduler_brake_holds(const struct scheduler *scheduler,
                           const struct lane *lane);
/* Held, and one message may go to see whether that is over. */
bool scheduler_brake_probes(const struct lane *lane);
void scheduler_brake_sent(struct scheduler *scheduler,
                          const struct ticket *ticket,
                          struct assignment *assignment);
/* May give the assignment a fault, or take it away. */
void scheduler_brake_came_home(struct scheduler *scheduler,
                               const struct ticket *ticket,
                               struct assignment *assignment);
/* Was it sent before the brake held the relay? Then it shows no end of that. */
bool scheduler_brake_overtook(const struct relay *relay,
                              const struct assignment *assignment);
void scheduler_on_brake_alarm(struct alarm *alarm);
/* Somebody says that all is well. */
void scheduler_release_brake(struct scheduler *scheduler, struct relay *relay);

/* scheduler_lanes.c */

/* From memory or the store; NULL if there is none (any more). */
struct lane *scheduler_lane(struct scheduler *scheduler, uint32_t id);
/* After anything about it changed: its ring, or out of memory. */
void scheduler_lane_changed(struct scheduler *scheduler, struct lane *lane);
void scheduler_hop_changed(struct scheduler *scheduler, struct hop *hop);
/* Parts of sched that are due, into the lane's window. */
void scheduler_fill_window(struct scheduler *scheduler, struct lane *lane);
/* A row of sched is there or has moved. */
void scheduler_row_due(struct scheduler *scheduler,
                       const struct part_notice *notice);
void scheduler_load_fresh(struct scheduler *scheduler);
void scheduler_on_wake_alarm(struct alarm *alarm);
void scheduler_on_lane_alarm(struct alarm *alarm);
void scheduler_on_hop_alarm(struct alarm *alarm);
void scheduler_forget_lanes(struct scheduler *scheduler);

/* scheduler_change.c */

/* Held and open breakers are tried at once, lanes looked at again. */
void scheduler_settings_changed(struct scheduler *scheduler);
/* The message's last part came home, or a change did. */
void scheduler_claim_changed(struct scheduler *scheduler, struct claim *claim);
/* A change of the scheduler's own; freed when it comes home. */
void scheduler_post_change_take(struct scheduler *scheduler,
                                struct change *change);

/* scheduler_round.c */

/* At the start; a change while relaisd didn't run counts, too. */
void scheduler_round_init(struct scheduler *scheduler);
void scheduler_round_done(struct scheduler *scheduler);
/* Settings have changed. */
void scheduler_round_begin(struct scheduler *scheduler);
/* Lanes may be there whose relay can't have them, at_ms from now. */
void scheduler_round_again(struct scheduler *scheduler, uint64_t in_ms);
/* Mail has come into such a lane. */
void scheduler_round_add(struct scheduler *scheduler);

/* scheduler_reroute.c */

/* At most so many messages are on their way to another relay. */
#define SCHEDULER_REROUTING_MAX 256

/* Moves what of it waits elsewhere than it should. */
void scheduler_reroute_message(struct scheduler *scheduler, uint64_t id);
/* Can't the mail of this lane stay there, whatever it is? */
bool scheduler_key_must_reroute(const struct scheduler *scheduler,
                                const struct lane_key *key);
void scheduler_reroute_ended(struct scheduler *scheduler,
                             const struct change *change);
/* Does the mail of this lane need another one? */
bool scheduler_must_reroute(const struct scheduler *scheduler,
                            const struct lane *lane);

/* scheduler_relays.c */

/* The breaker changed: one line for the administrator. */
void scheduler_log_breaker(const struct scheduler *scheduler,
                           const struct hop *hop);
void scheduler_remember(struct scheduler *scheduler, struct relay *relay);
void scheduler_recall(struct scheduler *scheduler, struct relay *relay);

/* scheduler_trouble.c */

/* After the state of the relay's own breaker has changed. */
void scheduler_watch_trouble(struct scheduler *scheduler, struct relay *relay);
void scheduler_on_trouble_alarm(struct alarm *alarm);

#endif
