/* Header blocks: walked, filtered, and found while content arrives. */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "header.h"

static const char sample[] = "From: a@b\r\n"
			     "To: c@d,\r\n\te@f\r\n"
			     "Bcc : hidden@x\r\n"
			     "bcc:\r\n more@x\r\n"
			     "Subject:  two  \r\n  words \r\n";

static void walks_field_by_field(void **state)
{
	struct header_field field;
	struct header_walk walk;

	(void)state;
	header_walk_init(&walk, sample, strlen(sample));
	assert_true(header_walk_next(&walk, &field));
	assert_true(header_field_is(&field, "from"));
	assert_int_equal(field.body_len, 4);
	assert_memory_equal(field.body, " a@b", 4);
	assert_int_equal(field.raw_len, 11);
	assert_true(header_walk_next(&walk, &field));
	assert_memory_equal(field.body, " c@d,\r\n\te@f", 11);
	assert_int_equal(field.body_len, 11);
	assert_true(header_walk_next(&walk, &field));
	assert_true(header_field_is(&field, "Bcc"));
	assert_true(header_walk_next(&walk, &field));
	assert_true(header_walk_next(&walk, &field));
	assert_false(header_walk_next(&walk, &field));
	assert_ptr_equal(walk.next, sample + strlen(sample));
}

static void takes_bare_line_feeds_and_no_last_one(void **state)
{
	static const char text[] = "A: 1\nB: 2\n 3";
	struct header_field field;

	(void)state;
	assert_true(header_find(text, strlen(text), "b", &field));
	assert_int_equal(field.body_len, 5);
	assert_memory_equal(field.body, " 2\n 3", 5);
	assert_false(header_find(text, 0, "b", &field));
	assert_false(header_find(NULL, 0, "b", &field));
}

static void stops_at_the_empty_line(void **state)
{
	static const char text[] = "A: 1\r\n\r\nB: 2\r\n";
	struct header_field field;

	(void)state;
	assert_true(header_find(text, strlen(text), "a", &field));
	assert_false(header_find(text, strlen(text), "b", &field));
}

static void counts_and_filters_by_name(void **state)
{
	static const char *const names[] = { "bcc", "subject", NULL };
	struct buffer out;

	(void)state;
	assert_int_equal(header_count(sample, strlen(sample), "BCC"), 2);
	assert_int_equal(header_count(sample, strlen(sample), "Date"), 0);
	buffer_init(&out, 0);
	assert_int_equal(header_filter(sample, strlen(sample), names, &out), 0);
	assert_int_equal(out.len, strlen("From: a@b\r\nTo: c@d,\r\n\te@f\r\n"));
	assert_memory_equal(out.data, sample, out.len);
	buffer_done(&out);
}

static void unfolds(void **state)
{
	struct header_field field;
	struct buffer out;

	(void)state;
	buffer_init(&out, 0);
	assert_true(header_find(sample, strlen(sample), "subject", &field));
	assert_int_equal(header_unfold(&field, &out), 0);
	assert_int_equal(out.len, strlen("two    words"));
	assert_memory_equal(out.data, "two    words", out.len);
	buffer_done(&out);
}

/* Feeds content in two pieces, cut at every place. */
static void scan_gives(const char *content, const char *block, const char *body)
{
	size_t len = strlen(content);

	for (size_t cut = 0; cut <= len; cut++) {
		struct header_scanner scanner;
		char found[4096] = "";
		const char *text;
		size_t used = 0;
		size_t n;

		header_scanner_init(&scanner, 0);
		assert_int_equal(
		    header_scanner_feed(&scanner, content, cut, &used), 0);
		if (used == cut) {
			size_t more;

			assert_int_equal(header_scanner_feed(&scanner,
			                                     content + cut,
			                                     len - cut, &more),
			                 0);
			used += more;
		}
		assert_int_equal(header_scanner_finish(&scanner), 0);
		assert_int_equal(scanner.state, HEADER_SCAN_DONE);
		text = header_scanner_block_borrow(&scanner, &n);
		assert_int_equal(n, strlen(block));
		assert_memory_equal(text, block, n);
		text = header_scanner_rest_borrow(&scanner, &n);
		memcpy(found, text, n);
		strcpy(found + n, content + used);
		assert_string_equal(found, body);
		header_scanner_done(&scanner);
	}
}

