/* Relays in trouble: breakers, limits, expiry, and what is remembered. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "settings.h"

#include "../support/fake_queue.h"

#define MINUTE UINT64_C(60000)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static const char one_relay[] = "hostname: host.example.com\n"
				"relays:\n"
				"  main: {url: \"smtp://relay.example.com:25\","
				" limits: {connections: 8}}\n";
static const char two_relays[] =
    "hostname: host.example.com\n"
    "default_relay: main\n"
    "relays:\n"
    "  main: {url: \"smtp://relay.example.com:25\","
    " limits: {connections: 8}}\n"
    "  other: {url: \"smtp://other.example.com:25\","
    " limits: {connections: 2}}\n";
static const char limited[] = "hostname: host.example.com\n"
			      "relays:\n"
			      "  main: {url: \"smtp://relay.example.com:25\","
			      " limits: {connections: 8, rate: 30/min}}\n";
static const char direct[] =
    "hostname: host.example.com\n"
    "relays:\n"
    "  main: {url: \"direct:\", limits: {connections: 8}}\n";

static int set_up(void **state)
{
	(void)state;
	fake_set_up(one_relay);
	return 0;
}

static int set_up_two(void **state)
{
	(void)state;
	fake_set_up(two_relays);
	return 0;
}

static int set_up_limited(void **state)
{
	(void)state;
	fake_set_up(limited);
	return 0;
}

static int set_up_direct(void **state)
{
	(void)state;
	fake_set_up(direct);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_tear_down();
	return 0;
}

static struct scheduler_query *answer;

static void on_answer(struct letter *letter)
{
	answer = LETTER_OF(letter, struct scheduler_query, letter);
}

/* The state of a relay as the control loop would see it. */
static struct relay_status ask(const char *relay)
{
	struct scheduler_query *query = scheduler_query_new();
	struct relay_status status;
	struct mailbox *mailbox;

	assert_int_equal(mailbox_new(&mailbox, fake_loop), 0);
	query->home = mailbox;
	query->on_done = on_answer;
	scheduler_ask_take(fake_scheduler, query);
	fake_run();
	mailbox_free(mailbox);
	assert_ptr_equal(answer, query);
	memset(&status, 0, sizeof(status));
	for (size_t i = 0; i < query->relay_count; i++) {
		if (query->relays[i].id == fake_relay(relay))
			status = query->relays[i];
	}
	assert_int_equal(status.id, fake_relay(relay));
	scheduler_query_free(query);
	status.name = status.fault_host = status.carrier = NULL;
	return status;
}

static uint32_t backlog(unsigned parts)
{
	uint32_t lane = fake_lane("main", PRIORITY_NORMAL, 1000, "");

	fake_is_silent = true;
	for (unsigned i = 0; i < parts; i++)
		fake_fresh(lane);
	fake_is_silent = false;
	return lane;
}

static void return_all(enum verdict_fault fault)
{
	struct assignment *given;

	while ((given = fake_oldest()) != NULL)
		fake_return(given, fault);
}

static void keeps_mail_back_then_sends_one_probe(void **state)
{
	(void)state;
	backlog(200);
	fake_start();
	return_all(FAULT_NETWORK);
	assert_int_equal(fake_at_workers(), 0);
	assert_int_equal(ask("main").state, BREAKER_OPEN);
	fake_advance(23900);
	assert_int_equal(fake_at_workers(), 0);
	fake_advance(12200);
	assert_int_equal(fake_at_workers(), 1);
	assert_int_equal(fake_oldest()->part_count, 1);
	assert_int_equal(ask("main").state, BREAKER_HALF_OPEN);
	fake_advance(HOUR);
	assert_int_equal(fake_at_workers(), 1);
	return_all(FAULT_NETWORK);
	fake_advance(47900);
	assert_int_equal(fake_at_workers(), 0);
	fake_advance(24200);
	assert_int_equal(fake_at_workers(), 1);
	assert_int_equal(ask("main").faults, 9);
}

static void starts_small_after_an_outage_and_keeps_the_order(void **state)
{
	static const unsigned expected[] = { 1, 2, 4, 8, 8 };
	uint64_t last = 0;

	(void)state;
	backlog(1000);
	fake_start();
	return_all(FAULT_NETWORK);
	fake_advance(MINUTE);
	for (unsigned round = 0; round < 5; round++) {
		struct assignment *batch[8];
		unsigned count = fake_at_workers();

		assert_int_equal(count, expected[round]);
		count = 0;
		for (unsigned i = 0; i < fake_given_count; i++) {
			if (fake_given[i] != NULL)
				batch[count++] = fake_given[i];
		}
		for (unsigned i = 0; i < count; i++) {
			for (unsigned j = 0; j < batch[i]->part_count; j++) {
				assert_true(batch[i]->parts[j].id > last);
				last = batch[i]->parts[j].id;
			}
			fake_settle_all(batch[i]);
		}
		fake_send_notices();
		fake_run();
		/* The next ones start as these come home, in order. */
		for (unsigned i = 0; i < count; i++)
			fake_home(batch[i], NULL);
	}
}

