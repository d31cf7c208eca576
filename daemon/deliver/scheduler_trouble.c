/*
 * scheduler_trouble - a relay's trouble that lasts is told, and its end
 *
 * Twice: after alarms.first and alarms.second. What was told is remembered over
 * a restart.
 */
#include "config.h"

#include "clock.h"
#include "deliver/scheduler_state.h"
#include "deliver/trouble.h"
#include "hints.h"
#include "queue/message.h"
#include "runtime/xalloc.h"
#include "settings.h"

#define LANE_INFOS 64
#define TOLD_MAX   2

static void tell(struct scheduler *scheduler, struct relay *relay,
                 bool is_over);
static void explain(struct trouble *trouble, const struct settings *settings,
                    const struct relay_settings *relay);
static uint64_t count_waiting(struct scheduler *scheduler,
                              const struct relay *relay);
static uint32_t find_way_out(const struct scheduler *scheduler,
                             const struct relay *in_trouble);

void scheduler_listen_trouble(struct scheduler *scheduler,
                              void (*tell_take)(void *context,
                                                struct trouble *trouble),
                              void *context)
{
	scheduler->tell_trouble_take = tell_take;
	scheduler->tell_trouble_context = context;
}

static uint64_t tell_ms(const struct scheduler *scheduler,
                        const struct relay *relay)
{
	const struct settings_alarms *alarms = &scheduler->settings->alarms;
	uint64_t after_s =
	    relay->told == 0 ? alarms->first_s : alarms->second_s;

	return relay->trouble_since_ms + after_s * 1000;
}

void scheduler_watch_trouble(struct scheduler *scheduler, struct relay *relay)
{
	const struct breaker *breaker = &relay->hop.breaker;

	if (breaker_is_closed(breaker)) {
		if (relay->told > 0 && relay->settings != NULL)
			tell(scheduler, relay, true);
		if (relay->told > 0)
			relay->is_dirty = true;
		relay->told = 0;
		relay->trouble_since_ms = 0;
		alarm_clear(&scheduler->alarms, &relay->trouble_alarm);
		return;
	}
	/* Since it worked last, whatever was wrong since. */
	if (relay->trouble_since_ms == 0)
		relay->trouble_since_ms = breaker->since_ms;
	if (relay->told < TOLD_MAX && relay->settings != NULL)
		alarm_set(&scheduler->alarms, &relay->trouble_alarm,
		          tell_ms(scheduler, relay));
	else
		alarm_clear(&scheduler->alarms, &relay->trouble_alarm);
}

void scheduler_on_trouble_alarm(struct alarm *alarm)
{
	struct relay *relay = ALARM_OF(alarm, struct relay, trouble_alarm);
	struct scheduler *scheduler = relay->scheduler;

	if (relay->settings != NULL && relay->told < TOLD_MAX &&
	    !breaker_is_closed(&relay->hop.breaker) &&
	    tell_ms(scheduler, relay) <= scheduler->now_ms) {
		relay->told++;
		tell(scheduler, relay, false);
	}
	scheduler_watch_trouble(scheduler, relay);
}

static void tell(struct scheduler *scheduler, struct relay *relay, bool is_over)
{
	const struct hop *hop = &relay->hop;
	uint64_t wall_ms = (uint64_t)clock_wall_ms();
	struct trouble *trouble;

	relay->event = is_over ? TIMELINE_RELIEF : TIMELINE_TROUBLE;
	relay->is_dirty = true;
	if (scheduler->tell_trouble_take == NULL)
		return;
	trouble = trouble_new();
	trouble->relay = xstrdup(relay->settings->name);
	trouble->state = breaker_state_name(hop->breaker.state);
	trouble->is_over = is_over;
	trouble->now_ms = wall_ms;
	trouble->since_ms =
	    wall_ms - (scheduler->now_ms - relay->trouble_since_ms);
	trouble->waiting = count_waiting(scheduler, relay);
	if (hop->fault != NULL) {
		trouble->fault = *hop->fault;
		explain(trouble, scheduler->settings, relay->settings);
	}
	if (hop->fault_host != NULL)
		trouble->host = xstrdup(hop->fault_host);
	trouble->way_out = find_way_out(scheduler, relay);
	scheduler->tell_trouble_take(scheduler->tell_trouble_context, trouble);
}

static void explain(struct trouble *trouble, const struct settings *settings,
                    const struct relay_settings *relay)
{
	struct explanation explanation;

	if (!hints_explain(&explanation, settings, relay, trouble->fault.code,
	                   trouble->fault.enhanced, trouble->fault.text))
		return;
	trouble->explain = xstrdup(explanation.explain);
	if (explanation.next != NULL)
		trouble->next = xstrdup(explanation.next);
}

static uint64_t count_waiting(struct scheduler *scheduler,
                              const struct relay *relay)
{
	struct lane_info infos[LANE_INFOS];
	uint32_t after = 0;
	uint64_t waiting = 0;
	int count;

	do {
		count = queue_read_lanes(scheduler->reader, after, infos,
		                         LANE_INFOS);
		for (int i = 0; i < count; i++) {
			after = infos[i].id;
			if (infos[i].key.relay == relay->id)
				waiting += infos[i].waiting;
		}
	} while (count == LANE_INFOS);
	return waiting;
}

/* The default relay if it works, else the first that does. */
static uint32_t find_way_out(const struct scheduler *scheduler,
                             const struct relay *in_trouble)
{
	const struct settings *settings = scheduler->settings;
	const struct relay *relay;
	uint32_t found = 0;

	for (relay = scheduler->relays; relay != NULL; relay = relay->next) {
		if (relay == in_trouble &&
		    !breaker_is_closed(&relay->hop.breaker))
			continue;
		if (relay->settings == NULL || !relay->settings->enabled ||
		    relay->settings->kind == RELAY_MAILDIR ||
		    relay_is_paused(relay, scheduler->now_ms) ||
		    !breaker_is_closed(&relay->hop.breaker))
			continue;
		if (relay_is_direct(relay) && !settings->has_full_hostname)
			continue;
		if (found == 0 || relay->settings == settings->default_relay)
			found = relay->id;
	}
	return found;
}
