#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "deliver/scheduler.h"
#include "queue/queue.h"
#include "vital_signs.h"

static void says_how_deep_the_queue_is(void **state)
{
	const struct scheduler_query nobody = { 0 };
	struct queue_counts counts = { 0 };
	char text[200];

	(void)state;
	counts.messages[MESSAGE_QUEUED] = 12;
	counts.messages[MESSAGE_PARKED] = 1;
	vital_signs_describe(text, sizeof(text), &counts, &nobody);
	assert_string_equal(text, "12 queued, 0 held, 1 parked");
	counts.stalled_since_ms = 1;
	vital_signs_describe(text, sizeof(text), &counts, &nobody);
	assert_string_equal(text,
	                    "12 queued, 0 held, 1 parked; the disk is STALLED");
	counts.is_full = true;
	vital_signs_describe(text, sizeof(text), &counts, &nobody);
	assert_string_equal(text,
	                    "12 queued, 0 held, 1 parked; the queue is FULL");
}

static void names_the_relay_that_is_in_trouble(void **state)
{
	char name[] = "office";
	struct relay_status relay = { .name = name, .state = BREAKER_HELD };
	const struct scheduler_query worst = { .relays = &relay,
		                               .relay_count = 1 };
	const struct queue_counts counts = { 0 };
	char text[200];

	(void)state;
	strcpy(relay.fault.text, "Authentication failed");
	vital_signs_describe(text, sizeof(text), &counts, &worst);
	assert_string_equal(text, "0 queued, 0 held, 0 parked; relay office "
	                          "is held: Authentication failed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_how_deep_the_queue_is),
		cmocka_unit_test(names_the_relay_that_is_in_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
