/*
 * test_queue - what the queue promises to those who use it
 */
#include "config.h"

#include "../support/queue_fixture.h"

#include <errno.h>

#include "queue/parts.h"

/* --------------------------------------------------------- life of a mail */

static void gives_ascending_ids_and_keeps_the_envelope(void **state)
{
	struct fixture *f = *state;
	const char *to[] = { "a@example.org", "b@example.net", NULL };
	uint64_t first = fixture_submit(f, fixture_mail(to, "hello\r\n"));
	uint64_t second = fixture_submit_one(f, "c@example.org");
	struct message *m = fixture_read(f, first);

	assert_true(first > 0 && second > first);
	assert_int_equal(m->id, first);
	assert_int_equal(m->state, MESSAGE_QUEUED);
	assert_string_equal(m->sender, "sender@example.com");
	assert_int_equal(m->recipient_count, 2);
	assert_string_equal(m->recipients[1].address, "b@example.net");
	assert_int_equal(m->part_count, 1);
	assert_int_equal(m->parts[0].place, PART_FRESH);
	assert_int_equal(m->timeline_count, 1);
	assert_int_equal(m->timeline[0].kind, TIMELINE_ACCEPTED);
	message_free(m);
}

static void ends_as_delivered_and_drops_the_body(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit_one(f, "a@example.org");
	struct queue_counts counts;
	char piece[BODY_PIECE_MAX];
	struct message *m;
	size_t len;

	assert_int_equal(queue_read_piece(f->reader, 1, 0, piece, &len), 0);
	assert_int_equal(fixture_end(f, id, RECIPIENT_DELIVERED), 0);
	m = fixture_read(f, id);
	assert_int_equal(m->state, MESSAGE_DELIVERED);
	assert_true(m->ended_ms > 0);
	assert_true((m->flags & MESSAGE_BODY_GONE) != 0);
	assert_int_equal(m->part_count, 0);
	assert_int_equal(m->recipients[0].attempts, 1);
	assert_int_equal(m->recipients[0].reply.code, 250);
	assert_string_equal(m->recipients[0].reply.relay, "office");
	assert_int_equal(m->timeline_count, 2);
	assert_true(m->timeline[1].is_for_all);
	message_free(m);
	assert_int_equal(queue_read_piece(f->reader, 1, 0, piece, &len),
	                 -ENOENT);
	assert_int_equal(queue_read_counts(f->reader, &counts), 0);
	assert_int_equal(counts.messages[MESSAGE_DELIVERED], 1);
	assert_int_equal(counts.messages[MESSAGE_QUEUED], 0);
	assert_int_equal(counts.waiting_parts, 0);
}

static void keeps_everything_over_a_restart(void **state)
{
	struct fixture *f = *state;
	uint64_t waits = fixture_submit_one(f, "a@example.org");
	uint64_t over = fixture_submit_one(f, "b@example.org");
	struct part_row row;
	uint64_t next;

	assert_int_equal(fixture_end(f, over, RECIPIENT_DELIVERED), 0);
	fixture_restart(f);
	assert_int_equal(fixture_state(f, waits), MESSAGE_QUEUED);
	assert_int_equal(fixture_state(f, over), MESSAGE_DELIVERED);
	assert_int_equal(queue_read_fresh(f->reader, 0, 0, &row, 1), 1);
	assert_int_equal(row.id, waits);
	next = fixture_submit_one(f, "c@example.org");
	assert_true(next > over);
}

/* --------------------------------------------------------- idempotency keys */

static struct submission *keyed(const char *const *to, uint32_t uid,
                                const char *key)
{
	struct submission *s = fixture_mail(to, "body\r\n");

	s->message->uid = uid;
	s->message->key = key;
	return s;
}

