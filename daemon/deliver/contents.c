#include "config.h"

#include "deliver/contents.h"

#include <errno.h>
#include <stdlib.h>

#include "buffer.h"
#include "queue/message.h"
#include "queue/queue.h"
#include "runtime/xalloc.h"

#define NO_PIECE UINT32_MAX

/*
 * Header block and body are one run of octets, cut into pieces anywhere.
 * Offsets count from the start of the header block.
 */
struct contents {
	struct queue_reader *reader;
	uint64_t body_id;
	uint64_t header_len;
	uint64_t end;    /* offset behind the body */
	uint64_t offset; /* of what is given next */
	uint32_t piece;  /* the one in memory */
	uint64_t piece_start;
	size_t piece_len;
	struct buffer header; /* of a header block in several pieces */
	char *octets;
};

struct contents *contents_new(struct queue_reader *reader)
{
	struct contents *contents = xcalloc(1, sizeof(*contents));

	contents->reader = reader;
	contents->octets = xmalloc(BODY_PIECE_MAX);
	contents->piece = NO_PIECE;
	buffer_init(&contents->header, 0);
	return contents;
}

void contents_free(struct contents *contents)
{
	if (!contents)
		return;
	buffer_done(&contents->header);
	free(contents->octets);
	free(contents);
}

static int load(struct contents *contents, uint32_t piece)
{
	uint64_t start = 0;
	int r;

	if (piece > 0)
		start = contents->piece_start + contents->piece_len;
	contents->piece = NO_PIECE;
	r = queue_read_piece(contents->reader, contents->body_id, piece,
	                     contents->octets, &contents->piece_len);
	if (r < 0)
		return r == -ENOENT ? -EBADMSG : r;
	if (contents->piece_len == 0 && piece > 0)
		return -EBADMSG;
	contents->piece = piece;
	contents->piece_start = start;
	return 0;
}

/* What there is from contents->offset on, at most up to `end`. */
static int read_run(struct contents *contents, uint64_t end,
                    const char **ret_data, size_t *ret_len)
{
	uint64_t skip, left;
	int r;

	if (contents->piece == NO_PIECE ||
	    contents->offset < contents->piece_start) {
		r = load(contents, 0);
		if (r < 0)
			return r;
	}
	while (contents->offset >=
	       contents->piece_start + contents->piece_len) {
		r = load(contents, contents->piece + 1);
		if (r < 0)
			return r;
	}
	skip = contents->offset - contents->piece_start;
	left = contents->piece_len - skip;
	if (left > end - contents->offset)
		left = end - contents->offset;
	*ret_data = contents->octets + skip;
	*ret_len = (size_t)left;
	contents->offset += left;
	return 0;
}

/* A header block that is larger than a piece is put together. */
static int gather_header(struct contents *contents, const char *data,
                         size_t len, const char **ret_header)
{
	int r = 0;

	buffer_clear(&contents->header);
	for (;;) {
		r = buffer_append(&contents->header, data, len);
		if (r < 0 || contents->offset == contents->header_len)
			break;
		r = read_run(contents, contents->header_len, &data, &len);
		if (r < 0)
			break;
	}
	*ret_header = contents->header.data;
	return r;
}

int contents_open(struct contents *contents, const struct message *message,
                  const char **ret_header, size_t *ret_len)
{
	const char *data = "";
	size_t len = 0;
	int r = 0;

	/* The size counts the empty line, which isn't stored. */
	if (message->size < message->header_len + 2)
		return -EBADMSG;
	contents->body_id = message->body_id;
	contents->header_len = message->header_len;
	contents->end = message->size - 2;
	contents->offset = 0;
	contents->piece = NO_PIECE;
	if (contents->header_len > 0) {
		r = read_run(contents, contents->header_len, &data, &len);
		if (r == 0 && len < contents->header_len)
			r = gather_header(contents, data, len, &data);
	}
	*ret_header = data;
	*ret_len = contents->header_len;
	return r;
}

void contents_rewind(struct contents *contents)
{
	contents->offset = contents->header_len;
}

int contents_read(struct contents *contents, const char **ret_data,
                  size_t *ret_len)
{
	if (contents->offset == contents->end) {
		*ret_data = "";
		*ret_len = 0;
		return 0;
	}
	return read_run(contents, contents->end, ret_data, ret_len);
}

uint64_t contents_body_len(const struct contents *contents)
{
	return contents->end - contents->header_len;
}
