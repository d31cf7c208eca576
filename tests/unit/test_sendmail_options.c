/*
 * The command line of sendmail.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sendmail_options.h"

static unsigned warnings;

static void count_warning(const char *format, ...)
{
	(void)format;
	warnings++;
}

/* Splits at spaces; "''" is an empty word. */
static int parse(struct sendmail_options *options, const char *line)
{
	static char copy[512];
	static char *argv[32];
	char error[OPTIONS_ERROR_SIZE] = "";
	char *rest = copy;
	int argc = 0;
	int r;

	(void)unsetenv("NAME");
	(void)unsetenv("RELAIS_PRINT_ID");
	(void)unsetenv("RELAIS_ID_FD");
	assert_true(strlen(line) < sizeof(copy));
	strcpy(copy, line);
	warnings = 0;
	while (rest) {
		char *word = strsep(&rest, " ");

		argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
	}
	r = sendmail_options_parse(options, argc, argv, count_warning, error);
	assert_true((r < 0) == (error[0] != '\0'));
	return r;
}

static void takes_the_mode_from_its_name(void **state)
{
	static const struct {
		const char *line;
		enum sendmail_mode mode;
	} cases[] = {
		{ "sendmail", MODE_SUBMIT },
		{ "/usr/sbin/sendmail -bs", MODE_SMTP },
		{ "/usr/bin/mailq -Ac", MODE_LIST },
		{ "mailq -v", MODE_LIST },
		{ "newaliases", MODE_ALIASES },
		{ "sendmail -bi", MODE_ALIASES },
		{ "sendmail -I", MODE_ALIASES },
		{ "sendmail -b p", MODE_LIST },
		{ "sendmail -bv a@example.com", MODE_VERIFY },
		{ "sendmail -q", MODE_FLUSH },
		{ "sendmail -qf", MODE_FLUSH },
		{ "sendmail -q15m", MODE_NOTHING },
		{ "sendmail -bh", MODE_NOTHING },
		{ "sendmail -bs -bm", MODE_SUBMIT },
	};
	struct sendmail_options options;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse(&options, cases[i].line), 0);
		assert_int_equal(options.mode, cases[i].mode);
	}
}

static void stops_at_the_first_operand(void **state)
{
	struct sendmail_options options;

	(void)state;
	assert_int_equal(parse(&options, "sendmail -i a@b -X /tmp/x -t"), 0);
	assert_int_equal(options.operand_count, 4);
	assert_string_equal(options.operands[0], "a@b");
	assert_false(options.takes_recipients);
	assert_int_equal(parse(&options, "sendmail -t -- -f x"), 0);
	assert_int_equal(options.operand_count, 2);
	assert_null(options.sender);
	assert_int_equal(parse(&options, "sendmail -t -"), 0);
	assert_int_equal(options.operand_count, 1);
}

static void takes_values_glued_or_apart(void **state)
{
	struct sendmail_options options;

	(void)state;
	assert_int_equal(parse(&options, "sendmail -fa@b -FCronDaemon x"), 0);
	assert_string_equal(options.sender, "a@b");
	assert_string_equal(options.full_name, "CronDaemon");
	assert_int_equal(parse(&options, "sendmail -f a@b -r c@d -F Me x"), 0);
	assert_string_equal(options.sender, "c@d");
	assert_string_equal(options.full_name, "Me");
	assert_int_equal(parse(&options, "sendmail -f '' x"), 0);
	assert_string_equal(options.sender, "");
	assert_int_equal(options.operand_count, 1);
	assert_int_equal(parse(&options, "sendmail -itf a@b"), 0);
	assert_true(options.takes_recipients);
	assert_false(options.ends_at_dot);
	assert_string_equal(options.sender, "a@b");
}

static void knows_when_a_dot_is_text(void **state)
{
	struct sendmail_options options;

	(void)state;
	assert_int_equal(parse(&options, "sendmail x"), 0);
	assert_true(options.ends_at_dot);
	assert_int_equal(parse(&options, "sendmail -oi x"), 0);
	assert_false(options.ends_at_dot);
	assert_int_equal(parse(&options, "sendmail -oitrue x"), 0);
	assert_false(options.ends_at_dot);
	assert_int_equal(parse(&options, "sendmail -ti"), 0);
	assert_false(options.ends_at_dot);
	assert_int_equal(parse(&options, "sendmail -i -oifalse x"), 0);
	assert_true(options.ends_at_dot);
}

