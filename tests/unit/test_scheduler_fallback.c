/* A relay in trouble: another one carries its mail. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "settings.h"

#include "../support/fake_queue.h"

#define MINUTE UINT64_C(60000)

/* One host and port, three logins. */
static const char three_relays[] =
    "hostname: host.example.com\n"
    "default_relay: main\n"
    "relays:\n"
    "  main: {url: \"smtps://a@relay.example.com:465\", password: x,"
    " limits: {connections: 4}, fallback: [first, second]}\n"
    "  first: {url: \"smtps://b@relay.example.com:465\", password: x,"
    " limits: {connections: 2}, fallback: [main]}\n"
    "  second: {url: \"smtps://c@relay.example.com:465\", password: x,"
    " limits: {connections: 2}}\n";

static int set_up(void **state)
{
	(void)state;
	fake_set_up(three_relays);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_tear_down();
	return 0;
}

static uint32_t backlog(const char *relay, unsigned parts)
{
	uint32_t lane = fake_lane(relay, PRIORITY_NORMAL, 1000, "");

	fake_is_silent = true;
	for (unsigned i = 0; i < parts; i++)
		fake_fresh(lane);
	fake_is_silent = false;
	return lane;
}

static bool is_for(const struct assignment *given, const char *relay)
{
	return strcmp(given->relay->name, relay) == 0;
}

/* All that this relay was given comes back by its fault. */
static unsigned refuse(const char *relay, enum verdict_fault fault)
{
	unsigned count = 0;

	for (unsigned i = 0; i < fake_given_count; i++) {
		struct assignment *given = fake_given[i];

		if (given == NULL || !is_for(given, relay))
			continue;
		fake_return(given, fault);
		count++;
	}
	return count;
}

static unsigned at(const char *relay)
{
	unsigned count = 0;

	for (unsigned i = 0; i < fake_given_count; i++)
		if (fake_given[i] != NULL && is_for(fake_given[i], relay))
			count++;
	return count;
}

static void deliver_one(void)
{
	struct assignment *given = fake_oldest();

	assert_non_null(given);
	fake_settle_all(given);
	fake_home(given, NULL);
	fake_commit();
}

static void gives_the_mail_of_a_relay_in_trouble_to_its_fallback(void **state)
{
	(void)state;
	backlog("main", 200);
	fake_start();
	assert_int_equal(at("main"), 4);
	assert_int_equal(refuse("main", FAULT_AUTH), 4);
	assert_int_equal(at("main"), 0);
	assert_int_equal(at("first"), 2);
	for (unsigned i = 0; i < fake_given_count; i++)
		assert_true(fake_given[i] == NULL ||
		            fake_given[i]->is_fallback);
	while (fake_at_workers() > 0)
		deliver_one();
	assert_int_equal(fake_rows(), 0);
}

static void takes_fallbacks_in_their_order(void **state)
{
	(void)state;
	backlog("main", 200);
	fake_start();
	refuse("main", FAULT_NETWORK);
	assert_int_equal(at("first"), 2);
	refuse("first", FAULT_NETWORK);
	assert_int_equal(at("first"), 0);
	assert_int_equal(at("second"), 2);
	refuse("second", FAULT_NETWORK);
	assert_int_equal(fake_at_workers(), 0);
	assert_int_equal(fake_rows(), 200);
}

static void probes_the_relay_itself_and_returns_to_it(void **state)
{
	(void)state;
	backlog("main", 200);
	fake_start();
	refuse("main", FAULT_NETWORK);
	assert_int_equal(at("first"), 2);
	fake_advance(MINUTE);
	/* One part asks how it is; the rest goes on as before. */
	assert_int_equal(at("main"), 1);
	assert_int_equal(at("first"), 2);
	for (unsigned i = 0; i < fake_given_count; i++) {
		if (fake_given[i] == NULL || !is_for(fake_given[i], "main"))
			continue;
		assert_int_equal(fake_given[i]->part_count, 1);
		assert_false(fake_given[i]->is_fallback);
		fake_settle_all(fake_given[i]);
		fake_home(fake_given[i], NULL);
		break;
	}
	fake_commit();
	assert_true(at("main") > 0);
	while (at("first") > 0)
		deliver_one();
	assert_true(at("main") > 0);
}

