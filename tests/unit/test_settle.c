/*
 * test_settle - what attempts and wishes make of recipients and parts
 */
#include "config.h"

#include "../support/queue_fixture.h"

#include <errno.h>

#define HOUR_MS (3600ull * 1000)

static const char *const three[] = { "a@example.org", "b@example.org",
	                             "c@example.org", NULL };

/* Rows of sched of the message's lanes, whatever their due. */
static unsigned due_rows(struct fixture *f, uint32_t lane, uint64_t until_ms)
{
	struct part_row from = { 0 }, rows[64];
	uint64_t next;
	int count =
	    queue_read_due(f->reader, lane, &from, until_ms, rows, 64, &next);

	assert_true(count >= 0);
	return (unsigned)count;
}

static unsigned fresh_rows(struct fixture *f)
{
	struct part_row rows[64];
	int count = queue_read_fresh(f->reader, 0, 0, rows, 64);

	assert_true(count >= 0);
	return (unsigned)count;
}

static uint64_t first_wake(struct fixture *f)
{
	struct wake_row from = { 0 }, row;
	int count = queue_read_wake(f->reader, &from, &row, 1);

	assert_true(count >= 0);
	return count == 1 ? row.due_ms : 0;
}

/* ------------------------------------------------------------- settlements */

static void ends_each_recipient_for_itself(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit(f, fixture_mail(three, "x\r\n"));
	uint64_t later = queue_time_ms(f->queue) + HOUR_MS;
	struct settlement *s = fixture_attempt(f, id, 0, 3);
	struct queue_counts counts;
	struct lane_info info;
	struct message *m;

	fixture_say(&s->recipients[0], 0, RECIPIENT_DELIVERED, 0);
	fixture_say(&s->recipients[1], 1, RECIPIENT_FAILED, 0);
	s->recipients[1].verdict.code = 550;
	fixture_say(&s->recipients[2], 2, RECIPIENT_WAITING, later);
	assert_int_equal(fixture_settle(f, s), 0);

	m = fixture_read(f, id);
	assert_int_equal(m->state, MESSAGE_QUEUED);
	assert_int_equal(m->recipients[0].state, RECIPIENT_DELIVERED);
	assert_int_equal(m->recipients[1].state, RECIPIENT_FAILED);
	assert_int_equal(m->recipients[1].reply.code, 550);
	assert_int_equal(m->recipients[2].state, RECIPIENT_WAITING);
	assert_int_equal(m->recipients[2].attempts, 1);
	assert_int_equal(m->part_count, 1);
	assert_int_equal(m->parts[0].place, PART_SCHED);
	assert_int_equal(m->parts[0].due_ms, later);
	assert_int_equal(m->parts[0].attempts, 1);
	assert_int_equal(m->recipients[2].part, m->parts[0].number);
	assert_int_not_equal(m->parts[0].number, 0);
	assert_int_equal(m->timeline_count, 4);
	assert_int_equal(m->timeline[1].kind, TIMELINE_DELIVERED);
	assert_int_equal(m->timeline[1].recipient_count, 1);
	assert_int_equal(m->timeline[2].kind, TIMELINE_FAILED);
	assert_int_equal(m->timeline[3].kind, TIMELINE_DEFERRED);
	assert_int_equal(m->timeline[3].recipients[0], 2);

	assert_int_equal(fresh_rows(f), 0);
	assert_int_equal(due_rows(f, m->parts[0].lane, later - 1), 0);
	assert_int_equal(due_rows(f, m->parts[0].lane, later), 1);
	assert_int_equal(first_wake(f), later);
	assert_int_equal(queue_read_lane(f->reader, m->parts[0].lane, &info),
	                 0);
	assert_int_equal(info.waiting, 1);
	assert_int_equal(info.waiting_bytes, m->size);
	assert_int_equal(info.key.relay, FIXTURE_RELAY);
	message_free(m);

	assert_int_equal(queue_read_counts(f->reader, &counts), 0);
	assert_int_equal(counts.waiting_parts, 1);
	s = fixture_attempt(f, id, 2, 1);
	fixture_say(&s->recipients[0], 2, RECIPIENT_EXPIRED, 0);
	assert_int_equal(fixture_settle(f, s), 0);
	assert_int_equal(fixture_state(f, id), MESSAGE_PARTIAL);
}

