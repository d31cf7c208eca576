#include "config.h"

#include "queue/story.h"

#include <string.h>

#define STORY_MAX (TIMELINE_KEEP_FIRST + 1 + TIMELINE_KEEP_LAST)

static void leave_one_out(struct message *message);

void story_add(struct message *message, const struct timeline_entry *entry)
{
	struct timeline_entry *timeline;

	if (message->timeline_count >= STORY_MAX)
		leave_one_out(message);
	timeline = message_allocate(message, (message->timeline_count + 1) *
	                                         sizeof(*timeline));
	if (message->timeline_count > 0)
		memcpy(timeline, message->timeline,
		       message->timeline_count * sizeof(*timeline));
	timeline[message->timeline_count++] = *entry;
	message->timeline = timeline;
}

static void leave_one_out(struct message *message)
{
	struct timeline_entry *gap = message->timeline + TIMELINE_KEEP_FIRST;
	unsigned behind = message->timeline_count - TIMELINE_KEEP_FIRST - 1;

	if (gap->kind != TIMELINE_DROPPED) {
		*gap = (struct timeline_entry){
			.time_ms = gap->time_ms,
			.kind = TIMELINE_DROPPED,
			.is_for_all = true,
			.duration_ms = 1,
		};
	}
	gap->duration_ms++;
	memmove(gap + 1, gap + 2, (behind - 1) * sizeof(*gap));
	message->timeline_count--;
}

void story_add_event(struct message *message, enum timeline_kind kind,
                     uint64_t time_ms, const char *text)
{
	struct timeline_entry entry = {
		.time_ms = time_ms,
		.kind = kind,
		.is_for_all = true,
		.text = message_dup_text(message, text),
	};

	story_add(message, &entry);
}

void story_set_recipients(struct message *message, struct timeline_entry *entry,
                          const uint16_t *indexes, unsigned count)
{
	uint16_t *copy;

	entry->is_for_all = count == message->recipient_count;
	if (entry->is_for_all || count == 0)
		return;
	copy = message_allocate(message, count * sizeof(*copy));
	memcpy(copy, indexes, count * sizeof(*copy));
	entry->recipients = copy;
	entry->recipient_count = count;
}
