/* Changes of messages, routes and settings while mail is on its way. */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/xalloc.h"
#include "settings.h"

#include "../support/fake_queue.h"

static const char one_relay[] = "hostname: host.example.com\n"
				"relays:\n"
				"  main: {url: \"smtp://relay.example.com:25\","
				" limits: {connections: 4}}\n";
static const char other_relay[] =
    "hostname: host.example.com\n"
    "relays:\n"
    "  other: {url: \"smtp://other.example.com:25\","
    " limits: {connections: 4}}\n";

static struct mailbox *home;
static struct change *came_home;
static unsigned homecomings;

static int set_up(void **state)
{
	(void)state;
	fake_set_up(one_relay);
	assert_int_equal(mailbox_new(&home, fake_loop), 0);
	came_home = NULL;
	homecomings = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	change_free(came_home);
	mailbox_free(home);
	fake_tear_down();
	return 0;
}

static void on_change_done(struct letter *letter)
{
	change_free(came_home);
	came_home = LETTER_OF(letter, struct change, job.letter);
	homecomings++;
	assert_ptr_equal(came_home->job.context, &home);
}

static void ask_change(enum change_kind kind, uint64_t id)
{
	struct change *change = change_new(kind, id);

	change->reason = xstrdup("because");
	change->job.home = home;
	change->job.on_done = on_change_done;
	change->job.context = &home;
	scheduler_change_take(fake_scheduler, change);
	fake_run();
}

static uint64_t fresh_now(uint32_t lane)
{
	uint64_t id = fake_fresh(lane);

	fake_send_notices();
	fake_run();
	return id;
}

static uint32_t normal_lane(void)
{
	return fake_lane("main", PRIORITY_NORMAL, 1000, "");
}

/* Lets a part be where nothing takes it away. */
static void pause_relay(void)
{
	scheduler_pause_relay(fake_scheduler, fake_relay("main"), 0, NULL);
	fake_run();
}

static void resume_relay(void)
{
	scheduler_resume_relay(fake_scheduler, fake_relay("main"));
	fake_run();
}

static void cancels_what_waits(void **state)
{
	uint64_t id;

	(void)state;
	fake_start();
	pause_relay();
	id = fresh_now(normal_lane());
	ask_change(CHANGE_CANCEL, id);
	assert_int_equal(homecomings, 0);
	fake_commit();
	assert_int_equal(homecomings, 1);
	assert_int_equal(came_home->job.result, 0);
	assert_false(came_home->is_accepted_only);
	resume_relay();
	assert_int_equal(fake_at_workers(), 0);
}

static void gives_nothing_out_while_a_change_is_at_the_committer(void **state)
{
	uint64_t id;

	(void)state;
	fake_start();
	pause_relay();
	id = fresh_now(normal_lane());
	ask_change(CHANGE_HOLD, id);
	resume_relay();
	fake_advance(1000);
	assert_int_equal(fake_at_workers(), 0);
	fake_commit();
	assert_int_equal(fake_at_workers(), 0);
	assert_false(fake_waits(id, 0));
}

static void goes_on_where_a_change_fails(void **state)
{
	uint64_t id;

	(void)state;
	fake_start();
	pause_relay();
	id = fresh_now(normal_lane());
	ask_change(CHANGE_CANCEL, id);
	resume_relay();
	assert_int_equal(fake_at_workers(), 0);
	fake_change_result = -ENOENT;
	fake_commit();
	assert_int_equal(came_home->job.result, -ENOENT);
	assert_int_equal(fake_deliver_all(), 1);
}

static void lets_the_verdict_win_over_a_cancel(void **state)
{
	struct assignment *given;
	uint64_t id;

	(void)state;
	fake_start();
	id = fresh_now(normal_lane());
	assert_int_equal(fake_at_workers(), 1);
	ask_change(CHANGE_CANCEL, id);
	assert_int_equal(homecomings, 1);
	assert_true(came_home->is_accepted_only);
	assert_int_equal(came_home->job.result, 0);
	assert_int_equal(fake_forgotten, FAKE_WORKERS);
	fake_commit();
	assert_true(fake_waits(id, 0));

	given = fake_oldest();
	fake_settle_all(given);
	fake_send_notices();
	fake_home(given, NULL);
	/* The copy finds nothing to cancel and bothers nobody. */
	assert_true(fake_commit() > 0);
	assert_int_equal(homecomings, 1);
	assert_int_equal(fake_rows(), 0);
}

static void cancels_after_an_attempt_that_did_not_end_it(void **state)
{
	struct assignment *given;
	uint64_t id;

	(void)state;
	fake_start();
	id = fresh_now(normal_lane());
	ask_change(CHANGE_CANCEL, id);
	given = fake_oldest();
	fake_settle(given, 0, fake_now_ms);
	fake_home(given, NULL);
	fake_send_notices();
	fake_run();
	/* Due at once, and yet not given out again. */
	assert_int_equal(fake_at_workers(), 0);
	fake_commit();
	fake_advance(1000);
	assert_int_equal(fake_at_workers(), 0);
	assert_false(fake_waits(id, 0));
}

