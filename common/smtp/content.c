#include "config.h"

#include "smtp/content.h"

static void take_run(struct smtp_content *content, const struct dot_run *run);
static size_t take_header(struct smtp_content *content,
                          const struct dot_run *run);
static void end_header(struct smtp_content *content);
static void note_damage(struct smtp_content *content);

void smtp_content_init(struct smtp_content *content,
                       const struct smtp_content_sink *sink, void *owner,
                       size_t header_limit_bytes)
{
	*content = (struct smtp_content){ .sink = sink, .owner = owner };
	header_scanner_init(&content->header, header_limit_bytes);
}

void smtp_content_done(struct smtp_content *content)
{
	header_scanner_done(&content->header);
}

void smtp_content_begin(struct smtp_content *content, bool is_data)
{
	if (is_data)
		dot_decoder_init(&content->decoder);
	else
		dot_normaliser_init(&content->decoder);
	header_scanner_reset(&content->header);
	content->is_in_body = false;
	content->size_bytes = 0;
	content->failure[0] = '\0';
}

size_t smtp_content_take(struct smtp_content *content, const char *data,
                         size_t len)
{
	size_t used = 0;

	while (used < len && !dot_decoder_is_at_end(&content->decoder)) {
		struct dot_run run;

		used += dot_decoder_next(&content->decoder, data + used,
		                         len - used, &run);
		note_damage(content);
		take_run(content, &run);
	}
	return used;
}

static void note_damage(struct smtp_content *content)
{
	if (content->decoder.is_damaged)
		smtp_content_fail(
		    content,
		    smtp_answer(550, "5.6.0", "A bare CR or a NUL is in it"));
}

static void take_run(struct smtp_content *content, const struct dot_run *run)
{
	size_t used = 0;

	content->size_bytes += run->len;
	if (content->limit_bytes && content->size_bytes > content->limit_bytes)
		smtp_content_fail(
		    content,
		    smtp_answer(552, "5.3.4", "The message is too large"));
	if (!content->is_in_body && !smtp_content_has_failed(content))
		used = take_header(content, run);
	/* The owner may fail the message in the middle of a run. */
	if (used < run->len && !smtp_content_has_failed(content))
		content->sink->on_body(content->owner, run->data + used,
		                       run->len - used);
}

/* Returns how much of the run was header. */
static size_t take_header(struct smtp_content *content,
                          const struct dot_run *run)
{
	size_t used = run->len;

	if (header_scanner_feed(&content->header, run->data, run->len, &used) <
	    0) {
		smtp_content_fail(content,
		                  smtp_answer(452, "4.3.1", "Out of memory"));
		return run->len;
	}
	end_header(content);
	return used;
}

/* Looks at what the scanner has found out by now. */
static void end_header(struct smtp_content *content)
{
	const char *block;
	const char *rest;
	size_t rest_len;
	size_t len;

	switch (content->header.state) {
	case HEADER_SCAN_OPEN:
		return;
	case HEADER_SCAN_TOO_LARGE:
		smtp_content_fail(
		    content,
		    smtp_answer(552, "5.3.4", "The header is too large"));
		return;
	case HEADER_SCAN_TOO_MANY:
		smtp_content_fail(
		    content, smtp_answer(552, "5.3.4",
		                         "The header has too many fields"));
		return;
	case HEADER_SCAN_DONE:
		break;
	}
	block = header_scanner_block_borrow(&content->header, &len);
	if (content->header.fields > content->max_received &&
	    header_count(block, len, "Received") > content->max_received) {
		/* RFC 5321 6.3 */
		smtp_content_fail(
		    content,
		    smtp_answer(554, "5.4.6", "Too many hops: a mail loop"));
		return;
	}
	content->is_in_body = true;
	content->sink->on_header(content->owner, block, len);
	rest = header_scanner_rest_borrow(&content->header, &rest_len);
	if (rest_len > 0 && !smtp_content_has_failed(content))
		content->sink->on_body(content->owner, rest, rest_len);
}

bool smtp_content_is_at_end(const struct smtp_content *content)
{
	return dot_decoder_is_at_end(&content->decoder);
}

void smtp_content_finish(struct smtp_content *content)
{
	struct dot_run run;

	if (!smtp_content_is_at_end(content)) {
		dot_normaliser_finish(&content->decoder, &run);
		note_damage(content);
		take_run(content, &run);
	}
	if (content->is_in_body || smtp_content_has_failed(content))
		return;
	if (header_scanner_finish(&content->header) < 0)
		smtp_content_fail(content,
		                  smtp_answer(452, "4.3.1", "Out of memory"));
	else
		end_header(content);
}

void smtp_content_fail(struct smtp_content *content, struct smtp_answer why)
{
	if (!smtp_content_has_failed(content))
		smtp_answer_format(why, content->failure);
}

bool smtp_content_has_failed(const struct smtp_content *content)
{
	return content->failure[0] != '\0';
}