static void splits_where_dues_differ_and_merges_where_not(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit(f, fixture_mail(three, "x\r\n"));
	uint64_t later = queue_time_ms(f->queue) + HOUR_MS;
	struct settlement *s = fixture_attempt(f, id, 0, 3);
	struct message *m;
	uint16_t number;

	fixture_say(&s->recipients[0], 0, RECIPIENT_WAITING, later);
	fixture_say(&s->recipients[1], 1, RECIPIENT_WAITING, later + 60000);
	fixture_say(&s->recipients[2], 2, RECIPIENT_WAITING, later + 500);
	assert_int_equal(fixture_settle(f, s), 0);
	m = fixture_read(f, id);
	assert_int_equal(m->part_count, 2);
	assert_int_equal(m->recipients[0].part, m->recipients[2].part);
	assert_int_not_equal(m->recipients[0].part, m->recipients[1].part);
	number = m->recipients[1].part;
	message_free(m);

	/* The two are tried again and deferred to the third one's time. */
	s = fixture_attempt(f, id, 0, 2);
	fixture_say(&s->recipients[0], 0, RECIPIENT_WAITING, later + 60400);
	fixture_say(&s->recipients[1], 2, RECIPIENT_WAITING, later + 60700);
	assert_int_equal(fixture_settle(f, s), 0);
	m = fixture_read(f, id);
	assert_int_equal(m->part_count, 1);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(m->recipients[i].part, number);
	assert_int_equal(m->parts[0].attempts, 2);
	assert_int_equal(due_rows(f, m->parts[0].lane, UINT64_MAX), 1);
	message_free(m);
	assert_int_equal(fixture_end(f, id, RECIPIENT_DELIVERED), 0);
	assert_int_equal(fixture_state(f, id), MESSAGE_DELIVERED);
	assert_int_equal(first_wake(f), 0);
}

static void makes_who_is_not_named_due_at_once(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit(f, fixture_mail(three, "x\r\n"));
	struct settlement *s = fixture_attempt(f, id, 0, 1);
	struct message *m;

	fixture_say(&s->recipients[0], 1, RECIPIENT_DELIVERED, 0);
	assert_int_equal(fixture_settle(f, s), 0);
	m = fixture_read(f, id);
	assert_int_equal(m->part_count, 1);
	assert_true(m->parts[0].due_ms <= queue_time_ms(f->queue));
	assert_int_equal(m->recipients[0].state, RECIPIENT_WAITING);
	assert_int_equal(m->recipients[0].attempts, 0);
	assert_int_equal(m->recipients[2].part, m->parts[0].number);
	message_free(m);
}

static void refuses_a_part_that_is_gone(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit_one(f, "a@example.org");
	struct settlement *late = fixture_attempt(f, id, 0, 1);
	struct settlement *nobody;
	struct message *m;

	fixture_say(&late->recipients[0], 0, RECIPIENT_DELIVERED, 0);
	assert_int_equal(fixture_end(f, id, RECIPIENT_WAITING), 0);
	assert_int_equal(fixture_settle(f, late), -ENOENT);
	m = fixture_read(f, id);
	assert_int_equal(m->timeline_count, 2);
	assert_int_equal(m->state, MESSAGE_QUEUED);
	message_free(m);
	nobody = settlement_new(0);
	nobody->id = id + 1;
	assert_int_equal(fixture_settle(f, nobody), -ENOENT);
}

static void keeps_the_body_of_what_failed(void **state)
{
	struct fixture *f = *state;
	uint64_t failed = fixture_submit_one(f, "a@example.org");
	char piece[BODY_PIECE_MAX];
	struct message *m;
	size_t len;

	assert_int_equal(fixture_end(f, failed, RECIPIENT_FAILED), 0);
	m = fixture_read(f, failed);
	assert_int_equal(m->state, MESSAGE_FAILED);
	assert_int_equal(
	    queue_read_piece(f->reader, m->body_id, 0, piece, &len), 0);
	message_free(m);
}

static void settles_a_thousand_recipients(void **state)
{
	struct fixture *f = *state;
	const char *to[1001] = { NULL };
	struct settlement *s;
	struct message *m;
	uint64_t id;

	for (unsigned i = 0; i < 1000; i++) {
		char address[32];

		snprintf(address, sizeof(address), "user%u@example.org", i);
		to[i] = strdup(address);
	}
	id = fixture_submit(f, fixture_mail(to, "x\r\n"));
	assert_true(id > 0);
	s = fixture_attempt(f, id, 0, 1000);
	for (unsigned i = 0; i < 1000; i++)
		fixture_say(
		    &s->recipients[i], (uint16_t)i,
		    i % 3 == 0 ? RECIPIENT_WAITING : RECIPIENT_DELIVERED, 0);
	assert_int_equal(fixture_settle(f, s), 0);
	fixture_restart(f);
	m = fixture_read(f, id);
	for (unsigned i = 0; i < 1000; i++) {
		assert_string_equal(m->recipients[i].address, to[i]);
		assert_int_equal(m->recipients[i].state,
		                 i % 3 == 0 ? RECIPIENT_WAITING
		                            : RECIPIENT_DELIVERED);
		free((char *)(uintptr_t)to[i]);
	}
	assert_int_equal(m->timeline_count, 3);
	assert_int_equal(m->timeline[1].recipient_count, 334);
	message_free(m);
}

