/*
 * queue_time - the time that dues are told in
 *
 * Starts at the later of what the store has seen and the wall clock, and then
 * advances with the time since boot, asleep included. So it never goes back,
 * and a jump of the wall clock while we run changes nothing.
 *
 * Thread: any, after queue_time_start().
 */
#ifndef RELAIS_QUEUE_QUEUE_TIME_H
#define RELAIS_QUEUE_QUEUE_TIME_H

#include <stdbool.h>
#include <stdint.h>

struct queue_time {
	uint64_t start_ms;
	uint64_t boot_start_ms;
	bool has_leapt; /* at the start, by more than a day */
};

/* seen_ms: the latest queue time in the store; 0: none yet. */
void queue_time_start(struct queue_time *time, uint64_t seen_ms);
uint64_t queue_time_now_ms(const struct queue_time *time);

/*
 * Was relais off for long, or is the clock wrong until the time service has
 * set it? For an hour nothing ends by its age.
 */
bool queue_time_is_unsure(const struct queue_time *time);

/*
 * How old what was given `id` is: as both clocks say. The wall clock does not
 * count where it says that this comes yet.
 */
uint64_t queue_time_age_ms(uint64_t id, uint64_t submitted_ms, uint64_t now_ms,
                           uint64_t wall_ms);

/* Clocks as unsigned milliseconds. */
uint64_t wall_now_ms(void);
uint64_t boot_now_ms(void);

#endif
