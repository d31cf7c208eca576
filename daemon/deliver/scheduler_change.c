/*
 * scheduler_change - someone's wishes for messages
 *
 * While a change of a message is at the committer none of its parts is handed
 * out; while one of its parts is being delivered no change of it goes to the
 * committer. So a change and an attempt never cross.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/scheduler_state.h"
#include "deliver/worker.h"
#include "runtime/xalloc.h"

/* A change on its way, and where it goes home to. */
struct change_errand {
	struct letter letter;
	struct scheduler *scheduler;
	struct change *change;
	struct mailbox *home; /* NULL: the scheduler's own, freed when done */
	void (*on_done)(struct letter *letter);
	void *context;
};

static void on_change(struct letter *letter);
static void wait_for_attempt(struct scheduler *scheduler, struct claim *claim,
                             struct change *change);
static struct change *change_dup(const struct change *change);
static int check_owner(struct scheduler *scheduler,
                       const struct change *change);
static void post_change(struct change_errand *errand);
static void on_change_home(struct letter *letter);
static void send_home(struct change_errand *errand);
static void ask_again(struct scheduler *scheduler, uint64_t id);

static struct change_errand *errand_new(struct scheduler *scheduler,
                                        struct change *change)
{
	struct change_errand *errand = xcalloc(1, sizeof(*errand));

	errand->scheduler = scheduler;
	errand->change = change;
	return errand;
}

void scheduler_change_take(struct scheduler *scheduler, struct change *change)
{
	struct change_errand *errand = errand_new(scheduler, change);

	errand->home = change->job.home;
	errand->on_done = change->job.on_done;
	errand->context = change->job.context;
	errand->letter.open = on_change;
	mailbox_post_take(scheduler->inbox, &errand->letter);
}

static void on_change(struct letter *letter)
{
	struct change_errand *errand =
	    LETTER_OF(letter, struct change_errand, letter);
	struct scheduler *scheduler = errand->scheduler;
	struct change *change = errand->change;
	struct claim *claim;

	scheduler_wake(scheduler);
	change->is_accepted_only = false;
	change->job.result = 0;
	claim = claims_find(&scheduler->claims, change->id);
	if (claim == NULL || claim->delivering == 0) {
		post_change(errand);
	} else {
		change->job.result = check_owner(scheduler, change);
		if (change->job.result == 0 &&
		    change->kind == CHANGE_RESCHEDULE)
			change->job.result = -EALREADY;
		if (change->job.result == 0)
			wait_for_attempt(scheduler, claim, change);
		send_home(errand);
	}
	scheduler_turn(scheduler);
}

static void wait_for_attempt(struct scheduler *scheduler, struct claim *claim,
                             struct change *change)
{
	claim_queue_change_take(claim, change_dup(change));
	change->is_accepted_only = true;
	if (change->kind != CHANGE_CANCEL)
		return;
	for (unsigned i = 0; i < scheduler->worker_count; i++)
		worker_forget(scheduler->workers[i], change->id);
}

/* Whose wish it is has been checked. */
static struct change *change_dup(const struct change *change)
{
	struct change *copy = change_new(change->kind, change->id);

	/* Lanes are given by the scheduler alone, which waits by itself. */
	assert(change->kind != CHANGE_REROUTE);
	copy->until_ms = change->until_ms;
	if (change->reason != NULL)
		copy->reason = xstrdup(change->reason);
	return copy;
}

/* The committer checks by itself; this is for what does not get there. */
static int check_owner(struct scheduler *scheduler, const struct change *change)
{
	struct message *message;
	int r;

	if (!change->is_for_owner_only)
		return 0;
	r = queue_read_message(scheduler->reader, change->id, &message);
	if (r < 0)
		return r;
	if (message->uid != change->owner_uid)
		r = -ENOENT;
	message_free(message);
	return r;
}

void scheduler_post_change_take(struct scheduler *scheduler,
                                struct change *change)
{
	post_change(errand_new(scheduler, change));
}

static void post_change(struct change_errand *errand)
{
	struct scheduler *scheduler = errand->scheduler;
	struct change *change = errand->change;

	claims_get(&scheduler->claims, change->id)->changing++;
	scheduler->changing++;
	change->job.kind = QUEUE_CHANGE;
	change->job.home = scheduler->inbox;
	change->job.on_done = on_change_home;
	change->job.context = errand;
	queue_post_take(scheduler->queue, &change->job);
}

/* Notices of what it did have come before it. */
static void on_change_home(struct letter *letter)
{
	struct change *change = LETTER_OF(letter, struct change, job.letter);
	struct change_errand *errand = change->job.context;
	struct scheduler *scheduler = errand->scheduler;
	struct claim *claim;

	scheduler_wake(scheduler);
	claim = claims_find(&scheduler->claims, change->id);
	assert(claim != NULL && claim->changing > 0);
	claim->changing--;
	scheduler->changing--;
	scheduler_claim_changed(scheduler, claim);
	if (change->kind == CHANGE_RETRY && change->job.result == 0)
		ask_again(scheduler, change->id);
	if (change->kind == CHANGE_REROUTE || change->kind == CHANGE_PARK)
		scheduler_reroute_ended(scheduler, change);
	send_home(errand);
	scheduler_turn(scheduler);
}

static void send_home(struct change_errand *errand)
{
	struct change *change = errand->change;

	if (errand->home == NULL) {
		change_free(change);
	} else {
		change->job.home = errand->home;
		change->job.on_done = errand->on_done;
		change->job.context = errand->context;
		change->job.letter.open = errand->on_done;
		mailbox_post_take(errand->home, &change->job.letter);
	}
	free(errand);
}

void scheduler_claim_changed(struct scheduler *scheduler, struct claim *claim)
{
	struct change *change;
	struct part *part;

	if (claim->delivering == 0) {
		while ((change = claim_next_change(claim)) != NULL)
			scheduler_post_change_take(scheduler, change);
	}
	while (!claim_is_changing(claim) &&
	       (part = part_list_take(&claim->aside)) != NULL) {
		part->lane->aside--;
		lane_put_back(&scheduler->lanes, part->lane, part);
		scheduler_lane_changed(scheduler, part->lane);
	}
	claims_let_go(&scheduler->claims, claim);
}

/* Whoever asks for a retry means the relay, too, if it is only waiting. */
static void ask_again(struct scheduler *scheduler, uint64_t id)
{
	struct message *message;

	if (queue_read_message(scheduler->reader, id, &message) < 0)
		return;
	for (unsigned i = 0; i < message->part_count; i++) {
		struct lane *lane =
		    lanes_table_find(&scheduler->lanes, message->parts[i].lane);

		if (lane == NULL || lane->hop->breaker.state != BREAKER_OPEN)
			continue;
		breaker_ask_now(&lane->hop->breaker, scheduler->now_ms);
		scheduler_hop_changed(scheduler, lane->hop);
	}
	message_free(message);
}
