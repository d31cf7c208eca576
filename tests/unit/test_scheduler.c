/* Whose turn it is: order, fairness, and no part given out twice. */
#include "config.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/fake_queue.h"

static const char one_relay[] = "hostname: host.example.com\n"
				"relays:\n"
				"  main: {url: \"smtp://relay.example.com:25\","
				" limits: {connections: 4}}\n";
static const char one_connection[] =
    "hostname: host.example.com\n"
    "relays:\n"
    "  main: {url: \"smtp://relay.example.com:25\","
    " limits: {connections: 1}}\n";
static const char direct[] =
    "hostname: host.example.com\n"
    "default_relay: main\n"
    "relays:\n"
    "  main: {url: \"direct:\", limits: {connections: 8}}\n"
    "  other: {url: \"smtp://other.example.com:25\"}\n";

static int set_up(void **state)
{
	(void)state;
	fake_set_up(one_relay);
	return 0;
}

static int set_up_one_connection(void **state)
{
	(void)state;
	fake_set_up(one_connection);
	return 0;
}

static int set_up_direct(void **state)
{
	(void)state;
	fake_set_up(direct);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_tear_down();
	return 0;
}

static uint32_t normal_lane(void)
{
	return fake_lane("main", PRIORITY_NORMAL, 1000, "");
}

static void hands_out_a_fresh_part_at_once(void **state)
{
	uint32_t lane = normal_lane();
	const struct assignment *given;
	uint64_t id;

	(void)state;
	fake_start();
	id = fake_fresh(lane);
	fake_send_notices();
	fake_run();
	given = fake_oldest();
	assert_non_null(given);
	assert_int_equal(given->part_count, 1);
	assert_true(given->parts[0].id == id);
	assert_int_equal(given->lane, lane);
	assert_string_equal(given->relay->name, "main");
	assert_string_equal(given->domain, "");
	assert_int_equal(fake_deliver_all(), 1);
	assert_int_equal(fake_rows(), 0);
}

static void spreads_a_shallow_backlog_over_the_connections(void **state)
{
	uint32_t lane = normal_lane();

	(void)state;
	fake_start();
	for (unsigned i = 0; i < 8; i++)
		fake_fresh(lane);
	fake_send_notices();
	fake_run();
	assert_int_equal(fake_at_workers(), 4);
	assert_in_range(fake_parts_at_workers(), 6, 8);
}

static void start_with_a_deep_backlog(void)
{
	uint32_t lane = normal_lane();

	fake_is_silent = true;
	for (unsigned i = 0; i < 1000; i++)
		fake_fresh(lane);
	fake_is_silent = false;
	fake_start();
}

static void sends_a_deep_backlog_in_few_letters(void **state)
{
	struct assignment *given;

	(void)state;
	start_with_a_deep_backlog();
	assert_int_equal(fake_at_workers(), 4);
	/* Few, while nobody knows how fast it is. */
	assert_int_equal(fake_parts_at_workers(), 4 * 4);
	for (unsigned i = 0; i < 4; i++) {
		given = fake_oldest();
		fake_settle_all(given);
		fake_home(given, NULL);
	}
	assert_int_equal(fake_at_workers(), 4);
	assert_int_equal(fake_parts_at_workers(), 4 * ASSIGNMENT_PARTS_MAX);
	assert_int_equal(fake_deliver_all(), fake_rows());
}

static void gives_a_slow_relay_few_parts_at_a_time(void **state)
{
	struct assignment *given;

	(void)state;
	start_with_a_deep_backlog();
	/* A part takes half a second here. */
	for (unsigned i = 0; i < 20; i++) {
		given = fake_oldest();
		fake_advance(500 * given->part_count);
		fake_settle_all(given);
		fake_home(given, NULL);
	}
	assert_int_equal(fake_at_workers(), 4);
	assert_int_equal(fake_parts_at_workers(), 4);
	/* And now none at all. */
	assert_int_equal(fake_deliver_all(), fake_rows());
}

