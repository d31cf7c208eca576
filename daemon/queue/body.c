#include "config.h"

#include "queue/body.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096
/* What a value's own header takes of its first page. */
#define PAGE_HEADER 16

static_assert(BODY_PIECE_MAX == 16 * PAGE - PAGE_HEADER,
              "a full piece fills its pages");

struct body_chunk *body_chunk_new(uint32_t size)
{
	struct body_chunk *chunk = malloc(sizeof(*chunk) + size);

	if (chunk == NULL)
		return NULL;
	chunk->next = NULL;
	chunk->len = 0;
	chunk->size = size;
	return chunk;
}

void body_chunk_free_list(struct body_chunk *first)
{
	while (first != NULL) {
		struct body_chunk *next = first->next;

		free(first);
		first = next;
	}
}

size_t body_chunks_len(const struct body_chunk *first)
{
	size_t len = 0;

	for (; first != NULL; first = first->next)
		len += first->len;
	return len;
}

/* Octets behind the full pieces that do not fill whole pages. */
static size_t overhang(size_t body_len)
{
	size_t last = body_len % BODY_PIECE_MAX;
	size_t pages = (last + PAGE_HEADER) / PAGE;

	return pages > 0 ? last + PAGE_HEADER - pages * PAGE : last;
}

void body_plan_whole(struct body_plan *plan, size_t header_len, size_t body_len)
{
	size_t front = header_len + overhang(body_len);

	if (front > BODY_LEAF_MAX)
		front = header_len + body_len <= BODY_PIECE_MAX
		            ? header_len + body_len
		            : header_len;
	plan->front_left = front;
	plan->rest_left = header_len + body_len - front;
	plan->is_begun = false;
}

void body_plan_slice(struct body_plan *plan, bool is_first, size_t header_len,
                     size_t body_len)
{
	plan->front_left = header_len;
	plan->rest_left = body_len;
	plan->is_begun = !is_first;
}

bool body_plan_next(struct body_plan *plan, size_t *ret_len)
{
	size_t *left = &plan->front_left;

	/* Piece 0 is there even when it is empty. */
	if (plan->is_begun && *left == 0)
		left = &plan->rest_left;
	if (plan->is_begun && *left == 0)
		return false;
	plan->is_begun = true;
	*ret_len = *left < BODY_PIECE_MAX ? *left : BODY_PIECE_MAX;
	*left -= *ret_len;
	return true;
}

void body_gather_begin(struct body_gather *gather, const char *header,
                       size_t header_len, const struct body_chunk *chunks)
{
	gather->header = header;
	gather->header_left = header_len;
	gather->chunk = chunks;
	gather->chunk_offset = 0;
}

void body_gather_copy(struct body_gather *gather, void *into, size_t len)
{
	char *to = into;
	size_t n;

	if (gather->header_left > 0 && len > 0) {
		n = gather->header_left < len ? gather->header_left : len;
		memcpy(to, gather->header, n);
		gather->header += n;
		gather->header_left -= n;
		to += n;
		len -= n;
	}
	while (len > 0) {
		const struct body_chunk *chunk = gather->chunk;

		assert(chunk != NULL);
		n = chunk->len - gather->chunk_offset;
		if (n > len)
			n = len;
		memcpy(to, chunk->data + gather->chunk_offset, n);
		gather->chunk_offset += n;
		to += n;
		len -= n;
		if (gather->chunk_offset == chunk->len) {
			gather->chunk = chunk->next;
			gather->chunk_offset = 0;
		}
	}
}