static void finds_the_end_of_the_header(void **state)
{
	(void)state;
	scan_gives("A: 1\r\n\r\nbody\r\n", "A: 1\r\n", "body\r\n");
	scan_gives("A: 1\r\n B\r\nC:\r\n\r\n\r\nx\r\n", "A: 1\r\n B\r\nC:\r\n",
	           "\r\nx\r\n");
	scan_gives("A: 1\r\n", "A: 1\r\n", "");
	scan_gives("A : 1\r\n\r\n", "A : 1\r\n", "");
	scan_gives("", "", "");
	scan_gives("\r\n", "", "");
	scan_gives("\r\nA: 1\r\n", "", "A: 1\r\n");
}

static void takes_text_without_header_as_body(void **state)
{
	(void)state;
	scan_gives("hello\r\n", "", "hello\r\n");
	scan_gives("hello world: x\r\n", "", "hello world: x\r\n");
	scan_gives(" A: 1\r\nB: 2\r\n", "", " A: 1\r\nB: 2\r\n");
	scan_gives(": x\r\n", "", ": x\r\n");
	scan_gives("\xc3\xbc: x\r\n", "", "\xc3\xbc: x\r\n");
	scan_gives("A: 1\r\nnot a field\r\nB: 2\r\n", "A: 1\r\n",
	           "not a field\r\nB: 2\r\n");
}

static void drops_the_lines_of_mailbox_files(void **state)
{
	(void)state;
	scan_gives("From a@b Mon Nov 23\r\nA: 1\r\n\r\nx\r\n", "A: 1\r\n",
	           "x\r\n");
	scan_gives(">From a\r\n>From b\r\nA: 1\r\n\r\nx\r\n", "A: 1\r\n",
	           "x\r\n");
	scan_gives("From : a@b\r\n\r\nx\r\n", "From : a@b\r\n", "x\r\n");
}

static void keeps_text_that_only_looks_like_them(void **state)
{
	(void)state;
	scan_gives("From here on\r\nit is text.\r\n", "",
	           "From here on\r\nit is text.\r\n");
	scan_gives("From here on\r\n\r\nA: 1\r\n", "",
	           "From here on\r\n\r\nA: 1\r\n");
	scan_gives("From here on\r\n", "", "From here on\r\n");
	scan_gives("A: 1\r\nFrom x y\r\nB: 2\r\n", "A: 1\r\n",
	           "From x y\r\nB: 2\r\n");
}

static void needs_no_whole_line_to_see_that_it_is_text(void **state)
{
	struct header_scanner scanner;
	char *text = malloc(1000000);
	size_t used;
	size_t len;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 1000000);
	header_scanner_init(&scanner, 0);
	assert_int_equal(header_scanner_feed(&scanner, text, 1000000, &used),
	                 0);
	assert_int_equal(scanner.state, HEADER_SCAN_DONE);
	assert_in_range(used, 1, 2000);
	(void)header_scanner_rest_borrow(&scanner, &len);
	assert_int_equal(len, used);
	header_scanner_done(&scanner);
	free(text);
}

static void limits_size_and_number(void **state)
{
	struct header_scanner scanner;
	char line[64];
	size_t used;

	(void)state;
	header_scanner_init(&scanner, 100);
	assert_int_equal(header_scanner_feed(&scanner, "A: 1\r\n", 6, &used),
	                 0);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(
		    header_scanner_feed(&scanner, " folded\r\n", 9, &used), 0);
	assert_int_equal(scanner.state, HEADER_SCAN_TOO_LARGE);
	header_scanner_done(&scanner);

	header_scanner_init(&scanner, 0);
	for (unsigned i = 0; i < HEADER_LIMIT_FIELDS; i++) {
		(void)snprintf(line, sizeof(line), "F%u: x\r\n", i);
		assert_int_equal(
		    header_scanner_feed(&scanner, line, strlen(line), &used),
		    0);
	}
	assert_int_equal(scanner.state, HEADER_SCAN_OPEN);
	assert_int_equal(header_scanner_feed(&scanner, "A: 1\r\n", 6, &used),
	                 0);
	assert_int_equal(scanner.state, HEADER_SCAN_TOO_MANY);
	header_scanner_reset(&scanner);
	assert_int_equal(scanner.state, HEADER_SCAN_OPEN);
	header_scanner_done(&scanner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walks_field_by_field),
		cmocka_unit_test(takes_bare_line_feeds_and_no_last_one),
		cmocka_unit_test(stops_at_the_empty_line),
		cmocka_unit_test(counts_and_filters_by_name),
		cmocka_unit_test(unfolds),
		cmocka_unit_test(finds_the_end_of_the_header),
		cmocka_unit_test(takes_text_without_header_as_body),
		cmocka_unit_test(drops_the_lines_of_mailbox_files),
		cmocka_unit_test(keeps_text_that_only_looks_like_them),
		cmocka_unit_test(needs_no_whole_line_to_see_that_it_is_text),
		cmocka_unit_test(limits_size_and_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