static void starts_the_parts_of_a_lane_in_order(void **state)
{
	uint32_t lane = normal_lane();
	struct assignment *given;
	uint64_t last = 0;

	(void)state;
	fake_is_silent = true;
	for (unsigned i = 0; i < 100; i++)
		fake_fresh(lane);
	fake_is_silent = false;
	fake_start();
	while ((given = fake_oldest()) != NULL) {
		for (unsigned i = 0; i < given->part_count; i++) {
			assert_true(given->parts[i].id > last);
			last = given->parts[i].id;
		}
		fake_settle_all(given);
		fake_send_notices();
		fake_home(given, NULL);
	}
	assert_int_equal(fake_rows(), 0);
}

static void reuses_the_warm_connection(void **state)
{
	uint32_t lane = normal_lane();
	uint32_t slot = 0;

	(void)state;
	fake_start();
	for (unsigned i = 0; i < 10; i++) {
		fake_fresh(lane);
		fake_send_notices();
		fake_run();
		if (i == 0)
			slot = fake_oldest()->slot;
		assert_int_equal(fake_oldest()->slot, slot);
		assert_int_equal(fake_deliver_all(), 1);
	}
}

static void reads_what_is_due_and_nothing_before(void **state)
{
	uint32_t lane = normal_lane();

	(void)state;
	fake_is_silent = true;
	fake_sched(lane, fake_now_ms - 5);
	fake_sched(lane, fake_now_ms + 60000);
	fake_is_silent = false;
	fake_start();
	assert_int_equal(fake_parts_at_workers(), 1);
	assert_int_equal(fake_deliver_all(), 1);
	fake_advance(59999);
	assert_int_equal(fake_at_workers(), 0);
	fake_advance(1);
	assert_int_equal(fake_deliver_all(), 1);
}

static void wakes_for_a_deferred_part_when_it_is_due(void **state)
{
	uint32_t lane = normal_lane();
	struct assignment *given;

	(void)state;
	fake_start();
	fake_fresh(lane);
	fake_send_notices();
	fake_run();
	given = fake_oldest();
	fake_settle(given, 0, fake_now_ms + 1000);
	fake_home(given, NULL);
	fake_send_notices();
	fake_run();
	assert_int_equal(fake_at_workers(), 0);
	fake_advance(1000);
	assert_int_equal(fake_deliver_all(), 1);
	assert_int_equal(fake_rows(), 0);
}

static void wakes_for_a_lane_that_it_does_not_know(void **state)
{
	uint32_t lane = normal_lane();

	(void)state;
	fake_start();
	fake_sched(lane, fake_now_ms + 5000);
	fake_send_notices();
	fake_run();
	fake_advance(4999);
	assert_int_equal(fake_at_workers(), 0);
	fake_advance(1);
	assert_int_equal(fake_deliver_all(), 1);
}

static void gives_no_part_twice_whatever_is_told_twice(void **state)
{
	uint32_t lane = normal_lane();
	struct assignment *given;
	uint64_t id, later;

	(void)state;
	fake_is_silent = true;
	id = fake_fresh(lane);
	later = fake_sched(lane, fake_now_ms);
	fake_is_silent = false;
	fake_start();
	assert_int_equal(fake_parts_at_workers(), 2);
	fake_repeat_notice(PART_NOW_FRESH, lane, id, 0);
	fake_repeat_notice(PART_NOW_SCHED, lane, later, 0);
	fake_advance(1);
	assert_int_equal(fake_parts_at_workers(), 2);

	/* Home before the notice of its settlement: still claimed. */
	while ((given = fake_oldest()) != NULL) {
		given->parts[0].outcome = PART_SETTLED;
		fake_home(given, NULL);
	}
	fake_repeat_notice(PART_NOW_SCHED, lane, later, 0);
	fake_advance(1);
	assert_int_equal(fake_at_workers(), 0);

	/* Settled, and not deferred: the row of `later` is due again. */
	fake_repeat_notice(PART_NOW_SETTLED, lane, later, 0);
	fake_repeat_notice(PART_NOW_SCHED, lane, later, 0);
	assert_int_equal(fake_parts_at_workers(), 1);
}

