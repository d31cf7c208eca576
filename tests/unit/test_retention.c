/*
 * test_retention - what goes by itself, and when
 *
 * The committer's thread does not run: each step is a transaction of the
 * test's own, at a time of its choosing.
 */
#include "config.h"

#include "../support/queue_fixture.h"

#include <errno.h>

#include "clock.h"
#include "queue/accounts.h"
#include "queue/change.h"
#include "queue/feed.h"
#include "queue/filter.h"
#include "queue/idem.h"
#include "queue/retention.h"
#include "queue/settle.h"
#include "queue/submit.h"

#define START_MS  1795000000000ll
#define MINUTE_MS (60ull * 1000)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

static int64_t wall_ms, boot_ms;

static int64_t get_wall_ms(void)
{
	return wall_ms;
}

static int64_t get_boot_ms(void)
{
	return boot_ms;
}

static int64_t get_monotonic_us(void)
{
	return boot_ms * 1000;
}

static const struct clock_source slow_clock = {
	.wall_ms = get_wall_ms,
	.boottime_ms = get_boot_ms,
	.monotonic_us = get_monotonic_us,
};

static struct retention *retention;

static void limits_of_settings(struct fixture *f)
{
	f->queue->ledger.limits = (struct ledger_limits){
		.maximum_bytes = f->settings.queue.maximum_bytes,
		.keep_finished_ms = 14 * DAY_MS,
		.keep_failed_bodies_ms = 3 * DAY_MS,
	};
}

static int setup(void **state)
{
	struct fixture *f = fixture_make();

	wall_ms = START_MS;
	boot_ms = 1000000;
	clock_replace(&slow_clock);
	fixture_open(f);
	limits_of_settings(f);
	assert_int_equal(queue_reader_new(&f->reader, f->queue), 0);
	retention = retention_new();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	retention_free(retention);
	queue_reader_free(f->reader);
	queue_free(f->queue);
	f->queue = NULL;
	clock_replace(NULL);
	fixture_free(f);
	return 0;
}

static void pass(uint64_t ms)
{
	wall_ms += (int64_t)ms;
	boot_ms += (int64_t)ms;
}

/* Until nothing is left to do; with that many jobs in each transaction. */
static void tidy(struct fixture *f, unsigned jobs)
{
	do {
		assert_int_equal(ledger_begin(&f->queue->ledger), 0);
		assert_int_equal(
		    retention_run(retention, &f->queue->ledger, jobs), 0);
		assert_int_equal(ledger_commit(&f->queue->ledger), 0);
	} while (retention_is_busy(retention));
	pass(2000);
}

static uint64_t submit(struct fixture *f, const char *key)
{
	const char *to[] = { "a@example.org", NULL };
	struct submission *s = fixture_mail(to, "body\r\n");
	uint64_t id;

	s->message->key = key;
	assert_int_equal(ledger_begin(&f->queue->ledger), 0);
	assert_int_equal(submit_apply(&f->queue->ledger, s), 0);
	assert_int_equal(ledger_commit(&f->queue->ledger), 0);
	id = s->id;
	submission_free(s);
	return id;
}

static void end(struct fixture *f, uint64_t id, enum recipient_state state)
{
	struct settlement *s = fixture_attempt(f, id, 0, 1);

	fixture_say(&s->recipients[0], 0, state, 0);
	assert_int_equal(ledger_begin(&f->queue->ledger), 0);
	assert_int_equal(settle_apply(&f->queue->ledger, s), 0);
	assert_int_equal(ledger_commit(&f->queue->ledger), 0);
	settlement_free(s);
}

static void hold_until(struct fixture *f, uint64_t id, uint64_t until_ms)
{
	struct change change = {
		.kind = CHANGE_HOLD,
		.id = id,
		.until_ms = until_ms,
	};

	assert_int_equal(ledger_begin(&f->queue->ledger), 0);
	assert_int_equal(change_apply(&f->queue->ledger, &change), 0);
	assert_int_equal(ledger_commit(&f->queue->ledger), 0);
}

