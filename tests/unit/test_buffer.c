/* Growable bytes with a hard limit, and the arena beside them. */
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

#include "arena.h"
#include "buffer.h"

static void keeps_what_was_appended(void **state)
{
	struct buffer buffer;

	(void)state;
	buffer_init(&buffer, 0);
	assert_int_equal(buffer_append(&buffer, "ab", 2), 0);
	assert_int_equal(buffer_append_string(&buffer, "cd"), 0);
	assert_int_equal(buffer_appendf(&buffer, "-%d", 42), 0);
	assert_int_equal(buffer.len, 7);
	assert_memory_equal(buffer.data, "abcd-42", 7);
	buffer_done(&buffer);
}

static void refuses_to_exceed_its_limit(void **state)
{
	struct buffer buffer;

	(void)state;
	buffer_init(&buffer, 4);
	assert_int_equal(buffer_append(&buffer, "abcd", 4), 0);
	assert_int_equal(buffer_append(&buffer, "e", 1), -EMSGSIZE);
	assert_int_equal(buffer_appendf(&buffer, "%s", "e"), -EMSGSIZE);
	assert_memory_equal(buffer.data, "abcd", 4);
	buffer_consume(&buffer, 1);
	assert_int_equal(buffer_append(&buffer, "e", 1), 0);
	assert_memory_equal(buffer.data, "bcde", 4);
	buffer_done(&buffer);
}

static void stays_right_when_used_as_a_queue(void **state)
{
	struct buffer buffer;
	uint32_t written = 0;
	uint32_t read = 0;

	(void)state;
	buffer_init(&buffer, 0);
	for (unsigned round = 0; round < 5000; round++) {
		for (unsigned i = 0; i < round % 7; i++, written++)
			assert_int_equal(
			    buffer_append(&buffer, &written, sizeof(written)),
			    0);
		for (unsigned i = 0; i < round % 5 && buffer.len; i++, read++) {
			assert_memory_equal(buffer.data, &read, sizeof(read));
			buffer_consume(&buffer, sizeof(read));
		}
	}
	assert_int_equal(buffer.len, (written - read) * sizeof(read));
	for (; read < written; read++) {
		assert_memory_equal(buffer.data, &read, sizeof(read));
		buffer_consume(&buffer, sizeof(read));
	}
	buffer_done(&buffer);
}

static void does_not_grow_while_as_much_is_consumed(void **state)
{
	struct buffer buffer;
	char piece[100] = "";

	(void)state;
	buffer_init(&buffer, 0);
	assert_int_equal(buffer_append(&buffer, piece, sizeof(piece)), 0);
	for (unsigned i = 0; i < 10000; i++) {
		assert_int_equal(buffer_append(&buffer, piece, 50), 0);
		buffer_consume(&buffer, 50);
	}
	assert_in_range(buffer.cap + buffer.consumed, 100, 1024);
	buffer_done(&buffer);
}

static void hands_its_contents_over_as_a_string(void **state)
{
	struct buffer buffer;
	size_t len;
	char *text;

	(void)state;
	buffer_init(&buffer, 5);
	assert_int_equal(buffer_append(&buffer, "hello", 5), 0);
	buffer_consume(&buffer, 2);
	assert_int_equal(buffer_take(&buffer, &text, &len), 0);
	assert_string_equal(text, "llo");
	assert_int_equal(len, 3);
	free(text);
	assert_int_equal(buffer_take(&buffer, &text, NULL), 0);
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(buffer_append(&buffer, "again", 5), 0);
	buffer_done(&buffer);
}

static void arena_keeps_its_texts_until_it_is_reset(void **state)
{
	struct arena arena;
	char *texts[2000];
	char text[16];

	(void)state;
	arena_init(&arena, 0);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 2000; i++) {
			(void)snprintf(text, sizeof(text), "text %u", i);
			texts[i] = arena_copy(&arena, text, strlen(text));
			assert_non_null(texts[i]);
		}
		for (unsigned i = 0; i < 2000; i++) {
			(void)snprintf(text, sizeof(text), "text %u", i);
			assert_string_equal(texts[i], text);
		}
		arena_reset(&arena);
	}
	assert_non_null(arena_allocate(&arena, 100000));
	arena_done(&arena);
}

static void arena_refuses_to_exceed_its_limit(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, 64);
	assert_non_null(arena_allocate(&arena, 48));
	assert_null(arena_allocate(&arena, 48));
	assert_null(arena_allocate(&arena, SIZE_MAX));
	arena_reset(&arena);
	assert_non_null(arena_allocate(&arena, 64));
	arena_done(&arena);
}

static void strings_and_numbers_follow_each_other(void **state)
{
	struct buffer buffer;
	char *text;

	(void)state;
	buffer_init(&buffer, 64);
	assert_int_equal(buffer_append_strings(&buffer, NULL), 0);
	assert_int_equal(buffer_append_strings(&buffer, "a", "", "bc ", NULL),
	                 0);
	assert_int_equal(buffer_append_number(&buffer, 0), 0);
	assert_int_equal(buffer_append_number(&buffer, 10), 0);
	assert_int_equal(buffer_append_string(&buffer, " "), 0);
	assert_int_equal(buffer_append_number(&buffer, UINT64_MAX), 0);
	assert_int_equal(buffer_take(&buffer, &text, NULL), 0);
	assert_string_equal(text, "abc 010 18446744073709551615");
	free(text);

	buffer_init(&buffer, 4);
	assert_int_equal(buffer_append_strings(&buffer, "abc", "de", "f", NULL),
	                 -EMSGSIZE);
	buffer_done(&buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_what_was_appended),
		cmocka_unit_test(refuses_to_exceed_its_limit),
		cmocka_unit_test(stays_right_when_used_as_a_queue),
		cmocka_unit_test(does_not_grow_while_as_much_is_consumed),
		cmocka_unit_test(hands_its_contents_over_as_a_string),
		cmocka_unit_test(strings_and_numbers_follow_each_other),
		cmocka_unit_test(arena_keeps_its_texts_until_it_is_reset),
		cmocka_unit_test(arena_refuses_to_exceed_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
