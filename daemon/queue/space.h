/*
 * space - is there room for new mail?
 *
 * Thread: the committer's.
 */
#ifndef RELAIS_QUEUE_SPACE_H
#define RELAIS_QUEUE_SPACE_H

#include <stdint.h>

struct gauges;
struct store;

/* Zero it first. */
struct space {
	uint64_t next_look_ms; /* boot time */
};

/*
 * Sets gauges->is_full and disk_free, allocates ahead of the store's end, and
 * says in the log when mail is refused and when it is taken again. Looks at
 * the disk once a second only.
 */
void space_look(struct space *space, struct store *store,
                uint64_t maximum_bytes, struct gauges *gauges);

#endif
