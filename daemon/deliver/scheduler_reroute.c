/*
 * scheduler_reroute - mail whose relay is gone finds another
 *
 * A lane has a relay's id, never its settings. When the settings have no such
 * relay any more, when it is switched off with a fallback to take over, or
 * when it has become of another kind, the lane's messages are routed anew:
 * in the background, a few at the committer at a time.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/scheduler_state.h"
#include "queue/route.h"
#include "runtime/xalloc.h"
#include "settings.h"

#define LANE_INFOS    64
#define ROWS          64
#define IN_FLIGHT_MAX 256

/* The store refused, for lack of room most likely. */
#define FAILED_AGAIN_MS 30000

static bool must_reroute(const struct scheduler *scheduler,
    const struct relay_settings *relay, const char *domain);
static bool has_fallback(const struct scheduler *scheduler,
    const struct relay_settings *relay);
static void reroute_fresh(struct scheduler *scheduler, struct lane *lane);
static bool reroute_rows(struct scheduler *scheduler, uint32_t lane);
static void reroute_message(struct scheduler *scheduler, uint64_t id);
static void route_again(struct scheduler *scheduler,
    const struct message *message);

bool scheduler_must_reroute(const struct scheduler *scheduler,
    const struct lane *lane)
{
	return must_reroute(scheduler, lane->hop->relay->settings,
	    lane->hop->domain == NULL ? "" : lane->hop->domain);
}

static bool key_must_reroute(const struct scheduler *scheduler,
    const struct lane_key *key)
{
	return must_reroute(scheduler,
	    settings_find_relay(scheduler->settings, key->relay), key->domain);
}

static bool must_reroute(const struct scheduler *scheduler,
    const struct relay_settings *relay, const char *domain)
{
	if (relay == NULL)
		return true;
	if (!relay->enabled && has_fallback(scheduler, relay))
		return true;
	return (relay->kind == RELAY_DIRECT) != (*domain != '\0');
}

static bool has_fallback(const struct scheduler *scheduler,
    const struct relay_settings *relay)
{
	for (size_t i = 0; i < relay->fallback_count; i++) {
		const struct relay_settings *other = settings_find_relay(
		    scheduler->settings, relay->fallback[i]);

		if (other != NULL && other->enabled)
			return true;
	}
	return false;
}

static void again_soon(struct scheduler *scheduler)
{
	alarm_set(&scheduler->alarms, &scheduler->reroute,
	    scheduler->now_ms + 1);
}

/* One step: some of one lane, or a look at some lanes. */
void scheduler_on_reroute_alarm(struct alarm *alarm)
{
	struct scheduler *scheduler =
	    ALARM_OF(alarm, struct scheduler, reroute);
	struct lane_info infos[LANE_INFOS];
	struct lane *lane;
	int count;

	if (scheduler->rerouting >= IN_FLIGHT_MAX || scheduler->is_draining)
		return; /* again when they come home */
	count = queue_read_lanes(scheduler->reader, scheduler->reroute_lane,
	    infos, LANE_INFOS);
	for (int i = 0; i < count; i++) {
		const struct lane_info *info = &infos[i];

		if (info->waiting > 0 &&
		    key_must_reroute(scheduler, &info->key)) {
			lane = lanes_table_find(&scheduler->lanes, info->id);
			if (lane != NULL)
				reroute_fresh(scheduler, lane);
			if (reroute_rows(scheduler, info->id)) {
				again_soon(scheduler);
				return;
			}
		}
		scheduler->reroute_lane = info->id;
		scheduler->reroute_from = (struct part_row){ 0 };
	}
	if (count == LANE_INFOS) {
		again_soon(scheduler);
	} else {
		/* Done; what comes later begins from the front. */
		scheduler->reroute_lane = 0;
	}
}

static void reroute_fresh(struct scheduler *scheduler, struct lane *lane)
{
	struct part *part;

	TAILQ_FOREACH(part, &lane->fresh.head, links) {
		if (scheduler->rerouting >= IN_FLIGHT_MAX)
			return;
		reroute_message(scheduler, part->id);
	}
}

/* True if the lane has more, which waits for its turn. */
static bool reroute_rows(struct scheduler *scheduler, uint32_t lane)
{
	struct part_row rows[ROWS];
	uint64_t next_due_ms;
	int count;

	count = queue_read_due(scheduler->reader, lane,
	    &scheduler->reroute_from, UINT64_MAX, rows, ROWS, &next_due_ms);
	for (int i = 0; i < count; i++) {
		if (scheduler->rerouting >= IN_FLIGHT_MAX)
			return true;
		reroute_message(scheduler, rows[i].id);
		scheduler->reroute_from = rows[i];
		if (++scheduler->reroute_from.part == 0)
			scheduler->reroute_from.id++;
	}
	return count == ROWS || scheduler->rerouting >= IN_FLIGHT_MAX;
}

/* One that is being delivered or changed is left for the next time. */
static void reroute_message(struct scheduler *scheduler, uint64_t id)
{
	struct message *message;

	if (claims_find(&scheduler->claims, id) != NULL)
		return;
	if (queue_read_message(scheduler->reader, id, &message) < 0)
		return;
	if (message->state == MESSAGE_QUEUED)
		route_again(scheduler, message);
	message_free(message);
}

/* One block: the keys, and behind them their domains. */
static struct lane_key *route_all(const struct scheduler *scheduler,
    const struct message *message)
{
	size_t count = message->recipient_count;
	size_t each = sizeof(struct lane_key) + LANE_DOMAIN_MAX;
	struct lane_key *lanes = xcalloc(count, each);
	char *domains = (char *)(lanes + count);

	for (unsigned i = 0; i < count; i++)
		route_recipient(&lanes[i], domains + i * LANE_DOMAIN_MAX,
		    scheduler->settings, message, i);
	return lanes;
}

static void route_again(struct scheduler *scheduler,
    const struct message *message)
{
	struct lane_key *lanes = route_all(scheduler, message);
	struct change *change = change_new(CHANGE_REROUTE, message->id);

	change->lanes = lanes;
	for (unsigned i = 0; i < message->recipient_count; i++) {
		if (message->recipients[i].state != RECIPIENT_WAITING ||
		    !key_must_reroute(scheduler, &lanes[i]))
			continue;
		/* No other lane would have it, so a human must. */
		change->kind = CHANGE_PARK;
		change->reason = xasprintf("no relay can take mail for %s: "
		    "its address has no domain",
		    message->recipients[i].address);
		break;
	}
	scheduler->rerouting++;
	scheduler_post_change_take(scheduler, change);
}

void scheduler_reroute_ended(struct scheduler *scheduler,
    const struct change *change)
{
	if (scheduler->rerouting == 0 || change->lanes == NULL)
		return;
	scheduler->rerouting--;
	if (change->job.result == -ENOSPC || change->job.result == -EIO ||
	    change->job.result == -ENOMEM)
		alarm_set(&scheduler->alarms, &scheduler->reroute,
		    scheduler->now_ms + FAILED_AGAIN_MS);
	else if (scheduler->rerouting == IN_FLIGHT_MAX / 2 ||
	    scheduler->rerouting == 0)
		again_soon(scheduler);
}