static void queues_a_key_once(void **state)
{
	static const char *const keys[] = {
		"01930b1e-7a5c-7000-8000-0123456789ab", "order 4711"
	};
	struct fixture *f = *state;
	const char *to[] = { "a@example.org", "b@example.org", NULL };
	const char *swapped[] = { "b@example.org", "a@example.org", NULL };
	const char *other[] = { "a@example.org", NULL };

	for (unsigned i = 0; i < 2; i++) {
		struct submission *s = keyed(to, 1, keys[i]);
		uint64_t first;

		assert_int_equal(fixture_do(f, &s->job), 0);
		assert_false(s->is_replay);
		first = s->id;
		submission_free(s);

		/* The same envelope, in another order: it is that message. */
		fixture_restart(f);
		s = keyed(swapped, 1, keys[i]);
		assert_int_equal(fixture_do(f, &s->job), 0);
		assert_true(s->is_replay);
		assert_int_equal(s->id, first);
		submission_free(s);

		/* Other recipients conflict. */
		s = keyed(other, 1, keys[i]);
		assert_int_equal(fixture_do(f, &s->job), -EEXIST);
		assert_int_equal(s->id, first);
		submission_free(s);

		/* So does another sender. */
		s = keyed(to, 1, keys[i]);
		s->message->sender = "other@example.com";
		assert_int_equal(fixture_do(f, &s->job), -EEXIST);
		assert_int_equal(s->id, first);
		submission_free(s);

		/* Another submitter's key is another key. */
		s = keyed(to, 2, keys[i]);
		assert_int_equal(fixture_do(f, &s->job), 0);
		assert_false(s->is_replay);
		submission_free(s);
	}
}

static void answers_a_replay_in_the_same_batch(void **state)
{
	struct fixture *f = *state;
	const char *to[] = { "a@example.org", NULL };
	struct submission *first = keyed(to, 1, "twice");
	struct submission *second = keyed(to, 1, "twice");
	struct queue_counts counts;
	unsigned home = 0;

	first->job.home = second->job.home = f->home;
	first->job.on_done = second->job.on_done = fixture_no_letter;
	first->job.letter.next = &second->job.letter;
	second->job.letter.next = NULL;
	queue_post_list_take(f->queue, &first->job.letter);
	while (home < 2) {
		struct letter *l = mailbox_wait(f->home, 60000);

		assert_non_null(l);
		for (; l != NULL; l = l->next)
			home++;
	}
	assert_false(first->is_replay);
	assert_true(second->is_replay);
	assert_int_equal(first->id, second->id);
	assert_int_equal(queue_read_counts(f->reader, &counts), 0);
	assert_int_equal(counts.messages[MESSAGE_QUEUED], 1);
	submission_free(first);
	submission_free(second);
}

/* ----------------------------------------------------------- lanes and rest */

static void queues_one_part_a_lane(void **state)
{
	struct fixture *f = *state;
	const char *to[] = { "a@one.example", "b@two.example", NULL };
	struct submission *s = fixture_mail(to, "body\r\n");
	struct lane_info lanes[4];
	struct message *m;
	uint64_t id;

	s->parts = message_allocate(s->message, 2 * sizeof(*s->parts));
	memset(s->parts, 0, 2 * sizeof(*s->parts));
	s->parts[0].lane.domain = "one.example";
	s->parts[1].lane.domain = "two.example";
	s->part_count = 2;
	s->message->recipients[1].part = 1;
	id = fixture_submit(f, s);
	m = fixture_read(f, id);
	assert_int_equal(m->part_count, 2);
	message_free(m);
	assert_int_equal(queue_read_lanes(f->reader, 0, lanes, 4), 2);
	assert_string_equal(lanes[0].key.domain, "one.example");
	assert_string_equal(lanes[1].key.domain, "two.example");
	assert_int_equal(lanes[1].waiting, 1);
	assert_int_equal(queue_read_lanes(f->reader, lanes[0].id, lanes, 4), 1);
}

/* More lanes than are cached, each with mail, all at once and afterwards. */
/* A message with a part in each of so many lanes, always the same ones. */
static uint64_t submit_to_lanes(struct fixture *f, unsigned count)
{
	const char **to = calloc(count + 1, sizeof(*to));
	struct submission *s;
	char domain[24];

	for (unsigned i = 0; i < count; i++)
		to[i] = "someone@example.org";
	s = fixture_mail(to, "body\r\n");
	s->parts = message_allocate(s->message, count * sizeof(*s->parts));
	memset(s->parts, 0, count * sizeof(*s->parts));
	for (unsigned i = 0; i < count; i++) {
		snprintf(domain, sizeof(domain), "host%u.example", i);
		s->parts[i].lane.domain = message_dup_text(s->message, domain);
		s->message->recipients[i].part = (uint16_t)i;
	}
	s->part_count = count;
	free(to);
	return fixture_submit(f, s);
}

