/*
 * story - the timeline of a message, kept readable however long it gets
 *
 * Thread: that of the record.
 */
#ifndef RELAIS_QUEUE_STORY_H
#define RELAIS_QUEUE_STORY_H

#include "queue/message.h"

/*
 * Adds an entry; its texts must live as long as the record. Beyond the first
 * 4 and the last 60 entries one in the middle counts what was left out.
 */
void story_add(struct message *message, const struct timeline_entry *entry);

/* An entry about the whole message. */
void story_add_event(struct message *message, enum timeline_kind kind,
                     uint64_t time_ms, const char *text);

/*
 * The recipients an entry is about: indexes[0..count), ascending; they are
 * copied, or said to be all.
 */
void story_set_recipients(struct message *message, struct timeline_entry *entry,
                          const uint16_t *indexes, unsigned count);

#endif
