/*
 * shape - how messages and relays look in JSON, everywhere the same
 *
 * Fields may be added, never renamed (docs/control-protocol).
 */
#ifndef RELAIS_CONTROL_SHAPE_H
#define RELAIS_CONTROL_SHAPE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/emit.h"

struct accounts;
struct feed_row;
struct message;
struct message_reply;
struct relay_settings;
struct relay_status;
struct scheduler_query;
struct settings;
struct timeline_entry;

/* What a record alone does not say. */
struct shape_view {
	const struct settings *settings;
	const struct scheduler_query *scheduler; /* or NULL */
	const struct accounts *accounts;         /* or NULL */
	uint64_t queue_now_ms;
	uint64_t wall_now_ms;
	/* Id of the lane's relay; 0: unknown. */
	uint32_t (*lane_relay)(void *context, uint32_t lane);
	/* NULL: no name. */
	const char *(*user_name)(void *context, uid_t uid);
	void *context;
};

/* A message; its timeline only if asked for. */
void shape_message(struct emitter *emit, const char *key,
                   const struct message *message, const struct shape_view *view,
                   bool has_timeline);

/* The members of one entry of a story, into an open object. */
void shape_timeline_entry(struct emitter *emit, const struct message *message,
                          const struct timeline_entry *entry,
                          const struct shape_view *view);

/* "queued", "delivering", …; as shown now. */
const char *shape_state(const struct message *message,
                        const struct shape_view *view);

/* Where the message goes or went; NULL: nowhere yet. */
const char *shape_relay_name(const struct message *message,
                             const struct shape_view *view);

/* "4.7.1", or null for 0.0.0. */
void shape_enhanced(struct emitter *emit, const char *key,
                    const uint16_t enhanced[3]);

/* A row of the feed; message: its record, or NULL. */
void shape_event(struct emitter *emit, const struct feed_row *row,
                 const struct message *message, const struct shape_view *view);

/* What a reply means in plain words, where that is known; `relay` or NULL. */
void shape_explanation(struct emitter *emit, const struct settings *settings,
                       const struct relay_settings *relay, unsigned code,
                       const uint16_t enhanced[3], const char *text);

/* Is this id in a worker's hands? */
bool shape_is_delivering(const struct scheduler_query *scheduler, uint64_t id);

/* NULL: the scheduler has not met it. */
const struct relay_status *
shape_relay_status(const struct scheduler_query *scheduler, uint32_t relay);

/* A relay as it is now and as it is set; never a secret. */
void shape_relay(struct emitter *emit, const char *key,
                 const struct relay_settings *relay,
                 const struct shape_view *view);
/* The same into an open object. */
void shape_relay_members(struct emitter *emit,
                         const struct relay_settings *relay,
                         const struct shape_view *view);

/* The members that say how it does, into an open object. */
void shape_relay_state(struct emitter *emit, const struct settings *settings,
                       const struct relay_settings *relay,
                       const struct relay_status *status);

#endif