static void keeps_count_of_more_lanes_than_it_caches(void **state)
{
	struct fixture *f = *state;
	unsigned count = LANES_CACHED + 300;
	struct lane_info *lanes = calloc(count, sizeof(*lanes));
	uint64_t id;

	for (unsigned round = 1; round <= 2; round++) {
		id = submit_to_lanes(f, count);
		assert_true(id > 0);
		assert_int_equal(queue_read_lanes(f->reader, 0, lanes, count),
		                 count);
		for (unsigned i = 0; i < count; i++)
			assert_int_equal(lanes[i].waiting, round);
	}
	assert_int_equal(fixture_change(f, CHANGE_CANCEL, id), 0);
	assert_int_equal(queue_read_lanes(f->reader, 0, lanes, count), count);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(lanes[i].waiting, 1);
	free(lanes);
}

/* Each lane with fresh mail is in the scheduler's memory. */
static void lets_no_more_lanes_be_fresh_than_memory_may_hold(void **state)
{
	struct fixture *f = *state;
	unsigned count = FRESH_LANES_MAX + 300;
	size_t room = 2 * (size_t)count;
	struct part_row *rows = calloc(room, sizeof(*rows));

	assert_true(submit_to_lanes(f, count) > 0);
	assert_int_equal(
	    queue_read_fresh(f->reader, 0, 0, rows, (unsigned)room),
	    FRESH_LANES_MAX);
	/* Those that have some may have more, the others may not. */
	assert_true(submit_to_lanes(f, count) > 0);
	assert_int_equal(
	    queue_read_fresh(f->reader, 0, 0, rows, (unsigned)room),
	    2 * FRESH_LANES_MAX);
	free(rows);
}

static void keeps_large_mail_in_lanes_of_its_own(void **state)
{
	static const char *const to[] = { "a@example.org", NULL };
	struct fixture *f = *state;
	struct submission *s = fixture_mail(to, "body\r\n");
	struct lane_info lanes[3];

	assert_true(fixture_submit(f, s) > 0);
	s = fixture_mail(to, "body\r\n");
	s->parts[0].lane.is_large = true;
	assert_true(fixture_submit(f, s) > 0);
	fixture_restart(f);
	assert_int_equal(queue_read_lanes(f->reader, 0, lanes, 3), 2);
	assert_false(lanes[0].key.is_large);
	assert_true(lanes[1].key.is_large);
	assert_int_equal(lanes[1].waiting, 1);
}

static void schedules_what_is_wanted_later(void **state)
{
	struct fixture *f = *state;
	const char *to[] = { "a@example.org", NULL };
	struct submission *s = fixture_mail(to, "body\r\n");
	uint64_t due = queue_time_ms(f->queue) + 3600000;
	struct wake_row from = { 0 }, wake;
	struct part_row row, start = { 0 };
	uint64_t id, next;

	s->parts[0].due_ms = due;
	id = fixture_submit(f, s);
	assert_int_equal(queue_read_fresh(f->reader, 0, 0, &row, 1), 0);
	assert_int_equal(queue_read_wake(f->reader, &from, &wake, 1), 1);
	assert_int_equal(wake.due_ms, due);
	assert_int_equal(queue_read_due(f->reader, wake.lane, &start, due - 1,
	                                &row, 1, &next),
	                 0);
	assert_int_equal(next, due);
	assert_int_equal(
	    queue_read_due(f->reader, wake.lane, &start, due, &row, 1, &next),
	    1);
	assert_int_equal(row.id, id);
	assert_int_equal(next, UINT64_MAX);
}

static void accepts_mail_to_be_held(void **state)
{
	struct fixture *f = *state;
	const char *to[] = { "a@example.org", NULL };
	struct submission *s = fixture_mail(to, "body\r\n");
	struct part_row row;
	struct message *m;
	uint64_t id;

	s->message->state = MESSAGE_HELD;
	s->message->hold_reason = "this host has no full name";
	id = fixture_submit(f, s);
	m = fixture_read(f, id);
	assert_int_equal(m->state, MESSAGE_HELD);
	assert_int_equal(m->timeline_count, 2);
	assert_int_equal(m->timeline[1].kind, TIMELINE_HELD);
	message_free(m);
	assert_int_equal(queue_read_fresh(f->reader, 0, 0, &row, 1), 0);
	assert_int_equal(fixture_change(f, CHANGE_RELEASE, id), 0);
	assert_int_equal(queue_read_fresh(f->reader, 0, 0, &row, 1), 1);
}

