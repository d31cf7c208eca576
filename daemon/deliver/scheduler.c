/*
 * scheduler - which part goes next, to which relay, on which slot
 *
 * This file: the life of a scheduler, the notices, and the turn that ends
 * every wake-up: alarms that are due ring, then each relay with mail starts
 * what it may.
 */
#include "config.h"

#include "deliver/scheduler.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <event2/event.h>

#include "deliver/scheduler_state.h"
#include "runtime/log.h"
#include "runtime/loop.h"
#include "runtime/xalloc.h"
#include "settings.h"

/* No longer than this without a look at the clock: the loop's own stands still
 * while the machine sleeps, and what is due is not. */
#define TIMER_MAX_MS (10 * UINT64_C(1000))

static void on_notice(struct letter *letter);
static void part_is_settled(struct scheduler *scheduler,
                            const struct part_notice *notice);
static void part_is_fresh(struct scheduler *scheduler,
                          const struct part_notice *notice);
static void on_timer(evutil_socket_t fd, short what, void *argument);
static void set_timer(struct scheduler *scheduler);
static void bind_relays(struct scheduler *scheduler);
static bool run_relay(struct scheduler *scheduler, struct relay *relay);
static void check_idle(struct scheduler *scheduler);

int scheduler_new(struct scheduler **ret_scheduler, struct loop *loop,
                  struct queue *queue, const struct settings *settings,
                  struct worker **workers, unsigned worker_count)
{
	struct scheduler *scheduler = xcalloc(1, sizeof(*scheduler));
	int r;

	assert(worker_count > 0);
	scheduler->loop = loop;
	scheduler->queue = queue;
	scheduler->settings = settings_ref(settings);
	scheduler->workers = workers;
	scheduler->worker_count = worker_count;
	scheduler->timer_ms = UINT64_MAX;
	scheduler->wake.ring = scheduler_on_wake_alarm;
	part_table_init(&scheduler->parts);
	claims_init(&scheduler->claims);
	lanes_table_init(&scheduler->lanes);
	hops_init(&scheduler->hops);
	if (getrandom(&scheduler->random_state, sizeof(scheduler->random_state),
	              GRND_NONBLOCK) < 0)
		scheduler->random_state = (uint32_t)queue_time_ms(queue);

	scheduler->timer =
	    event_new(loop_base(loop), -1, 0, on_timer, scheduler);
	r = -ENOMEM;
	if (scheduler->timer == NULL)
		goto out;
	r = mailbox_new(&scheduler->inbox, loop);
	if (r < 0)
		goto out;
	queue_listen_parts(queue, scheduler->inbox, on_notice, scheduler);

	*ret_scheduler = scheduler;
	scheduler = NULL;
out:
	scheduler_free(scheduler);
	return r;
}

int scheduler_start(struct scheduler *scheduler)
{
	int r;

	assert(loop_is_mine(scheduler->loop));
	r = queue_reader_new(&scheduler->reader, scheduler->queue);
	if (r < 0)
		return r;
	scheduler_wake(scheduler);
	scheduler->is_started = true;
	bind_relays(scheduler);
	scheduler_load_fresh(scheduler);
	alarm_set(&scheduler->alarms, &scheduler->wake, scheduler->now_ms);
	scheduler_round_init(scheduler);
	scheduler_turn(scheduler);
	return 0;
}

void scheduler_apply_settings(struct scheduler *scheduler,
                              const struct settings *settings)
{
	const struct settings *old = scheduler->settings;

	scheduler_wake(scheduler);
	scheduler->settings = settings_ref(settings);
	if (scheduler->is_started) {
		bind_relays(scheduler);
		scheduler_settings_changed(scheduler);
	}
	settings_unref(old);
	scheduler_turn(scheduler);
}

/* Relays that are gone stay, without settings, for the mail they have. */
static void bind_relays(struct scheduler *scheduler)
{
	const struct settings *settings = scheduler->settings;
	struct relay *relay;

	for (relay = scheduler->relays; relay != NULL; relay = relay->next)
		relay_bind(relay, settings_find_relay(settings, relay->id));
	for (size_t i = 0; i < settings->relay_count; i++)
		(void)scheduler_relay(scheduler, settings->relays[i].id);
	for (relay = scheduler->relays; relay != NULL; relay = relay->next)
		scheduler_choose_carrier(scheduler, relay);
}

static void on_relay_alarm(struct alarm *alarm)
{
	/* The turn that rang it looks at every relay. */
	(void)alarm;
}

struct relay *scheduler_relay(struct scheduler *scheduler, uint32_t id)
{
	struct relay *relay = scheduler->relays;

