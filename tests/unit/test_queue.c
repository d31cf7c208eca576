/*
 * test_queue - what the queue promises to those who use it
 */
#include "config.h"

#include "../support/queue_fixture.h"

#include <errno.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, \
    fixture_teardown)
		TEST(gives_ascending_ids_and_keeps_the_envelope),
		TEST(ends_as_delivered_and_drops_the_body),
		TEST(keeps_everything_over_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