/* ----------------------------------------------------------------- changes */

static void holds_and_releases(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit_one(f, "a@example.org");
	struct change *change = change_new(CHANGE_HOLD, id);
	struct queue_counts counts;
	struct message *m;

	change->reason = strdup("asked for by root");
	assert_int_equal(fixture_do(f, &change->job), 0);
	change_free(change);
	m = fixture_read(f, id);
	assert_int_equal(m->state, MESSAGE_HELD);
	assert_string_equal(m->hold_reason, "asked for by root");
	assert_int_equal(m->parts[0].place, PART_HELD);
	message_free(m);
	assert_int_equal(fresh_rows(f), 0);
	assert_int_equal(queue_read_counts(f->reader, &counts), 0);
	assert_int_equal(counts.messages[MESSAGE_HELD], 1);
	assert_int_equal(counts.waiting_parts, 0);
	assert_int_equal(fixture_change(f, CHANGE_RETRY, id), -EALREADY);

	assert_int_equal(fixture_change(f, CHANGE_RELEASE, id), 0);
	assert_int_equal(fixture_change(f, CHANGE_RELEASE, id), -EALREADY);
	m = fixture_read(f, id);
	assert_int_equal(m->state, MESSAGE_QUEUED);
	assert_null(m->hold_reason);
	assert_int_equal(m->timeline_count, 3);
	message_free(m);
	assert_int_equal(fresh_rows(f), 1);
	assert_int_equal(fixture_end(f, id, RECIPIENT_DELIVERED), 0);
	assert_int_equal(fixture_change(f, CHANGE_HOLD, id), -EALREADY);
}

static void holds_what_is_deferred_while_being_tried(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit(f, fixture_mail(three, "x\r\n"));
	struct settlement *s = fixture_attempt(f, id, 0, 3);
	struct message *m;

	assert_int_equal(fixture_change(f, CHANGE_PARK, id), 0);
	for (uint16_t i = 0; i < 3; i++)
		fixture_say(&s->recipients[i], i,
		            i == 0 ? RECIPIENT_DELIVERED : RECIPIENT_WAITING,
		            0);
	assert_int_equal(fixture_settle(f, s), 0);
	m = fixture_read(f, id);
	assert_int_equal(m->state, MESSAGE_PARKED);
	assert_int_equal(m->part_count, 1);
	assert_int_equal(m->parts[0].place, PART_HELD);
	assert_int_equal(due_rows(f, m->parts[0].lane, UINT64_MAX), 0);
	message_free(m);
	/* A human asks: that ends the parking. */
	assert_int_equal(fixture_change(f, CHANGE_RETRY, id), 0);
	assert_int_equal(fixture_state(f, id), MESSAGE_QUEUED);
	s = fixture_attempt(f, id, 1, 2);
	fixture_say(&s->recipients[0], 1, RECIPIENT_DELIVERED, 0);
	fixture_say(&s->recipients[1], 2, RECIPIENT_DELIVERED, 0);
	assert_int_equal(fixture_settle(f, s), 0);
	assert_int_equal(fixture_state(f, id), MESSAGE_DELIVERED);
}

static void makes_a_deferred_message_due(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit_one(f, "a@example.org");
	uint64_t later = queue_time_ms(f->queue) + HOUR_MS;
	struct settlement *s = fixture_attempt(f, id, 0, 1);

	fixture_say(&s->recipients[0], 0, RECIPIENT_WAITING, later);
	assert_int_equal(fixture_settle(f, s), 0);
	assert_int_equal(first_wake(f), later);
	assert_int_equal(fixture_change(f, CHANGE_RETRY, id), 0);
	assert_true(first_wake(f) <= queue_time_ms(f->queue));
	assert_int_equal(fixture_end(f, id, RECIPIENT_DELIVERED), 0);
}

static void cancels_what_waits_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit(f, fixture_mail(three, "x\r\n"));
	struct settlement *s = fixture_attempt(f, id, 0, 1);
	struct message *m;

	fixture_say(&s->recipients[0], 1, RECIPIENT_DELIVERED, 0);
	assert_int_equal(fixture_settle(f, s), 0);
	assert_int_equal(fixture_change(f, CHANGE_CANCEL, id), 0);
	assert_int_equal(fixture_change(f, CHANGE_CANCEL, id), -EALREADY);
	m = fixture_read(f, id);
	assert_int_equal(m->state, MESSAGE_PARTIAL);
	assert_int_equal(m->recipients[0].state, RECIPIENT_CANCELLED);
	assert_int_equal(m->recipients[1].state, RECIPIENT_DELIVERED);
	assert_int_equal(m->part_count, 0);
	assert_true((m->flags & MESSAGE_BODY_GONE) != 0);
	message_free(m);
	assert_int_equal(first_wake(f), 0);
}

