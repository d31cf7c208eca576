/*
 * fuzz_header - header blocks, whole and in pieces
 *
 * The scanner must find the same block however the content arrives, lose no
 * byte of it, and the walk must then cover all of the block.
 */
#include "config.h"

#include "header.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Feeds all in such pieces; returns how much belongs to the header. */
static size_t scan(struct header_scanner *scanner, const char *text, size_t len,
                   size_t piece)
{
	size_t used = 0;

	while (used < len && scanner->state == HEADER_SCAN_OPEN) {
		size_t n = len - used < piece ? len - used : piece;
		size_t taken;
		int r = header_scanner_feed(scanner, text + used, n, &taken);

		assert(r == 0 && taken <= n);
		assert(taken == n || scanner->state != HEADER_SCAN_OPEN);
		used += taken;
	}
	return used;
}

static void walk_all(const char *text, size_t len)
{
	static const char *const names[] = { "Bcc", "X", NULL };
	struct header_field field;
	struct header_walk walk;
	struct buffer out;
	const char *at = text;

	buffer_init(&out, 0);
	header_walk_init(&walk, text, len);
	while (header_walk_next(&walk, &field)) {
		assert(field.raw == at && field.name_len > 0);
		assert(field.body >= field.raw);
		assert(field.body + field.body_len <=
		       field.raw + field.raw_len);
		assert(header_unfold(&field, &out) == 0);
		at += field.raw_len;
	}
	assert(at == walk.next && at <= text + len);
	buffer_clear(&out);
	assert(header_filter(text, len, names, &out) == 0);
	assert(out.len <= len);
	assert(header_count(out.data, out.len, "bcc") == 0);
	buffer_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data;
	struct header_scanner bytes;
	struct header_scanner whole;
	const char *one;
	const char *two;
	size_t one_len;
	size_t two_len;
	size_t used;

	walk_all(text, len);
	header_scanner_init(&whole, 4096);
	header_scanner_init(&bytes, 4096);
	used = scan(&whole, text, len, len ? len : 1);
	(void)scan(&bytes, text, len, 1);
	(void)header_scanner_finish(&whole);
	(void)header_scanner_finish(&bytes);
	assert(whole.state == bytes.state);
	if (whole.state == HEADER_SCAN_DONE) {
		one = header_scanner_block_borrow(&whole, &one_len);
		two = header_scanner_block_borrow(&bytes, &two_len);
		assert(one_len == two_len && memcmp(one, two, one_len) == 0);
		assert(one_len <= used + 2);
		walk_all(one, one_len);
		one = header_scanner_rest_borrow(&whole, &one_len);
		assert(one_len <= used + 2);
	}
	header_scanner_done(&whole);
	header_scanner_done(&bytes);
	return 0;
}