static void gives_a_part_again_that_is_settled_before_it_is_home(void **state)
{
	uint32_t lane = normal_lane();
	struct assignment *first, *second;

	(void)state;
	fake_start();
	fake_fresh(lane);
	fake_send_notices();
	fake_run();
	first = fake_oldest();
	fake_settle(first, 0, fake_now_ms);
	fake_send_notices();
	fake_run();
	assert_int_equal(fake_at_workers(), 2);
	/* The first one's homecoming does not touch the second one's claim. */
	fake_home(first, NULL);
	second = fake_oldest();
	assert_non_null(second);
	fake_advance(1000);
	assert_int_equal(fake_at_workers(), 1);
	fake_settle_all(second);
	fake_send_notices();
	fake_home(second, NULL);
	assert_int_equal(fake_rows(), 0);
}

static void drops_what_is_gone(void **state)
{
	uint32_t lane = normal_lane();
	struct assignment *given;

	(void)state;
	fake_start();
	fake_fresh(lane);
	fake_send_notices();
	fake_run();
	given = fake_oldest();
	given->parts[0].outcome = PART_GONE;
	fake_home(given, NULL);
	fake_advance(100000);
	assert_int_equal(fake_at_workers(), 0);
}

/* Of `rounds` parts handed out one by one, how many were of each lane. */
static void count_turns(unsigned rounds, const uint32_t *lanes, unsigned *turns,
                        unsigned lane_count)
{
	memset(turns, 0, lane_count * sizeof(*turns));
	while (rounds > 0) {
		struct assignment *given = fake_oldest();

		assert_non_null(given);
		for (unsigned i = 0; i < lane_count; i++)
			if (lanes[i] == given->lane)
				turns[i] += given->part_count;
		rounds -=
		    given->part_count < rounds ? given->part_count : rounds;
		fake_settle_all(given);
		fake_send_notices();
		fake_home(given, NULL);
	}
}

static void slows_a_lower_priority_but_starves_none(void **state)
{
	uint32_t lanes[3] = {
		fake_lane("main", PRIORITY_URGENT, 1000, ""),
		fake_lane("main", PRIORITY_NORMAL, 1000, ""),
		fake_lane("main", PRIORITY_BULK, 1000, ""),
	};
	unsigned turns[3];

	(void)state;
	fake_is_silent = true;
	for (unsigned i = 0; i < 3 * 1500; i++)
		fake_fresh(lanes[i % 3]);
	fake_is_silent = false;
	fake_start();
	count_turns(1300, lanes, turns, 3);
	assert_in_range(turns[0], 850, 950);
	assert_in_range(turns[1], 260, 340);
	assert_in_range(turns[2], 80, 120);
}

static void shares_alike_between_submitters(void **state)
{
	uint32_t lanes[2] = {
		fake_lane("main", PRIORITY_NORMAL, 33, ""),
		fake_lane("main", PRIORITY_NORMAL, 1000, ""),
	};
	unsigned turns[2];

	(void)state;
	fake_is_silent = true;
	for (unsigned i = 0; i < 2000; i++)
		fake_fresh(lanes[0]);
	for (unsigned i = 0; i < 300; i++)
		fake_fresh(lanes[1]);
	fake_is_silent = false;
	fake_start();
	count_turns(500, lanes, turns, 2);
	assert_in_range(turns[1], 230, 270);
}

static void gives_retries_a_quarter_behind_fresh_mail(void **state)
{
	uint32_t lane = normal_lane();
	unsigned fresh = 0, retries = 0;
	uint64_t first_retry;

	(void)state;
	fake_is_silent = true;
	for (unsigned i = 0; i < 400; i++)
		fake_fresh(lane);
	first_retry = fake_sched(lane, fake_now_ms - 1);
	for (unsigned i = 0; i < 399; i++)
		fake_sched(lane, fake_now_ms - 1);
	fake_is_silent = false;
	fake_start();
	while (fresh + retries < 320) {
		struct assignment *given = fake_oldest();

		for (unsigned i = 0; i < given->part_count; i++) {
			if (given->parts[i].id >= first_retry)
				retries++;
			else
				fresh++;
		}
		fake_settle_all(given);
		fake_send_notices();
		fake_home(given, NULL);
	}
	assert_in_range(retries, 75, 85);
	assert_true(fake_deliver_all() > 0);
	assert_int_equal(fake_rows(), 0);
}

