/*
 * body - how header block and body are cut into pieces
 *
 * A value of the store takes whole pages: 4096k - 16 octets fill k of them, up
 * to 2,018 octets share one with others. So piece 0 takes the header block and
 * just as many first octets of the body that the rest fills its pages; where
 * that is too much to share a page, header and body are one value if that fits
 * a piece, else the header stands alone.
 *
 * Thread: none; plain values.
 */
#ifndef RELAIS_QUEUE_BODY_H
#define RELAIS_QUEUE_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/queue.h"

/* The largest value that shares a leaf page, with a key of 12 octets. */
#define BODY_LEAF_MAX 2018

/* Walks over the lengths of the pieces of a message. */
struct body_plan {
	size_t front_left; /* octets of header and body in the front */
	size_t rest_left;
	bool is_begun;
};

/* A message that is stored in one transaction. */
void body_plan_whole(struct body_plan *plan, size_t header_len,
                     size_t body_len);
/* A slice of an upload; the header comes with the first one only. */
void body_plan_slice(struct body_plan *plan, bool is_first, size_t header_len,
                     size_t body_len);
/* Length of the next piece; false after the last. */
bool body_plan_next(struct body_plan *plan, size_t *ret_len);

/* Copies header and chunks out in one stream, however they are cut. */
struct body_gather {
	const char *header;
	size_t header_left;
	const struct body_chunk *chunk;
	size_t chunk_offset;
};
void body_gather_begin(struct body_gather *gather, const char *header,
                       size_t header_len, const struct body_chunk *chunks);
void body_gather_copy(struct body_gather *gather, void *into, size_t len);

size_t body_chunks_len(const struct body_chunk *first);

#endif
