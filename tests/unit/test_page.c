/*
 * test_page - one page over several states
 */
#include "config.h"

#include "../support/queue_fixture.h"

#include "control/page.h"
#include "control/shape.h"
#include "deliver/scheduler.h"

struct race {
	struct fixture *f;
	uint64_t id;
	bool is_over;
};

/* Between the looks at two states: the message goes from one to the other. */
static uint32_t deliver_it(void *context, uint32_t lane)
{
	struct race *race = context;

	(void)lane;
	if (!race->is_over) {
		race->is_over = true;
		assert_int_equal(
		    fixture_end(race->f, race->id, RECIPIENT_DELIVERED), 0);
	}
	return FIXTURE_RELAY;
}

static unsigned count(struct race *race)
{
	struct scheduler_query scheduler = {
		.delivering = &race->id,
		.delivering_count = race->is_over ? 0 : 1,
	};
	struct shape_view view = {
		.scheduler = &scheduler,
		.lane_relay = deliver_it,
		.context = race,
	};
	struct selection selection = {
		.states = SELECTION_DELIVERING | 1u << MESSAGE_DELIVERED,
		.queue = {
			.has_relay = true,
			.relay_id = FIXTURE_RELAY,
			.relay = "office",
		},
	};
	struct page page;
	unsigned found;

	assert_int_equal(
	    page_read(&page, race->f->reader, &selection, &view, 0, 10), 0);
	found = page.count;
	page_done(&page);
	return found;
}

static void shows_a_message_once_that_changes_its_state_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct race race = { .f = f };

	race.id = fixture_submit_one(f, "a@example.org");
	assert_int_equal(count(&race), 1);
	assert_true(race.is_over);
	assert_int_equal(fixture_state(f, race.id), MESSAGE_DELIVERED);
	assert_int_equal(count(&race), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    shows_a_message_once_that_changes_its_state_meanwhile,
		    fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
