/*
 * test_backlog - what waits for the next transaction, and how long
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "queue/backlog.h"

#define NOW 1000

static void add(struct backlog *backlog, bool is_awaited, uint64_t now_ms)
{
	struct settlement *settlement = settlement_new(1);

	settlement->is_awaited = is_awaited;
	backlog_add(backlog, &settlement->job, now_ms);
}

static unsigned take(struct backlog *backlog, unsigned max)
{
	struct queue_job *batch[256];
	unsigned count = backlog_take_verdicts(backlog, batch, max);

	for (unsigned i = 0; i < count; i++)
		settlement_free((struct settlement *)batch[i]);
	return count;
}

static void keeps_a_verdict_a_moment_for_company(void **state)
{
	struct backlog backlog = { 0 };

	(void)state;
	backlog_init(&backlog);
	assert_int_equal(backlog_verdicts_wait_ms(&backlog, 0, NOW), -1);
	add(&backlog, false, NOW);
	assert_int_equal(backlog_verdicts_wait_ms(&backlog, 0, NOW), 5);
	/* The first one's time counts: nobody is put off again and again. */
	add(&backlog, false, NOW + 4);
	assert_int_equal(backlog_verdicts_wait_ms(&backlog, 0, NOW + 4), 1);
	assert_int_equal(backlog_verdicts_wait_ms(&backlog, 0, NOW + 9), 0);
	assert_int_equal(take(&backlog, 256), 2);
	add(&backlog, false, NOW + 20);
	assert_int_equal(backlog_verdicts_wait_ms(&backlog, 0, NOW + 20), 5);
	assert_int_equal(take(&backlog, 256), 1);
}

static void keeps_nobody_who_waits(void **state)
{
	struct backlog backlog = { 0 };

	(void)state;
	backlog_init(&backlog);
	add(&backlog, false, NOW);
	add(&backlog, true, NOW + 1);
	assert_int_equal(backlog_verdicts_wait_ms(&backlog, 0, NOW + 1), 0);
	/* What does not fit goes on being due. */
	assert_int_equal(take(&backlog, 1), 1);
	assert_int_equal(backlog_verdicts_wait_ms(&backlog, 0, NOW + 1), 0);
	assert_int_equal(take(&backlog, 1), 1);
	add(&backlog, false, NOW + 1);
	assert_int_equal(backlog_verdicts_wait_ms(&backlog, 0, NOW + 1), 5);
	assert_int_equal(take(&backlog, 1), 1);
}

static void does_a_change_at_once(void **state)
{
	struct backlog backlog = { 0 };
	struct change *change = change_new(CHANGE_HOLD, 1);
	struct queue_job *batch[1];

	(void)state;
	backlog_init(&backlog);
	backlog_add(&backlog, &change->job, NOW);
	assert_int_equal(backlog_verdicts_wait_ms(&backlog, 0, NOW), 0);
	assert_int_equal(backlog_take_verdicts(&backlog, batch, 1), 1);
	change_free(change);
}

static void takes_half_a_batch_for_company_enough(void **state)
{
	struct backlog backlog = { 0 };

	(void)state;
	backlog_init(&backlog);
	for (unsigned i = 0; i < 127; i++)
		add(&backlog, false, NOW);
	assert_int_equal(backlog_verdicts_wait_ms(&backlog, 0, NOW), 5);
	add(&backlog, false, NOW);
	assert_int_equal(backlog_verdicts_wait_ms(&backlog, 0, NOW), 0);
	assert_int_equal(take(&backlog, 256), 128);
}

static void waits_for_room_before_it_hurries(void **state)
{
	struct backlog backlog = { 0 };

	(void)state;
	backlog_init(&backlog);
	add(&backlog, true, NOW);
	assert_int_equal(backlog_verdicts_wait_ms(&backlog, NOW + 20, NOW), 20);
	assert_int_equal(backlog_verdicts_wait_ms(&backlog, NOW, NOW), 0);
	assert_int_equal(take(&backlog, 256), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_a_verdict_a_moment_for_company),
		cmocka_unit_test(keeps_nobody_who_waits),
		cmocka_unit_test(does_a_change_at_once),
		cmocka_unit_test(takes_half_a_batch_for_company_enough),
		cmocka_unit_test(waits_for_room_before_it_hurries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
