/*
 * test_brake - the same refusal again and again holds the mail, not more
 */
#include "config.h"

#include "deliver/brake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "queue/queue.h"

#define HOUR_MS (3600ull * 1000)

static struct brake brake;
static uint64_t now_ms;

static int set_up(void **state)
{
	(void)state;
	brake_init(&brake);
	now_ms = 1000 * HOUR_MS;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	brake_done(&brake);
	return 0;
}

static enum brake_pull refuse(uint32_t submitter, uint32_t sender,
                              uint64_t signature)
{
	return brake_note_refusal(
	    &brake, submitter,
	    &(struct refusal){ .signature = signature, .sender = sender },
	    "554 no", now_ms);
}

static uint64_t signature_of(uint16_t code, const char *text)
{
	struct verdict verdict = { .code = code };

	strcpy(verdict.text, text);
	return brake_signature(&verdict);
}

static void tells_replies_apart_but_not_by_names(void **state)
{
	(void)state;
	assert_int_equal(signature_of(554, "Message 4BxY77 refused"),
	                 signature_of(554, "Message 9ZZq01 refused"));
	assert_int_equal(signature_of(550, "<a@example.org>: relay closed"),
	                 signature_of(550, "<b@example.net>: Relay closed"));
	assert_int_not_equal(signature_of(550, "relay closed"),
	                     signature_of(554, "relay closed"));
	assert_int_not_equal(signature_of(550, "relay closed"),
	                     signature_of(550, "no such user"));
}

static void holds_the_one_submitter_who_meets_it(void **state)
{
	(void)state;
	assert_int_equal(refuse(1000, 1, 7), BRAKE_NOT_PULLED);
	assert_int_equal(refuse(1000, 2, 7), BRAKE_NOT_PULLED);
	assert_int_equal(refuse(1000, 3, 7), BRAKE_SUBMITTER_HELD);
	assert_false(brake_may_pass(&brake, 1000, now_ms));
	assert_true(brake_may_pass(&brake, 1001, now_ms));
	assert_int_equal(brake_watched(&brake, 1000), 7);
	assert_int_equal(brake_watched(&brake, 1001), 0);
	assert_int_equal(brake_next_ms(&brake, now_ms), now_ms + HOUR_MS / 4);
}

static void never_holds_the_relay_for_one_submitter(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		assert_int_not_equal(refuse(1000, i, 7), BRAKE_RELAY_HELD);
}

static void never_holds_the_relay_for_one_sender(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		assert_int_not_equal(refuse(1000 + i % 2, 1, 7),
		                     BRAKE_RELAY_HELD);
}

static void holds_the_relay_that_refuses_different_people(void **state)
{
	(void)state;
	assert_int_equal(refuse(1000, 1, 7), BRAKE_NOT_PULLED);
	assert_int_equal(refuse(1001, 2, 7), BRAKE_NOT_PULLED);
	assert_int_equal(refuse(1000, 1, 7), BRAKE_RELAY_HELD);
	assert_int_equal(brake_watched(&brake, 1234), 7);
	(void)brake_note_success(&brake, 1002);
	assert_int_equal(brake_watched(&brake, 1234), 0);
}

static void begins_anew_after_a_success(void **state)
{
	(void)state;
	(void)refuse(1000, 1, 7);
	(void)refuse(1001, 2, 7);
	assert_false(brake_note_success(&brake, 1002));
	assert_int_equal(refuse(1000, 1, 7), BRAKE_NOT_PULLED);
	assert_int_equal(refuse(1001, 2, 7), BRAKE_NOT_PULLED);
	/* What others achieve does not help who is refused each time. */
	assert_false(brake_note_success(&brake, 1002));
	assert_int_equal(refuse(1000, 1, 7), BRAKE_SUBMITTER_HELD);
}

static void another_refusal_begins_its_own_count(void **state)
{
	(void)state;
	(void)refuse(1000, 1, 7);
	(void)refuse(1000, 1, 7);
	assert_int_equal(refuse(1000, 1, 8), BRAKE_NOT_PULLED);
	assert_int_equal(refuse(1000, 1, 7), BRAKE_NOT_PULLED);
	assert_int_equal(refuse(1000, 1, 7), BRAKE_NOT_PULLED);
	assert_int_equal(refuse(1000, 1, 7), BRAKE_SUBMITTER_HELD);
}

static void bears_with_lists_of_dead_addresses(void **state)
{
	struct refusal refusal = { .signature = 7, .is_of_recipients = true };

	(void)state;
	for (unsigned i = 1; i < BRAKE_RECIPIENTS; i++)
		assert_int_equal(brake_note_refusal(&brake, 1000, &refusal,
		                                    "550 none", now_ms),
		                 BRAKE_NOT_PULLED);
	assert_int_equal(
	    brake_note_refusal(&brake, 1000, &refusal, "550 none", now_ms),
	    BRAKE_SUBMITTER_HELD);
}

static void tries_one_and_waits_longer_each_time(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		(void)refuse(1000, 1, 7);
	now_ms += HOUR_MS / 4;
	assert_true(brake_may_pass(&brake, 1000, now_ms));
	brake_begin_probe(&brake, 1000);
	assert_false(brake_may_pass(&brake, 1000, now_ms));
	brake_end_probe(&brake, 1000, true, now_ms);
	assert_false(brake_may_pass(&brake, 1000, now_ms + HOUR_MS - 1));
	assert_true(brake_may_pass(&brake, 1000, now_ms + HOUR_MS));
	now_ms += HOUR_MS;
	brake_begin_probe(&brake, 1000);
	assert_true(brake_note_success(&brake, 1000));
	assert_true(brake_may_pass(&brake, 1000, now_ms));
	assert_false(brake_is_probe(&brake, 1000));
}

static void learns_only_from_what_was_refused_as_a_whole(void **state)
{
	struct settlement *settlement = settlement_new(2);
	struct settlement_recipient *both = settlement->recipients;
	struct refusal refusal;
	bool has_delivered;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		both[i].state = RECIPIENT_FAILED;
		both[i].verdict.code = 550;
		both[i].verdict.phase = PHASE_DOT;
		strcpy(both[i].verdict.text, "closed");
	}
	assert_non_null(brake_lesson(&refusal, &has_delivered, settlement));
	assert_int_not_equal(refusal.signature, 0);
	assert_false(refusal.is_of_recipients);
	both[1].verdict.code = 554;
	assert_null(brake_lesson(&refusal, &has_delivered, settlement));
	assert_int_equal(refusal.signature, 0);
	both[1].verdict.code = 0; /* relais says so itself */
	both[0].verdict.code = 0;
	assert_null(brake_lesson(&refusal, &has_delivered, settlement));
	both[1].state = RECIPIENT_DELIVERED;
	assert_null(brake_lesson(&refusal, &has_delivered, settlement));
	assert_true(has_delivered);
	settlement_free(settlement);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(tells_replies_apart_but_not_by_names),
		TEST(holds_the_one_submitter_who_meets_it),
		TEST(never_holds_the_relay_for_one_submitter),
		TEST(never_holds_the_relay_for_one_sender),
		TEST(holds_the_relay_that_refuses_different_people),
		TEST(begins_anew_after_a_success),
		TEST(another_refusal_begins_its_own_count),
		TEST(bears_with_lists_of_dead_addresses),
		TEST(tries_one_and_waits_longer_each_time),
		TEST(learns_only_from_what_was_refused_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
