/*
 * tag_counts - how many recipients of each tag came in, and how they ended
 *
 * For metrics, since the start. There is room for TAG_COUNTS tags; all that
 * come later are counted together, so that nobody can make metrics grow.
 *
 * Thread: any; nothing waits. A tag that two threads meet for the first time at
 * the same moment may have its first counts among the others.
 */
#ifndef RELAIS_QUEUE_TAG_COUNTS_H
#define RELAIS_QUEUE_TAG_COUNTS_H

#include <stddef.h>
#include <stdint.h>

#define TAG_COUNTS 64

enum tag_event {
	TAG_ACCEPTED,
	TAG_DELIVERED,
	TAG_FAILED,
	TAG_EXPIRED,
};
#define TAG_EVENTS 4

/* tag NULL: nothing is counted. */
void tag_count(const char *tag, enum tag_event event, unsigned recipients);

/*
 * The tag at an index below TAG_COUNTS, which stays valid; NULL: none is there.
 * At TAG_COUNTS it is "", which stands for all that found no room.
 */
const char *tag_counts_read(size_t index, uint64_t ret_counts[TAG_EVENTS]);

#endif