static void shares_a_fallback_between_its_own_and_what_it_carries(void **state)
{
	unsigned own = 0, carried = 0;

	(void)state;
	backlog("main", 300);
	backlog("first", 300);
	fake_start();
	refuse("main", FAULT_NETWORK);
	for (unsigned i = 0; i < 20; i++) {
		struct assignment *given = fake_oldest();

		assert_non_null(given);
		if (!is_for(given, "first")) {
			fake_return(given, FAULT_NETWORK);
			continue;
		}
		if (given->is_fallback)
			carried++;
		else
			own++;
		deliver_one();
		assert_int_equal(at("first"), 2);
	}
	assert_in_range(own, 8, 12);
	assert_in_range(carried, 8, 12);
}

/* The workers have seen in the records that the outcome is unknown. */
static void keep_all(const char *relay)
{
	for (unsigned i = 0; i < fake_given_count; i++) {
		struct assignment *given = fake_given[i];

		if (given == NULL || !is_for(given, relay))
			continue;
		assert_true(given->is_fallback);
		for (unsigned j = 0; j < given->part_count; j++)
			given->parts[j].outcome = PART_KEPT;
		fake_home(given, NULL);
	}
}

static void gives_no_other_what_its_relay_may_have_taken(void **state)
{
	(void)state;
	backlog("main", 2);
	fake_start();
	refuse("main", FAULT_NETWORK);
	assert_true(at("first") > 0);
	keep_all("first");
	assert_int_equal(fake_at_workers(), 0);
	assert_int_equal(fake_rows(), 2);

	/* While one part asks, the fallback is asked for the other again. */
	fake_advance(MINUTE);
	assert_int_equal(at("main"), 1);
	keep_all("first");
	assert_int_equal(fake_at_workers(), 1);
	deliver_one();
	/* Its own relay works again: the other one goes, too. */
	assert_int_equal(at("main"), 1);
	assert_false(fake_oldest()->is_fallback);
	deliver_one();
	assert_int_equal(fake_rows(), 0);
}

static void keeps_mail_of_a_paused_relay_back(void **state)
{
	(void)state;
	backlog("main", 20);
	fake_start();
	scheduler_pause_relay(fake_scheduler, fake_relay("main"), 0, "by me");
	fake_run();
	refuse("main", FAULT_NETWORK);
	assert_int_equal(fake_at_workers(), 0);
}

static void asks_a_relay_that_is_resumed_at_once(void **state)
{
	(void)state;
	backlog("main", 200);
	fake_start();
	refuse("main", FAULT_AUTH);
	assert_int_equal(at("first"), 2);
	scheduler_resume_relay(fake_scheduler, fake_relay("main"));
	fake_run();
	assert_true(at("main") > 0);
	while (at("first") > 0)
		deliver_one();
	assert_int_equal(at("first"), 0);
}

static void never_shares_a_connection_between_logins(void **state)
{
	uint32_t slots[3] = { 0 };
	static const char *const names[] = { "main", "first", "second" };

	(void)state;
	backlog("main", 200);
	backlog("first", 200);
	backlog("second", 200);
	fake_start();
	/* A slot is a connection: none is of two relays. */
	for (unsigned i = 0; i < fake_given_count; i++)
		for (unsigned j = 0; j < fake_given_count; j++)
			assert_true(fake_given[i]->relay ==
			                fake_given[j]->relay ||
			            fake_given[i]->slot != fake_given[j]->slot);
	for (unsigned i = 0; i < 3; i++)
		slots[i] = at(names[i]);
	assert_int_equal(slots[0], 4);
	assert_int_equal(slots[1], 2);
	assert_int_equal(slots[2], 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(gives_the_mail_of_a_relay_in_trouble_to_its_fallback),
		TEST(takes_fallbacks_in_their_order),
		TEST(probes_the_relay_itself_and_returns_to_it),
		TEST(shares_a_fallback_between_its_own_and_what_it_carries),
		TEST(gives_no_other_what_its_relay_may_have_taken),
		TEST(keeps_mail_of_a_paused_relay_back),
		TEST(asks_a_relay_that_is_resumed_at_once),
		TEST(never_shares_a_connection_between_logins),
	};

	return cmocka_run_group_tests_name("scheduler_fallback", tests, NULL,
	                                   NULL);
}
