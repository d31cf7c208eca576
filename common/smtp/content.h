/*
 * content - the content of one message on its way in
 *
 * Takes the bytes behind DATA or BDAT, and gives the header block and then the
 * body, with CRLF line ends, to the owner. The first thing that is wrong with
 * the content is kept as its failure; from then on it is only drained.
 */
#ifndef RELAIS_SMTP_CONTENT_H
#define RELAIS_SMTP_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "header.h"
#include "smtp/answer.h"
#include "smtp/dot_stuffing.h"

struct smtp_content_sink {
	/* Once a message, before any body; both borrow for the call. */
	void (*on_header)(void *owner, const char *header, size_t len);
	void (*on_body)(void *owner, const char *data, size_t len);
};

struct smtp_content {
	const struct smtp_content_sink *sink;
	void *owner;
	/* 0: no limit */
	uint64_t limit_bytes;
	unsigned max_received;

	struct dot_decoder decoder;
	struct header_scanner header;
	bool is_in_body;
	/* of the normalised content so far */
	uint64_t size_bytes;
	/* a reply line; "" while all is well */
	char failure[SMTP_ANSWER_SIZE];
};

/* header_limit_bytes 0: HEADER_LIMIT_BYTES. The sink is borrowed. */
void smtp_content_init(struct smtp_content *content,
                       const struct smtp_content_sink *sink, void *owner,
                       size_t header_limit_bytes);
void smtp_content_done(struct smtp_content *content);

/* A new message comes, by DATA or by BDAT. */
void smtp_content_begin(struct smtp_content *content, bool is_data);

/*
 * Takes a piece and returns how much of it was content: all, unless the end of
 * DATA is in it.
 */
size_t smtp_content_take(struct smtp_content *content, const char *data,
                         size_t len);

/* Was the end of DATA reached? */
bool smtp_content_is_at_end(const struct smtp_content *content);

/* The content is complete: gives what is left of it. */
void smtp_content_finish(struct smtp_content *content);

/* Only the first failure is kept; its texts are copied. */
void smtp_content_fail(struct smtp_content *content, struct smtp_answer why);
bool smtp_content_has_failed(const struct smtp_content *content);

#endif