static void cancels_what_a_worker_gave_up_for_it(void **state)
{
	struct assignment *given;
	uint64_t id;

	(void)state;
	fake_start();
	id = fresh_now(normal_lane());
	ask_change(CHANGE_CANCEL, id);
	given = fake_oldest();
	given->parts[0].outcome = PART_GONE;
	fake_home(given, NULL);
	/* The disk is full: the mail must not be forgotten. */
	fake_change_result = -ENOSPC;
	fake_commit();
	assert_true(fake_waits(id, 0));
	assert_int_equal(fake_at_workers(), 1);
	assert_int_equal(fake_deliver_all(), 1);
}

static void says_nothing_of_other_peoples_mail(void **state)
{
	struct change *change;
	uint64_t id;

	(void)state;
	fake_start();
	id = fresh_now(normal_lane());
	change = change_new(CHANGE_CANCEL, id);
	change->is_for_owner_only = true;
	change->owner_uid = 34; /* the fake's messages are of 33 */
	change->job.home = home;
	change->job.on_done = on_change_done;
	change->job.context = &home;
	scheduler_change_take(fake_scheduler, change);
	fake_run();
	assert_int_equal(came_home->job.result, -ENOENT);
	assert_false(came_home->is_accepted_only);
	fake_deliver_all();
	fake_advance(2000);
	fake_commit();
	assert_int_equal(homecomings, 1);
}

static void asks_a_relay_again_when_mail_is_retried(void **state)
{
	uint64_t id;

	(void)state;
	fake_start();
	id = fresh_now(normal_lane());
	fake_return(fake_oldest(), FAULT_NETWORK);
	assert_int_equal(fake_at_workers(), 0);
	ask_change(CHANGE_RETRY, id);
	fake_commit();
	assert_int_equal(fake_at_workers(), 1);
	assert_int_equal(fake_deliver_all(), 1);
}

static void makes_a_deferred_message_due(void **state)
{
	struct assignment *given;
	uint64_t id;

	(void)state;
	fake_start();
	id = fresh_now(normal_lane());
	given = fake_oldest();
	fake_settle(given, 0, fake_now_ms + 3600000);
	fake_send_notices();
	fake_home(given, NULL);
	ask_change(CHANGE_RETRY, id);
	fake_commit();
	assert_int_equal(fake_deliver_all(), 1);
}

static void reroutes_the_mail_of_a_relay_that_is_gone(void **state)
{
	const struct settings *settings = fake_settings_load(other_relay);
	uint32_t old = normal_lane();
	uint32_t new = fake_lane("other", PRIORITY_NORMAL, 1000, "");

	(void)state;
	fake_is_silent = true;
	/* More than are at the committer at a time. */
	for (unsigned i = 0; i < 500; i++) {
		fake_fresh(old);
		fake_sched(old, fake_now_ms + 3600000);
	}
	fake_is_silent = false;
	fake_start();
	pause_relay();
	fake_deliver_all();
	scheduler_apply_settings(fake_scheduler, settings);
	settings_unref(settings);
	for (unsigned i = 0; i < 100; i++) {
		fake_advance(10);
		fake_commit();
	}
	assert_int_equal(fake_oldest()->lane, new);
	assert_string_equal(fake_oldest()->relay->name, "other");
	fake_deliver_all();
	assert_int_equal(fake_rows(), 0);
}

static void apply(const char *yaml)
{
	const struct settings *settings = fake_settings_load(yaml);

	scheduler_apply_settings(fake_scheduler, settings);
	settings_unref(settings);
	fake_run();
}

static void let_the_round_end(void)
{
	for (unsigned i = 0; i < 100; i++) {
		fake_advance(10);
		fake_commit();
	}
}

/* As held mail does that is released: its lane is of a relay that is gone. */
static void reroutes_what_comes_behind_the_back_of_a_round(void **state)
{
	uint32_t old = normal_lane();

	(void)state;
	fake_lane("other", PRIORITY_NORMAL, 1000, "");
	fake_start();
	for (unsigned steps = 0; steps < 5; steps++) {
		apply(one_relay);
		let_the_round_end();
		apply(other_relay);
		for (unsigned i = 0; i < steps; i++)
			fake_advance(1);
		fake_fresh(old);
		let_the_round_end();
		assert_int_equal(fake_given_count, 1);
		assert_string_equal(fake_oldest()->relay->name, "other");
		fake_deliver_all();
		assert_int_equal(fake_rows(), 0);
	}
}

static bool is_idle;

static void on_idle(void *context)
{
	assert_ptr_equal(context, &is_idle);
	is_idle = true;
}

