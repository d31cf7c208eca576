/*
 * scheduler_relays - relays are paused and resumed, remembered, and spoken of
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "deliver/scheduler_state.h"
#include "runtime/log.h"
#include "runtime/xalloc.h"
#include "settings.h"

/* A wish for a relay, on its way to the scheduler's loop. */
struct relay_errand {
	struct letter letter;
	struct scheduler *scheduler;
	uint32_t relay;
	uint64_t until_ms; /* wall; 0: no end */
	char *reason;
};

static void on_pause(struct letter *letter);
static void on_resume(struct letter *letter);
static void on_remembered(struct letter *letter);
static void hops_of_relay_changed(struct scheduler *scheduler,
                                  struct relay *relay);

static void post_errand(struct scheduler *scheduler, uint32_t relay,
                        uint64_t until_ms, const char *reason,
                        void (*open)(struct letter *letter))
{
	struct relay_errand *errand = xcalloc(1, sizeof(*errand));

	errand->scheduler = scheduler;
	errand->relay = relay;
	errand->until_ms = until_ms;
	errand->reason = reason == NULL ? NULL : xstrdup(reason);
	errand->letter.open = open;
	mailbox_post_take(scheduler->inbox, &errand->letter);
}

void scheduler_pause_relay(struct scheduler *scheduler, uint32_t relay,
                           uint64_t until_ms, const char *reason)
{
	post_errand(scheduler, relay, until_ms, reason, on_pause);
}

void scheduler_resume_relay(struct scheduler *scheduler, uint32_t relay)
{
	post_errand(scheduler, relay, 0, NULL, on_resume);
}

static void on_pause(struct letter *letter)
{
	struct relay_errand *errand =
	    LETTER_OF(letter, struct relay_errand, letter);
	struct scheduler *scheduler = errand->scheduler;
	struct relay *relay;
	uint64_t wall_ms = (uint64_t)clock_wall_ms();

	scheduler_wake(scheduler);
	relay = scheduler_relay(scheduler, errand->relay);
	relay->paused_since_ms = scheduler->now_ms;
	relay->paused_until_ms = UINT64_MAX;
	if (errand->until_ms > wall_ms)
		relay->paused_until_ms =
		    scheduler->now_ms + (errand->until_ms - wall_ms);
	else if (errand->until_ms != 0)
		relay->paused_until_ms = 0;
	free(relay->pause_reason);
	relay->pause_reason = errand->reason;
	relay->is_dirty = true;
	hops_of_relay_changed(scheduler, relay);
	free(errand);
	scheduler_turn(scheduler);
}

static void hops_of_relay_changed(struct scheduler *scheduler,
                                  struct relay *relay)
{
	scheduler_hop_changed(scheduler, &relay->hop);
	for (size_t i = 0; i < scheduler->hops.bucket_count; i++) {
		struct hop *hop, *next;

		for (hop = scheduler->hops.buckets[i]; hop != NULL;
		     hop = next) {
			next = hop->chain;
			if (hop->relay == relay)
				scheduler_hop_changed(scheduler, hop);
		}
	}
}

static void close_breakers_of(struct scheduler *scheduler, struct relay *relay)
{
	for (size_t i = 0; i < scheduler->hops.bucket_count; i++) {
		struct hop *hop = scheduler->hops.buckets[i];

		for (; hop != NULL; hop = hop->chain) {
			if (hop->relay == relay &&
			    breaker_close(&hop->breaker, scheduler->now_ms))
				hop_clear_fault(hop);
		}
	}
	if (!breaker_close(&relay->hop.breaker, scheduler->now_ms))
		return;
	hop_clear_fault(&relay->hop);
	relay_start_ramp(relay);
	scheduler_log_breaker(scheduler, &relay->hop);
}

static void on_resume(struct letter *letter)
{
	struct relay_errand *errand =
	    LETTER_OF(letter, struct relay_errand, letter);
	struct scheduler *scheduler = errand->scheduler;
	struct relay *relay;

	scheduler_wake(scheduler);
	relay = scheduler_relay(scheduler, errand->relay);
	relay->paused_until_ms = 0;
	free(relay->pause_reason);
	relay->pause_reason = NULL;
	close_breakers_of(scheduler, relay);
	scheduler_release_brake(scheduler, relay);
	relay_forget_learned(relay);
	hops_of_relay_changed(scheduler, relay);
	free(errand->reason);
	free(errand);
	scheduler_turn(scheduler);
}

