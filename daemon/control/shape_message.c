/*
 * shape_message - a message, its recipients and its story in JSON
 */
#include "config.h"

#include "control/shape.h"

#include <stdio.h>
#include <stdlib.h>

#include "deliver/scheduler.h"
#include "hints.h"
#include "providers.h"
#include "queue/message.h"
#include "queue/route.h"
#include "settings.h"

#define ENHANCED_SIZE 24
/* Of an attempt at all of a message's recipients. */
#define NAMES_MAX 50

static void shape_submitter(struct emitter *emit, const struct message *message,
                            const struct shape_view *view);
static void shape_hold(struct emitter *emit, const struct message *message,
                       const struct shape_view *view);
static void shape_recipient(struct emitter *emit, const struct message *message,
                            const struct message_recipient *recipient,
                            const struct shape_view *view);
static void shape_reply(struct emitter *emit,
                        const struct message_reply *reply);
static const struct submitter_hold *find_brake(const struct message *message,
                                               const struct shape_view *view);
static uint64_t next_attempt_ms(const struct message *message,
                                const struct message_recipient *recipient,
                                const struct shape_view *view);
static const struct message_part *find_part(const struct message *message,
                                            uint16_t number);
static void shape_entry_recipients(struct emitter *emit,
                                   const struct message *message,
                                   const struct timeline_entry *entry);
static void shape_verdict(struct emitter *emit,
                          const struct timeline_entry *entry);
static bool is_attempt(enum timeline_kind kind);

void shape_message(struct emitter *emit, const char *key,
                   const struct message *message, const struct shape_view *view,
                   bool has_timeline)
{
	unsigned i;

	emit_object(emit, key);
	emit_id(emit, "id", message->id);
	emit_text(emit, "state", shape_state(message, view));
	shape_submitter(emit, message, view);
	emit_text(emit, "sender", message->sender);
	emit_number(emit, "size", (int64_t)message->size);
	emit_time(emit, "submitted", message->submitted_ms);
	emit_time(emit, "ended", message->ended_ms);
	emit_time(emit, "not_before", message->release_ms);
	emit_time(emit, "deadline", message_end_ms(message));
	emit_text(emit, "priority", priority_name(message->priority));
	emit_text(emit, "tag", message->tag);
	emit_text(emit, "key", message->key);
	emit_text(emit, "meta", message->meta);
	emit_text(emit, "envelope_id", message->envelope_id);
	emit_text(emit, "message_id", message->message_id);
	emit_text(emit, "relay", shape_relay_name(message, view));
	emit_bool(emit, "bounce", message->flags & MESSAGE_IS_BOUNCE);
	emit_bool(emit, "has_content",
	          message->body_id && !(message->flags & MESSAGE_BODY_GONE));
	shape_hold(emit, message, view);
	emit_array(emit, "recipients");
	for (i = 0; i < message->recipient_count; i++)
		shape_recipient(emit, message, &message->recipients[i], view);
	emit_end(emit);
	if (has_timeline) {
		emit_array(emit, "timeline");
		for (i = 0; i < message->timeline_count; i++) {
			emit_object(emit, NULL);
			shape_timeline_entry(emit, message,
			                     &message->timeline[i], view);
			emit_end(emit);
		}
		emit_end(emit);
	}
	emit_end(emit);
}

static void shape_submitter(struct emitter *emit, const struct message *message,
                            const struct shape_view *view)
{
	emit_object(emit, "submitter");
	emit_number(emit, "uid", message->uid);
	emit_text(emit, "user", view->user_name(view->context, message->uid));
	emit_end(emit);
}

/* By somebody; or by the brake, at the relay of what waits. */
static void shape_hold(struct emitter *emit, const struct message *message,
                       const struct shape_view *view)
{
	const struct submitter_hold *brake = find_brake(message, view);
	bool is_held =
	    message->state == MESSAGE_HELD || message->state == MESSAGE_PARKED;

	if (!is_held && !brake) {
		emit_null(emit, "hold");
		return;
	}
	emit_object(emit, "hold");
	emit_text(emit, "reason",
	          is_held ? message->hold_reason : brake->reason);
	emit_time(emit, "until",
	          is_held ? message->hold_until_ms : brake->until_ms);
	emit_end(emit);
}

