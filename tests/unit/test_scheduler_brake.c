/*
 * test_scheduler_brake - who is held, who goes on, and what a probe may cost
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../support/fake_queue.h"

#define MINUTE UINT64_C(60000)

static const char yaml[] = "hostname: host.example.com\n"
			   "relays:\n"
			   "  main: {url: \"smtp://relay.example.com:25\","
			   " limits: {connections: 1}}\n";

static const char many_yaml[] = "hostname: host.example.com\n"
				"relays:\n"
				"  main: {url: \"smtp://relay.example.com:25\","
				" limits: {connections: 3}}\n";

static int set_up(void **state)
{
	(void)state;
	fake_set_up(yaml);
	return 0;
}

static int set_up_many(void **state)
{
	(void)state;
	fake_set_up(many_yaml);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_tear_down();
	return 0;
}

static uint32_t backlog(uint32_t submitter, unsigned parts)
{
	uint32_t lane = fake_lane("main", PRIORITY_NORMAL, submitter, "");

	fake_is_silent = true;
	for (unsigned i = 0; i < parts; i++)
		fake_fresh(lane);
	fake_is_silent = false;
	return lane;
}

/* The first `count` messages of the oldest assignment are refused alike. */
static void refuse(unsigned count, uint32_t sender)
{
	struct assignment *given = fake_oldest();

	assert_non_null(given);
	assert_true(count <= given->part_count);
	for (unsigned i = 0; i < count; i++) {
		fake_settle(given, i, 0);
		given->delivered--;
		given->refused++;
		given->parts[i].refusal.signature = 7;
		given->parts[i].refusal.sender = sender;
	}
	verdict_local(&given->refusal, VERDICT_PERMANENT, SCOPE_MESSAGE,
	              PHASE_DOT, FAULT_NONE, "go away");
	given->refusal.code = 554;
	fake_home(given, NULL);
}

/* The probe meets the same: what the worker makes of that. */
static void meet_again(struct assignment *given)
{
	struct verdict fault;

	assert_int_equal(given->watched, 7);
	assert_int_equal(given->part_count, 1);
	given->has_met_watched = true;
	given->parts[0].outcome = PART_RETURNED;
	fake_fault(&fault, FAULT_CONFIG);
	fake_home(given, &fault);
}

static void holds_one_submitter_and_serves_the_others(void **state)
{
	unsigned count;

	(void)state;
	backlog(1000, 20);
	fake_start();
	refuse(3, 1);
	assert_int_equal(fake_at_workers(), 0);
	backlog(1001, 5);
	fake_restart();
	/* A new process begins to count anew. */
	assert_int_equal(fake_at_workers(), 1);
	refuse(3, 1);
	count = fake_deliver_all();
	assert_int_equal(count, 5);
	assert_int_equal(fake_rows(), 14);
}

static void tries_one_message_after_a_while(void **state)
{
	(void)state;
	backlog(1000, 20);
	fake_start();
	refuse(3, 1);
	fake_advance(15 * MINUTE - 1000);
	assert_int_equal(fake_at_workers(), 0);
	fake_advance(1000);
	assert_int_equal(fake_at_workers(), 1);
	meet_again(fake_oldest());
	assert_int_equal(fake_at_workers(), 0);
	assert_int_equal(fake_rows(), 17);
	fake_advance(60 * MINUTE);
	assert_int_equal(fake_at_workers(), 1);
	assert_int_equal(fake_oldest()->part_count, 1);
	fake_settle(fake_oldest(), 0, 0);
	fake_oldest()->parts[0].has_delivered = true;
	fake_home(fake_oldest(), NULL);
	assert_int_equal(fake_deliver_all(), 16);
}

static void holds_the_relay_for_different_people(void **state)
{
	struct assignment *probe;

	(void)state;
	backlog(1000, 16);
	backlog(1001, 16);
	fake_start();
	/* The two have turns. */
	refuse(1, 1);
	refuse(1, 2);
	refuse(1, 1);
	assert_int_equal(fake_at_workers(), 0);
	/* Also over a restart, a probe that meets the same ends nothing. */
	(void)fake_commit();
	fake_advance(2000);
	assert_true(fake_commit() > 0);
	fake_restart();
	assert_int_equal(fake_at_workers(), 0);
	fake_advance(20 * MINUTE);
	probe = fake_oldest();
	assert_non_null(probe);
	meet_again(probe);
	assert_int_equal(fake_at_workers(), 0);
	assert_int_equal(fake_rows(), 29);
}

/* What was under way holds one of the two besides: he is tried again, too. */
static void tries_him_again_who_is_held_at_a_relay_that_is(void **state)
{
	(void)state;
	backlog(1000, 40);
	backlog(1001, 1);
	fake_start();
	assert_int_equal(fake_at_workers(), 3);
	refuse(1, 1);
	refuse(1, 2);
	assert_int_equal(fake_at_workers(), 3);
	for (unsigned i = 0; i < 3 && fake_at_workers() > 0; i++)
		refuse(fake_oldest()->part_count < 3 ? 1 : 3, 1);
	/* That what was under way met the same is no end of it. */
	fake_fresh(fake_lane("main", PRIORITY_NORMAL, 1002, ""));
	fake_send_notices();
	fake_run();
	assert_int_equal(fake_at_workers(), 0);
	for (unsigned i = 0; i < 3; i++) {
		fake_advance(7 * 60 * MINUTE);
		assert_int_equal(fake_at_workers(), 1);
		meet_again(fake_oldest());
		assert_int_equal(fake_at_workers(), 0);
	}
	fake_advance(7 * 60 * MINUTE);
	assert_int_equal(fake_at_workers(), 1);
	fake_settle(fake_oldest(), 0, 0);
	fake_oldest()->parts[0].has_delivered = true;
	fake_home(fake_oldest(), NULL);
	(void)fake_deliver_all();
	assert_int_equal(fake_rows(), 0);
}

static void a_hand_lets_it_go_at_once(void **state)
{
	(void)state;
	backlog(1000, 20);
	fake_start();
	refuse(3, 1);
	assert_int_equal(fake_at_workers(), 0);
	scheduler_resume_relay(fake_scheduler, fake_relay("main"));
	fake_run();
	assert_int_equal(fake_at_workers(), 1);
	assert_int_equal(fake_oldest()->watched, 0);
	assert_int_equal(fake_deliver_all(), 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(holds_one_submitter_and_serves_the_others),
		TEST(tries_one_message_after_a_while),
		TEST(holds_the_relay_for_different_people),
		cmocka_unit_test_setup_teardown(
		    tries_him_again_who_is_held_at_a_relay_that_is, set_up_many,
		    tear_down),
		TEST(a_hand_lets_it_go_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
