/* Messages as clients describe them, and the commands they become. */
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

#include "clock.h"
#include "control/draft.h"
#include "control/draft_json.h"

static struct draft draft;
static char error[DRAFT_ERROR_SIZE];
static char *written; /* commands of the last message that was right */
static unsigned good, bad;
static bool is_array;

static int64_t fixed_wall_ms(void)
{
	return INT64_C(1795459201123); /* 2026-11-23T18:40:01.123Z */
}

static const struct clock_source fixed_clock = {
	.wall_ms = fixed_wall_ms,
	.boottime_ms = fixed_wall_ms,
	.monotonic_us = fixed_wall_ms,
};

static int set_up(void **state)
{
	(void)state;
	clock_replace(&fixed_clock);
	written = NULL;
	good = bad = 0;
	error[0] = '\0';
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(written);
	clock_replace(NULL);
	return 0;
}

static void set(const char *word, const char *value)
{
	assert_int_equal(draft_set(&draft, word, value, error), 0);
}

static void write_commands(const struct draft *from, uint64_t size)
{
	struct buffer out;

	free(written);
	buffer_init(&out, 0);
	draft_append_commands(from, size, &out);
	assert_int_equal(buffer_take(&out, &written, NULL), 0);
}

/* ----------------------------------------------------------------- words */

static void writes_every_wish_as_a_parameter(void **state)
{
	(void)state;
	draft_init(&draft, true, 0);
	set("from", "a@example.com");
	set("to", "b@example.net");
	set("to", "\"c d\"@example.net, e@example.net");
	set("key", "k=1 +");
	set("tag", "t");
	set("meta", "m");
	set("relay", "office");
	set("wait", "30");
	set("hold_for", "2h");
	set("deadline", "1d");
	set("priority", "urgent");
	set("notify", "success, DELAY");
	set("ret", "headers");
	set("envid", "e+1");
	assert_int_equal(draft_check(&draft, error), 0);
	write_commands(&draft, 7);
	assert_string_equal(
	    written,
	    "MAIL FROM:<a@example.com> BODY=8BITMIME SIZE=7 RET=HDRS "
	    "ENVID=e+2B1 HOLDFOR=7200 BY=86400;R MT-PRIORITY=4 "
	    "XKEY=k+3D1+20+2B XTAG=t XMETA=m XRELAY=office XWAIT=30\r\n"
	    "RCPT TO:<b@example.net> NOTIFY=success,delay\r\n"
	    "RCPT TO:<\"c d\"@example.net> NOTIFY=success,delay\r\n"
	    "RCPT TO:<e@example.net> NOTIFY=success,delay\r\n");
	draft_done(&draft);
}

static void asks_for_utf8_where_an_address_needs_it(void **state)
{
	(void)state;
	draft_init(&draft, true, 0);
	set("from", "");
	set("to", "jürgen@example.net");
	set("hold_until", "2026-11-24T00:00:00+01:00");
	write_commands(&draft, 0);
	assert_string_equal(written, "MAIL FROM:<> BODY=8BITMIME SMTPUTF8 "
	                             "HOLDUNTIL=2026-11-23T23:00:00.000Z\r\n"
	                             "RCPT TO:<jürgen@example.net>\r\n");
	draft_done(&draft);
}

static void a_deadline_may_be_a_time(void **state)
{
	(void)state;
	draft_init(&draft, true, 0);
	set("deadline", "2026-11-23T18:41:01Z");
	assert_int_equal(draft.deadline_s, 59);
	assert_true(
	    draft_set(&draft, "deadline", "2026-11-23T18:40:01Z", error) < 0);
	draft_done(&draft);
}