static void keeps_a_connection_for_what_is_not_large(void **state)
{
	uint32_t large = fake_large_lane("main", PRIORITY_BULK, 33);
	uint32_t urgent = fake_lane("main", PRIORITY_URGENT, 1000, "");
	unsigned at_large = 0;
	struct assignment *given;

	(void)state;
	fake_is_silent = true;
	for (unsigned i = 0; i < 20; i++)
		fake_fresh(large);
	fake_is_silent = false;
	fake_start();
	for (unsigned i = 0; i < fake_given_count; i++) {
		at_large += fake_given[i]->lane == large;
		assert_int_equal(fake_given[i]->part_count, 1);
	}
	assert_int_equal(at_large, 3); /* of four connections */
	fake_fresh(urgent);
	fake_send_notices();
	fake_run();
	assert_int_equal(fake_at_workers(), 4);
	given = fake_given[fake_given_count - 1];
	assert_int_equal(given->lane, urgent);
	assert_int_equal(fake_deliver_all(), 21);
	assert_int_equal(fake_rows(), 0);
}

static void lets_large_mail_have_the_only_connection(void **state)
{
	uint32_t large = fake_large_lane("main", PRIORITY_BULK, 33);
	uint32_t urgent = fake_lane("main", PRIORITY_URGENT, 1000, "");
	struct assignment *given;

	(void)state;
	fake_start();
	for (unsigned i = 0; i < 3; i++)
		fake_fresh(large);
	fake_send_notices();
	fake_run();
	given = fake_oldest();
	assert_int_equal(given->lane, large);
	fake_fresh(urgent);
	fake_send_notices();
	fake_run();
	assert_int_equal(fake_at_workers(), 1);
	fake_settle_all(given);
	fake_send_notices();
	fake_home(given, NULL);
	assert_int_equal(fake_oldest()->lane, urgent);
	assert_int_equal(fake_deliver_all(), 3);
}

static void gives_large_mail_its_turns_beside_small(void **state)
{
	uint32_t lanes[2] = {
		fake_large_lane("main", PRIORITY_NORMAL, 1000),
		normal_lane(),
	};
	unsigned turns[2];

	(void)state;
	fake_is_silent = true;
	for (unsigned i = 0; i < 400; i++) {
		fake_fresh(lanes[0]);
		fake_fresh(lanes[1]);
	}
	fake_is_silent = false;
	fake_start();
	count_turns(100, lanes, turns, 2);
	assert_in_range(turns[0], 2, 40);
	assert_int_equal(fake_deliver_all() + turns[0] + turns[1], 800);
}

static void gives_each_domain_two_connections(void **state)
{
	uint32_t big = fake_lane("main", PRIORITY_NORMAL, 1000, "big.example");
	uint32_t small =
	    fake_lane("main", PRIORITY_NORMAL, 1000, "small.example");
	unsigned at_big = 0, at_small = 0;

	(void)state;
	fake_is_silent = true;
	for (unsigned i = 0; i < 100; i++)
		fake_fresh(big);
	fake_fresh(small);
	fake_is_silent = false;
	fake_start();
	for (unsigned i = 0; i < fake_given_count; i++) {
		at_big += fake_given[i]->lane == big;
		at_small += fake_given[i]->lane == small;
		assert_string_equal(fake_given[i]->domain,
		                    fake_given[i]->lane == big
		                        ? "big.example"
		                        : "small.example");
	}
	assert_int_equal(at_big, 2);
	assert_int_equal(at_small, 1);
	assert_int_equal(fake_deliver_all(), 101);
}

