/* How relaisctl takes its command line apart. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ask.h"
#include "buffer.h"
#include "command.h"

static struct invocation invocation;

/* The words after the program's name. */
static int parse(const char *line)
{
	static char words[256];
	static char *argv[32];
	char *rest = words;
	int argc = 1;

	snprintf(words, sizeof(words), "%s", line);
	argv[0] = NULL;
	while (rest && *rest)
		argv[argc++] = strsep(&rest, " ");
	return command_parse(&invocation, argc, argv);
}

static void finds_commands_of_one_and_two_words(void **state)
{
	(void)state;
	assert_int_equal(parse("status"), EXIT_FINE);
	assert_string_equal(invocation.command->name, "status");
	assert_int_equal(parse("relay show office backup"), EXIT_FINE);
	assert_string_equal(invocation.command->name, "relay show");
	assert_int_equal(invocation.operand_count, 2);
	assert_string_equal(invocation.operands[1], "backup");
}

static void takes_options_anywhere(void **state)
{
	(void)state;
	assert_int_equal(parse("--json hold a --reason=x b --for 2h"),
	                 EXIT_FINE);
	assert_true(invocation.is_json);
	assert_string_equal(invocation.values[OPTION_REASON], "x");
	assert_string_equal(invocation.values[OPTION_FOR], "2h");
	assert_int_equal(invocation.operand_count, 2);
	assert_string_equal(invocation.operands[0], "a");
	assert_string_equal(invocation.operands[1], "b");
}

static void ends_options_at_two_dashes(void **state)
{
	(void)state;
	assert_int_equal(parse("show -- --json"), EXIT_FINE);
	assert_false(invocation.is_json);
	assert_string_equal(invocation.operands[0], "--json");
}

static void refuses_what_the_command_does_not_know(void **state)
{
	static const char *const bad[] = {
		"frobnicate",       "relay",          "relay frobnicate",
		"status --limit 3", "status extra",   "show",
		"list --limit",     "list --all=yes", "list --frobnicate",
		"list -x",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(bad[i]) != EXIT_BAD_USAGE)
			fail_msg("was taken: %s", bad[i]);
}

static void finds_the_socket_by_option_then_environment(void **state)
{
	(void)state;
	unsetenv("RELAIS_CONTROL_SOCKET");
	assert_int_equal(parse("status"), EXIT_FINE);
	assert_string_equal(invocation.socket, "/run/relais/control.sock");
	setenv("RELAIS_CONTROL_SOCKET", "/a", 1);
	assert_int_equal(parse("status"), EXIT_FINE);
	assert_string_equal(invocation.socket, "/a");
	assert_int_equal(parse("status --socket /b"), EXIT_FINE);
	assert_string_equal(invocation.socket, "/b");
	unsetenv("RELAIS_CONTROL_SOCKET");
}

static void has_a_help_for_every_command(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < command_count; i++) {
		char line[64];

		snprintf(line, sizeof(line), "%s --help", commands[i].name);
		assert_int_equal(parse(line), EXIT_FINE);
		assert_ptr_equal(invocation.command, &commands[i]);
		assert_non_null(invocation.values[OPTION_HELP]);
	}
}

static void reads_durations(void **state)
{
	int64_t seconds;

	(void)state;
	assert_int_equal(ask_parse_duration("90s", &seconds), 0);
	assert_int_equal(seconds, 90);
	assert_int_equal(ask_parse_duration("2h", &seconds), 0);
	assert_int_equal(seconds, 7200);
	assert_int_equal(ask_parse_duration("3d", &seconds), 0);
	assert_int_equal(seconds, 259200);
	assert_true(ask_parse_duration("", &seconds) < 0);
	assert_true(ask_parse_duration("2", &seconds) < 0);
	assert_true(ask_parse_duration("0s", &seconds) < 0);
	assert_true(ask_parse_duration("-2h", &seconds) < 0);
	assert_true(ask_parse_duration("2hh", &seconds) < 0);
	assert_true(ask_parse_duration("99999999999999999999d", &seconds) < 0);
}

static void encodes_queries(void **state)
{
	struct buffer target;
	char *text;

	(void)state;
	buffer_init(&target, 0);
	assert_int_equal(buffer_append_string(&target, "/m"), 0);
	assert_int_equal(ask_add_query(&target, "a", NULL), 0);
	assert_int_equal(ask_add_query(&target, "a", "x+y@z&\xc3\xa4"), 0);
	assert_int_equal(ask_add_query(&target, "b", "1 %"), 0);
	assert_int_equal(buffer_take(&target, &text, NULL), 0);
	assert_string_equal(text, "/m?a=x%2By@z%26%C3%A4&b=1%20%25");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_commands_of_one_and_two_words),
		cmocka_unit_test(takes_options_anywhere),
		cmocka_unit_test(ends_options_at_two_dashes),
		cmocka_unit_test(refuses_what_the_command_does_not_know),
		cmocka_unit_test(finds_the_socket_by_option_then_environment),
		cmocka_unit_test(has_a_help_for_every_command),
		cmocka_unit_test(reads_durations),
		cmocka_unit_test(encodes_queries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