static void holds_a_relay_that_refuses_the_login(void **state)
{
	(void)state;
	backlog(50);
	fake_start();
	return_all(FAULT_AUTH);
	assert_int_equal(ask("main").state, BREAKER_HELD);
	fake_advance(10 * MINUTE);
	assert_int_equal(fake_at_workers(), 0);
	fake_advance(9 * MINUTE);
	assert_int_equal(fake_at_workers(), 1);
	return_all(FAULT_AUTH);
	fake_advance(40 * MINUTE);
	assert_int_equal(fake_at_workers(), 0);
	fake_advance(35 * MINUTE);
	assert_int_equal(fake_at_workers(), 1);
}

static void tries_at_once_when_the_settings_change(void **state)
{
	const struct settings *settings = fake_settings_load(one_relay);

	(void)state;
	backlog(50);
	fake_start();
	return_all(FAULT_AUTH);
	scheduler_apply_settings(fake_scheduler, settings);
	settings_unref(settings);
	fake_run();
	assert_int_equal(fake_at_workers(), 1);
	assert_true(fake_deliver_all() == 50);
	assert_int_equal(ask("main").state, BREAKER_CLOSED);
}

static void closes_when_somebody_resumes(void **state)
{
	(void)state;
	backlog(50);
	fake_start();
	return_all(FAULT_AUTH);
	scheduler_resume_relay(fake_scheduler, fake_relay("main"));
	fake_run();
	assert_int_equal(ask("main").state, BREAKER_CLOSED);
	assert_true(fake_deliver_all() == 50);
}

static void pauses_until_a_time_or_resumed(void **state)
{
	(void)state;
	fake_start();
	scheduler_pause_relay(fake_scheduler, fake_relay("main"), 0, "moving");
	fake_run();
	fake_fresh(fake_lane("main", PRIORITY_NORMAL, 1000, ""));
	fake_send_notices();
	fake_advance(DAY);
	assert_int_equal(fake_at_workers(), 0);
	assert_int_equal(ask("main").state, BREAKER_PAUSED);
	assert_string_equal(ask("main").fault.text, "moving");
	fake_commit();
	fake_restart();
	assert_int_equal(fake_at_workers(), 0);
	assert_int_equal(ask("main").state, BREAKER_PAUSED);
	scheduler_resume_relay(fake_scheduler, fake_relay("main"));
	fake_run();
	assert_int_equal(fake_deliver_all(), 1);
}

static void ends_a_pause_for_domains_that_came_in_it(void **state)
{
	uint64_t wall_ms = (uint64_t)clock_wall_ms();

	(void)state;
	fake_start();
	scheduler_pause_relay(fake_scheduler, fake_relay("main"),
	                      wall_ms + 10 * MINUTE, "moving");
	fake_run();
	fake_fresh(fake_lane("main", PRIORITY_NORMAL, 1, "new.example"));
	fake_send_notices();
	fake_advance(9 * MINUTE);
	assert_int_equal(fake_at_workers(), 0);
	fake_advance(2 * MINUTE);
	assert_int_equal(fake_deliver_all(), 1);
}

static void goes_on_with_other_relays(void **state)
{
	uint32_t other;

	(void)state;
	backlog(500);
	other = fake_lane("other", PRIORITY_NORMAL, 1000, "");
	fake_start();
	return_all(FAULT_NETWORK);
	fake_fresh(other);
	fake_send_notices();
	fake_run();
	assert_int_equal(fake_at_workers(), 1);
	assert_int_equal(fake_oldest()->lane, other);
	assert_int_equal(fake_deliver_all(), 1);
}

static void remembers_an_open_breaker_over_a_restart(void **state)
{
	(void)state;
	backlog(50);
	fake_start();
	return_all(FAULT_AUTH);
	fake_advance(1000);
	assert_true(fake_commit() > 0);
	fake_restart();
	assert_int_equal(ask("main").state, BREAKER_HELD);
	assert_int_equal(fake_at_workers(), 0);
	fake_advance(20 * MINUTE);
	assert_int_equal(fake_at_workers(), 1);
	assert_true(fake_deliver_all() == 50);
}