static void drains_what_is_at_the_workers(void **state)
{
	uint32_t lane = normal_lane();
	struct assignment *given;

	(void)state;
	is_idle = false;
	fake_start();
	fresh_now(lane);
	given = fake_oldest();
	scheduler_drain(fake_scheduler, on_idle, &is_idle);
	fresh_now(lane);
	assert_int_equal(fake_at_workers(), 1);
	assert_false(is_idle);
	fake_settle_all(given);
	fake_home(given, NULL);
	/* Its verdict is not on disk yet. */
	assert_false(is_idle);
	fake_send_notices();
	fake_run();
	fake_commit();
	fake_advance(1000);
	fake_commit();
	assert_true(is_idle);
	assert_int_equal(fake_rows(), 1);
}

static void is_idle_at_once_without_mail(void **state)
{
	(void)state;
	is_idle = false;
	fake_start();
	scheduler_drain(fake_scheduler, on_idle, &is_idle);
	assert_true(is_idle);
}

#define SOAK_LANES 6

/* One assignment ends in some way. */
static void end_somehow(struct assignment *given)
{
	struct verdict fault;
	bool is_fault = false;

	for (unsigned i = 0; i < given->part_count; i++) {
		switch (is_fault ? 9 : rand() % 9) {
		case 0:
			fake_settle(given, i,
			            fake_now_ms + (uint64_t)rand() % 100000);
			break;
		case 1:
			given->parts[i].outcome = PART_RETURNED;
			is_fault = true;
			break;
		case 9:
			given->parts[i].outcome = PART_NOT_TRIED;
			break;
		default:
			fake_settle(given, i, 0);
			break;
		}
		if (rand() % 4 == 0)
			fake_send_notices();
	}
	fake_fault(&fault, (enum verdict_fault)(1 + rand() % 9));
	fake_home(given, is_fault ? &fault : NULL);
}

static void check_claims(void)
{
	static uint64_t ids[FAKE_GIVEN_MAX];
	unsigned count = 0;

	for (unsigned i = 0; i < fake_given_count; i++) {
		const struct assignment *given = fake_given[i];

		for (unsigned j = 0; given != NULL && j < given->part_count;
		     j++) {
			for (unsigned k = 0; k < count; k++)
				assert_true(ids[k] != given->parts[j].id);
			ids[count++] = given->parts[j].id;
		}
	}
}

/* Nothing is given out twice, and in the end nothing is left. */
static void keeps_its_books_through_everything(void **state)
{
	uint32_t lanes[SOAK_LANES];
	uint64_t ids[64] = { 0 };
	enum change_kind kinds[] = { CHANGE_CANCEL, CHANGE_RETRY };

	(void)state;
	srand(42);
	for (unsigned i = 0; i < SOAK_LANES; i++)
		lanes[i] =
		    fake_lane("main", (enum priority)(i % 3), 1000 + i / 3, "");
	fake_start();
	for (unsigned i = 0; i < 20000; i++) {
		struct assignment *given =
		    fake_given[(unsigned)rand() %
		               (fake_given_count == 0 ? 1 : fake_given_count)];
		uint32_t lane = lanes[rand() % SOAK_LANES];

		switch (rand() % 8) {
		case 0:
		case 1:
			ids[rand() % 64] = fake_fresh(lane);
			break;
		case 2:
			fake_sched(lane, fake_now_ms + (uint64_t)rand() % 9000);
			break;
		case 3:
			ask_change(kinds[rand() % 2], ids[rand() % 64]);
			break;
		case 4:
			fake_commit();
			break;
		case 5:
			fake_advance((uint64_t)rand() % 20000);
			break;
		default:
			if (fake_given_count > 0 && given != NULL)
				end_somehow(given);
			break;
		}
		check_claims();
		if (i % 5000 == 4999)
			fake_restart();
	}
	resume_relay();
	for (unsigned i = 0; i < 2000 && fake_rows() > 0; i++) {
		fake_deliver_all();
		fake_commit();
		fake_advance(60000);
	}
	assert_int_equal(fake_rows(), 0);
	scheduler_drain(fake_scheduler, on_idle, &is_idle);
	fake_commit();
	assert_true(is_idle);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(cancels_what_waits),
		TEST(gives_nothing_out_while_a_change_is_at_the_committer),
		TEST(goes_on_where_a_change_fails),
		TEST(lets_the_verdict_win_over_a_cancel),
		TEST(cancels_after_an_attempt_that_did_not_end_it),
		TEST(cancels_what_a_worker_gave_up_for_it),
		TEST(says_nothing_of_other_peoples_mail),
		TEST(asks_a_relay_again_when_mail_is_retried),
		TEST(makes_a_deferred_message_due),
		TEST(reroutes_the_mail_of_a_relay_that_is_gone),
		TEST(reroutes_what_comes_behind_the_back_of_a_round),
		TEST(drains_what_is_at_the_workers),
		TEST(is_idle_at_once_without_mail),
		TEST(keeps_its_books_through_everything),
	};

	return cmocka_run_group_tests_name("scheduler_changes", tests, NULL,
	                                   NULL);
}