	while (relay != NULL && relay->id != id)
		relay = relay->next;
	if (relay != NULL)
		return relay;
	relay = relay_new(scheduler, id);
	relay->alarm.ring = on_relay_alarm;
	relay->hop.alarm.ring = scheduler_on_hop_alarm;
	relay->brake_alarm.ring = scheduler_on_brake_alarm;
	relay->trouble_alarm.ring = scheduler_on_trouble_alarm;
	relay_bind(relay, settings_find_relay(scheduler->settings, id));
	scheduler_recall(scheduler, relay);
	scheduler_watch_trouble(scheduler, relay);
	alarm_set(&scheduler->alarms, &relay->hop.alarm,
	          hop_next_ms(&relay->hop, scheduler->now_ms));
	relay->next = scheduler->relays;
	scheduler->relays = relay;
	return relay;
}

void scheduler_drain(struct scheduler *scheduler, void (*on_idle)(void *),
                     void *context)
{
	scheduler_wake(scheduler);
	scheduler->is_draining = true;
	scheduler->on_idle = on_idle;
	scheduler->on_idle_context = context;
	scheduler_turn(scheduler);
}

void scheduler_free(struct scheduler *scheduler)
{
	struct relay *relay;

	if (scheduler == NULL)
		return;
	if (scheduler->timer != NULL)
		event_free(scheduler->timer);
	mailbox_free(scheduler->inbox);
	scheduler_forget_lanes(scheduler);
	while ((relay = scheduler->relays) != NULL) {
		scheduler->relays = relay->next;
		alarm_clear(&scheduler->alarms, &relay->alarm);
		alarm_clear(&scheduler->alarms, &relay->hop.alarm);
		alarm_clear(&scheduler->alarms, &relay->brake_alarm);
		alarm_clear(&scheduler->alarms, &relay->trouble_alarm);
		relay_free(relay);
	}
	scheduler_round_done(scheduler);
	hops_done(&scheduler->hops);
	lanes_table_done(&scheduler->lanes);
	claims_done(&scheduler->claims);
	part_table_done(&scheduler->parts);
	alarm_heap_done(&scheduler->alarms);
	queue_reader_free(scheduler->reader);
	settings_unref(scheduler->settings);
	free(scheduler);
}

/*
 * The ends of attempts first: what was deferred is settled and waits again in
 * the same notice, in either order.
 */
static void on_notice(struct letter *letter)
{
	struct queue_notice *notice =
	    LETTER_OF(letter, struct queue_notice, letter);
	struct scheduler *scheduler = notice->context;

	scheduler_wake(scheduler);
	for (size_t i = 0; i < notice->count; i++) {
		if (notice->parts[i].event == PART_NOW_SETTLED)
			part_is_settled(scheduler, &notice->parts[i]);
	}
	for (size_t i = 0; i < notice->count && scheduler->is_started; i++) {
		switch (notice->parts[i].event) {
		case PART_NOW_FRESH:
			part_is_fresh(scheduler, &notice->parts[i]);
			break;
		case PART_NOW_SCHED:
			scheduler_row_due(scheduler, &notice->parts[i]);
			break;
		case PART_NOW_SETTLED:
			break;
		}
	}
	queue_notice_free(notice);
	scheduler_turn(scheduler);
}

static void part_is_settled(struct scheduler *scheduler,
                            const struct part_notice *notice)
{
	struct part *part =
	    part_table_find(&scheduler->parts, notice->id, notice->part);

	if (part != NULL)
		scheduler_forget_part(scheduler, part);
}

static void part_is_fresh(struct scheduler *scheduler,
                          const struct part_notice *notice)
{
	struct part *part =
	    part_table_find(&scheduler->parts, notice->id, notice->part);
	struct lane *lane;

	/* Read at the start, or told before: it is in its place. */
	if (part != NULL &&
	    (part->ticket != NULL ||
	     (part->place == PART_FRESH && part->lane->id == notice->lane)))
		return;
	if (part != NULL)
		scheduler_forget_part(scheduler, part);
	lane = scheduler_lane(scheduler, notice->lane);
	if (lane == NULL)
		return;
	part = part_table_add(&scheduler->parts, notice->id, notice->part);
	lane_add_fresh(&scheduler->lanes, lane, part);
	scheduler_lane_changed(scheduler, lane);
}

void scheduler_forget_part(struct scheduler *scheduler, struct part *part)
{
	struct lane *lane = part->lane;
	struct claim *claim = NULL;

	if (part->ticket != NULL) {
		claim = claims_find(&scheduler->claims, part->id);
		assert(claim != NULL && claim->delivering > 0);
		claim->delivering--;
		scheduler->claims.delivering--;
		lane->claimed--;
	} else if (part->list != &lane->fresh && part->list != &lane->retries) {
		lane->aside--;
	} else {
		lane_lose_part(&scheduler->lanes, lane, part);
	}
	part_table_remove(&scheduler->parts, part);
	if (claim != NULL)
		scheduler_claim_changed(scheduler, claim);
	scheduler_lane_changed(scheduler, lane);
}

