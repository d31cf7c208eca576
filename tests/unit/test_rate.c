/* Windows that slide: never more than the limit in any of them. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "deliver/rate.h"

#define START_MS UINT64_C(1700000000000)

/* Sends as fast as it may for so long; checks every window of the period. */
static uint64_t send_greedily(struct rate *rate, uint64_t for_ms,
                              uint64_t step_ms)
{
	static uint64_t sent_ms[200000];
	uint64_t count = 0, oldest = 0;
	uint64_t period_ms = (uint64_t)rate->limit.period_s * 1000;

	for (uint64_t now = START_MS; now < START_MS + for_ms; now += step_ms) {
		uint32_t room = rate_room(rate, now);

		if (room == 0) {
			assert_true(rate_next_ms(rate, now) > now);
			continue;
		}
		room = 1 + (uint32_t)rand() % room;
		rate_reserve(rate, room, now);
		rate_settle(rate, room, room, now);
		for (uint32_t i = 0; i < room; i++)
			sent_ms[count++] = now;
		while (sent_ms[oldest] + period_ms < now)
			oldest++;
		assert_true(count - oldest <= rate->limit.count);
	}
	return count;
}

static void never_exceeds_a_small_limit_and_uses_it_up(void **state)
{
	struct rate rate = { .limit = { .count = 30, .period_s = 60 } };

	(void)state;
	srand(1);
	/* An hour; each period a millisecond longer than it must be. */
	assert_in_range(send_greedily(&rate, 3600000, 7), 1740, 1800);
}

static void never_exceeds_a_large_limit_and_loses_little(void **state)
{
	struct rate rate = { .limit = { .count = 5000, .period_s = 60 } };

	(void)state;
	srand(2);
	assert_in_range(send_greedily(&rate, 1800000, 13), 145000, 150000);
}

/* A message each time there is room for one that has time; longest pause. */
static uint64_t send_calmly(struct rate *rate, uint64_t for_ms,
                            uint64_t *ret_count)
{
	uint64_t last = START_MS, longest = 0;

	*ret_count = 0;
	for (uint64_t now = START_MS; now < START_MS + for_ms; now++) {
		if (rate_calm_room(rate, now) == 0) {
			assert_true(rate_calm_next_ms(rate, now) > now);
			continue;
		}
		if (now - last > longest)
			longest = now - last;
		last = now;
		rate_reserve(rate, 1, now);
		rate_settle(rate, 1, 1, now);
		++*ret_count;
	}
	return longest;
}

static void spreads_what_has_time_and_uses_it_up(void **state)
{
	struct rate rate = { .limit = { .count = 30, .period_s = 60 } };
	uint64_t count;

	(void)state;
	/* A slot is two seconds. */
	assert_in_range(send_calmly(&rate, 1800000, &count), 2000, 4000);
	assert_in_range(count, 870, 915);
}

static void leaves_room_for_what_is_urgent(void **state)
{
	struct rate rate = { .limit = { .count = 30, .period_s = 60 } };

	(void)state;
	assert_int_equal(rate_calm_room(&rate, START_MS), 15);
	rate_reserve(&rate, 15, START_MS);
	rate_settle(&rate, 15, 15, START_MS);
	assert_in_range(rate_calm_room(&rate, START_MS), 0, 1);
	assert_int_equal(rate_room(&rate, START_MS), 15);
	rate_reserve(&rate, 1, START_MS);
	assert_int_equal(rate_calm_room(&rate, START_MS), 0);
	assert_in_range(rate_calm_next_ms(&rate, START_MS), START_MS + 2000,
	                START_MS + 8000);
}

static void counts_what_is_on_its_way(void **state)
{
	struct rate rate = { .limit = { .count = 3, .period_s = 10 } };

	(void)state;
	rate_reserve(&rate, 2, START_MS);
	assert_int_equal(rate_room(&rate, START_MS), 1);
	rate_reserve(&rate, 1, START_MS);
	assert_int_equal(rate_room(&rate, START_MS + 60000), 0);
	assert_true(rate_next_ms(&rate, START_MS + 60000) == UINT64_MAX);
	/* Came back after a minute: one of three was not tried. */
	rate_settle(&rate, 3, 2, START_MS + 60000);
	assert_int_equal(rate_room(&rate, START_MS + 60000), 1);
	assert_int_equal(rate_room(&rate, START_MS + 70000), 1);
	assert_int_equal(rate_room(&rate, START_MS + 70001), 3);
}

static void says_when_there_will_be_room(void **state)
{
	struct rate rate = { .limit = { .count = 2, .period_s = 10 } };

	(void)state;
	rate_settle(&rate, 0, 0, START_MS);
	rate_reserve(&rate, 1, START_MS);
	rate_settle(&rate, 1, 1, START_MS);
	rate_reserve(&rate, 1, START_MS);
	rate_settle(&rate, 1, 1, START_MS + 4000);
	assert_int_equal(rate_next_ms(&rate, START_MS + 5000),
	                 START_MS + 10001);
	assert_int_equal(rate_room(&rate, START_MS + 10000), 0);
	assert_int_equal(rate_room(&rate, START_MS + 10001), 1);
}

static void remembers_no_less_than_what_was_used(void **state)
{
	struct rate rate = { .limit = { .count = 50, .period_s = 60 } };
	struct rate copy = { .limit = { .count = 50, .period_s = 60 } };
	struct rate_entry entries[12];
	unsigned count;

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		rate_reserve(&rate, 1, START_MS);
		rate_settle(&rate, 1, 1, START_MS + i * 1000);
	}
	rate_reserve(&rate, 3, START_MS);
	count = rate_export(&rate, START_MS + 40000, entries, 12);
	assert_true(count <= 12);
	rate_import(&copy, entries, count);
	assert_int_equal(rate_used(&copy, START_MS + 40000), 43);
	for (uint64_t now = START_MS + 40000; now < START_MS + 120000;
	     now += 500)
		assert_true(rate_room(&copy, now) <= rate_room(&rate, now) + 3);
}

static void has_no_limit_where_none_is_set(void **state)
{
	struct rate rate = { .limit = { .count = 0, .period_s = 60 } };

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		rate_reserve(&rate, 9, START_MS);
		rate_settle(&rate, 9, 9, START_MS + i);
	}
	assert_true(rate_room(&rate, START_MS) == UINT32_MAX);
	assert_int_equal(rate_used(&rate, START_MS + 1000), 9000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_exceeds_a_small_limit_and_uses_it_up),
		cmocka_unit_test(never_exceeds_a_large_limit_and_loses_little),
		cmocka_unit_test(spreads_what_has_time_and_uses_it_up),
		cmocka_unit_test(leaves_room_for_what_is_urgent),
		cmocka_unit_test(counts_what_is_on_its_way),
		cmocka_unit_test(says_when_there_will_be_room),
		cmocka_unit_test(remembers_no_less_than_what_was_used),
		cmocka_unit_test(has_no_limit_where_none_is_set),
	};

	return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}