static void shows_owners_their_own_only(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit_one(f, "a@example.org");
	struct change *change = change_new(CHANGE_CANCEL, id);

	change->is_for_owner_only = true;
	change->owner_uid = 1001;
	assert_int_equal(fixture_do(f, &change->job), -ENOENT);
	assert_int_equal(fixture_state(f, id), MESSAGE_QUEUED);
	change->owner_uid = 1000;
	assert_int_equal(fixture_do(f, &change->job), 0);
	assert_int_equal(fixture_state(f, id), MESSAGE_CANCELLED);
	change_free(change);
}

static void moves_recipients_to_other_lanes(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit(f, fixture_mail(three, "x\r\n"));
	struct change *change = change_new(CHANGE_REROUTE, id);
	struct lane_info info;
	struct message *m;
	uint32_t old_lane;

	m = fixture_read(f, id);
	old_lane = m->parts[0].lane;
	message_free(m);
	change->lanes = calloc(3, sizeof(*change->lanes));
	for (unsigned i = 0; i < 3; i++) {
		change->lanes[i].relay = i == 1 ? 11 : 12;
		change->lanes[i].domain = "";
	}
	assert_int_equal(fixture_do(f, &change->job), 0);
	change_free(change);
	m = fixture_read(f, id);
	assert_int_equal(m->part_count, 2);
	assert_int_equal(m->recipients[0].part, m->recipients[2].part);
	assert_int_equal(queue_read_lane(f->reader, m->parts[1].lane, &info),
	                 0);
	assert_int_equal(info.key.relay, 11);
	assert_int_equal(info.waiting, 1);
	assert_int_equal(queue_read_lane(f->reader, old_lane, &info), 0);
	assert_int_equal(info.waiting, 0);
	message_free(m);
	assert_int_equal(fresh_rows(f), 2);
}

/* ----------------------------------------------------------- where to wait */

static void goes_behind_what_is_due_in_its_lane(void **state)
{
	struct fixture *f = *state;
	uint64_t first = fixture_submit_one(f, "a@example.org");
	uint64_t second;
	struct message *m;

	/* Deferred to now: a row of the lane is due in sched. */
	assert_int_equal(fixture_end(f, first, RECIPIENT_WAITING), 0);
	second = fixture_submit_one(f, "b@example.org");
	m = fixture_read(f, second);
	assert_int_equal(m->parts[0].place, PART_SCHED);
	assert_int_equal(due_rows(f, m->parts[0].lane, UINT64_MAX), 2);
	message_free(m);
	/* One that is due much later is in nobody's way. */
	assert_int_equal(fixture_end(f, second, RECIPIENT_DELIVERED), 0);
	assert_int_equal(fixture_end(f, first, RECIPIENT_DELIVERED), 0);
	m = fixture_read(f, fixture_submit_one(f, "c@example.org"));
	assert_int_equal(m->parts[0].place, PART_FRESH);
	message_free(m);
}

static void tells_the_scheduler_after_the_commit(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit_one(f, "a@example.org");
	struct letter *letter = mailbox_wait(f->notices, 60000);
	struct queue_notice *notice;

	assert_non_null(letter);
	notice = LETTER_OF(letter, struct queue_notice, letter);
	assert_int_equal(notice->count, 1);
	assert_int_equal(notice->parts[0].event, PART_NOW_FRESH);
	assert_int_equal(notice->parts[0].id, id);
	queue_notice_free(notice);
	assert_int_equal(fixture_end(f, id, RECIPIENT_WAITING), 0);
	letter = mailbox_wait(f->notices, 60000);
	assert_non_null(letter);
	notice = LETTER_OF(letter, struct queue_notice, letter);
	assert_int_equal(notice->count, 2);
	assert_int_equal(notice->parts[0].event, PART_NOW_SETTLED);
	assert_int_equal(notice->parts[0].part, 0);
	assert_int_equal(notice->parts[1].event, PART_NOW_SCHED);
	assert_int_equal(notice->parts[1].part, 1);
	queue_notice_free(notice);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(ends_each_recipient_for_itself),
		TEST(splits_where_dues_differ_and_merges_where_not),
		TEST(makes_who_is_not_named_due_at_once),
		TEST(refuses_a_part_that_is_gone),
		TEST(keeps_the_body_of_what_failed),
		TEST(settles_a_thousand_recipients),
		TEST(holds_and_releases),
		TEST(holds_what_is_deferred_while_being_tried),
		TEST(makes_a_deferred_message_due),
		TEST(cancels_what_waits_and_nothing_else),
		TEST(shows_owners_their_own_only),
		TEST(moves_recipients_to_other_lanes),
		TEST(goes_behind_what_is_due_in_its_lane),
		TEST(tells_the_scheduler_after_the_commit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
