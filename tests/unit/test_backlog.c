/*
 * test_backlog - what waits for the next transaction, and how long
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue/backlog.h"
#include "queue/message.h"

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

#define MAX 256

struct many {
	struct submission submissions[400];
	struct message messages[400];
	unsigned count;
};

static void send_mail(struct backlog *backlog, struct many *many, uint32_t uid,
                      unsigned count, uint64_t now_ms)
{
	while (count-- > 0) {
		struct submission *submission = &many->submissions[many->count];

		submission->job.kind = QUEUE_SUBMIT;
		submission->message = &many->messages[many->count++];
		submission->message->uid = uid;
		backlog_add(backlog, &submission->job, now_ms);
	}
}

static uint32_t uid_of(struct queue_job *job)
{
	return ((struct submission *)job)->message->uid;
}

static unsigned count_of(struct queue_job **batch, unsigned count, uint32_t uid)
{
	unsigned found = 0;

	while (count-- > 0)
		found += uid_of(batch[count]) == uid;
	return found;
}

static void lets_nobody_wait_behind_anothers_many(void **state)
{
	static struct many many;
	struct queue_job *batch[MAX];
	struct backlog backlog;
	unsigned count;

	(void)state;
	backlog_init(&backlog);
	send_mail(&backlog, &many, 1000, 300, 1);
	send_mail(&backlog, &many, 2000, 1, 1);
	count = backlog_take_mail(&backlog, batch, 0, MAX, 2);
	assert_int_equal(count, 9);
	assert_int_equal(count_of(batch, count, 2000), 1);
	/* For a moment after, and then it has all of it again. */
	count = backlog_take_mail(&backlog, batch, 0, MAX, 500);
	assert_int_equal(count, 8);
	/* More where a sync takes long in any case. */
	backlog_note_commit(&backlog, 1200);
	count = backlog_take_mail(&backlog, batch, 0, MAX, 500);
	assert_int_equal(count, 12);
	count = backlog_take_mail(&backlog, batch, 0, MAX, 5000);
	assert_int_equal(count, MAX);
	assert_int_equal(backlog_mail_wait_ms(&backlog, 5000), 0);
	count = backlog_take_mail(&backlog, batch, 0, MAX, 5001);
	assert_int_equal(count, 300 - 8 - 8 - 12 - MAX);
	assert_int_equal(backlog_mail_wait_ms(&backlog, 5001), -1);
}

static void gives_one_alone_all_the_room(void **state)
{
	static struct many many;
	struct queue_job *batch[MAX];
	struct backlog backlog;

	(void)state;
	backlog_init(&backlog);
	send_mail(&backlog, &many, 1000, 300, 5000);
	assert_int_equal(backlog_take_mail(&backlog, batch, 0, MAX, 5000), MAX);
}

static void keeps_the_order_of_each(void **state)
{
	static struct many many;
	struct queue_job *batch[MAX];
	struct backlog backlog;
	const struct submission *last[2] = { NULL, NULL };
	unsigned count, i;

	(void)state;
	backlog_init(&backlog);
	/* More than there are lines: the last ones share. */
	for (i = 0; i < 100; i++)
		send_mail(&backlog, &many, i % 50, 1, 1);
	count = backlog_take_mail(&backlog, batch, 0, MAX, 1);
	assert_int_equal(count, 100);
	for (i = 0; i < count; i++) {
		const struct submission *now =
		    (const struct submission *)batch[i];
		uint32_t uid = uid_of(batch[i]);

		if (uid > 1)
			continue;
		assert_true(last[uid] == NULL || last[uid] < now);
		last[uid] = now;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_a_verdict_a_moment_for_company),
		cmocka_unit_test(keeps_nobody_who_waits),
		cmocka_unit_test(does_a_change_at_once),
		cmocka_unit_test(takes_half_a_batch_for_company_enough),
		cmocka_unit_test(waits_for_room_before_it_hurries),
		cmocka_unit_test(lets_nobody_wait_behind_anothers_many),
		cmocka_unit_test(gives_one_alone_all_the_room),
		cmocka_unit_test(keeps_the_order_of_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
