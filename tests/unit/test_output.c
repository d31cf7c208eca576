/* What people read: widths, words, and what never reaches a terminal. */
#include "config.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "output.h"

#define NOW INT64_C(1795459201123)

static char *text;
static size_t len;
static struct output output;

static int set_up(void **state)
{
	(void)state;
	output = (struct output){
		.file = open_memstream(&text, &len),
		.now_ms = NOW,
	};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fclose(output.file);
	free(text);
	return 0;
}

static void assert_printed(const char *expected)
{
	fflush(output.file);
	assert_string_equal(text, expected);
}

static const struct column columns[] = {
	{ "NAME", COLUMN_SHRINKS },
	{ "COUNT", COLUMN_RIGHT },
	{ "END", 0 },
};

static struct table *make_table(void)
{
	struct table *table = table_new(columns, 3);

	table_cell(table, STYLE_PLAIN, "a long name that goes on");
	table_cell(table, STYLE_GOOD, "7");
	table_cell(table, STYLE_PLAIN, "x");
	table_note(table, "why it is so");
	table_cell(table, STYLE_PLAIN, "b");
	table_format(table, STYLE_PLAIN, "%d", 12345);
	table_cell(table, STYLE_PLAIN, NULL);
	return table;
}

static void aligns_columns(void **state)
{
	struct table *table = make_table();

	(void)state;
	table_print(table, &output);
	table_free(table);
	assert_printed("NAME                      COUNT  END\n"
	               "a long name that goes on      7  x\n"
	               "    why it is so\n"
	               "b                         12345  \n");
}

static void shrinks_to_the_terminal(void **state)
{
	struct table *table = make_table();

	(void)state;
	output.width = 24;
	table_print(table, &output);
	table_free(table);
	assert_printed("NAME          COUNT  END\n"
	               "a long name\xe2\x80\xa6      7  x\n"
	               "    why it is so\n"
	               "b             12345  \n");
}

static void colours_only_where_it_may(void **state)
{
	(void)state;
	output_text(&output, STYLE_BAD, "a");
	output.has_colours = true;
	output_text(&output, STYLE_BAD, "b");
	output_text(&output, STYLE_PLAIN, "c");
	assert_printed("a\033[31mb\033[0mc");
}

static void keeps_control_characters_off_the_terminal(void **state)
{
	(void)state;
	output_text(&output, STYLE_PLAIN, "a\033[2J\nb\x7f\xc2\x9b\xc3\xa4");
	assert_printed("a?[2J?b??\xc3\xa4");
}

static void says_times_as_people_do(void **state)
{
	static const struct {
		int64_t at_ms;
		const char *words;
	} cases[] = {
		{ 0, "" },
		{ NOW, "now" },
		{ NOW - 12000, "12 s ago" },
		{ NOW + 240000, "in 4 min" },
		{ NOW - 100 * 60000, "100 min ago" },
		{ NOW - 3 * 3600000, "3 h ago" },
		{ NOW - 47 * INT64_C(3600000), "47 h ago" },
		{ NOW + 3 * INT64_C(86400000), "in 3 d" },
	};
	char words[OUTPUT_WORDS_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		output_age(&output, cases[i].at_ms, words);
		assert_string_equal(words, cases[i].words);
	}
}

static void says_sizes_and_numbers_as_people_do(void **state)
{
	char words[OUTPUT_WORDS_SIZE];

	(void)state;
	output_size(0, words);
	assert_string_equal(words, "0 B");
	output_size(999, words);
	assert_string_equal(words, "999 B");
	output_size(4212, words);
	assert_string_equal(words, "4.1 KiB");
	output_size(INT64_C(64) << 30, words);
	assert_string_equal(words, "64.0 GiB");
	output_size(200000, words);
	assert_string_equal(words, "195 KiB");
	output_number(1234567, words);
	assert_string_equal(words, "1,234,567");
	output_number(-123, words);
	assert_string_equal(words, "-123");
	output_duration(0, words);
	assert_string_equal(words, "0 s");
	output_duration(274000, words);
	assert_string_equal(words, "3 d 4 h");
	output_duration(3600, words);
	assert_string_equal(words, "1 h");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(aligns_columns),
		CASE(shrinks_to_the_terminal),
		CASE(colours_only_where_it_may),
		CASE(keeps_control_characters_off_the_terminal),
		CASE(says_times_as_people_do),
		CASE(says_sizes_and_numbers_as_people_do),
	};

	(void)setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