static void pauses_only_the_domain_in_trouble(void **state)
{
	uint32_t dead = fake_lane("main", PRIORITY_NORMAL, 1, "dead.example");
	uint32_t live = fake_lane("main", PRIORITY_NORMAL, 1, "live.example");
	struct assignment *given;

	(void)state;
	fake_is_silent = true;
	for (unsigned i = 0; i < 40; i++) {
		fake_fresh(dead);
		fake_fresh(live);
	}
	fake_is_silent = false;
	fake_start();
	while ((given = fake_oldest()) != NULL) {
		if (given->lane == dead) {
			fake_return(given, FAULT_NETWORK);
			continue;
		}
		fake_settle_all(given);
		fake_send_notices();
		fake_home(given, NULL);
	}
	assert_int_equal(fake_rows(), 40);
	assert_int_equal(ask("main").state, BREAKER_CLOSED);
	fake_advance(MINUTE);
	assert_int_equal(fake_at_workers(), 1);
	assert_int_equal(fake_oldest()->part_count, 1);
	assert_int_equal(fake_deliver_all(), 40);
}

static void takes_a_connection_away_where_there_are_too_many(void **state)
{
	struct assignment *given;

	(void)state;
	backlog(2000);
	fake_start();
	assert_int_equal(fake_at_workers(), 8);
	/* The relay allows three: five are refused. */
	for (unsigned i = 0; i < 5; i++)
		fake_return(fake_oldest(), FAULT_CONCURRENCY);
	assert_int_equal(fake_at_workers(), 3);
	assert_int_equal(ask("main").connection_limit, 3);
	assert_int_equal(ask("main").state, BREAKER_CLOSED);
	given = fake_oldest();
	fake_settle_all(given);
	fake_send_notices();
	fake_home(given, NULL);
	assert_int_equal(fake_at_workers(), 3);
	fake_advance(HOUR);
	assert_int_equal(fake_at_workers(), 4);
}

static void halves_its_pace_where_it_is_too_fast(void **state)
{
	struct assignment *given;
	unsigned in_a_minute = 0;

	(void)state;
	backlog(4000);
	fake_start();
	for (unsigned i = 0; i < 60; i++) {
		given = fake_oldest();
		fake_settle_all(given);
		fake_send_notices();
		fake_home(given, NULL);
	}
	return_all(FAULT_RATE);
	/* 60 * 16 in the minute before, and 8 * 16 on their way: half of it. */
	for (unsigned i = 0; i < 1190; i++) {
		fake_advance(100);
		in_a_minute += fake_deliver_all();
		if (i < 599)
			assert_int_equal(in_a_minute, 0);
	}
	assert_in_range(in_a_minute, 480, 544);
}

#define WINDOW_SENT_MAX 4096
static uint64_t sent_ms[WINDOW_SENT_MAX];
static unsigned sent_count;

static void note_sent(unsigned parts)
{
	unsigned in_window = 0;

	for (unsigned i = 0; i < parts; i++)
		sent_ms[sent_count++] = fake_now_ms;
	for (unsigned i = 0; i < sent_count; i++)
		in_window += sent_ms[i] + MINUTE >= fake_now_ms;
	assert_true(in_window <= 30);
}

static void sends_no_more_than_its_rate_in_any_window(void **state)
{
	(void)state;
	sent_count = 0;
	srand(7);
	backlog(1000);
	fake_start();
	for (unsigned i = 0; i < 600; i++) {
		/* What is under way goes at some time before it is home. */
		fake_advance((uint64_t)rand() % 2000);
		if (rand() % 3 != 0)
			note_sent(fake_deliver_all());
		if (rand() % 4 != 0)
			fake_commit();
		if (i % 100 == 99) {
			/* It is killed at any moment: what is at the workers
			 * may be gone, and what is at the committer is lost. */
			note_sent(fake_parts_at_workers());
			fake_restart();
		}
	}
	/* Ten minutes at 30 a minute. */
	assert_true(sent_count >= 200);
}

/* As many as may go, with a memory of them in between. */
static unsigned deliver_covered(void)
{
	unsigned sum = 0, count;

	do {
		count = fake_deliver_all();
		sum += count;
	} while (fake_commit() > 0 || count > 0);
	return sum;
}

static void keeps_to_its_rate_when_the_settings_change(void **state)
{
	const struct settings *settings = fake_settings_load(limited);

	(void)state;
	backlog(100);
	fake_start();
	assert_int_equal(deliver_covered(), 30);
	scheduler_apply_settings(fake_scheduler, settings);
	settings_unref(settings);
	fake_run();
	assert_int_equal(fake_at_workers(), 0);
	fake_advance(MINUTE + 1);
	assert_int_equal(deliver_covered(), 30);
}