static const struct submitter_hold *find_brake(const struct message *message,
                                               const struct shape_view *view)
{
	const struct relay_status *relay;
	uint32_t class = route_submitter_class(view->settings, message->uid);

	if (message->state != MESSAGE_QUEUED || message->part_count == 0)
		return NULL;
	relay = shape_relay_status(
	    view->scheduler,
	    view->lane_relay(view->context, message->parts[0].lane));
	for (size_t i = 0; relay && i < relay->hold_count; i++)
		if (relay->holds[i].submitter == class)
			return &relay->holds[i];
	return NULL;
}

static void shape_recipient(struct emitter *emit, const struct message *message,
                            const struct message_recipient *recipient,
                            const struct shape_view *view)
{
	emit_object(emit, NULL);
	emit_text(emit, "address", recipient->address);
	emit_text(emit, "state", recipient_state_name(recipient->state));
	emit_number(emit, "attempts", recipient->attempts);
	emit_time(emit, "next_attempt",
	          next_attempt_ms(message, recipient, view));
	emit_bool(emit, "maybe_duplicate",
	          recipient->flags & RECIPIENT_MAYBE_DUPLICATE);
	shape_reply(emit, &recipient->reply);
	emit_end(emit);
}

static void shape_reply(struct emitter *emit, const struct message_reply *reply)
{
	if (!reply->text) {
		emit_null(emit, "reply");
		return;
	}
	emit_object(emit, "reply");
	if (reply->code)
		emit_number(emit, "code", reply->code);
	else
		emit_null(emit, "code");
	shape_enhanced(emit, "enhanced", reply->enhanced);
	emit_text(emit, "text", reply->text);
	emit_text(emit, "relay", reply->relay);
	emit_text(emit, "host", reply->host);
	emit_end(emit);
}

/* Wall clock; 0 where none is planned. A paused relay's mail waits for it. */
static uint64_t next_attempt_ms(const struct message *message,
                                const struct message_recipient *recipient,
                                const struct shape_view *view)
{
	const struct submitter_hold *brake = find_brake(message, view);
	const struct relay_settings *settings;
	const struct message_part *part;
	const struct relay_status *relay;
	uint64_t at_ms = view->wall_now_ms;
	uint32_t id;

	if (recipient->state != RECIPIENT_WAITING)
		return 0;
	part = find_part(message, recipient->part);
	if (!part || part->place == PART_HELD)
		return 0;
	id = view->lane_relay(view->context, part->lane);
	settings = settings_find_relay(view->settings, id);
	if (settings && !settings->enabled)
		return 0;
	relay = shape_relay_status(view->scheduler, id);
	if (relay && relay->state != BREAKER_CLOSED &&
	    relay->state != BREAKER_HALF_OPEN && relay->until_ms == 0)
		return 0;
	if (part->due_ms > view->queue_now_ms)
		at_ms += part->due_ms - view->queue_now_ms;
	if (relay && relay->until_ms > at_ms)
		at_ms = relay->until_ms;
	if (relay && relay->rate_until_ms > at_ms)
		at_ms = relay->rate_until_ms;
	if (brake && brake->until_ms > at_ms)
		at_ms = brake->until_ms;
	return at_ms;
}

static const struct message_part *find_part(const struct message *message,
                                            uint16_t number)
{
	unsigned i;

	for (i = 0; i < message->part_count; i++)
		if (message->parts[i].number == number)
			return &message->parts[i];
	return NULL;
}

void shape_timeline_entry(struct emitter *emit, const struct message *message,
                          const struct timeline_entry *entry,
                          const struct shape_view *view)
{
	emit_time(emit, "time", entry->time_ms);
	emit_text(emit, "event", timeline_kind_name(entry->kind));
	shape_entry_recipients(emit, message, entry);
	if (entry->relay)
		emit_text(emit, "relay", entry->relay);
	if (entry->host)
		emit_text(emit, "host", entry->host);
	if (entry->tls)
		emit_text(emit, "tls", entry->tls);
	if (is_attempt(entry->kind))
		shape_verdict(emit, entry);
	if (entry->text)
		emit_text(emit, "text", entry->text);
	if (entry->duration_ms)
		emit_number(emit, "ms", entry->duration_ms);
	if (entry->kind != TIMELINE_DELIVERED && entry->text &&
	    is_attempt(entry->kind))
		shape_explanation(emit, view->settings,
		                  entry->relay
		                      ? settings_find_relay_by_name(
					    view->settings, entry->relay)
		                      : NULL,
		                  entry->code, entry->enhanced, entry->text);
}

/*
 * An attempt names its recipients, but for one at all of very many. Without
 * the member an entry is about the whole message.
 */
