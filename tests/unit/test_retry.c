/* What a verdict means for a recipient's future. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "deliver/retry.h"
#include "queue_id.h"
#include "settings.h"

#define SECOND    UINT64_C(1000)
#define MINUTE    (60 * SECOND)
#define HOUR      (60 * MINUTE)
#define DAY       (24 * HOUR)
#define SUBMITTED (1000 * DAY)
#define ACCEPTED  (5000 * DAY) /* queue time */
#define MIDDLE    0x80000000u  /* no jitter */

struct fixture {
	struct settings settings;
	struct message message;
	struct message_recipient recipients[2];
	struct verdict verdict;
	struct retry_question question;
	struct settlement_recipient decision;
};

static struct fixture f;

static int set_up(void **state)
{
	(void)state;
	memset(&f, 0, sizeof f);
	f.settings.retry = (struct settings_retry){
		.first_s = 60,
		.factor_percent = 170,
		.maximum_s = 3600,
		.jitter_percent = 20,
		.expire_s = 5 * 86400,
	};
	f.settings.bounces.expire_s = 86400;
	f.message.id = ACCEPTED << QUEUE_ID_TIME_SHIFT;
	f.message.submitted_ms = SUBMITTED;
	f.message.recipients = f.recipients;
	f.message.recipient_count = 2;
	f.question = (struct retry_question){
		.message = &f.message,
		.recipient = &f.recipients[0],
		.verdict = &f.verdict,
		.now_ms = SUBMITTED + SECOND,
		.queue_now_ms = ACCEPTED + SECOND,
		.random = MIDDLE,
	};
	verdict_local(&f.verdict, VERDICT_TEMPORARY, SCOPE_RECIPIENT,
	              PHASE_RCPT, FAULT_NONE, "later");
	f.verdict.code = 451;
	return 0;
}

static uint64_t decide_delay(void)
{
	retry_decide(&f.decision, &f.settings, &f.question);
	assert_int_equal(f.decision.state, RECIPIENT_WAITING);
	assert_true(f.decision.due_ms >= f.question.queue_now_ms);
	return f.decision.due_ms - f.question.queue_now_ms;
}

static void grow_old(uint64_t age_ms)
{
	f.question.now_ms = SUBMITTED + age_ms;
	f.question.queue_now_ms = ACCEPTED + age_ms;
}

static void ends_delivered_and_charges_the_attempt(void **state)
{
	(void)state;
	f.verdict.class = VERDICT_DELIVERED;
	grow_old(10 * DAY);
	retry_decide(&f.decision, &f.settings, &f.question);
	assert_int_equal(f.decision.state, RECIPIENT_DELIVERED);
	assert_true(f.decision.is_charged);
	assert_false(f.decision.is_maybe_duplicate);
}

static void ages_by_the_smaller_of_both_clocks(void **state)
{
	(void)state;
	grow_old(6 * DAY);
	/* At the start the wall clock was years ahead, and queue time is. */
	f.question.queue_now_ms += 3650 * DAY;
	f.question.now_ms = SUBMITTED + HOUR;
	assert_true(decide_delay() > 0);
	/* It was set forward while relais ran. */
	f.question.queue_now_ms = ACCEPTED + HOUR;
	f.question.now_ms = SUBMITTED + 3650 * DAY;
	assert_true(decide_delay() > 0);
	/* Accepted in a future that was none: queue time tells. */
	f.question.queue_now_ms = ACCEPTED + 6 * DAY;
	f.question.now_ms = SUBMITTED - 3650 * DAY;
	retry_decide(&f.decision, &f.settings, &f.question);
	assert_int_equal(f.decision.state, RECIPIENT_EXPIRED);
}

static void ends_nothing_by_a_clock_that_has_leapt(void **state)
{
	(void)state;
	grow_old(6 * DAY);
	f.message.deadline_ms = SUBMITTED + DAY;
	f.question.is_time_unsure = true;
	assert_true(decide_delay() > 0);
	f.question.is_time_unsure = false;
	retry_decide(&f.decision, &f.settings, &f.question);
	assert_int_equal(f.decision.state, RECIPIENT_EXPIRED);
}

static void fails_what_is_permanent(void **state)
{
	(void)state;
	f.verdict.class = VERDICT_PERMANENT;
	retry_decide(&f.decision, &f.settings, &f.question);
	assert_int_equal(f.decision.state, RECIPIENT_FAILED);
	assert_string_equal(f.decision.verdict.text, "later");
}