/*
 * What was wrong may be mended: everything in trouble is probed at once. That
 * is one attempt a relay, also where its settings are the same as before.
 */
void scheduler_settings_changed(struct scheduler *scheduler)
{
	struct relay *relay;

	for (relay = scheduler->relays; relay != NULL; relay = relay->next) {
		breaker_ask_now(&relay->hop.breaker, scheduler->now_ms);
		brake_ask_now(&relay->brake, scheduler->now_ms);
		scheduler_watch_trouble(scheduler, relay);
		hops_of_relay_changed(scheduler, relay);
	}
	scheduler_round_begin(scheduler);
}

void scheduler_remember(struct scheduler *scheduler, struct relay *relay)
{
	struct relay_memory *memory = relay->memory;

	/* The last one knows that no more mail will go. */
	relay->covering = scheduler->is_draining ? 0 : relay_to_cover(relay);
	if (scheduler->is_draining)
		relay->covered = 0;
	memory->is_awaited = relay->wants_cover;
	relay->wants_cover = false;
	relay_export(relay, relay->covering, scheduler->now_ms, memory);
	memory->event = relay->event;
	relay->event = TIMELINE_ACCEPTED;
	memory->job.kind = QUEUE_REMEMBER;
	memory->job.home = scheduler->inbox;
	memory->job.on_done = on_remembered;
	memory->job.context = relay;
	relay->is_remembering = true;
	relay->is_dirty = false;
	relay->remembered_ms = scheduler->now_ms;
	queue_post_take(scheduler->queue, &memory->job);
}

static void on_remembered(struct letter *letter)
{
	struct relay_memory *memory =
	    LETTER_OF(letter, struct relay_memory, job.letter);
	struct relay *relay = memory->job.context;

	scheduler_wake(relay->scheduler);
	/* A store that fails must not hold up mail. */
	relay->covered = relay->covering;
	if (memory->job.result < 0 && !relay->scheduler->is_draining) {
		relay->is_dirty = true;
		if (relay->event == TIMELINE_ACCEPTED)
			relay->event = memory->event;
	}
	relay->is_remembering = false;
	scheduler_turn(relay->scheduler);
}

void scheduler_recall(struct scheduler *scheduler, struct relay *relay)
{
	/* Nobody has it between two posts. */
	if (queue_read_relay(scheduler->reader, relay->id, relay->memory) == 0)
		relay_import(relay, relay->memory);
	alarm_set(&scheduler->alarms, &relay->brake_alarm,
	          brake_next_ms(&relay->brake, scheduler->now_ms));
	relay->memory->job = (struct queue_job){ 0 };
}

static uint64_t seconds_left(const struct scheduler *scheduler,
                             const struct breaker *breaker)
{
	return breaker->until_ms <= scheduler->now_ms
	           ? 0
	           : (breaker->until_ms - scheduler->now_ms + 999) / 1000;
}

void scheduler_log_breaker(const struct scheduler *scheduler,
                           const struct hop *hop)
{
	const struct breaker *breaker = &hop->breaker;
	const struct relay_settings *settings = hop->relay->settings;
	enum log_level level = LOG_LEVEL_WARNING;
	struct log_line line;

	/* Some domain of many being in trouble is nothing to act on. */
	if (hop->domain != NULL)
		level = LOG_LEVEL_DEBUG;
	else if (breaker_is_closed(breaker))
		level = LOG_LEVEL_INFO;
	log_begin(&line, level, "relay");
	log_text(&line, "relay", settings == NULL ? NULL : settings->name);
	log_text(&line, "domain", hop->domain);
	log_text(&line, "state", breaker_state_name(breaker->state));
	if (hop->fault != NULL) {
		log_text(&line, "fault", verdict_fault_name(hop->fault->fault));
		log_text(&line, "phase", smtp_phase_name(hop->fault->phase));
		log_text(&line, "host", hop->fault_host);
		if (hop->fault->code != 0)
			log_number(&line, "code", hop->fault->code);
		log_text(&line, "reply", hop->fault->text);
		log_number(&line, "again_s",
		           (int64_t)seconds_left(scheduler, breaker));
	}
	log_end(&line);
}