static void refuses_values_that_are_none(void **state)
{
	static const char *const pairs[][2] = {
		{ "from", "a b" },
		{ "from", "a@b@c" },
		{ "from", "a\r\nb" },
		{ "from", "<a@b>" },
		{ "to", "a\n@b" },
		{ "to", "a@b, c@" },
		{ "key", "" },
		{ "key", "a\tb" },
		{ "key", "\xff" },
		{ "tag", "a\x7f" },
		{ "wait", "0" },
		{ "wait", "301" },
		{ "wait", "1x" },
		{ "wait", "-1" },
		{ "hold_for", "1w" },
		{ "hold_for", "9999999999" },
		{ "hold_until", "soon" },
		{ "priority", "4" },
		{ "notify", "" },
		{ "notify", "never,success" },
		{ "notify", "always" },
		{ "ret", "" },
		{ "envid", "ä" },
		{ "dry_run", "perhaps" },
		{ "subject", "x" },
		{ "cc", "a@b" },
		{ "text", "x" },
		{ "sender", "a@b c" },
		{ "", "" },
		{ "From", "a@b" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		draft_init(&draft, true, 0);
		error[0] = '\0';
		if (draft_set(&draft, pairs[i][0], pairs[i][1], error) == 0)
			fail_msg("%s: `%s` was taken", pairs[i][0],
			         pairs[i][1]);
		assert_true(error[0] != '\0');
		draft_done(&draft);
	}
}

static void counts_recipients_as_they_come(void **state)
{
	(void)state;
	draft_init(&draft, false, 2);
	set("from", "a@example.com");
	set("reply_to", "r@example.com");
	set("to", "b@example.net");
	set("cc", "c@example.net");
	assert_true(draft_set(&draft, "bcc", "d@example.net", error) < 0);
	assert_non_null(strstr(error, "2 recipients"));
	draft_done(&draft);
}

/* ------------------------------------------------------------------ JSON */

static void begin(void *context, struct draft *begun)
{
	(void)context;
	draft_init(begun, false, 100);
}

static void end(void *context, struct draft *ended, const char *sentence)
{
	(void)context;
	if (sentence == NULL && draft_check(ended, error) == 0) {
		good++;
		write_commands(ended, 0);
		return;
	}
	bad++;
	if (sentence != NULL)
		(void)snprintf(error, sizeof(error), "%s", sentence);
	assert_true(error[0] != '\0');
}

static int read_json(const char *text)
{
	const struct draft_taker taker = { begin, end, NULL };

	return draft_json_read(text, strlen(text), &taker, &is_array, error);
}

static void reads_one_message(void **state)
{
	(void)state;
	assert_int_equal(
	    read_json(
		"{\"from\": {\"name\": \"A\", \"address\": \"a@example.com\"},"
		"\"sender\": \"\", \"to\": [\"B <b@example.net>\","
		"{\"address\": \"c@example.net\"}], \"bcc\": \"d@example.net\","
		"\"cc\": null, \"text\": \"x\", \"wait\": 5, \"dry_run\": true,"
		"\"notify\": [\"success\", \"delay\"],"
		"\"headers\": {\"X-A\": \"1\", \"X-B\": [\"2\", \"3\"]},"
		"\"attachments\": [{\"content\": \"Zg==\"}, {\"content\": "
		"\"\"}]"
		"}"),
	    0);
	assert_int_equal(good, 1);
	assert_false(is_array);
	assert_string_equal(written,
	                    "MAIL FROM:<> BODY=8BITMIME XWAIT=5\r\n"
	                    "RCPT TO:<b@example.net> NOTIFY=success,delay\r\n"
	                    "RCPT TO:<c@example.net> NOTIFY=success,delay\r\n"
	                    "RCPT TO:<d@example.net> NOTIFY=success,delay\r\n");
}

static void a_bad_one_in_an_array_harms_no_other(void **state)
{
	(void)state;
	assert_int_equal(
	    read_json(
		" [{\"from\": \"a@b\", \"to\": \"c@d\", \"text\": \"x\"},"
		"{\"attachments\": [{\"content\": \"Zg==\", \"x\": 1}]},"
		"{\"from\": \"a@b\", \"to\": \"c@d\", \"html\": \"x\"}, {}]"),
	    0);
	assert_true(is_array);
	assert_int_equal(good, 2);
	assert_int_equal(bad, 2);
}

static void refuses_messages_that_are_none(void **state)
{
	static const char *const texts[] = {
		"{}",
		"{\"text\": {}}",
		"{\"text\": []}",
		"{\"text\": [\"x\"]}",
		"{\"to\": [[\"a@b\"]]}",
		"{\"to\": {\"address\": 5}}",
		"{\"to\": {\"x\": \"a@b\"}}",
		"{\"headers\": \"x\"}",
		"{\"headers\": {\"X\": 5}}",
		"{\"headers\": {\"X\": {}}}",
		"{\"attachments\": \"x\"}",
		"{\"attachments\": {\"content\": \"\"}}",
		"{\"attachments\": [\"x\"]}",
		"{\"attachments\": [{\"content\": \"\", \"content_id\": 1}]}",
		"{\"attachments\": [{\"type\": \"text\", \"content\": \"\"}]}",
		"{\"subject\": true}",
		"{\"key\": 5}",
		"{\"dry_run\": 1}"
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		error[0] = '\0';
		assert_int_equal(read_json(texts[i]), 0);
		assert_int_equal(bad, i + 1);
	}
	assert_int_equal(good, 0);
}

static void tells_what_is_no_json_from_what_is_no_message(void **state)
{
	(void)state;
	assert_int_equal(read_json(""), -EBADMSG);
	assert_int_equal(read_json("{\"a\": 1"), -EBADMSG);
	assert_int_equal(read_json("{\"a\": 1, \"a\": 1}"), -EBADMSG);
	assert_int_equal(read_json("{\"text\": \"\\u0000\"}"), -EBADMSG);
	assert_int_equal(read_json("[1]"), -EINVAL);
	assert_int_equal(read_json("[[{}]]"), -EINVAL);
	assert_int_equal(read_json("[{\"a\": 1.5}]"), -EINVAL);
	assert_int_equal(
	    read_json("{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{\"f\":1}}}}}}"),
	    -EINVAL);
	assert_int_equal(good, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    writes_every_wish_as_a_parameter, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    asks_for_utf8_where_an_address_needs_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_deadline_may_be_a_time,
		                                set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_values_that_are_none,
		                                set_up, tear_down),
		cmocka_unit_test_setup_teardown(counts_recipients_as_they_come,
		                                set_up, tear_down),
		cmocka_unit_test_setup_teardown(reads_one_message, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(
		    a_bad_one_in_an_array_harms_no_other, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_messages_that_are_none,
		                                set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    tells_what_is_no_json_from_what_is_no_message, set_up,
		    tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
