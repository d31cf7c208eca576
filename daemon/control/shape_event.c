/*
 * shape_event - one event of the stream in JSON: what happened to which message
 */
#include "config.h"

#include "control/shape.h"

#include "queue/queue.h"
#include "settings.h"

static const struct timeline_entry *find_entry(const struct message *message,
                                               const struct feed_row *row);

/* The record may have been purged since: then there is little to tell. */
void shape_event(struct emitter *emit, const struct feed_row *row,
                 const struct message *message, const struct shape_view *view)
{
	const struct timeline_entry *entry = NULL;

	emit_object(emit, NULL);
	emit_number(emit, "sequence", (int64_t)row->sequence);
	if (row->kind == TIMELINE_TROUBLE || row->kind == TIMELINE_RELIEF) {
		const struct relay_settings *relay =
		    settings_find_relay(view->settings, (uint32_t)row->id);

		emit_text(emit, "relay", relay ? relay->name : NULL);
	} else {
		emit_id(emit, "id", row->id);
	}
	if (message) {
		emit_text(emit, "state", shape_state(message, view));
		emit_number(emit, "uid", message->uid);
		emit_text(emit, "sender", message->sender);
		emit_text(emit, "tag", message->tag);
		emit_text(emit, "key", message->key);
		entry = find_entry(message, row);
	}
	if (entry) {
		shape_timeline_entry(emit, message, entry, view);
	} else {
		emit_time(emit, "time", row->time_ms);
		emit_text(emit, "event", timeline_kind_name(row->kind));
	}
	emit_end(emit);
}

/* The entry of that kind whose time is nearest. */
static const struct timeline_entry *find_entry(const struct message *message,
                                               const struct feed_row *row)
{
	const struct timeline_entry *best = NULL;
	uint64_t best_distance = 0;
	unsigned i;

	for (i = 0; i < message->timeline_count; i++) {
		const struct timeline_entry *entry = &message->timeline[i];
		uint64_t distance = entry->time_ms > row->time_ms
		                        ? entry->time_ms - row->time_ms
		                        : row->time_ms - entry->time_ms;

		if (entry->kind != row->kind)
			continue;
		if (!best || distance < best_distance) {
			best = entry;
			best_distance = distance;
		}
	}
	return best;
}
