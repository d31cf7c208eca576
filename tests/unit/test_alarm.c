/* A heap of due times. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "deliver/alarm.h"

#define ALARMS 500

static void rings_in_order_of_time(void **state)
{
	static struct alarm alarms[ALARMS];
	struct alarm_heap heap = { 0 };
	struct alarm *alarm;
	uint64_t last_ms = 0;
	unsigned count = 0;

	(void)state;
	srand(1);
	for (unsigned i = 0; i < ALARMS; i++)
		alarm_set(&heap, &alarms[i], (uint64_t)rand() % 1000);
	for (unsigned i = 0; i < ALARMS; i += 2)
		alarm_set(&heap, &alarms[i], (uint64_t)rand() % 1000);
	for (unsigned i = 0; i < ALARMS; i += 5)
		alarm_clear(&heap, &alarms[i]);
	assert_null(alarm_heap_take_due(&heap, alarm_heap_next_ms(&heap) - 1));
	while ((alarm = alarm_heap_take_due(&heap, 1000)) != NULL) {
		assert_true(alarm->at_ms >= last_ms);
		assert_int_equal(alarm->place, 0);
		last_ms = alarm->at_ms;
		count++;
	}
	assert_int_equal(count, ALARMS - ALARMS / 5);
	assert_true(alarm_heap_next_ms(&heap) == UINT64_MAX);
	alarm_heap_done(&heap);
}

static void is_cleared_by_the_end_of_time(void **state)
{
	struct alarm_heap heap = { 0 };
	struct alarm alarm = { 0 };

	(void)state;
	alarm_set(&heap, &alarm, 5);
	alarm_set(&heap, &alarm, UINT64_MAX);
	assert_int_equal(alarm.place, 0);
	assert_null(alarm_heap_take_due(&heap, 10));
	alarm_heap_done(&heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rings_in_order_of_time),
		cmocka_unit_test(is_cleared_by_the_end_of_time),
	};

	return cmocka_run_group_tests_name("alarm", tests, NULL, NULL);
}