static void shape_entry_recipients(struct emitter *emit,
                                   const struct message *message,
                                   const struct timeline_entry *entry)
{
	bool is_at_all = entry->is_for_all && is_attempt(entry->kind) &&
	                 message->recipient_count <= NAMES_MAX;
	unsigned count =
	    is_at_all ? message->recipient_count : entry->recipient_count;
	unsigned i;

	if (count == 0)
		return;
	emit_array(emit, "recipients");
	for (i = 0; i < count; i++) {
		unsigned index = is_at_all ? i : entry->recipients[i];

		if (index < message->recipient_count)
			emit_text(emit, NULL,
			          message->recipients[index].address);
	}
	emit_end(emit);
}

static void shape_verdict(struct emitter *emit,
                          const struct timeline_entry *entry)
{
	emit_text(emit, "phase", smtp_phase_name(entry->phase));
	emit_text(emit, "scope", verdict_scope_name(entry->scope));
	emit_bool(emit, "charged", entry->is_charged);
	if (entry->code) {
		emit_number(emit, "code", entry->code);
		shape_enhanced(emit, "enhanced", entry->enhanced);
	}
}

static bool is_attempt(enum timeline_kind kind)
{
	switch (kind) {
	case TIMELINE_DELIVERED:
	case TIMELINE_DEFERRED:
	case TIMELINE_FAILED:
	case TIMELINE_EXPIRED:
	case TIMELINE_UNKNOWN:
		return true;
	case TIMELINE_ACCEPTED:
	case TIMELINE_CANCELLED:
	case TIMELINE_HELD:
	case TIMELINE_RELEASED:
	case TIMELINE_RETRIED:
	case TIMELINE_PARKED:
	case TIMELINE_BOUNCED:
	case TIMELINE_REROUTED:
	case TIMELINE_RESENT:
	case TIMELINE_DROPPED:
	case TIMELINE_TROUBLE:
	case TIMELINE_RELIEF:
	case TIMELINE_RESCHEDULED:
	case TIMELINE_UNSIGNED:
		break;
	}
	return false;
}

const char *shape_state(const struct message *message,
                        const struct shape_view *view)
{
	if (message->state == MESSAGE_QUEUED &&
	    shape_is_delivering(view->scheduler, message->id))
		return "delivering";
	return message_state_name(message->state);
}

const char *shape_relay_name(const struct message *message,
                             const struct shape_view *view)
{
	const struct relay_settings *relay = NULL;
	unsigned i;

	if (message->part_count > 0)
		relay = settings_find_relay(
		    view->settings,
		    view->lane_relay(view->context, message->parts[0].lane));
	if (relay)
		return relay->name;
	for (i = 0; i < message->recipient_count; i++)
		if (message->recipients[i].reply.relay)
			return message->recipients[i].reply.relay;
	for (i = message->timeline_count; i-- > 0;)
		if (message->timeline[i].relay)
			return message->timeline[i].relay;
	return NULL;
}

static const char *print_enhanced(const uint16_t enhanced[3],
                                  char out[ENHANCED_SIZE])
{
	if (enhanced[0] == 0)
		return NULL;
	snprintf(out, ENHANCED_SIZE, "%u.%u.%u", enhanced[0], enhanced[1],
	         enhanced[2]);
	return out;
}

void shape_enhanced(struct emitter *emit, const char *key,
                    const uint16_t enhanced[3])
{
	char text[ENHANCED_SIZE];

	emit_text(emit, key, print_enhanced(enhanced, text));
}

void shape_explanation(struct emitter *emit, const struct settings *settings,
                       const struct relay_settings *relay, unsigned code,
                       const uint16_t enhanced[3], const char *text)
{
	struct explanation explanation;

	if (!hints_explain(&explanation, settings, relay, code, enhanced, text))
		return;
	emit_text(emit, "explain", explanation.explain);
	emit_text(emit, "next", explanation.next);
}

static int compare_ids(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

bool shape_is_delivering(const struct scheduler_query *scheduler, uint64_t id)
{
	return scheduler && scheduler->delivering_count > 0 &&
	       bsearch(&id, scheduler->delivering, scheduler->delivering_count,
	               sizeof(id), compare_ids);
}

const struct relay_status *
shape_relay_status(const struct scheduler_query *scheduler, uint32_t relay)
{
	size_t i;

	for (i = 0; scheduler && i < scheduler->relay_count; i++)
		if (scheduler->relays[i].id == relay)
			return &scheduler->relays[i];
	return NULL;
}
