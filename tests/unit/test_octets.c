/* What is noted about content, however it is cut. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "receive/octets.h"

#define ROOM 4096

/* A line of so many octets and its CRLF, behind what is there. */
static size_t add_line(char *text, size_t len, size_t octets)
{
	memset(text + len, 'a', octets);
	memcpy(text + len + octets, "\r\n", 2);
	return len + octets + 2;
}

static bool has_long_line(const char *text, size_t len, size_t cut)
{
	size_t open = 0;

	return octets_have_long_line(&open, text, cut) ||
	       octets_have_long_line(&open, text + cut, len - cut);
}

static void finds_a_long_line_in_every_cut(void **state)
{
	static const size_t before[] = { 0, 1, 10, 500, 996, 997, 998 };
	char text[ROOM];

	(void)state;
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		size_t len = add_line(text, 0, before[i]);
		size_t at = len;

		len = add_line(text, len, 998);
		len = add_line(text, len, 3);
		for (size_t cut = 0; cut <= len; cut++)
			assert_false(has_long_line(text, len, cut));
		len = add_line(text, at, 999);
		len = add_line(text, len, 3);
		for (size_t cut = 0; cut <= len; cut++)
			assert_true(has_long_line(text, len, cut));
	}
}

static void finds_a_long_line_that_has_no_end(void **state)
{
	char text[ROOM];

	(void)state;
	memset(text, 'a', sizeof(text));
	for (size_t cut = 0; cut <= 999; cut++) {
		assert_false(has_long_line(text, 999, cut));
		assert_true(has_long_line(text, 1000, cut));
	}
	assert_true(has_long_line(text, sizeof(text), 0));
}

static void finds_one_high_octet_wherever_it_is(void **state)
{
	char text[67];

	(void)state;
	for (size_t len = 0; len <= sizeof(text); len++) {
		memset(text, 127, sizeof(text));
		assert_false(octets_have_high(text, len));
		for (size_t i = 0; i < len; i++) {
			text[i] = (char)128;
			assert_true(octets_have_high(text, len));
			text[i] = 127;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_a_long_line_in_every_cut),
		cmocka_unit_test(finds_a_long_line_that_has_no_end),
		cmocka_unit_test(finds_one_high_octet_wherever_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
