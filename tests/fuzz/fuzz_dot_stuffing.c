/*
 * fuzz_dot_stuffing - content on and off the wire
 *
 * However it is cut, content decodes to the same lines, and what the encoder
 * writes has no bare CR or LF, ends once, and decodes to the same again.
 */
#include "config.h"

#include "smtp/dot_stuffing.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "buffer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t decode(struct dot_decoder *decoder, const char *text, size_t len,
                     size_t piece, struct buffer *out)
{
	size_t used = 0;

	while (used < len && !dot_decoder_is_at_end(decoder)) {
		size_t n = len - used < piece ? len - used : piece;
		struct dot_run run;
		size_t taken;

		taken = dot_decoder_next(decoder, text + used, n, &run);
		assert(taken >= 1 && taken <= n);
		(void)buffer_append(out, run.data, run.len);
		used += taken;
	}
	return used;
}

static void encode(const char *text, size_t len, size_t piece,
                   struct buffer *out)
{
	struct dot_encoder encoder;
	struct dot_run run;
	size_t used = 0;

	dot_encoder_init(&encoder);
	while (used < len) {
		size_t n = len - used < piece ? len - used : piece;
		size_t taken = dot_encoder_next(&encoder, text + used, n, &run);

		assert(taken <= n && (taken > 0 || run.len > 0));
		(void)buffer_append(out, run.data, run.len);
		used += taken;
	}
	dot_encoder_finish(&encoder, &run);
	(void)buffer_append(out, run.data, run.len);
}

static void check_lines(const struct buffer *text)
{
	for (size_t i = 0; i < text->len; i++) {
		if (text->data[i] == '\n')
			assert(i > 0 && text->data[i - 1] == '\r');
		if (text->data[i] == '\r' && i + 1 < text->len)
			assert(text->data[i + 1] == '\n');
	}
}

static void check_decoder(const char *text, size_t len, size_t piece,
                          bool has_dots)
{
	struct dot_decoder one;
	struct dot_decoder two;
	struct buffer whole;
	struct buffer pieces;

	buffer_init(&whole, 0);
	buffer_init(&pieces, 0);
	(has_dots ? dot_decoder_init : dot_normaliser_init)(&one);
	two = one;
	assert(decode(&one, text, len, len, &whole) ==
	       decode(&two, text, len, piece, &pieces));
	assert(one.is_damaged == two.is_damaged);
	assert(one.position == two.position);
	if (!one.is_damaged) {
		assert(whole.len == pieces.len);
		assert(whole.len == 0 ||
		       memcmp(whole.data, pieces.data, whole.len) == 0);
		check_lines(&whole);
	}
	buffer_done(&whole);
	buffer_done(&pieces);
}

static void check_encoder(const char *text, size_t len, size_t piece)
{
	struct dot_decoder decoder;
	struct buffer wire;
	struct buffer plain;
	struct buffer again;

	buffer_init(&wire, 0);
	buffer_init(&plain, 0);
	buffer_init(&again, 0);
	encode(text, len, piece, &wire);
	check_lines(&wire);
	dot_decoder_init(&decoder);
	assert(decode(&decoder, wire.data, wire.len, wire.len, &plain) ==
	       wire.len);
	assert(dot_decoder_is_at_end(&decoder));
	if (!decoder.is_damaged) {
		encode(plain.data, plain.len, len + 1, &again);
		assert(again.len == wire.len);
		assert(memcmp(again.data, wire.data, wire.len) == 0);
	}
	buffer_done(&wire);
	buffer_done(&plain);
	buffer_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data;
	size_t piece;

	if (len < 2)
		return 0;
	piece = 1 + data[0] % 8;
	check_decoder(text + 1, len - 1, piece, true);
	check_decoder(text + 1, len - 1, piece, false);
	check_encoder(text + 1, len - 1, piece);
	return 0;
}