static void keeps_connections_for_fresh_mail_from_slow_retries(void **state)
{
	uint32_t fresh;

	(void)state;
	fake_is_silent = true;
	for (unsigned i = 0; i < 20; i++) {
		char domain[32];

		snprintf(domain, sizeof(domain), "dead%u.example", i);
		fake_sched(fake_lane("main", PRIORITY_NORMAL, 1000, domain),
		           fake_now_ms - 1);
	}
	fresh = fake_lane("main", PRIORITY_NORMAL, 1000, "live.example");
	fake_is_silent = false;
	fake_start();
	fake_advance(1);
	assert_int_equal(fake_at_workers(), 7);
	fake_fresh(fresh);
	fake_send_notices();
	fake_run();
	assert_int_equal(fake_at_workers(), 8);
	assert_int_equal(fake_given[7]->lane, fresh);
}

/* One has two deep domains, the other a part each for many. */
static void shares_by_parts_however_they_are_spread(void **state)
{
	unsigned deep = 0, wide = 0;

	(void)state;
	fake_is_silent = true;
	for (unsigned i = 0; i < 300; i++) {
		char domain[32];

		snprintf(domain, sizeof(domain), "wide%u.example", i);
		fake_fresh(fake_lane("main", PRIORITY_NORMAL, 2, domain));
	}
	for (unsigned i = 0; i < 2; i++) {
		uint32_t lane =
		    fake_lane("main", PRIORITY_NORMAL, 1,
		              i == 0 ? "deep0.example" : "deep1.example");

		for (unsigned j = 0; j < 400; j++)
			fake_fresh(lane);
	}
	fake_is_silent = false;
	fake_start();
	while (deep + wide < 300) {
		struct assignment *given = fake_oldest();

		if (strncmp(given->domain, "deep", 4) == 0)
			deep += given->part_count;
		else
			wide += given->part_count;
		fake_settle_all(given);
		fake_send_notices();
		fake_home(given, NULL);
	}
	assert_in_range(wide, 120, 180);
}

#define DEAD_LANES 6000

static void serves_a_live_domain_behind_thousands_of_dead_ones(void **state)
{
	uint32_t live = 0;
	unsigned dead = 0, probes = 0;
	struct assignment *given;

	(void)state;
	fake_is_silent = true;
	for (unsigned i = 0; i < DEAD_LANES; i++) {
		char domain[32];

		snprintf(domain, sizeof(domain), "dead%u.example", i);
		fake_sched(fake_lane("main", PRIORITY_NORMAL, 1, domain),
		           fake_now_ms - 1);
	}
	live = fake_lane("main", PRIORITY_NORMAL, 1, "live.example");
	fake_sched(live, fake_now_ms - 1);
	fake_is_silent = false;
	fake_start();
	for (unsigned i = 0; i < 5000 && live != 0; i++) {
		while ((given = fake_oldest()) != NULL) {
			if (given->lane != live) {
				dead++;
				fake_return(given, FAULT_NETWORK);
				continue;
			}
			fake_settle_all(given);
			fake_send_notices();
			fake_home(given, NULL);
			live = 0;
		}
		fake_advance(1);
	}
	assert_int_equal(live, 0);
	assert_int_equal(dead, DEAD_LANES);
	assert_int_equal(fake_rows(), DEAD_LANES);

	/* And the dead ones, those out of memory too, are asked again. */
	for (unsigned i = 0; i < 3000; i++) {
		fake_advance(20);
		while ((given = fake_oldest()) != NULL) {
			probes++;
			fake_return(given, FAULT_NETWORK);
		}
	}
	assert_in_range(probes, DEAD_LANES, DEAD_LANES + DEAD_LANES / 2);
}

