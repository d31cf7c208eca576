/*
 * rate - at most so many in any stretch of so many seconds
 *
 * A sliding window, not a bucket: whatever stretch of that length one looks
 * at, no more than the limit went in it. What is on its way counts from the
 * moment it is reserved until the limit's period after it came back, since
 * nobody knows when in between the relay saw it.
 *
 * Mail that has time takes half of the limit at once and the rest spread over
 * the period: what is urgent then finds a place soon, however much waits.
 *
 * Up to RATE_ENTRIES the log has an entry for each; of larger limits it joins
 * neighbours under the later time, which errs on the side of waiting (by less
 * than 2 % of the period).
 *
 * Thread: one; plain values. Times in milliseconds of any clock that goes on.
 */
#ifndef RELAIS_DELIVER_RATE_H
#define RELAIS_DELIVER_RATE_H

#include <stdint.h>

#include "settings.h"

#define RATE_ENTRIES 64

struct rate_entry {
	uint64_t first_ms, last_ms;
	uint32_t count;
};

struct rate {
	struct settings_rate limit; /* count 0: no limit, only watched */
	uint32_t used;              /* in the log */
	uint32_t reserved;
	uint64_t calm_us;            /* before it nothing that has time goes */
	unsigned first, entry_count; /* a ring */
	struct rate_entry entries[RATE_ENTRIES];
};

/* How many more may go now; UINT32_MAX without a limit. */
uint32_t rate_room(struct rate *rate, uint64_t now_ms);

/* When there will be room; UINT64_MAX: not before a reservation ends. */
uint64_t rate_next_ms(struct rate *rate, uint64_t now_ms);

/* The same for mail that has time. */
uint32_t rate_calm_room(struct rate *rate, uint64_t now_ms);
uint64_t rate_calm_next_ms(struct rate *rate, uint64_t now_ms);

void rate_reserve(struct rate *rate, uint32_t count, uint64_t now_ms);

/* Of `count` reserved, `used` went. */
void rate_settle(struct rate *rate, uint32_t count, uint32_t used,
                 uint64_t now_ms);

/* So many went in the period up to now. */
uint32_t rate_used(struct rate *rate, uint64_t now_ms);

/* For what is remembered over a restart: at most `max` entries, oldest first,
   neighbours joined; and back. Reservations count as used now. */
unsigned rate_export(const struct rate *rate, uint64_t now_ms,
                     struct rate_entry *entries, unsigned max);
void rate_import(struct rate *rate, const struct rate_entry *entries,
                 unsigned count);

#endif