static bool is_there(struct fixture *f, uint64_t id)
{
	struct message *message;
	int r = queue_read_message(f->reader, id, &message);

	assert_true(r == 0 || r == -ENOENT);
	if (r == 0)
		message_free(message);
	return r == 0;
}

static uint64_t rows(struct fixture *f, enum store_table table)
{
	struct store_txn *txn;
	uint64_t count;

	assert_int_equal(store_reader_new(&txn, f->queue->store), 0);
	assert_int_equal(store_reader_begin(txn), 0);
	count = store_count(txn, table);
	store_reader_end(txn);
	store_reader_free(txn);
	return count;
}

static uint64_t bytes_of_submitter(struct fixture *f)
{
	struct account account;
	struct store_txn *txn;

	assert_int_equal(store_reader_new(&txn, f->queue->store), 0);
	assert_int_equal(store_reader_begin(txn), 0);
	assert_int_equal(account_read(&account, txn, 1000), 0);
	store_reader_end(txn);
	store_reader_free(txn);
	return account.bytes;
}

static void purges_what_ended_long_ago(void **state)
{
	struct fixture *f = *state;
	uint64_t old = submit(f, NULL), waits, late, young;
	struct queue_counts counts;

	end(f, old, RECIPIENT_DELIVERED);
	waits = submit(f, NULL);
	late = submit(f, NULL);
	pass(13 * DAY_MS + 12 * HOUR_MS);
	/* Submitted long ago, but ended just now. */
	end(f, late, RECIPIENT_FAILED);
	young = submit(f, NULL);
	end(f, young, RECIPIENT_DELIVERED);
	tidy(f, 0);
	assert_true(is_there(f, old));
	pass(13 * HOUR_MS);
	tidy(f, 0);
	assert_false(is_there(f, old));
	assert_true(is_there(f, waits) && is_there(f, late));
	assert_true(is_there(f, young));
	assert_int_equal(rows(f, TABLE_LATE), 2);
	/* The late ones are looked at once an hour. */
	pass(12 * HOUR_MS);
	tidy(f, 0);
	assert_false(is_there(f, late));
	assert_true(is_there(f, waits));
	assert_int_equal(rows(f, TABLE_LATE), 1);
	end(f, waits, RECIPIENT_DELIVERED);
	pass(2 * DAY_MS);
	tidy(f, 0);
	assert_false(is_there(f, waits));
	assert_true(is_there(f, young));
	/* What failed had its body still: its submitter's account is empty. */
	assert_int_equal(bytes_of_submitter(f), 0);
	assert_int_equal(rows(f, TABLE_LATE), 0);
	assert_int_equal(rows(f, TABLE_MSG), 1);
	assert_int_equal(rows(f, TABLE_STATE), 0);
	assert_int_equal(rows(f, TABLE_BODY), 0);
	assert_int_equal(queue_read_counts(f->reader, &counts), 0);
	assert_int_equal(counts.messages[MESSAGE_DELIVERED], 1);
	assert_int_equal(counts.messages[MESSAGE_FAILED], 0);
}

/* A new process, without the end that a clean one would be. */
static void start_again(struct fixture *f)
{
	queue_reader_free(f->reader);
	queue_free(f->queue);
	retention_free(retention);
	fixture_open(f);
	limits_of_settings(f);
	assert_int_equal(queue_reader_new(&f->reader, f->queue), 0);
	retention = retention_new();
}

