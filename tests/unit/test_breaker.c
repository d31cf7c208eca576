/* Steps of a breaker, with a clock of our own. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "deliver/breaker.h"

#define MIDDLE 0x80000000u /* no jitter */
#define START  UINT64_C(1000000)

static struct verdict fault_of(enum verdict_fault fault, uint32_t retry_after_s)
{
	struct verdict verdict;

	memset(&verdict, 0, sizeof(verdict));
	verdict.class = VERDICT_TEMPORARY;
	verdict.scope = SCOPE_RELAY;
	verdict.fault = fault;
	verdict.retry_after_s = retry_after_s;
	return verdict;
}

/* The pauses of `count` faults in a row, each met by the probe. */
static void expect_steps(enum verdict_fault kind, const uint32_t *steps_s,
                         unsigned count, enum breaker_state expected)
{
	struct verdict fault = fault_of(kind, 0);
	struct breaker breaker = { 0 };
	uint64_t now = START;

	for (unsigned i = 0; i < count; i++) {
		assert_true(breaker_trip(&breaker, &fault, i > 0, now, MIDDLE));
		assert_int_equal(breaker.state, expected);
		assert_int_equal((breaker.until_ms - now) / 1000, steps_s[i]);
		assert_false(breaker_may_pass(&breaker, breaker.until_ms - 1));
		now = breaker.until_ms;
		assert_true(breaker_may_pass(&breaker, now));
		breaker_begin_probe(&breaker, now);
		assert_int_equal(breaker.state, BREAKER_HALF_OPEN);
		assert_false(breaker_may_pass(&breaker, now));
	}
	assert_true(breaker_close(&breaker, now));
	assert_true(breaker_trip(&breaker, &fault, false, now, MIDDLE));
	assert_int_equal((breaker.until_ms - now) / 1000, steps_s[0]);
}

static void waits_longer_with_each_fault_of_the_network(void **state)
{
	static const uint32_t steps[] = { 30, 60, 120, 300, 600, 900, 900 };

	(void)state;
	expect_steps(FAULT_NETWORK, steps, 7, BREAKER_OPEN);
	expect_steps(FAULT_TLS, steps, 7, BREAKER_OPEN);
}

static void is_held_by_what_only_a_human_mends(void **state)
{
	static const uint32_t steps[] = { 900,  3600,  3600, 3600,
		                          3600, 21600, 21600 };

	(void)state;
	expect_steps(FAULT_AUTH, steps, 7, BREAKER_HELD);
	expect_steps(FAULT_CONFIG, steps, 7, BREAKER_HELD);
}

/* Asked too often, Google and Yandex lock an account for longer. */
static void holds_as_long_as_it_is_told_to(void **state)
{
	struct verdict fault = fault_of(FAULT_AUTH, 1800);
	struct breaker breaker = { 0 };

	(void)state;
	breaker_trip(&breaker, &fault, false, START, MIDDLE);
	assert_int_equal(breaker.until_ms, START + 1800000);
	breaker = (struct breaker){ 0 };
	fault.retry_after_s = 60;
	breaker_trip(&breaker, &fault, false, START, MIDDLE);
	assert_int_equal(breaker.until_ms, START + 900000);
}

static void waits_an_hour_or_as_told_for_a_quota(void **state)
{
	static const uint32_t steps[] = { 3600, 3600, 3600 };
	struct verdict fault = fault_of(FAULT_QUOTA, 300);
	struct breaker breaker = { 0 };

	(void)state;
	expect_steps(FAULT_QUOTA, steps, 3, BREAKER_OPEN);
	breaker_trip(&breaker, &fault, false, START, MIDDLE);
	assert_int_equal(breaker.until_ms, START + 300000);
}

static void counts_faults_that_come_home_together_once(void **state)
{
	struct verdict fault = fault_of(FAULT_NETWORK, 0);
	struct breaker breaker = { 0 };

	(void)state;
	assert_true(breaker_trip(&breaker, &fault, false, START, MIDDLE));
	for (unsigned i = 0; i < 9; i++)
		assert_false(
		    breaker_trip(&breaker, &fault, false, START + i, MIDDLE));
	assert_int_equal(breaker.until_ms, START + 30000);
	assert_int_equal(breaker.step, 1);
}

static void is_held_even_when_it_was_open(void **state)
{
	struct verdict network = fault_of(FAULT_NETWORK, 0);
	struct verdict login = fault_of(FAULT_AUTH, 0);
	struct breaker breaker = { 0 };

	(void)state;
	breaker_trip(&breaker, &network, false, START, MIDDLE);
	assert_true(breaker_trip(&breaker, &login, false, START, MIDDLE));
	assert_int_equal(breaker.state, BREAKER_HELD);
	assert_int_equal(breaker.until_ms, START + 900000);
}

static void jitters_by_a_fifth(void **state)
{
	struct verdict fault = fault_of(FAULT_NETWORK, 0);
	struct breaker low = { 0 }, high = { 0 };

	(void)state;
	breaker_trip(&low, &fault, false, START, 0);
	breaker_trip(&high, &fault, false, START, UINT32_MAX);
	assert_in_range(low.until_ms - START, 24000, 24010);
	assert_in_range(high.until_ms - START, 35990, 36000);
}

static void lets_the_next_probe_go_when_one_met_nobody(void **state)
{
	struct verdict fault = fault_of(FAULT_AUTH, 0);
	struct breaker breaker = { 0 };

	(void)state;
	breaker_trip(&breaker, &fault, false, START, MIDDLE);
	breaker_ask_now(&breaker, START + 5);
	assert_true(breaker_may_pass(&breaker, START + 5));
	breaker_begin_probe(&breaker, START + 5);
	breaker_forget_probe(&breaker, START + 6);
	assert_int_equal(breaker.state, BREAKER_HELD);
	assert_true(breaker_may_pass(&breaker, START + 6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_longer_with_each_fault_of_the_network),
		cmocka_unit_test(is_held_by_what_only_a_human_mends),
		cmocka_unit_test(holds_as_long_as_it_is_told_to),
		cmocka_unit_test(waits_an_hour_or_as_told_for_a_quota),
		cmocka_unit_test(counts_faults_that_come_home_together_once),
		cmocka_unit_test(is_held_even_when_it_was_open),
		cmocka_unit_test(jitters_by_a_fifth),
		cmocka_unit_test(lets_the_next_probe_go_when_one_met_nobody),
	};

	return cmocka_run_group_tests_name("breaker", tests, NULL, NULL);
}
