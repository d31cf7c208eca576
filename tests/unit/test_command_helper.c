/*
 * test_command_helper - real programs, run by the real helper process
 */
#include "config.h"

#include "command_helper.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/loop.h"

struct fixture {
	struct command_helper *helper;
	struct loop *loop;
	struct mailbox *home;
	unsigned expected, done;
	char output[64][256], problem[64][256];
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_int_equal(command_helper_new(&fixture->helper), 0);
	assert_int_equal(loop_new(&fixture->loop, "test"), 0);
	assert_int_equal(mailbox_new(&fixture->home, fixture->loop), 0);
	assert_int_equal(command_helper_attach(fixture->helper, fixture->loop),
	                 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	command_helper_free(fixture->helper);
	mailbox_free(fixture->home);
	loop_free(fixture->loop);
	free(fixture);
	return 0;
}

static void on_done(struct letter *letter)
{
	struct command *command = LETTER_OF(letter, struct command, letter);
	struct fixture *fixture = command->context;
	unsigned place = fixture->done++;

	snprintf(fixture->output[place], 256, "%s",
	         command->output ? command->output : "(null)");
	snprintf(fixture->problem[place], 256, "%s", command->problem);
	command_free(command);
	if (fixture->done == fixture->expected)
		loop_stop(fixture->loop);
}

static void hand_over(struct fixture *fixture, const char *script,
                      uint32_t time_limit_ms)
{
	char shell[] = "/bin/sh", option[] = "-c", text[512];
	char *words[] = { shell, option, text, NULL };
	struct command *command;

	snprintf(text, sizeof(text), "%s", script);
	command = command_new(words);
	command->home = fixture->home;
	command->on_done = on_done;
	command->context = fixture;
	if (time_limit_ms)
		command->time_limit_ms = time_limit_ms;
	fixture->expected++;
	command_helper_run_take(fixture->helper, command);
}

/* One command, its first line or its problem. */
static void must_give(struct fixture *fixture, const char *script,
                      uint32_t time_limit_ms, const char *output,
                      const char *problem)
{
	unsigned place = fixture->done;

	hand_over(fixture, script, time_limit_ms);
	assert_int_equal(loop_run(fixture->loop), 0);
	assert_string_equal(fixture->output[place], output);
	assert_string_equal(fixture->problem[place], problem);
}

static void gives_the_first_line(void **state)
{
	must_give(*state, "echo geheim; echo more", 0, "geheim", "");
	must_give(*state, "printf 'no end'", 0, "no end", "");
	must_give(*state, "printf 'mail\\r\\n'", 0, "mail", "");
}

static void runs_with_nothing_of_ours(void **state)
{
	assert_int_equal(setenv("RELAIS_TEST_SECRET", "x", 1), 0);
	/* The shell itself adds PWD and the like. */
	must_give(*state, "echo \"${RELAIS_TEST_SECRET-unset} $HOME\"", 0,
	          "unset ", "");
	must_give(*state, "read -r line; echo \"$? $line\"", 0, "1 ", "");
	must_give(*state, "cd /proc/self/fd && echo *", 0, "0 1 2 3", "");
	must_give(*state, "kill -TERM $$; echo alive", 0, "(null)",
	          "/bin/sh was ended by signal 15");
}

/* A program that reads none of it is not waited for. */
static void gives_it_its_input(void **state)
{
	static char shell[] = "/bin/sh", option[] = "-c";
	static char count[] = "wc -c", nothing[] = "echo done";
	char *words[] = { shell, option, count, NULL };
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < 3; i++) {
		struct command *command;

		words[2] = i < 2 ? count : nothing;
		command = command_new(words);
		command->home = fixture->home;
		command->on_done = on_done;
		command->context = fixture;
		command->input_len = i == 1 ? 5 : COMMAND_INPUT_MAX;
		command->input = calloc(1, command->input_len);
		assert_non_null(command->input);
		fixture->expected++;
		command_helper_run_take(fixture->helper, command);
		assert_int_equal(loop_run(fixture->loop), 0);
	}
	assert_string_equal(fixture->output[0], "32768");
	assert_string_equal(fixture->output[1], "5");
	assert_string_equal(fixture->output[2], "done");
}

static void says_why_there_is_no_secret(void **state)
{
	static char missing[] = "/nonexistent/program";
	static char *words[] = { missing, NULL };
	struct fixture *fixture = *state;
	struct command *command;

	must_give(fixture, "echo half; exit 3", 0, "(null)",
	          "/bin/sh ended with status 3");
	must_give(fixture, "true", 0, "(null)", "/bin/sh printed nothing");
	must_give(fixture, "echo; echo second", 0, "(null)",
	          "/bin/sh printed nothing");
	must_give(fixture, "head -c 100000 /dev/zero | tr '\\0' x", 0, "(null)",
	          "/bin/sh printed more than 8191 bytes");

	command = command_new(words);
	command->home = fixture->home;
	command->on_done = on_done;
	command->context = fixture;
	fixture->expected++;
	command_helper_run_take(fixture->helper, command);
	assert_int_equal(loop_run(fixture->loop), 0);
	assert_string_equal(fixture->problem[fixture->done - 1],
	                    "/nonexistent/program: No such file or directory");
}

static void ends_what_takes_too_long(void **state)
{
	must_give(*state, "exec sleep 1000", 20, "(null)",
	          "/bin/sh did not end within 1 s");
	/* Its child would hold the pipe open. */
	must_give(*state, "sleep 1000 & echo early", 20, "(null)",
	          "/bin/sh did not end within 1 s");
	must_give(*state, "echo fine", 0, "fine", "");
}

static void runs_more_than_fit_at_a_time(void **state)
{
	struct fixture *fixture = *state;
	unsigned i;

	for (i = 0; i < 50; i++)
		hand_over(fixture, "echo geheim", 0);
	assert_int_equal(loop_run(fixture->loop), 0);
	assert_int_equal(fixture->done, 50);
	for (i = 0; i < 50; i++)
		assert_string_equal(fixture->output[i], "geheim");
}

static void sends_commands_home_when_the_helper_is_gone(void **state)
{
	struct fixture *fixture = *state;
	unsigned i;

	must_give(fixture, "echo fine", 0, "fine", "");
	/* The helper is the shell's parent. */
	hand_over(fixture, "kill -KILL $PPID", 0);
	for (i = 0; i < 20; i++)
		hand_over(fixture, "exec sleep 1", 0); /* outlives the helper */
	assert_int_equal(loop_run(fixture->loop), 0);
	assert_int_equal(fixture->done, 22);
	for (i = 1; i < 22; i++)
		assert_string_equal(
		    fixture->problem[i],
		    "/bin/sh: the helper process is gone; restart relaisd");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(gives_the_first_line),
		TEST(runs_with_nothing_of_ours),
		TEST(gives_it_its_input),
		TEST(says_why_there_is_no_secret),
		TEST(ends_what_takes_too_long),
		TEST(runs_more_than_fit_at_a_time),
		TEST(sends_commands_home_when_the_helper_is_gone),
	};

	if (loop_prepare_process() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