static void on_timer(evutil_socket_t fd, short what, void *argument)
{
	struct scheduler *scheduler = argument;

	(void)fd;
	(void)what;
	scheduler->timer_ms = UINT64_MAX;
	scheduler_wake(scheduler);
	scheduler_turn(scheduler);
}

void scheduler_wake(struct scheduler *scheduler)
{
	assert(loop_is_mine(scheduler->loop));
	scheduler->now_ms = queue_time_ms(scheduler->queue);
}

void scheduler_turn(struct scheduler *scheduler)
{
	struct relay *relay;
	struct alarm *alarm;
	bool has_started;

	if (!scheduler->is_started)
		return;
	while ((alarm = alarm_heap_take_due(&scheduler->alarms,
	                                    scheduler->now_ms)) != NULL)
		alarm->ring(alarm);
	/* A fallback's turns pass between relays, whoever comes first. */
	do {
		has_started = false;
		for (relay = scheduler->relays; relay != NULL;
		     relay = relay->next)
			has_started |= run_relay(scheduler, relay);
	} while (has_started);
	for (relay = scheduler->relays; relay != NULL; relay = relay->next)
		if (relay->wants_cover && !relay->is_remembering)
			scheduler_remember(scheduler, relay);
	if (scheduler->is_draining)
		check_idle(scheduler);
	else
		set_timer(scheduler);
}

/* True if something was given out. */
static bool run_relay(struct scheduler *scheduler, struct relay *relay)
{
	uint64_t next_ms = UINT64_MAX;
	bool has_started = false;

	if (!scheduler->is_draining) {
		while (scheduler_assign(scheduler, relay))
			has_started = true;
		if (line_is_ready(relay->ready, LINE_ALL_KINDS))
			next_ms = relay_next_ms(relay_server(relay),
			                        scheduler->now_ms);
	}
	if (relay->is_dirty && !relay->is_remembering) {
		uint64_t at_ms = relay->remembered_ms + 1000;

		if (at_ms <= scheduler->now_ms)
			scheduler_remember(scheduler, relay);
		else if (at_ms < next_ms)
			next_ms = at_ms;
	}
	if (next_ms != UINT64_MAX && next_ms <= scheduler->now_ms)
		next_ms = scheduler->now_ms + 1;
	if (next_ms != UINT64_MAX || relay->alarm.place != 0)
		alarm_set(&scheduler->alarms, &relay->alarm, next_ms);
	return has_started;
}

static void set_timer(struct scheduler *scheduler)
{
	uint64_t next_ms = alarm_heap_next_ms(&scheduler->alarms);
	uint64_t wait_ms = 0;
	struct timeval timeout;

	if (next_ms == scheduler->timer_ms)
		return;
	scheduler->timer_ms = next_ms;
	if (next_ms == UINT64_MAX) {
		(void)event_del(scheduler->timer);
		return;
	}
	if (next_ms > scheduler->now_ms)
		wait_ms = next_ms - scheduler->now_ms;
	if (wait_ms > TIMER_MAX_MS)
		wait_ms = TIMER_MAX_MS;
	timeout.tv_sec = (time_t)(wait_ms / 1000);
	timeout.tv_usec = (suseconds_t)(wait_ms % 1000 * 1000);
	if (event_add(scheduler->timer, &timeout) < 0)
		abort(); /* no memory: a daemon without a timer is none */
}

/* What each relay was used for is on disk, to the last message. */
static bool is_all_remembered(struct scheduler *scheduler)
{
	struct relay *relay;
	bool is_all = true;

	for (relay = scheduler->relays; relay != NULL; relay = relay->next) {
		if (!relay->is_remembering &&
		    (relay->is_dirty || relay->covered > 0))
			scheduler_remember(scheduler, relay);
		is_all &= !relay->is_remembering;
	}
	return is_all;
}

/* Nothing of ours may be at a worker or at the committer any more. */
static void check_idle(struct scheduler *scheduler)
{
	void (*on_idle)(void *) = scheduler->on_idle;

	if (on_idle == NULL || scheduler->claims.delivering > 0 ||
	    scheduler->at_workers > 0 || scheduler->changing > 0 ||
	    !is_all_remembered(scheduler))
		return;
	scheduler->on_idle = NULL;
	on_idle(scheduler->on_idle_context);
}

/* xorshift: for jitter, where nobody gains by guessing. */
uint32_t scheduler_random(struct scheduler *scheduler)
{
	uint32_t state = scheduler->random_state | 1;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	scheduler->random_state = state;
	return state;
}
