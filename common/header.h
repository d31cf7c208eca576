/*
 * header - walk, search and filter the header block of a message
 *
 * A header block is a sequence of fields, each "name: body" and its folded
 * lines, ended by CRLF or LF. An empty line, the end of the text, or a line
 * that can't belong to a field ends the block.
 *
 * The scanner finds the end of the block while content arrives piece by piece.
 * The block it keeps has all fields with CRLF after each, but not the empty
 * line behind it: header + CRLF + body is the message.
 */
#ifndef RELAIS_HEADER_H
#define RELAIS_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "buffer.h"

#define HEADER_LIMIT_BYTES  (256 * 1024)
#define HEADER_LIMIT_FIELDS 1000

/* All pointers are borrowed from the block. */
struct header_field {
	const char *name;
	size_t name_len;
	/* Behind the colon, without the last line end; may be folded. */
	const char *body;
	size_t body_len;
	/* The whole field with its line ends. */
	const char *raw;
	size_t raw_len;
};

struct header_walk {
	const char *next;
	const char *end;
};

/* Borrows text for the time of the walk. */
void header_walk_init(struct header_walk *walk, const char *text, size_t len);

/* Returns false at the end of the block; walk->next is behind its last field */
bool header_walk_next(struct header_walk *walk, struct header_field *ret_field);

/* Field names are compared without regard to case. */
bool header_field_is(const struct header_field *field, const char *name);

/* Is its name in the NULL-terminated list? */
bool header_field_is_any(const struct header_field *field,
                         const char *const *names);

/* The first field of that name. */
bool header_find(const char *text, size_t len, const char *name,
                 struct header_field *ret_field);
size_t header_count(const char *text, size_t len, const char *name);

/* Appends the body unfolded, without white space at both ends. */
int header_unfold(const struct header_field *field, struct buffer *out);

/* Appends all fields of the block but those named (NULL-terminated list). */
int header_filter(const char *text, size_t len, const char *const *names,
                  struct buffer *out);

enum header_scan_state {
	/* more lines may belong to the header */
	HEADER_SCAN_OPEN,
	/* the block is complete; what follows is the body */
	HEADER_SCAN_DONE,
	/* more bytes than the limit */
	HEADER_SCAN_TOO_LARGE,
	/* more fields than HEADER_LIMIT_FIELDS */
	HEADER_SCAN_TOO_MANY,
};

struct header_scanner {
	enum header_scan_state state;
	/* The header block so far; complete when DONE. May have a line at its
	   end that is not complete or turns out to be the body's first. */
	struct buffer block;
	/* Where in the block the last, incomplete line starts. */
	size_t line_start;
	size_t fields;
	/* Lines "From " at the start, not yet known to be a mailbox file's. */
	size_t mbox_len;
	size_t limit_bytes;
};

/* limit_bytes 0: HEADER_LIMIT_BYTES */
void header_scanner_init(struct header_scanner *scanner, size_t limit_bytes);
void header_scanner_done(struct header_scanner *scanner);

/* Ready for the next message; the memory is kept. */
void header_scanner_reset(struct header_scanner *scanner);

/*
 * Takes content whose lines end in CRLF, cut anywhere. Stops at the end of the
 * block: data from ret_used on is body then. Where the block turned out to be
 * over only at a line that is no field (a separator is implied), this line's
 * beginning is the body's first part: header_scanner_rest_borrow() has it.
 * Lines "From " of a mailbox file, in front of the first field, are dropped.
 *
 * Returns 0 or -ENOMEM; whether a limit was exceeded is in scanner->state.
 */
int header_scanner_feed(struct header_scanner *scanner, const char *data,
                        size_t len, size_t *ret_used);

/* The content has ended: the block is complete, whatever it holds. */
int header_scanner_finish(struct header_scanner *scanner);

/* The complete block; valid until the next reset. DONE only. */
const char *header_scanner_block_borrow(const struct header_scanner *scanner,
                                        size_t *ret_len);

/*
 * Bytes that were fed but belong to the body (before anything behind
 * ret_used); valid until the next reset. DONE only.
 */
const char *header_scanner_rest_borrow(const struct header_scanner *scanner,
                                       size_t *ret_len);

#endif
