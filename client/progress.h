/*
 * progress - how far long work is, on one line of a terminal
 *
 * Nothing is written where stderr is no terminal, or the output is JSON for a
 * program. The line is gone when the work has ended.
 */
#ifndef RELAIS_PROGRESS_H
#define RELAIS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct invocation;

struct progress {
	bool is_shown;
	bool is_drawn;
	int64_t next_us; /* not drawn again before */
};

void progress_begin(struct progress *progress,
                    const struct invocation *invocation);

/* A bar for done of total, or none where the total isn't known (0); words say
 * the same to people. At most five times a second. */
void progress_show(struct progress *progress, int64_t done, int64_t total,
                   const char *words);
void progress_end(struct progress *progress);

#endif