static void reads_delivery_reports_by_RFC_3461(void **state)
{
	struct sendmail_options options;

	(void)state;
	assert_int_equal(parse(&options, "sendmail -N NEVER -R full -V id x"),
	                 0);
	assert_int_equal(options.envelope.notify, RELAIS_NOTIFY_NEVER);
	assert_int_equal(options.envelope.return_what, RELAIS_RETURN_FULL);
	assert_string_equal(options.envelope.envelope_id, "id");
	assert_int_equal(
	    parse(&options, "sendmail -Nsuccess,Delay -Rheaders x"), 0);
	assert_int_equal(options.envelope.notify,
	                 RELAIS_NOTIFY_SUCCESS | RELAIS_NOTIFY_DELAY);
	assert_int_equal(options.envelope.return_what, RELAIS_RETURN_HEADERS);
	assert_int_equal(warnings, 0);
}

static void warns_of_values_it_ignores(void **state)
{
	static const char *const lines[] = {
		"sendmail -N never,delay x", "sendmail -N sometimes x",
		"sendmail -N success,, x",   "sendmail -R half x",
		"sendmail -B 9BIT x",        "sendmail -V b\001d x",
	};
	struct sendmail_options options;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_int_equal(parse(&options, lines[i]), 0);
		assert_int_equal(warnings, 1);
		assert_int_equal(options.envelope.notify, 0);
	}
}

static void reads_settings_of_ours(void **state)
{
	struct sendmail_options options;

	(void)state;
	assert_int_equal(
	    parse(
		&options,
		"sendmail -O relais.key=k -O relais.tag=t -O relais.meta=a=1 "
		"-O relais.relay=r -Orelais.hold-for=2h -O relais.deadline=90 "
		"-O relais.wait=300s -O relais.priority=urgent "
		"-O Relais.TempFail=75 -O QueueDirectory=/tmp x"),
	    0);
	assert_string_equal(options.envelope.key, "k");
	assert_string_equal(options.envelope.tag, "t");
	assert_string_equal(options.envelope.meta, "a=1");
	assert_string_equal(options.envelope.relay, "r");
	assert_int_equal(options.envelope.hold_s, 7200);
	assert_int_equal(options.envelope.deadline_s, 90);
	assert_int_equal(options.envelope.wait_s, 300);
	assert_int_equal(options.envelope.priority, 4);
	assert_int_equal(options.tempfail_code, 75);
}

static void refuses_what_it_does_not_know(void **state)
{
	static const char *const lines[] = {
		"sendmail -Z",
		"sendmail -bd",
		"sendmail -bz",
		"sendmail -bsx",
		"sendmail -f",
		"sendmail -Mrm id",
		"sendmail --wait x",
		"sendmail -O relais.nothing=1 x",
		"sendmail -O relais.key= x",
		"sendmail -O relais.wait=301 x",
		"sendmail -O relais.wait=0 x",
		"sendmail -O relais.wait=-1 x",
		"sendmail -O relais.hold-for=9w x",
		"sendmail -O relais.hold-for=99999999999999999999d x",
		"sendmail -O relais.priority=high x",
		"sendmail -O relais.tempfail=256 x",
		"sendmail -O relais.tempfail=0 x",
	};
	struct sendmail_options options;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_true(parse(&options, lines[i]) < 0);
}

static void reads_what_the_environment_asks_for(void **state)
{
	char *argv[] = { (char[]){ "sendmail" }, NULL };
	char error[OPTIONS_ERROR_SIZE];
	struct sendmail_options options;

	(void)state;
	(void)setenv("NAME", "Env", 1);
	(void)setenv("RELAIS_PRINT_ID", "1", 1);
	(void)setenv("RELAIS_ID_FD", "7", 1);
	assert_int_equal(
	    sendmail_options_parse(&options, 1, argv, count_warning, error), 0);
	assert_string_equal(options.full_name, "Env");
	assert_true(options.prints_id);
	assert_int_equal(options.id_fd, 7);
	(void)setenv("RELAIS_PRINT_ID", "0", 1);
	(void)setenv("RELAIS_ID_FD", "x", 1);
	assert_int_equal(
	    sendmail_options_parse(&options, 1, argv, count_warning, error), 0);
	assert_false(options.prints_id);
	assert_int_equal(options.id_fd, -1);
}

static void takes_no_name_at_all(void **state)
{
	char *argv[] = { NULL };
	char error[OPTIONS_ERROR_SIZE];
	struct sendmail_options options;

	(void)state;
	assert_int_equal(
	    sendmail_options_parse(&options, 0, argv, count_warning, error), 0);
	assert_int_equal(options.operand_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_the_mode_from_its_name),
		cmocka_unit_test(stops_at_the_first_operand),
		cmocka_unit_test(takes_values_glued_or_apart),
		cmocka_unit_test(knows_when_a_dot_is_text),
		cmocka_unit_test(reads_delivery_reports_by_RFC_3461),
		cmocka_unit_test(warns_of_values_it_ignores),
		cmocka_unit_test(reads_settings_of_ours),
		cmocka_unit_test(refuses_what_it_does_not_know),
		cmocka_unit_test(reads_what_the_environment_asks_for),
		cmocka_unit_test(takes_no_name_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
