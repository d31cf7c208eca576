/* What clients send along: JSON orders and the selection of messages. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "control/order.h"
#include "control/selection.h"
#include "settings.h"

#define ALL_MEMBERS (ORDER_REASON | ORDER_UNTIL | ORDER_DRY_RUN | ORDER_FILTER)

static struct order order;
static char error[JSON_ERROR_SIZE];

static int64_t fixed_wall_ms(void)
{
	return INT64_C(1795459201123); /* 2026-11-23T18:40:01.123Z */
}

static int64_t fixed_boottime_ms(void)
{
	return 1000;
}

static const struct clock_source fixed_clock = {
	.wall_ms = fixed_wall_ms,
	.boottime_ms = fixed_boottime_ms,
	.monotonic_us = fixed_boottime_ms,
};

static int set_up(void **state)
{
	(void)state;
	clock_replace(&fixed_clock);
	error[0] = '\0';
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	order_done(&order);
	clock_replace(NULL);
	return 0;
}

static int read_order(unsigned members, const char *text)
{
	order_init(&order, members);
	return order_read(&order, text, strlen(text), error);
}

static void takes_no_text_as_an_empty_order(void **state)
{
	(void)state;
	assert_int_equal(read_order(ALL_MEMBERS, ""), 0);
	assert_false(order.has_filter);
	assert_false(order.is_dry_run);
	assert_string_equal(order.reason, "");
}

static void reads_a_whole_order(void **state)
{
	(void)state;
	assert_int_equal(read_order(ALL_MEMBERS,
	                            "{\"reason\": \"move\", \"dry_run\": true,"
	                            " \"until\": \"2026-11-23T19:40:01+00:00\","
	                            " \"filter\": {\"state\": \"held,parked\","
	                            " \"sender\": \"@example.com\","
	                            " \"submitter\": 33}}"),
	                 0);
	assert_string_equal(order.reason, "move");
	assert_true(order.is_dry_run);
	assert_int_equal(order.until_ms, INT64_C(1795462801000));
	assert_true(order.has_filter);
	assert_int_equal(order.filter.states,
	                 1u << MESSAGE_HELD | 1u << MESSAGE_PARKED);
	assert_string_equal(order.filter.queue.sender, "@example.com");
	assert_true(order.filter.queue.has_uid);
	assert_int_equal(order.filter.queue.uid, 33);
}

static void cleans_the_reason_for_the_log(void **state)
{
	(void)state;
	assert_int_equal(
	    read_order(ORDER_REASON, "{\"reason\": \"a\\nevent=forged\"}"), 0);
	assert_null(strchr(order.reason, '\n'));
}

static void names_the_member_that_is_not_known(void **state)
{
	(void)state;
	assert_true(read_order(ORDER_REASON, "{\"until\": null}") < 0);
	assert_non_null(strstr(error, "until"));
	assert_non_null(strstr(error, "reason"));
}

static void refuses_what_is_no_object_of_plain_values(void **state)
{
	static const char *const bad[] = {
		"[]",
		"1",
		"{",
		"{\"reason\": [\"a\"]}",
		"{\"dry_run\": 1}",
		"{\"reason\": 1.5}",
		"{\"reason\": \"a\", \"reason\": \"b\"}",
		"{\"filter\": {\"state\": {\"a\": 1}}}",
		"{\"filter\": true}",
		"{\"filter\": {\"colour\": \"red\"}}",
		"{\"reason\": \"\xff\"}",
		"{\"reason\": \"\\u0000\"}",
		"{\"until\": \"2020-01-01T00:00:00Z\"}",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		error[0] = '\0';
		if (read_order(ALL_MEMBERS, bad[i]) == 0)
			fail_msg("was taken: %s", bad[i]);
		assert_string_not_equal(error, "");
		order_done(&order);
	}
}

static void knows_waiting_as_all_states_before_the_end(void **state)
{
	struct selection selection;

	(void)state;
	selection_init(&selection);
	assert_int_equal(selection_set(&selection, "state", "waiting", error),
	                 0);
	assert_int_equal(selection.states, SELECTION_WAITING);
	selection_done(&selection);
}

static void says_which_states_there_are(void **state)
{
	struct selection selection;

	(void)state;
	selection_init(&selection);
	assert_true(selection_set(&selection, "state", "lost", error) < 0);
	assert_non_null(strstr(error, "delivering"));
	assert_non_null(strstr(error, "`lost`"));
	assert_true(selection_set(&selection, "state", "receiving", error) < 0);
	selection_done(&selection);
}

static void gives_a_relay_by_name_and_id(void **state)
{
	struct selection selection;

	(void)state;
	selection_init(&selection);
	assert_int_equal(selection_set(&selection, "relay", "office", error),
	                 0);
	assert_true(selection.queue.has_relay);
	assert_int_equal(selection.queue.relay_id, settings_relay_id("office"));
	selection_done(&selection);
}

static void restricts_to_the_owner_whatever_was_asked(void **state)
{
	struct selection selection;

	(void)state;
	selection_init(&selection);
	selection_restrict(&selection, 33);
	assert_int_equal(selection_set(&selection, "submitter", "0", error), 0);
	assert_true(selection.queue.has_uid);
	assert_int_equal(selection.queue.uid, 33);
	selection_done(&selection);
}

static void matches_addresses_and_domains(void **state)
{
	struct message_recipient recipients[] = {
		{ .address = "a@Example.ORG" },
		{ .address = "b@example.net" },
	};
	const struct message message = {
		.sender = "app@example.com",
		.recipients = recipients,
		.recipient_count = 2,
	};
	static const struct {
		const char *name;
		const char *value;
		bool matches;
	} cases[] = {
		{ "recipient", "a@example.org", true },
		{ "recipient", "A@example.org", false },
		{ "recipient", "@example.net", true },
		{ "recipient", "@net", false },
		{ "sender", "@EXAMPLE.com", true },
		{ "sender", "<>", false },
		{ "tag", "news", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct selection selection;

		selection_init(&selection);
		assert_int_equal(selection_set(&selection, cases[i].name,
		                               cases[i].value, error),
		                 0);
		if (selection_matches(&selection, &message) != cases[i].matches)
			fail_msg("%s=%s", cases[i].name, cases[i].value);
		selection_done(&selection);
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(takes_no_text_as_an_empty_order),
		CASE(reads_a_whole_order),
		CASE(cleans_the_reason_for_the_log),
		CASE(names_the_member_that_is_not_known),
		CASE(refuses_what_is_no_object_of_plain_values),
		cmocka_unit_test(knows_waiting_as_all_states_before_the_end),
		cmocka_unit_test(says_which_states_there_are),
		cmocka_unit_test(gives_a_relay_by_name_and_id),
		cmocka_unit_test(restricts_to_the_owner_whatever_was_asked),
		cmocka_unit_test(matches_addresses_and_domains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
