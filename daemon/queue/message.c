#include "config.h"

#include "queue/message.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "runtime/xalloc.h"

struct message_arena {
	struct arena arena;
};

static const char *const state_names[MESSAGE_STATES] = {
	[MESSAGE_RECEIVING] = "receiving", [MESSAGE_QUEUED] = "queued",
	[MESSAGE_HELD] = "held",           [MESSAGE_PARKED] = "parked",
	[MESSAGE_FAILED] = "failed",       [MESSAGE_EXPIRED] = "expired",
	[MESSAGE_CANCELLED] = "cancelled", [MESSAGE_PARTIAL] = "partial",
	[MESSAGE_DELIVERED] = "delivered",
};

struct message *message_new(void)
{
	struct message *message = xcalloc(1, sizeof(*message));

	message->arena = xcalloc(1, sizeof(*message->arena));
	arena_init(&message->arena->arena, 0);
	message->sender = "";
	return message;
}

struct message *message_new_stand_in(uint64_t id)
{
	struct message *message = message_new();

	message->id = id;
	message->state = MESSAGE_PARKED;
	message->flags = MESSAGE_BODY_GONE;
	message->uid = message->gid = UINT32_MAX;
	/* The id has the queue time of its acceptance. */
	message->submitted_ms = id >> 22;
	message->sender = "";
	message->hold_reason = "its record is damaged and cannot be read; what "
			       "can be done is to cancel it";
	return message;
}

void message_free(struct message *message)
{
	if (message == NULL)
		return;
	arena_done(&message->arena->arena);
	free(message->arena);
	free(message);
}

void *message_try_allocate(struct message *message, size_t size)
{
	return arena_allocate(&message->arena->arena, size > 0 ? size : 1);
}

void *message_allocate(struct message *message, size_t size)
{
	void *memory = message_try_allocate(message, size);

	if (memory == NULL)
		abort();
	return memory;
}

const char *message_dup_text(struct message *message, const char *text)
{
	size_t size;
	char *copy;

	if (text == NULL)
		return NULL;
	size = strlen(text) + 1;
	copy = message_allocate(message, size);
	memcpy(copy, text, size);
	return copy;
}

uint64_t message_end_ms(const struct message *message)
{
	return message->flags & MESSAGE_TELLS_DELAY ? 0 : message->deadline_ms;
}

/* RFC 6710, B: its default profile has three levels, as we do. */
int message_priority_level(const struct message *message)
{
	switch (message->priority) {
	case PRIORITY_URGENT:
		return 4;
	case PRIORITY_NORMAL:
		return 0;
	case PRIORITY_BULK:
		return -4;
	}
	return 0;
}

enum message_state message_state_of(const struct message *message)
{
	static const enum message_state ends[] = {
		[RECIPIENT_WAITING] = MESSAGE_QUEUED,
		[RECIPIENT_DELIVERED] = MESSAGE_DELIVERED,
		[RECIPIENT_FAILED] = MESSAGE_FAILED,
		[RECIPIENT_EXPIRED] = MESSAGE_EXPIRED,
		[RECIPIENT_CANCELLED] = MESSAGE_CANCELLED,
	};
	enum message_state state;

	assert(message->recipient_count > 0);
	state = ends[message->recipients[0].state];
	for (unsigned i = 0; i < message->recipient_count; i++) {
		enum message_state end = ends[message->recipients[i].state];

		if (end == MESSAGE_QUEUED)
			return MESSAGE_QUEUED;
		if (end != state)
			state = MESSAGE_PARTIAL;
	}
	return state;
}

const char *message_state_name(enum message_state state)
{
	return state_names[state];
}

int message_state_parse(const char *word, enum message_state *ret_state)
{
	for (unsigned i = 0; i < MESSAGE_STATES; i++) {
		if (strcmp(word, state_names[i]) == 0) {
			*ret_state = (enum message_state)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *recipient_state_name(enum recipient_state state)
{
	static const char *const names[] = {
		[RECIPIENT_WAITING] = "waiting",
		[RECIPIENT_DELIVERED] = "delivered",
		[RECIPIENT_FAILED] = "failed",
		[RECIPIENT_EXPIRED] = "expired",
		[RECIPIENT_CANCELLED] = "cancelled",
	};

	return names[state];
}

const char *timeline_kind_name(enum timeline_kind kind)
{
	static const char *const names[] = {
		[TIMELINE_ACCEPTED] = "accepted",
		[TIMELINE_DELIVERED] = "delivered",
		[TIMELINE_DEFERRED] = "deferred",
		[TIMELINE_FAILED] = "failed",
		[TIMELINE_EXPIRED] = "expired",
		[TIMELINE_CANCELLED] = "cancelled",
		[TIMELINE_HELD] = "held",
		[TIMELINE_RELEASED] = "released",
		[TIMELINE_RETRIED] = "retried",
		[TIMELINE_UNKNOWN] = "unknown",
		[TIMELINE_PARKED] = "parked",
		[TIMELINE_BOUNCED] = "bounced",
		[TIMELINE_REROUTED] = "rerouted",
		[TIMELINE_RESENT] = "resent",
		[TIMELINE_DROPPED] = "dropped",
		[TIMELINE_UNSIGNED] = "unsigned",
		[TIMELINE_TROUBLE] = "relay_trouble",
		[TIMELINE_RELIEF] = "relay_works",
		[TIMELINE_RESCHEDULED] = "rescheduled",
	};

	return names[kind];
}

struct message_part *message_find_part(struct message *message, uint16_t number)
{
	for (unsigned i = 0; i < message->part_count; i++)
		if (message->parts[i].number == number)
			return &message->parts[i];
	return NULL;
}
