/*
 * scheduler_fallback - mail of a relay in trouble goes by another
 *
 * While a relay's breaker is open, held or being probed, the first of its
 * fallbacks that works carries its mail: the lanes stay where they are, no row
 * of the store is touched, and each attempt is made by whoever is right then.
 * A fallback shares its connections evenly between its own mail and what it
 * carries. What a relay may have taken already (RFC 1047) is never given to
 * another: such parts wait for their own.
 *
 * Direct relays neither have nor are one: their mail waits by domain. The
 * settings refuse it.
 */
#include "config.h"

#include "deliver/scheduler_state.h"
#include "runtime/log.h"
#include "settings.h"

static bool is_in_trouble(const struct scheduler *scheduler,
                          const struct relay *relay)
{
	const struct breaker *breaker = &relay->hop.breaker;

	return relay->settings != NULL && relay->settings->enabled &&
	       !relay_is_paused(relay, scheduler->now_ms) &&
	       !breaker_may_pass(breaker, scheduler->now_ms);
}

static bool may_carry(const struct scheduler *scheduler,
                      const struct relay *relay)
{
	return relay->settings != NULL && relay->settings->enabled &&
	       !relay_is_paused(relay, scheduler->now_ms) &&
	       breaker_is_closed(&relay->hop.breaker);
}

static struct relay *find_carrier(struct scheduler *scheduler,
                                  const struct relay *relay)
{
	if (!is_in_trouble(scheduler, relay))
		return NULL;
	for (size_t i = 0; i < relay->settings->fallback_count; i++) {
		uint32_t id = relay->settings->fallback[i];
		struct relay *other = scheduler_relay(scheduler, id);

		if (other != relay && may_carry(scheduler, other))
			return other;
	}
	return NULL;
}

static void log_carrier(const struct relay *relay)
{
	const struct relay *carrier = relay->carrier;
	struct log_line line;

	log_begin(&line, LOG_LEVEL_INFO, "fallback");
	log_text(&line, "relay",
	         relay->settings == NULL ? NULL : relay->settings->name);
	log_text(&line, "carried_by",
	         carrier == NULL ? NULL : carrier->settings->name);
	log_end(&line);
}

void scheduler_release_kept(struct scheduler *scheduler, struct relay *relay)
{
	struct part *part;

	while ((part = part_list_take(&relay->kept)) != NULL) {
		part->lane->aside--;
		lane_put_back(&scheduler->lanes, part->lane, part);
	}
}

/* True if it is another than before. */
static bool choose_carrier(struct scheduler *scheduler, struct relay *relay)
{
	struct relay *carrier = find_carrier(scheduler, relay);

	if (carrier == NULL)
		scheduler_release_kept(scheduler, relay);
	if (carrier == relay->carrier)
		return false;
	if (relay->carrier != NULL)
		relay->carrier->carried--;
	if (carrier != NULL)
		carrier->carried++;
	relay->carrier = carrier;
	log_carrier(relay);
	return true;
}

void scheduler_choose_carrier(struct scheduler *scheduler, struct relay *relay)
{
	(void)choose_carrier(scheduler, relay);
}

void scheduler_carrier_changed(struct scheduler *scheduler, struct relay *relay)
{
	struct relay *other;
	struct lane *lane;

	for (other = scheduler->relays; other != NULL; other = other->next) {
		if (other == relay || other->settings == NULL ||
		    other->settings->fallback_count == 0)
			continue;
		if (!choose_carrier(scheduler, other) &&
		    other->carrier != relay)
			continue;
		TAILQ_FOREACH (lane, &other->hop.lanes, in_hop)
			scheduler_lane_changed(scheduler, lane);
	}
}

void scheduler_keep_part(struct scheduler *scheduler, struct part *part)
{
	struct relay *relay = part->lane->hop->relay;

	/* Its own relay may have it again. */
	if (relay->carrier == NULL) {
		lane_put_back(&scheduler->lanes, part->lane, part);
		return;
	}
	part_list_append(&relay->kept, part);
	part->lane->aside++;
}

static bool has_ready(const struct relay *relay)
{
	return line_is_ready(relay->ready, LINE_ALL_KINDS);
}

static bool carries_something(const struct scheduler *scheduler,
                              const struct relay *relay)
{
	const struct relay *other = scheduler->relays;

	while (other != NULL && (other->carrier != relay || !has_ready(other)))
		other = other->next;
	return other != NULL;
}

bool scheduler_has_turn(const struct scheduler *scheduler,
                        const struct relay *relay)
{
	if (relay->carrier != NULL)
		return relay->carrier->was_own_turn ||
		       !has_ready(relay->carrier);
	return relay->carried == 0 || !relay->was_own_turn ||
	       !carries_something(scheduler, relay);
}
