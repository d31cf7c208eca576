/* More lanes than the scheduler keeps in memory: none of them is forgotten. */
#include "config.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "../support/fake_queue.h"

/* More than are kept without fresh mail, SCHEDULER_LANES_MAX. */
#define MANY_LANES 4400

static const char yaml[] = "hostname: host.example.com\n"
			   "default_relay: main\n"
			   "relays:\n"
			   "  main: {url: \"direct:\"}\n"
			   "  other: {url: \"smtp://other.example.com:25\"}\n";

static int set_up(void **state)
{
	(void)state;
	fake_set_up(yaml);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_tear_down();
	return 0;
}

static uint32_t domain_lane(unsigned number)
{
	char domain[32];

	snprintf(domain, sizeof(domain), "d%u.example", number);
	return fake_lane("main", PRIORITY_NORMAL, 1, domain);
}

/* One message for each of so many domains, in the store already. */
static void fill_store(unsigned first, unsigned count)
{
	fake_is_silent = true;
	for (unsigned i = first; i < first + count; i++)
		fake_sched(domain_lane(i), fake_now_ms - 1);
	fake_is_silent = false;
}

static void deliver_until_nothing_is_left(void)
{
	for (unsigned i = 0; i < 4000 && fake_rows() > 0; i++) {
		(void)fake_deliver_all();
		fake_advance(10);
	}
	assert_int_equal(fake_rows(), 0);
}

static void resumes_all_domains_of_a_relay_that_was_paused(void **state)
{
	(void)state;
	fake_start();
	scheduler_pause_relay(fake_scheduler, fake_relay("main"), 0, "moving");
	fake_run();
	fake_commit();
	fill_store(0, MANY_LANES + 600);
	fake_restart();
	for (unsigned i = 0; i < 400; i++)
		fake_advance(10);
	assert_int_equal(fake_at_workers(), 0);
	scheduler_resume_relay(fake_scheduler, fake_relay("main"));
	fake_run();
	deliver_until_nothing_is_left();
}

/* Their lanes must stay, and are the first that are looked at to make room. */
static void finds_room_behind_lanes_that_have_to_stay(void **state)
{
	uint32_t late;

	(void)state;
	fake_start();
	scheduler_pause_relay(fake_scheduler, fake_relay("other"), 0, "moving");
	fake_run();
	for (uint32_t user = 0; user < 100; user++)
		fake_fresh(fake_lane("other", PRIORITY_NORMAL, user, ""));
	fake_send_notices();
	fake_run();
	assert_int_equal(fake_at_workers(), 0);
	assert_true(fake_commit() > 0);
	fill_store(0, 4096);
	fake_restart();
	while (fake_rows() > 100) {
		(void)fake_deliver_all();
		fake_advance(10);
	}
	late = domain_lane(4096);
	fake_sched(late, fake_now_ms + 5000);
	fake_send_notices();
	fake_run();
	for (unsigned i = 0; i < 10; i++)
		fake_advance(5000);
	assert_int_equal(fake_at_workers(), 1);
	assert_int_equal(fake_oldest()->lane, late);
	assert_int_equal(fake_deliver_all(), 1);
}

/* The disk was faster than the worker: the lane is gone when it says so. */
static void outlives_a_lane_whose_assignment_is_not_home(void **state)
{
	struct assignment *given;

	(void)state;
	(void)mallopt(M_PERTURB, 0x5a);
	fake_start();
	fake_sched(domain_lane(0), fake_now_ms);
	fake_send_notices();
	fake_run();
	given = fake_oldest();
	assert_non_null(given);
	fake_settle_all(given);
	fake_send_notices();
	fake_run();
	for (unsigned i = 1; i < MANY_LANES; i++)
		fake_sched(domain_lane(i), fake_now_ms);
	for (unsigned i = 0; i < 400; i++) {
		struct assignment *other;

		fake_advance(10);
		for (unsigned j = 0; j < fake_given_count; j++) {
			other = fake_given[j];
			if (other == NULL || other == given)
				continue;
			fake_settle_all(other);
			fake_send_notices();
			fake_home(other, NULL);
		}
	}
	fake_home(given, NULL);
	deliver_until_nothing_is_left();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(resumes_all_domains_of_a_relay_that_was_paused),
		TEST(finds_room_behind_lanes_that_have_to_stay),
		TEST(outlives_a_lane_whose_assignment_is_not_home),
	};

	return cmocka_run_group_tests_name("scheduler_lanes", tests, NULL,
	                                   NULL);
}