static void backs_off_from_first_by_factor_to_maximum(void **state)
{
	uint64_t last = 0;

	(void)state;
	assert_in_range(decide_delay(), MINUTE, MINUTE + 2);
	assert_true(f.decision.is_charged);
	f.recipients[0].attempts = 1;
	assert_in_range(decide_delay(), 102 * SECOND, 102 * SECOND + 2);
	for (f.recipients[0].attempts = 2; f.recipients[0].attempts < 60;
	     f.recipients[0].attempts++) {
		uint64_t delay = decide_delay();

		assert_true(delay >= last);
		last = delay;
	}
	assert_in_range(last, HOUR, HOUR + 1);
}

static void jitters_both_ways_but_never_below_the_first_step(void **state)
{
	(void)state;
	f.recipients[0].attempts = 40;
	f.question.random = 0;
	assert_in_range(decide_delay(), 48 * MINUTE, 48 * MINUTE);
	f.question.random = UINT32_MAX;
	assert_in_range(decide_delay(), 72 * MINUTE, 72 * MINUTE);
	f.recipients[0].attempts = 0;
	f.question.random = 0;
	assert_int_equal(decide_delay(), MINUTE);
}

static void waits_longer_where_the_relay_asks_for_it(void **state)
{
	(void)state;
	f.verdict.retry_after_s = 1800;
	assert_int_equal(decide_delay(), 30 * MINUTE);
	f.verdict.retry_after_s = UINT32_MAX;
	assert_int_equal(decide_delay(), DAY);
}

static void lets_greylisting_pass_the_first_time(void **state)
{
	(void)state;
	f.verdict.enhanced[0] = 4;
	f.verdict.enhanced[1] = 7;
	f.verdict.enhanced[2] = 1;
	for (uint64_t random = 0; random < UINT32_MAX; random += 9999991) {
		f.question.random = (uint32_t)random;
		assert_in_range(decide_delay(), 5 * MINUTE, 6 * MINUTE);
	}
	f.recipients[0].attempts = 1;
	f.question.random = MIDDLE;
	assert_in_range(decide_delay(), 102 * SECOND, 102 * SECOND + 2);
}

static void marks_an_unknown_outcome_and_waits_a_quarter_hour(void **state)
{
	(void)state;
	f.verdict.class = VERDICT_UNKNOWN;
	f.verdict.scope = SCOPE_CONNECTION;
	assert_int_equal(decide_delay(), 15 * MINUTE);
	assert_true(f.decision.is_maybe_duplicate);
	assert_true(f.decision.is_charged);
}

static void keeps_the_mark_of_an_earlier_attempt(void **state)
{
	(void)state;
	f.recipients[0].flags = RECIPIENT_MAYBE_DUPLICATE;
	f.verdict.class = VERDICT_DELIVERED;
	retry_decide(&f.decision, &f.settings, &f.question);
	assert_true(f.decision.is_maybe_duplicate);
}

static void sends_one_recipient_too_many_in_the_next_transaction(void **state)
{
	(void)state;
	f.verdict.fault = FAULT_TOO_MANY_RECIPIENTS;
	f.question.recipient = &f.recipients[1];
	grow_old(10 * DAY);
	assert_int_equal(decide_delay(), 0);
	assert_false(f.decision.is_charged);
}

static void makes_progress_where_one_recipient_is_too_many(void **state)
{
	(void)state;
	f.verdict.fault = FAULT_TOO_MANY_RECIPIENTS;
	assert_in_range(decide_delay(), MINUTE, MINUTE + 2);
	assert_true(f.decision.is_charged);
	f.recipients[0].state = RECIPIENT_DELIVERED;
	f.question.recipient = &f.recipients[1];
	assert_in_range(decide_delay(), MINUTE, MINUTE + 2);
}

static void charges_nobody_for_a_fault_of_the_relay(void **state)
{
	(void)state;
	f.verdict.scope = SCOPE_RELAY;
	f.recipients[0].attempts = 9;
	assert_int_equal(decide_delay(), MINUTE);
	assert_false(f.decision.is_charged);
	grow_old(HOUR);
	assert_int_equal(decide_delay(), HOUR / 2);
	grow_old(4 * DAY);
	assert_int_equal(decide_delay(), HOUR);
}

static void does_not_charge_what_was_not_tried(void **state)
{
	(void)state;
	f.verdict.class = VERDICT_NONE;
	grow_old(10 * DAY);
	assert_int_equal(decide_delay(), 0);
	assert_false(f.decision.is_charged);
}

