/*
 * test_notify - who is told of what
 */
#include "config.h"

#include "deliver/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "deliver/retry.h"
#include "settings.h"

#define HOUR_MS (3600ull * 1000)

static struct settings settings;
static struct message message;
static struct message_recipient recipient;

static int set_up(void **state)
{
	(void)state;
	memset(&settings, 0, sizeof(settings));
	settings.retry.warn_s = 4 * 3600;
	message = (struct message){ .sender = "app@example.com",
		                    .recipients = &recipient,
		                    .recipient_count = 1,
		                    .id = 1000 * HOUR_MS << 22,
		                    .submitted_ms = 1 };
	recipient = (struct message_recipient){ .address = "a@example.org" };
	return 0;
}

static bool wants(unsigned notify, enum recipient_state state)
{
	recipient.flags = notify != 0 ? RECIPIENT_HAS_NOTIFY : 0;
	recipient.notify = (uint8_t)notify;
	return notify_is_wanted(&settings, &message, &recipient, state);
}

static void honours_what_was_asked_for(void **state)
{
	(void)state;
	assert_true(wants(0, RECIPIENT_FAILED));
	assert_true(wants(0, RECIPIENT_EXPIRED));
	assert_true(wants(0, RECIPIENT_WAITING));
	assert_false(wants(0, RECIPIENT_DELIVERED));
	assert_false(wants(0, RECIPIENT_CANCELLED));
	assert_false(wants(NOTIFY_NEVER, RECIPIENT_FAILED));
	assert_false(wants(NOTIFY_NEVER, RECIPIENT_WAITING));
	assert_true(wants(NOTIFY_FAILURE, RECIPIENT_FAILED));
	assert_false(wants(NOTIFY_FAILURE, RECIPIENT_WAITING));
	assert_false(wants(NOTIFY_SUCCESS, RECIPIENT_FAILED));
	assert_true(wants(NOTIFY_SUCCESS, RECIPIENT_DELIVERED));
	assert_true(wants(NOTIFY_DELAY, RECIPIENT_WAITING));
	settings.retry.warn_s = 0;
	assert_false(wants(0, RECIPIENT_WAITING));
	assert_true(wants(NOTIFY_DELAY, RECIPIENT_WAITING));
}

static void never_tells_about_a_report(void **state)
{
	char from[] = "bounces@example.com";

	(void)state;
	message.flags = MESSAGE_IS_BOUNCE;
	assert_false(wants(0, RECIPIENT_FAILED));
	message.flags = 0;
	message.sender = "";
	assert_false(wants(0, RECIPIENT_FAILED));
	settings.bounces.from = from;
	message.sender = "bounces@EXAMPLE.com";
	assert_false(wants(0, RECIPIENT_FAILED));
	message.sender = "app@example.com";
	assert_true(wants(0, RECIPIENT_FAILED));
}

static bool is_direct;

static struct settlement_recipient decide(enum recipient_state state,
                                          enum verdict_scope scope,
                                          uint64_t age_ms, bool relay_tells)
{
	struct settlement_recipient decision = {
		.state = state,
		.is_charged = scope >= SCOPE_SENDER,
		.verdict.scope = scope,
		.verdict.class = VERDICT_TEMPORARY,
	};

	notify_decide(&decision, &settings,
	              &(struct retry_question){
			  .message = &message,
			  .recipient = &recipient,
			  .is_direct = is_direct,
			  /* The wall clock may say what it likes. */
			  .now_ms = message.submitted_ms + 1000 * HOUR_MS,
			  .queue_now_ms = 1000 * HOUR_MS + age_ms,
		      },
	              relay_tells);
	return decision;
}

static void warns_of_a_delay_once_and_not_early(void **state)
{
	(void)state;
	assert_false(
	    decide(RECIPIENT_WAITING, SCOPE_RECIPIENT, 4 * HOUR_MS - 1, false)
		.is_report_owed);
	assert_true(
	    decide(RECIPIENT_WAITING, SCOPE_RECIPIENT, 4 * HOUR_MS, false)
		.is_report_owed);
	assert_false(decide(RECIPIENT_WAITING, SCOPE_RELAY, 5 * HOUR_MS, false)
	                 .is_report_owed);
	is_direct = true;
	assert_true(decide(RECIPIENT_WAITING, SCOPE_RELAY, 5 * HOUR_MS, false)
	                .is_report_owed);
	is_direct = false;
	recipient.flags = RECIPIENT_DELAY_TOLD;
	assert_false(
	    decide(RECIPIENT_WAITING, SCOPE_RECIPIENT, 5 * HOUR_MS, false)
		.is_report_owed);
}

/* decide() asks 1,000 hours after the submission by the wall clock. */
static void warns_of_a_delay_when_it_was_asked_to(void **state)
{
	(void)state;
	message.flags = MESSAGE_TELLS_DELAY;
	message.deadline_ms = message.submitted_ms + 1000 * HOUR_MS + 1;
	settings.retry.warn_s = 0;
	assert_true(wants(0, RECIPIENT_WAITING));
	assert_false(wants(NOTIFY_FAILURE, RECIPIENT_WAITING));
	recipient.flags = 0;
	assert_false(decide(RECIPIENT_WAITING, SCOPE_RECIPIENT, 0, false)
	                 .is_report_owed);
	message.deadline_ms--;
	assert_true(decide(RECIPIENT_WAITING, SCOPE_RECIPIENT, 0, false)
	                .is_report_owed);
}

static void tells_an_outage_from_a_refusal(void **state)
{
	struct settlement_recipient decision;

	(void)state;
	decision = decide(RECIPIENT_EXPIRED, SCOPE_RELAY, 0, false);
	assert_true(decision.is_report_owed);
	assert_true(decision.is_relay_fault);
	decision = decide(RECIPIENT_EXPIRED, SCOPE_CONNECTION, 0, false);
	assert_true(decision.is_relay_fault);
	decision = decide(RECIPIENT_EXPIRED, SCOPE_RECIPIENT, 0, false);
	assert_true(decision.is_report_owed);
	assert_false(decision.is_relay_fault);
	decision = decide(RECIPIENT_FAILED, SCOPE_MESSAGE, 0, false);
	assert_false(decision.is_relay_fault);
}

static void leaves_success_to_a_relay_that_tells_it(void **state)
{
	(void)state;
	recipient.flags = RECIPIENT_HAS_NOTIFY;
	recipient.notify = NOTIFY_SUCCESS;
	assert_true(decide(RECIPIENT_DELIVERED, SCOPE_RECIPIENT, 0, false)
	                .is_report_owed);
	assert_false(decide(RECIPIENT_DELIVERED, SCOPE_RECIPIENT, 0, true)
	                 .is_report_owed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, set_up)
		TEST(honours_what_was_asked_for),
		TEST(never_tells_about_a_report),
		TEST(warns_of_a_delay_once_and_not_early),
		TEST(warns_of_a_delay_when_it_was_asked_to),
		TEST(tells_an_outage_from_a_refusal),
		TEST(leaves_success_to_a_relay_that_tells_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