static void a_clock_that_is_wrong_for_a_while_costs_no_history(void **state)
{
	struct fixture *f = *state;
	uint64_t old = submit(f, NULL), future;

	end(f, old, RECIPIENT_FAILED);
	pass(HOUR_MS);
	wall_ms += (int64_t)(3650 * DAY_MS);
	start_again(f);
	future = submit(f, NULL);
	end(f, future, RECIPIENT_DELIVERED);
	pass(HOUR_MS / 2);
	tidy(f, 0);
	/* The time service has set it. */
	wall_ms -= (int64_t)(3650 * DAY_MS);
	pass(DAY_MS);
	tidy(f, 0);
	assert_true(is_there(f, old) && is_there(f, future));
	assert_int_equal(rows(f, TABLE_BODY), 1);
	/* And all goes in its time, what came in the future, too. */
	pass(14 * DAY_MS);
	tidy(f, 0);
	assert_int_equal(rows(f, TABLE_MSG), 0);
}

/* The power was cut, and the machine boots in 1970: as old as it is up. */
static void doubts_nothing_that_comes_without_a_clock(void **state)
{
	struct fixture *f = *state;
	char path[80];

	(void)submit(f, NULL);
	snprintf(path, sizeof(path), "%s/inflight", f->directory);
	assert_int_equal(unlink(path), 0);
	wall_ms = boot_ms - 1;
	start_again(f);
	assert_true(f->queue->ledger.doubt_ms != 0);
	assert_true(f->queue->ledger.doubt_ms <= queue_time_ms(f->queue));
}

static void purges_few_only_when_idle(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 40; i++)
		end(f, submit(f, NULL), RECIPIENT_DELIVERED);
	pass(15 * DAY_MS);
	tidy(f, 1);
	assert_int_equal(rows(f, TABLE_MSG), 40);
	tidy(f, 0);
	assert_int_equal(rows(f, TABLE_MSG), 0);
	for (unsigned i = 0; i < 80; i++)
		end(f, submit(f, NULL), RECIPIENT_DELIVERED);
	pass(15 * DAY_MS);
	tidy(f, 1);
	assert_int_equal(rows(f, TABLE_MSG), 0);
}

static void lets_history_give_way_when_half_full(void **state)
{
	struct fixture *f = *state;
	uint64_t waits = submit(f, NULL), failed = submit(f, NULL);

	end(f, failed, RECIPIENT_FAILED);
	for (unsigned i = 0; i < 300; i++)
		end(f, submit(f, NULL), RECIPIENT_DELIVERED);
	tidy(f, 0);
	assert_int_equal(rows(f, TABLE_MSG), 302);
	/* Just above half: some go, and then it is enough. */
	f->queue->ledger.limits.maximum_bytes =
	    2 * f->queue->ledger.used_bytes - 1;
	tidy(f, 0);
	/* Who waits for the end of one reads it yet. */
	assert_int_equal(rows(f, TABLE_MSG), 302);
	pass(MINUTE_MS);
	tidy(f, 0);
	assert_in_range(rows(f, TABLE_MSG), 200, 301);
	f->queue->ledger.limits.maximum_bytes = 1;
	tidy(f, 0);
	assert_int_equal(rows(f, TABLE_MSG), 2);
	assert_true(is_there(f, waits) && is_there(f, failed));
}

static void drops_bodies_of_failed_mail_in_time(void **state)
{
	struct fixture *f = *state;
	uint64_t id = submit(f, NULL);
	struct message *m;

	end(f, id, RECIPIENT_FAILED);
	pass(3 * DAY_MS - HOUR_MS);
	tidy(f, 0);
	assert_true(rows(f, TABLE_BODY) > 0);
	pass(HOUR_MS);
	tidy(f, 0);
	assert_int_equal(rows(f, TABLE_BODY), 0);
	assert_int_equal(bytes_of_submitter(f), 0);
	m = fixture_read(f, id);
	assert_int_equal(m->state, MESSAGE_FAILED);
	assert_true((m->flags & MESSAGE_BODY_GONE) != 0);
	assert_int_equal(m->body_id, 0);
	assert_int_equal(m->timeline_count, 2);
	message_free(m);
}

