/*
 * scheduler_reroute - mail whose relay is another one now moves there
 *
 * A lane has a relay's id, never its settings. Each recipient that waits in a
 * lane where it should not is given the lane that the settings say; the others
 * stay. Mail of a relay that was removed goes to the heir that was named then,
 * and stays with it.
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

/* The store refused, for lack of room most likely. */
#define FAILED_AGAIN_MS 30000

/* Where the recipients of a message wait, and where they are to. */
struct move {
	struct lane_key *lanes; /* for the change; its domains behind it */
	char *domains;
	bool is_needed;
	uint32_t new_relay; /* of the first that moves */
};

static bool must_reroute(const struct scheduler *scheduler,
                         const struct relay_settings *relay,
                         const char *domain);
static bool has_fallback(const struct scheduler *scheduler,
                         const struct relay_settings *relay);
static uint32_t find_heir(struct scheduler *scheduler,
                          const struct message *message);
static void plan(struct scheduler *scheduler, const struct message *message,
                 struct move *move);
static struct change *make_change(struct scheduler *scheduler,
                                  const struct message *message,
                                  struct move *move);

bool scheduler_must_reroute(const struct scheduler *scheduler,
                            const struct lane *lane)
{
	return must_reroute(scheduler, lane->hop->relay->settings,
	                    lane->hop->domain == NULL ? "" : lane->hop->domain);
}

bool scheduler_key_must_reroute(const struct scheduler *scheduler,
                                const struct lane_key *key)
{
	return must_reroute(
	    scheduler, settings_find_relay(scheduler->settings, key->relay),
	    key->domain);
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

/*
 * One that is being changed has its turn in another round, for in a lane
 * that can't have it there is no next attempt; of one that is being delivered
 * what still waits then moves afterwards.
 */
void scheduler_reroute_message(struct scheduler *scheduler, uint64_t id)
{
	struct claim *claim = claims_find(&scheduler->claims, id);
	struct move move = { .is_needed = false };
	struct message *message;
	struct change *change;
	uint32_t heir;

	if (claim != NULL && claim_is_changing(claim)) {
		scheduler->round.has_latecomers = true;
		return;
	}
	if (queue_read_message(scheduler->reader, id, &message) < 0)
		return;
	if (message->state == MESSAGE_QUEUED) {
		heir = find_heir(scheduler, message);
		if (heir != 0)
			message->relay = heir;
		plan(scheduler, message, &move);
		if (move.is_needed) {
			change = make_change(scheduler, message, &move);
			change->relay = heir;
			scheduler->rerouting++;
			if (claim != NULL)
				claim_queue_change_take(claim, change);
			else
				scheduler_post_change_take(scheduler, change);
		}
	}
	free(move.lanes);
	message_free(message);
}

static bool read_lane(struct scheduler *scheduler,
                      const struct message *message,
                      const struct message_recipient *recipient,
                      struct lane_info *ret_info)
{
	for (unsigned i = 0; i < message->part_count; i++) {
		if (message->parts[i].number == recipient->part)
			return queue_read_lane(scheduler->reader,
			                       message->parts[i].lane,
			                       ret_info) == 0;
	}
	return false;
}

/*
 * The heir of the relay that all of the message waits for, if that is gone; 0
 * where it isn't, or where others have a part in it: then the rules decide.
 */
static uint32_t find_heir(struct scheduler *scheduler,
                          const struct message *message)
{
	const struct relay_settings *heir = NULL;
	struct lane_info info;
	uint32_t relay = 0;

	for (unsigned i = 0; i < message->part_count; i++) {
		if (queue_read_lane(scheduler->reader, message->parts[i].lane,
		                    &info) < 0)
			return 0;
		if (i > 0 && info.key.relay != relay)
			return 0;
		relay = info.key.relay;
	}
	if (settings_find_relay(scheduler->settings, relay) == NULL)
		heir = settings_find_heir(scheduler->settings, relay);
	return heir == NULL ? 0 : heir->id;
}

/* A lane for each recipient; one block: the keys, and their domains. */
static void plan(struct scheduler *scheduler, const struct message *message,
                 struct move *move)
{
	size_t count = message->recipient_count;
	size_t each = sizeof(struct lane_key) + LANE_DOMAIN_MAX;
	struct lane_info info;

	move->lanes = xcalloc(count, each);
	move->domains = (char *)(move->lanes + count);
	for (unsigned i = 0; i < count; i++) {
		char *domain = move->domains + i * LANE_DOMAIN_MAX;

		if (message->recipients[i].state != RECIPIENT_WAITING)
			continue;
		if (read_lane(scheduler, message, &message->recipients[i],
		              &info) &&
		    route_is_right(scheduler->settings, message, i,
		                   &info.key)) {
			memcpy(domain, info.domain, LANE_DOMAIN_MAX);
			move->lanes[i] = info.key;
			move->lanes[i].domain = domain;
			continue;
		}
		route_recipient(&move->lanes[i], domain, scheduler->settings,
		                message, i);
		if (!move->is_needed)
			move->new_relay = move->lanes[i].relay;
		move->is_needed = true;
	}
}

/* To the lanes, or aside if there is no lane that could have it. */
static struct change *make_change(struct scheduler *scheduler,
                                  const struct message *message,
                                  struct move *move)
{
	const struct relay_settings *relay =
	    settings_find_relay(scheduler->settings, move->new_relay);
	struct change *change = change_new(CHANGE_REROUTE, message->id);

	change->lanes = move->lanes;
	for (unsigned i = 0; i < message->recipient_count; i++) {
		if (message->recipients[i].state != RECIPIENT_WAITING ||
		    !scheduler_key_must_reroute(scheduler, &move->lanes[i]))
			continue;
		change->kind = CHANGE_PARK;
		change->reason = xasprintf("no relay can take mail for %s: "
		                           "its address has no domain",
		                           message->recipients[i].address);
		break;
	}
	if (change->kind == CHANGE_REROUTE && relay != NULL)
		change->reason = xasprintf("to %s", relay->name);
	move->lanes = NULL;
	return change;
}

void scheduler_reroute_ended(struct scheduler *scheduler,
                             const struct change *change)
{
	if (scheduler->rerouting == 0 || change->lanes == NULL)
		return;
	scheduler->rerouting--;
	if (change->job.result == 0)
		scheduler->round.moved++;
	if (change->job.result == -ENOSPC || change->job.result == -EIO ||
	    change->job.result == -ENOMEM)
		scheduler_round_again(scheduler, FAILED_AGAIN_MS);
	else if (scheduler->round.stage != ROUND_DONE &&
	         (scheduler->rerouting == SCHEDULER_REROUTING_MAX / 2 ||
	          scheduler->rerouting == 0))
		scheduler_round_again(scheduler, 1);
}
