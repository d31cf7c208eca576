/*
 * smtp/reply - what a server answers, read from a stream of bytes
 *
 * A reply is one or more lines `NNN-text` that end in `NNN text` (RFC 5321
 * 4.2). The parser works in place: it needs the bytes of the reply in one
 * piece, allocates nothing, and remembers how far it has looked, so that
 * bytes arriving one by one cost no second look at those before them.
 *
 * Tolerated: a bare LF as line end, `NNN` alone, enhanced codes that were
 * never announced, lines up to 4,096 octets (RFC 5321 has 512).
 *
 * Thread: any; no state but the caller's.
 */
#ifndef RELAIS_SMTP_REPLY_H
#define RELAIS_SMTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SMTP_REPLY_LINE_MAX = 4096,
	SMTP_REPLY_LINES_MAX = 200,
	SMTP_REPLY_SIZE_MAX = 65536,
};

struct smtp_reply {
	/* 200..599 */
	uint16_t code;
	/* RFC 3463 status; 0.0.0 where there is none, or where one of the two
	 * says success and the other failure (`451 5.7.3` is kept) */
	uint16_t enhanced[3];
	/* The lines had different codes; the last one counts. */
	bool is_inconsistent;
	/* The whole reply as received, line ends included; borrowed from the
	 * bytes given to smtp_reply_parse(). */
	const char *data;
	size_t size;
};

/* Zero it before the first reply and after dropping a connection. */
struct smtp_reply_parser {
	size_t line_start;
	size_t scanned;
	unsigned lines;
	uint16_t code;
	bool is_inconsistent;
};

/*
 * Looks for one whole reply at the start of data[0..len). When it returns
 * -EAGAIN call again with the same bytes and more behind them.
 *
 * Returns 0 (the reply is ret_reply->size bytes long; the parser is ready
 * for the next one), -EAGAIN (not all there yet), -EPROTO (not SMTP, or
 * beyond the limits above: the connection is of no more use).
 */
int smtp_reply_parse(struct smtp_reply_parser *parser, const char *data,
                     size_t len, struct smtp_reply *ret_reply);

/*
 * Walks the lines: *cursor starts at 0. A line has no code, no separator and
 * no line end; it is borrowed like the reply, and is not NUL-terminated.
 * Returns false after the last one.
 */
bool smtp_reply_next_line(const struct smtp_reply *reply, size_t *cursor,
                          const char **ret_line, size_t *ret_len);

/*
 * The text for people and logs: lines joined by one space, enhanced codes
 * left out, control characters and broken UTF-8 replaced by `?`, cut at a
 * character's end to fit size (NUL included).
 */
void smtp_reply_text(const struct smtp_reply *reply, char *ret_text,
                     size_t size);

/* The same cleaning for text from elsewhere. */
void smtp_text_clean(char *ret_text, size_t size, const char *text, size_t len);

/* 2xx: done. 3xx: go on. (RFC 5321 4.2.1: the first digit decides.) */
bool smtp_reply_is_positive(const struct smtp_reply *reply);
bool smtp_reply_is_intermediate(const struct smtp_reply *reply);

#endif