static void releases_a_hold_that_has_an_end(void **state)
{
	struct fixture *f = *state;
	uint64_t timed = submit(f, NULL), endless = submit(f, NULL);

	hold_until(f, timed, (uint64_t)wall_ms + HOUR_MS);
	hold_until(f, endless, 0);
	tidy(f, 0);
	assert_int_equal(fixture_state(f, timed), MESSAGE_HELD);
	pass(HOUR_MS);
	tidy(f, 0);
	assert_int_equal(fixture_state(f, timed), MESSAGE_QUEUED);
	assert_int_equal(fixture_state(f, endless), MESSAGE_HELD);
	assert_int_equal(rows(f, TABLE_FRESH), 1);
}

static void removes_idle_lanes(void **state)
{
	struct fixture *f = *state;
	uint64_t first = submit(f, NULL), held;
	struct lane_info info;

	end(f, first, RECIPIENT_DELIVERED);
	tidy(f, 0);
	assert_int_equal(queue_read_lane(f->reader, 1, &info), 0);
	pass(10 * MINUTE_MS);
	tidy(f, 0);
	assert_int_equal(queue_read_lane(f->reader, 1, &info), -ENOENT);
	assert_int_equal(rows(f, TABLE_LANE_KEY), 0);
	/* One that mail is held in stays, and its number is a new one. */
	held = submit(f, NULL);
	hold_until(f, held, 0);
	pass(60 * MINUTE_MS);
	tidy(f, 0);
	assert_int_equal(queue_read_lane(f->reader, 2, &info), 0);
	assert_int_equal(info.waiting, 0);
}

static void trims_the_feed_and_says_where_it_begins(void **state)
{
	struct fixture *f = *state;
	struct feed_row feed[4];
	uint64_t oldest, id;

	for (unsigned i = 0; i < 10; i++)
		(void)submit(f, NULL);
	assert_int_equal(queue_read_feed(f->reader, 0, feed, 4, &oldest), 4);
	assert_int_equal(feed[0].sequence, 1);
	assert_int_equal(feed[3].sequence, 4);
	assert_int_equal(feed[0].kind, TIMELINE_ACCEPTED);
	/* What stands in a row goes with it. */
	for (unsigned i = 10; i < FEED_ROW_EVENTS + 2; i++)
		(void)submit(f, NULL);
	pass(15 * DAY_MS);
	id = submit(f, NULL);
	tidy(f, 0);
	assert_int_equal(queue_read_feed(f->reader, 3, feed, 4, &oldest),
	                 -ERANGE);
	assert_int_equal(oldest, FEED_ROW_EVENTS + 1);
	assert_int_equal(
	    queue_read_feed(f->reader, FEED_ROW_EVENTS + 2, feed, 4, &oldest),
	    1);
	assert_int_equal(feed[0].id, id);
	assert_int_equal(
	    queue_read_feed(f->reader, FEED_ROW_EVENTS + 3, feed, 4, &oldest),
	    0);
}

static void tells_events_in_order_across_rows(void **state)
{
	struct fixture *f = *state;
	const uint64_t last = 2 * FEED_ROW_EVENTS + 5;
	struct feed_row feed[7];
	uint64_t oldest, id = 0;

	for (uint64_t i = 0; i < last; i++)
		(void)submit(f, NULL);
	assert_int_equal(rows(f, TABLE_FEED), 2);
	for (uint64_t after = 0; after < last; after++) {
		uint64_t left = last - after;
		int count = left < 7 ? (int)left : 7;

		assert_int_equal(
		    queue_read_feed(f->reader, after, feed, 7, &oldest), count);
		assert_int_equal(oldest, 1);
		for (int i = 0; i < count; i++)
			assert_int_equal(feed[i].sequence,
			                 after + 1 + (uint64_t)i);
		assert_true(feed[0].id > id);
		id = feed[0].id;
	}
	/* After an abort the open row is read again. */
	feed_forget(&f->queue->ledger.feed);
	(void)submit(f, NULL);
	assert_int_equal(queue_read_feed(f->reader, last - 1, feed, 7, &oldest),
	                 2);
	assert_int_equal(feed[1].sequence, last + 1);
}

