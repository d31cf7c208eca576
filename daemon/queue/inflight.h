/*
 * inflight - marks of what may be at the far side, in a shared mapping
 *
 * Behind inflight_fill() and inflight_clear() of queue.h. The page cache
 * keeps the file over kill -9; over a power cut it is worth nothing, so the
 * store says which boot it is of.
 *
 * Thread: slots from any; the rest before the queue starts.
 */
#ifndef RELAIS_QUEUE_INFLIGHT_H
#define RELAIS_QUEUE_INFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#define INFLIGHT_SLOTS      4096
#define INFLIGHT_OWNER_SIZE 16
#define INFLIGHT_BLAMED     8

struct inflight;

struct inflight_mark {
	uint64_t id;
	uint16_t part;
};

/* Opens or makes the file. 0 or -errno. */
int inflight_open(struct inflight **ret_inflight, const char *directory);
void inflight_close(struct inflight *inflight);

/* Was it made for this store? */
bool inflight_is_of(const struct inflight *inflight,
                    const unsigned char owner[INFLIGHT_OWNER_SIZE]);
/* What the last process left; marks has room for INFLIGHT_SLOTS. */
unsigned inflight_list(const struct inflight *inflight,
                       struct inflight_mark *marks);
/* Empties all slots, for this store. */
void inflight_reset(struct inflight *inflight,
                    const unsigned char owner[INFLIGHT_OWNER_SIZE]);

unsigned inflight_slot_fill(struct inflight *inflight, uint64_t id,
                            uint16_t part);
void inflight_slot_clear(struct inflight *inflight, unsigned slot);

/* Async-signal-safe: this message was in hand when we crashed. */
void inflight_blame(struct inflight *inflight, uint64_t id);
unsigned inflight_list_blamed(const struct inflight *inflight,
                              uint64_t ids[INFLIGHT_BLAMED]);

#endif
