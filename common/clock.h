/*
 * clock - the times we use, replaceable by tests, and how they are written
 *
 * Milliseconds are since 1970-01-01T00:00:00Z for the wall clock, and since
 * boot (time asleep included) for the boot clock.
 *
 * Thread: any; clock_replace() only while no other thread runs.
 */
#ifndef RELAIS_CLOCK_H
#define RELAIS_CLOCK_H

#include <stdint.h>

/* "2026-11-23T18:40:01.123Z" and its NUL */
#define CLOCK_RFC3339_SIZE 25
/* "Mon, 23 Nov 2026 18:40:01 +0100" and its NUL */
#define CLOCK_RFC5322_SIZE 32

struct clock_source {
	int64_t (*wall_ms)(void);
	int64_t (*boottime_ms)(void);
	int64_t (*monotonic_us)(void);
};

int64_t clock_wall_ms(void);
int64_t clock_boottime_ms(void);
int64_t clock_monotonic_us(void);

/* For tests: source is borrowed until the next call; NULL: the real clocks. */
void clock_replace(const struct clock_source *source);

/* UTC with milliseconds. Times outside the years 0 to 9999 are clamped. */
void clock_format_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE]);

/*
 * Parses an RFC 3339 date-time: any offset, any number of fraction digits
 * (those after the third are ignored). Returns -EINVAL for anything else.
 */
int clock_parse_rfc3339(const char *text, int64_t *ret_wall_ms);

/* The date-time of RFC 5322 3.3 in the zone so many minutes east of UTC. */
void clock_format_rfc5322(int64_t wall_ms, int zone_minutes,
                          char out[CLOCK_RFC5322_SIZE]);

/* Minutes that local time is ahead of UTC at that time. */
int clock_zone_minutes(int64_t wall_ms);

#endif