static const char uuid_key[] = "01930b1e-7a5c-7000-8000-0123456789ab";

static int ask_key(struct fixture *f, uint32_t uid)
{
	uint64_t found;

	return queue_read_key(f->reader, uid, uuid_key, &found);
}

static void keeps_a_key_as_long_as_its_message_and_a_day(void **state)
{
	struct fixture *f = *state;
	uint64_t id = submit(f, uuid_key), again;

	assert_int_equal(ask_key(f, 1000), 0);
	assert_int_equal(ask_key(f, 1001), -ENOENT);
	/* It waits longer than what has ended is kept. */
	pass(40 * DAY_MS);
	tidy(f, 0);
	assert_int_equal(ask_key(f, 1000), 0);
	again = submit(f, uuid_key);
	assert_int_equal(again, id);

	end(f, id, RECIPIENT_DELIVERED);
	pass(2 * DAY_MS);
	tidy(f, 0);
	assert_false(is_there(f, id));
	/* Before any sweep it counts as absent. */
	assert_int_equal(ask_key(f, 1000), -ENOENT);
	pass(2 * DAY_MS);
	tidy(f, 0);
	assert_int_equal(rows(f, TABLE_IDEM), 0);
}

static void keeps_a_key_for_a_day_whatever_is_kept(void **state)
{
	struct fixture *f = *state;
	uint64_t id;

	f->queue->ledger.limits.keep_finished_ms = 60000;
	id = submit(f, uuid_key);
	end(f, id, RECIPIENT_DELIVERED);
	pass(DAY_MS - 1);
	assert_int_equal(ask_key(f, 1000), 0);
	pass(3 * DAY_MS);
	tidy(f, 0);
	tidy(f, 0);
	assert_int_equal(rows(f, TABLE_IDEM), 0);
}

static void drops_columns_nobody_needs(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < FILTER_BLOCK_ENTRIES + 1; i++)
		end(f, submit(f, NULL), RECIPIENT_DELIVERED);
	assert_int_equal(rows(f, TABLE_FILTER), FILTER_FIELDS);
	tidy(f, 0);
	assert_int_equal(rows(f, TABLE_FILTER), FILTER_FIELDS);
	pass(15 * DAY_MS);
	tidy(f, 0);
	assert_int_equal(rows(f, TABLE_MSG), 0);
	assert_int_equal(rows(f, TABLE_FILTER), 0);
}

static void writes_nothing_when_there_is_nothing_to_do(void **state)
{
	struct fixture *f = *state;

	(void)submit(f, NULL);
	pass(2 * DAY_MS);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(ledger_begin(&f->queue->ledger), 0);
		assert_int_equal(retention_run(retention, &f->queue->ledger, 0),
		                 0);
		assert_int_equal(store_txn_writes(f->queue->ledger.txn), 0);
		ledger_abort(&f->queue->ledger);
		pass(2 * HOUR_MS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(purges_what_ended_long_ago),
		TEST(a_clock_that_is_wrong_for_a_while_costs_no_history),
		TEST(doubts_nothing_that_comes_without_a_clock),
		TEST(purges_few_only_when_idle),
		TEST(lets_history_give_way_when_half_full),
		TEST(drops_bodies_of_failed_mail_in_time),
		TEST(releases_a_hold_that_has_an_end),
		TEST(removes_idle_lanes),
		TEST(trims_the_feed_and_says_where_it_begins),
		TEST(tells_events_in_order_across_rows),
		TEST(keeps_a_key_as_long_as_its_message_and_a_day),
		TEST(keeps_a_key_for_a_day_whatever_is_kept),
		TEST(drops_columns_nobody_needs),
		TEST(writes_nothing_when_there_is_nothing_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