static void on_idle(void *context)
{
	*(bool *)context = true;
}

static void an_orderly_end_uses_up_nothing(void **state)
{
	(void)state;
	backlog(1);
	fake_start();
	for (unsigned i = 0; i < 40; i++) {
		bool is_idle = false;

		assert_int_equal(deliver_covered(), i < 30);
		scheduler_drain(fake_scheduler, on_idle, &is_idle);
		fake_commit();
		assert_true(is_idle);
		backlog(1);
		fake_restart();
	}
}

static void expires_what_is_too_old_behind_an_open_breaker(void **state)
{
	uint32_t lane = fake_lane("main", PRIORITY_NORMAL, 1000, "");
	struct assignment *given;
	unsigned expired = 0;

	(void)state;
	fake_is_silent = true;
	for (unsigned i = 0; i < 50; i++)
		fake_add_fresh(lane, fake_id(6 * DAY), 0);
	for (unsigned i = 0; i < 50; i++)
		fake_add_fresh(lane, fake_id(DAY), 0);
	fake_is_silent = false;
	fake_start();
	assert_false(fake_oldest()->is_expiring);
	while ((given = fake_oldest()) != NULL) {
		if (!given->is_expiring) {
			fake_return(given, FAULT_NETWORK);
			continue;
		}
		assert_int_equal(given->fault.fault, FAULT_NETWORK);
		expired += given->part_count;
		for (unsigned i = 0; i < given->part_count; i++)
			assert_true(given->parts[i].id >> 22 <
			            fake_now_ms - 5 * DAY);
		fake_settle_all(given);
		fake_send_notices();
		fake_home(given, NULL);
	}
	assert_int_equal(expired, 50);
	assert_int_equal(fake_rows(), 50);
	assert_int_equal(ask("main").state, BREAKER_OPEN);
}

static void waits_where_mail_comes_back_without_a_word(void **state)
{
	struct assignment *given;

	(void)state;
	backlog(1);
	fake_start();
	given = fake_oldest();
	given->parts[0].outcome = PART_RETURNED;
	given->letter.open = given->on_done;
	fake_given[0] = NULL;
	mailbox_post_take(given->home, &given->letter);
	fake_run();
	assert_int_equal(fake_at_workers(), 0);
	assert_int_equal(ask("main").state, BREAKER_OPEN);
}

static void counts_what_waits_by_relay_and_priority(void **state)
{
	struct relay_status status;

	(void)state;
	backlog(100);
	fake_start();
	fake_advance(5000);
	status = ask("main");
	assert_int_equal(status.waiting[PRIORITY_NORMAL], 100);
	assert_int_equal(status.waiting_bytes[PRIORITY_NORMAL], 100000);
	assert_int_equal(status.waiting[PRIORITY_BULK], 0);
	assert_int_equal(status.connections, 8);
	fake_deliver_all();
	status = ask("main");
	assert_int_equal(status.delivered, 100);
	assert_int_equal(status.delivered_24h, 100);
	fake_advance(25 * HOUR);
	assert_int_equal(ask("main").delivered_24h, 0);
}

int main(void)
{
#define TEST(name, how) cmocka_unit_test_setup_teardown(name, how, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(keeps_mail_back_then_sends_one_probe, set_up),
		TEST(starts_small_after_an_outage_and_keeps_the_order, set_up),
		TEST(holds_a_relay_that_refuses_the_login, set_up),
		TEST(tries_at_once_when_the_settings_change, set_up),
		TEST(closes_when_somebody_resumes, set_up),
		TEST(pauses_until_a_time_or_resumed, set_up),
		TEST(ends_a_pause_for_domains_that_came_in_it, set_up_direct),
		TEST(goes_on_with_other_relays, set_up_two),
		TEST(remembers_an_open_breaker_over_a_restart, set_up),
		TEST(pauses_only_the_domain_in_trouble, set_up_direct),
		TEST(takes_a_connection_away_where_there_are_too_many, set_up),
		TEST(halves_its_pace_where_it_is_too_fast, set_up),
		TEST(sends_no_more_than_its_rate_in_any_window, set_up_limited),
		TEST(keeps_to_its_rate_when_the_settings_change,
		     set_up_limited),
		TEST(an_orderly_end_uses_up_nothing, set_up_limited),
		TEST(expires_what_is_too_old_behind_an_open_breaker, set_up),
		TEST(waits_where_mail_comes_back_without_a_word, set_up),
		TEST(counts_what_waits_by_relay_and_priority, set_up),
	};

	return cmocka_run_group_tests_name("scheduler_trouble", tests, NULL,
	                                   NULL);
}