static void remembers_relays(void **state)
{
	struct fixture *f = *state;
	struct relay_memory memory = { .job = { .kind = QUEUE_REMEMBER },
		                       .relay = 5,
		                       .len = 3,
		                       .bytes = { 1, 2, 3 } };
	struct relay_memory back;
	struct submission *s;
	const char *to[] = { "a@example.org", NULL };

	assert_int_equal(queue_read_relay(f->reader, 5, &back), -ENOENT);
	/* It rides on the next commit. */
	memory.job.home = f->home;
	memory.job.on_done = fixture_no_letter;
	s = fixture_mail(to, "body\r\n");
	s->job.home = f->home;
	s->job.on_done = fixture_no_letter;
	memory.job.letter.next = &s->job.letter;
	s->job.letter.next = NULL;
	queue_post_list_take(f->queue, &memory.job.letter);
	for (unsigned home = 0; home < 2;) {
		struct letter *l = mailbox_wait(f->home, 60000);

		assert_non_null(l);
		for (; l != NULL; l = l->next)
			home++;
	}
	submission_free(s);
	assert_int_equal(queue_read_relay(f->reader, 5, &back), 0);
	assert_int_equal(back.len, 3);
	assert_memory_equal(back.bytes, memory.bytes, 3);
}

static void wakes_those_who_follow_the_feed(void **state)
{
	struct fixture *f = *state;
	struct feed_listener wake = { .letter.open = fixture_no_letter };
	struct feed_row rows[8];
	uint64_t oldest, id;

	queue_reader_free(f->reader);
	f->reader = NULL;
	queue_stop(f->queue);
	queue_free(f->queue);
	fixture_open(f);
	assert_int_equal(mailbox_new_blocking(&wake.mailbox), 0);
	queue_listen_feed(f->queue, &wake);
	queue_feed_listen_again(&wake);
	assert_int_equal(queue_start(f->queue), 0);
	assert_int_equal(queue_reader_new(&f->reader, f->queue), 0);

	id = fixture_submit_one(f, "a@example.org");
	assert_ptr_equal(mailbox_wait(wake.mailbox, 60000), &wake.letter);
	/* Not again before it listens again. */
	assert_int_equal(fixture_end(f, id, RECIPIENT_DELIVERED), 0);
	assert_null(mailbox_wait(wake.mailbox, 0));
	queue_feed_listen_again(&wake);
	assert_int_equal(queue_read_feed(f->reader, 0, rows, 8, &oldest), 2);
	assert_int_equal(rows[0].kind, TIMELINE_ACCEPTED);
	assert_int_equal(rows[1].kind, TIMELINE_DELIVERED);
	assert_int_equal(rows[1].id, id);
	(void)fixture_submit_one(f, "b@example.org");
	assert_ptr_equal(mailbox_wait(wake.mailbox, 60000), &wake.letter);
	assert_int_equal(queue_read_feed(f->reader, 2, rows, 8, &oldest), 1);
	fixture_stop(f);
	mailbox_free(wake.mailbox);
}

static void counts_what_there_is(void **state)
{
	struct fixture *f = *state;
	struct queue_counts counts;

	for (unsigned i = 0; i < 5; i++)
		(void)fixture_submit_one(f, "a@example.org");
	assert_int_equal(fixture_end(f, fixture_submit_one(f, "b@example.org"),
	                             RECIPIENT_FAILED),
	                 0);
	fixture_restart(f);
	assert_int_equal(queue_read_counts(f->reader, &counts), 0);
	assert_int_equal(counts.messages[MESSAGE_QUEUED], 5);
	assert_int_equal(counts.messages[MESSAGE_FAILED], 1);
	assert_int_equal(counts.waiting_parts, 5);
	assert_int_equal(counts.last_sequence, 7);
	assert_true(counts.bytes_used > 0);
	assert_true(counts.bytes_maximum > counts.bytes_used);
	assert_true(counts.oldest_kept_ms > 0);
	assert_int_equal(counts.stalled_since_ms, 0);
	assert_false(counts.is_full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(gives_ascending_ids_and_keeps_the_envelope),
		TEST(ends_as_delivered_and_drops_the_body),
		TEST(keeps_everything_over_a_restart),
		TEST(queues_a_key_once),
		TEST(answers_a_replay_in_the_same_batch),
		TEST(queues_one_part_a_lane),
		TEST(keeps_count_of_more_lanes_than_it_caches),
		TEST(lets_no_more_lanes_be_fresh_than_memory_may_hold),
		TEST(keeps_large_mail_in_lanes_of_its_own),
		TEST(schedules_what_is_wanted_later),
		TEST(accepts_mail_to_be_held),
		TEST(remembers_relays),
		TEST(wakes_those_who_follow_the_feed),
		TEST(counts_what_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
