/*
 * arena - many small allocations that are given up together
 *
 * What is allocated stays in place until the next reset. A reset keeps the
 * first block, so that a session which repeats itself allocates nothing.
 *
 * Errors: NULL when out of memory or above the limit given at the start.
 */
#ifndef RELAIS_ARENA_H
#define RELAIS_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *first;
	struct arena_block *last;
	size_t used_bytes;
	size_t limit_bytes;
};

/* limit_bytes 0 stands for no limit. */
void arena_init(struct arena *arena, size_t limit_bytes);
void arena_done(struct arena *arena);
void arena_reset(struct arena *arena);

/* Aligned for any type, not zeroed. */
void *arena_allocate(struct arena *arena, size_t size);

/* Copies len bytes and terminates them by a NUL. */
char *arena_copy(struct arena *arena, const char *data, size_t len);

#endif