static void leaves_room_for_the_lanes_of_other_relays(void **state)
{
	bool is_served = false;
	uint32_t other;

	(void)state;
	fake_is_silent = true;
	for (unsigned i = 0; i < 5000; i++) {
		char domain[32];

		snprintf(domain, sizeof(domain), "d%u.example", i);
		fake_sched(fake_lane("main", PRIORITY_NORMAL, 1, domain),
		           fake_now_ms - 100);
	}
	other = fake_lane("other", PRIORITY_NORMAL, 1, "");
	fake_sched(other, fake_now_ms - 1);
	fake_is_silent = false;
	fake_start();
	/* None of the 5,000 comes back from its worker. */
	for (unsigned i = 0; i < 200; i++)
		fake_advance(1);
	for (unsigned i = 0; i < fake_given_count; i++)
		is_served = is_served || fake_given[i]->lane == other;
	assert_true(is_served);
	/* And when they do, all have their turn. */
	for (unsigned i = 0; i < 20000 && fake_rows() > 0; i++) {
		fake_deliver_all();
		fake_advance(1);
	}
	assert_int_equal(fake_rows(), 0);
}

#define MANY_LANES 100000

static void delivers_100000_lanes_in_flat_memory(void **state)
{
	struct mallinfo2 before, now;
	size_t highest = 0;
	unsigned delivered = 0;

	(void)state;
	fake_is_silent = true;
	for (unsigned i = 0; i < MANY_LANES; i++) {
		char domain[32];

		snprintf(domain, sizeof(domain), "d%u.example", i);
		fake_sched(fake_lane("main", PRIORITY_NORMAL, 1000, domain),
		           fake_now_ms - 1);
	}
	fake_is_silent = false;
	before = mallinfo2();
	fake_start();
	/* A settled row is searched for by the fake: so only some of them. */
	for (unsigned i = 0; i < 20000; i++) {
		fake_advance(1);
		delivered += fake_deliver_all();
		now = mallinfo2();
		if (now.uordblks > before.uordblks &&
		    now.uordblks - before.uordblks > highest)
			highest = now.uordblks - before.uordblks;
		if (delivered >= 6000)
			break;
	}
	assert_true(delivered >= 6000);
	assert_true(highest < 4 * 1024 * 1024);
}

int main(void)
{
#define TEST(name, how) cmocka_unit_test_setup_teardown(name, how, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(hands_out_a_fresh_part_at_once, set_up),
		TEST(spreads_a_shallow_backlog_over_the_connections, set_up),
		TEST(sends_a_deep_backlog_in_few_letters, set_up),
		TEST(gives_a_slow_relay_few_parts_at_a_time, set_up),
		TEST(starts_the_parts_of_a_lane_in_order, set_up),
		TEST(reuses_the_warm_connection, set_up),
		TEST(reads_what_is_due_and_nothing_before, set_up),
		TEST(wakes_for_a_deferred_part_when_it_is_due, set_up),
		TEST(wakes_for_a_lane_that_it_does_not_know, set_up),
		TEST(gives_no_part_twice_whatever_is_told_twice, set_up),
		TEST(gives_a_part_again_that_is_settled_before_it_is_home,
		     set_up),
		TEST(drops_what_is_gone, set_up),
		TEST(slows_a_lower_priority_but_starves_none,
		     set_up_one_connection),
		TEST(shares_alike_between_submitters, set_up_one_connection),
		TEST(gives_retries_a_quarter_behind_fresh_mail,
		     set_up_one_connection),
		TEST(keeps_a_connection_for_what_is_not_large, set_up),
		TEST(lets_large_mail_have_the_only_connection,
		     set_up_one_connection),
		TEST(gives_large_mail_its_turns_beside_small, set_up),
		TEST(gives_each_domain_two_connections, set_up_direct),
		TEST(keeps_connections_for_fresh_mail_from_slow_retries,
		     set_up_direct),
		TEST(shares_by_parts_however_they_are_spread, set_up_direct),
		TEST(serves_a_live_domain_behind_thousands_of_dead_ones,
		     set_up_direct),
		TEST(leaves_room_for_the_lanes_of_other_relays, set_up_direct),
		TEST(delivers_100000_lanes_in_flat_memory, set_up_direct),
	};

	return cmocka_run_group_tests_name("scheduler", tests, NULL, NULL);
}
