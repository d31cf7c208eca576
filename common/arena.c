#include "config.h"

#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 4096

struct arena_block {
	struct arena_block *next;
	size_t size;
	size_t used;
	alignas(max_align_t) char bytes[];
};

static struct arena_block *add_block(struct arena *arena, size_t size);

void arena_init(struct arena *arena, size_t limit_bytes)
{
	*arena = (struct arena){ 0 };
	arena->limit_bytes = limit_bytes ? limit_bytes : SIZE_MAX / 2;
}

void arena_done(struct arena *arena)
{
	arena_reset(arena);
	free(arena->first);
	arena->first = NULL;
	arena->last = NULL;
}

void arena_reset(struct arena *arena)
{
	struct arena_block *block;
	struct arena_block *next;

	arena->used_bytes = 0;
	if (!arena->first)
		return;
	for (block = arena->first->next; block; block = next) {
		next = block->next;
		free(block);
	}
	arena->first->next = NULL;
	arena->first->used = 0;
	arena->last = arena->first;
}

void *arena_allocate(struct arena *arena, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct arena_block *block = arena->last;
	void *result;

	if (size > arena->limit_bytes - arena->used_bytes)
		return NULL;
	size = (size + align - 1) / align * align;
	if (!block || size > block->size - block->used) {
		block = add_block(arena, size);
		if (!block)
			return NULL;
	}
	result = block->bytes + block->used;
	block->used += size;
	arena->used_bytes += size;
	if (arena->used_bytes > arena->limit_bytes)
		arena->used_bytes = arena->limit_bytes;
	return result;
}

static struct arena_block *add_block(struct arena *arena, size_t size)
{
	struct arena_block *block;

	if (size < BLOCK_SIZE - sizeof(*block))
		size = BLOCK_SIZE - sizeof(*block);
	block = malloc(sizeof(*block) + size);
	if (!block)
		return NULL;
	block->next = NULL;
	block->size = size;
	block->used = 0;
	if (arena->last)
		arena->last->next = block;
	else
		arena->first = block;
	arena->last = block;
	return block;
}

char *arena_copy(struct arena *arena, const char *data, size_t len)
{
	char *copy = arena_allocate(arena, len + 1);

	if (!copy)
		return NULL;
	if (len)
		memcpy(copy, data, len);
	copy[len] = '\0';
	return copy;
}
