/*
 * test_quoted_printable - any octets as lines of printable ASCII
 */
#include "config.h"

#include "quoted_printable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *text, const char *wanted)
{
	struct buffer out;
	char *encoded;

	buffer_init(&out, 0);
	assert_int_equal(quoted_printable_append(&out, text, strlen(text)), 0);
	assert_int_equal(buffer_append(&out, "", 1), 0);
	assert_int_equal(buffer_take(&out, &encoded, NULL), 0);
	assert_string_equal(encoded, wanted);
	free(encoded);
}

static void leaves_plain_lines_alone(void **state)
{
	(void)state;
	check("Dear Bob,\r\n\r\nhow are you?\r\n",
	      "Dear Bob,\r\n\r\nhow are you?\r\n");
}

static void encodes_what_is_not_plain(void **state)
{
	(void)state;
	check("a=b", "a=3Db");
	check("Gr\xc3\xbc\xc3\x9f"
	      "e",
	      "Gr=C3=BC=C3=9Fe");
	check("bare\nlines\r", "bare=0Alines=0D");
}

static void keeps_white_space_in_front_of_a_line_end(void **state)
{
	(void)state;
	check("tail \r\nand\t\r\nend ", "tail=20\r\nand=09\r\nend=20");
}

static void breaks_long_lines_softly(void **state)
{
	char text[201];
	struct buffer out;
	size_t line = 0;

	(void)state;
	memset(text, 'x', 200);
	text[200] = '\0';
	buffer_init(&out, 0);
	assert_int_equal(quoted_printable_append(&out, text, 200), 0);
	for (size_t i = 0; i < out.len; i++) {
		if (out.data[i] == '\n') {
			assert_int_equal(out.data[i - 2], '=');
			line = 0;
			continue;
		}
		line += out.data[i] != '\r';
		assert_true(line <= 76);
	}
	assert_int_equal(out.len, 200 + 2 * 3);
	buffer_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_plain_lines_alone),
		cmocka_unit_test(encodes_what_is_not_plain),
		cmocka_unit_test(keeps_white_space_in_front_of_a_line_end),
		cmocka_unit_test(breaks_long_lines_softly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