static void expires_after_its_age_with_5_4_7(void **state)
{
	(void)state;
	grow_old(5 * DAY);
	retry_decide(&f.decision, &f.settings, &f.question);
	assert_int_equal(f.decision.state, RECIPIENT_EXPIRED);
	assert_int_equal(f.decision.verdict.class, VERDICT_PERMANENT);
	assert_int_equal(f.decision.verdict.enhanced[0], 5);
	assert_int_equal(f.decision.verdict.enhanced[1], 4);
	assert_int_equal(f.decision.verdict.enhanced[2], 7);
	assert_non_null(strstr(f.decision.verdict.text, "451 later"));
	assert_int_equal(f.decision.verdict.code, 0);
}

static void expires_behind_a_faulty_relay_too(void **state)
{
	(void)state;
	f.verdict.scope = SCOPE_RELAY;
	f.verdict.fault = FAULT_NETWORK;
	grow_old(5 * DAY);
	retry_decide(&f.decision, &f.settings, &f.question);
	assert_int_equal(f.decision.state, RECIPIENT_EXPIRED);
	assert_false(f.decision.is_charged);
}

static void expires_bounces_by_their_own_age(void **state)
{
	(void)state;
	f.message.flags = MESSAGE_IS_BOUNCE;
	grow_old(DAY - 1);
	(void)decide_delay();
	grow_old(DAY);
	retry_decide(&f.decision, &f.settings, &f.question);
	assert_int_equal(f.decision.state, RECIPIENT_EXPIRED);
}

static void tries_once_more_at_the_deadline_then_expires(void **state)
{
	(void)state;
	f.message.deadline_ms = SUBMITTED + 20 * SECOND;
	assert_int_equal(decide_delay(), 19 * SECOND);
	f.question.now_ms = f.message.deadline_ms;
	retry_decide(&f.decision, &f.settings, &f.question);
	assert_int_equal(f.decision.state, RECIPIENT_EXPIRED);
	assert_non_null(strstr(f.decision.verdict.text, "time asked for"));
}

static void tries_when_a_delay_is_to_be_told_and_goes_on(void **state)
{
	(void)state;
	f.message.flags = MESSAGE_TELLS_DELAY;
	f.message.deadline_ms = SUBMITTED + 20 * SECOND;
	assert_int_equal(decide_delay(), 19 * SECOND);
	f.question.now_ms = f.message.deadline_ms;
	assert_in_range(decide_delay(), MINUTE, MINUTE + 2);
}

static void is_not_aged_by_a_wall_clock_that_is_set(void **state)
{
	(void)state;
	f.question.now_ms = SUBMITTED + 900 * DAY;
	assert_in_range(decide_delay(), MINUTE, MINUTE + 2);
	grow_old(5 * DAY);
	f.question.now_ms = 0;
	retry_decide(&f.decision, &f.settings, &f.question);
	assert_int_equal(f.decision.state, RECIPIENT_EXPIRED);
}

static void never_expires_where_no_age_is_set(void **state)
{
	(void)state;
	f.settings.retry.expire_s = 0;
	grow_old(900 * DAY);
	(void)decide_delay();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
	const struct CMUnitTest tests[] = {
		TEST(ends_delivered_and_charges_the_attempt),
		TEST(ages_by_the_smaller_of_both_clocks),
		TEST(ends_nothing_by_a_clock_that_has_leapt),
		TEST(fails_what_is_permanent),
		TEST(backs_off_from_first_by_factor_to_maximum),
		TEST(jitters_both_ways_but_never_below_the_first_step),
		TEST(waits_longer_where_the_relay_asks_for_it),
		TEST(lets_greylisting_pass_the_first_time),
		TEST(marks_an_unknown_outcome_and_waits_a_quarter_hour),
		TEST(keeps_the_mark_of_an_earlier_attempt),
		TEST(sends_one_recipient_too_many_in_the_next_transaction),
		TEST(makes_progress_where_one_recipient_is_too_many),
		TEST(charges_nobody_for_a_fault_of_the_relay),
		TEST(does_not_charge_what_was_not_tried),
		TEST(expires_after_its_age_with_5_4_7),
		TEST(expires_behind_a_faulty_relay_too),
		TEST(expires_bounces_by_their_own_age),
		TEST(tries_once_more_at_the_deadline_then_expires),
		TEST(tries_when_a_delay_is_to_be_told_and_goes_on),
		TEST(is_not_aged_by_a_wall_clock_that_is_set),
		TEST(never_expires_where_no_age_is_set),
	};

	return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
