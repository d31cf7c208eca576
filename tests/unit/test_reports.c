/*
 * test_reports - what is owed to senders is kept, and told exactly once
 */
#include "config.h"

#include "../support/queue_fixture.h"

#include <errno.h>

#include "queue/report.h"

static const char *const three[] = { "a@example.org", "b@example.org",
	                             "c@example.org", NULL };

/* The first row of all that are owed, due or not; its id, or 0. */
static uint64_t first_row(struct fixture *f, struct report_row *ret_row)
{
	static const struct report_row from;
	uint64_t next;
	int count =
	    queue_read_reports(f->reader, &from, UINT64_MAX, ret_row, 1, &next);

	assert_true(count >= 0);
	return count == 1 ? ret_row->id : 0;
}

/* Ends recipient `index` of a message whose parts are as submitted. */
static void end_one(struct fixture *f, uint64_t id, uint16_t index,
                    enum recipient_state state, bool is_relay_fault)
{
	struct settlement *s = fixture_attempt(f, id, index, 1);

	fixture_say(&s->recipients[0], index, state, 0);
	s->recipients[0].is_report_owed = true;
	s->recipients[0].is_relay_fault = is_relay_fault;
	assert_int_equal(fixture_settle(f, s), 0);
}

static struct report *report_of(uint64_t id, uint64_t due_ms, uint16_t index,
                                enum recipient_state state, bool has_mail)
{
	static const char *const to[] = { "sender@example.com", NULL };
	struct reported reported = { .index = index, .state = state };
	struct report *report = report_new();

	if (has_mail) {
		report->submission = fixture_mail(to, "sorry\r\n");
		report->submission->message->flags |= MESSAGE_IS_BOUNCE;
	}
	report_add_subject(report, id, due_ms, &reported, 1);
	return report;
}

static void keeps_what_is_owed_over_a_restart(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit_one(f, "a@example.org");
	struct report_row row;
	struct message *m;

	end_one(f, id, 0, RECIPIENT_FAILED, false);
	fixture_restart(f);
	assert_int_equal(first_row(f, &row), id);
	m = fixture_read(f, id);
	assert_true(m->recipients[0].flags & RECIPIENT_REPORT_OWED);
	assert_int_equal(m->report_ms, row.due_ms);
	message_free(m);
}

static void adds_the_report_and_takes_the_mark_in_one(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit_one(f, "a@example.org");
	struct report_row row;
	struct report *report;
	struct message *m;

	end_one(f, id, 0, RECIPIENT_FAILED, false);
	first_row(f, &row);
	report = report_of(id, row.due_ms, 0, RECIPIENT_FAILED, true);
	assert_int_equal(fixture_do(f, &report->job), 0);
	assert_int_equal(first_row(f, &row), 0);
	m = fixture_read(f, report->submission->id);
	assert_int_equal(m->state, MESSAGE_QUEUED);
	message_free(m);
	m = fixture_read(f, id);
	assert_int_equal(m->recipients[0].flags, 0);
	assert_int_equal(m->report_ms, 0);
	assert_int_equal(m->timeline[m->timeline_count - 1].kind,
	                 TIMELINE_BOUNCED);
	message_free(m);

	/* The same again finds nothing that is owed. */
	report->submission->message->id = 0;
	assert_int_equal(fixture_do(f, &report->job), -ESTALE);
	report_free(report);
}

static void refuses_a_report_of_what_has_changed(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit(f, fixture_mail(three, "x\r\n"));
	struct settlement *s = fixture_attempt(f, id, 0, 1);
	struct report_row row;
	struct report *report;
	struct message *m;

	fixture_say(&s->recipients[0], 0, RECIPIENT_WAITING,
	            queue_time_ms(f->queue));
	s->recipients[0].is_report_owed = true;
	assert_int_equal(fixture_settle(f, s), 0);
	first_row(f, &row);
	report = report_of(id, row.due_ms, 0, RECIPIENT_WAITING, true);
	end_one(f, id, 0, RECIPIENT_FAILED, false);
	assert_int_equal(fixture_do(f, &report->job), -ESTALE);
	report_free(report);
	m = fixture_read(f, id);
	assert_true(m->recipients[0].flags & RECIPIENT_REPORT_OWED);
	assert_true(m->recipients[0].flags & RECIPIENT_DELAY_TOLD);
	assert_int_not_equal(m->report_ms, 0);
	message_free(m);
}

static void waits_for_company_while_something_is_undecided(void **state)
{
	struct fixture *f = *state;
	uint64_t id, start_ms;
	struct report_row row;

	f->settings.bounces.gather_s = 100;
	queue_apply_settings(f->queue, &f->settings);
	id = fixture_submit(f, fixture_mail(three, "x\r\n"));
	start_ms = queue_time_ms(f->queue);
	end_one(f, id, 0, RECIPIENT_FAILED, false);
	first_row(f, &row);
	assert_true(row.due_ms >= start_ms + 100000);
	/* A later one does not put it off further. */
	start_ms = row.due_ms;
	end_one(f, id, 1, RECIPIENT_FAILED, false);
	first_row(f, &row);
	assert_int_equal(row.due_ms, start_ms);
	/* With the last one there is nothing to wait for. */
	end_one(f, id, 2, RECIPIENT_DELIVERED, false);
	first_row(f, &row);
	assert_true(row.due_ms <= queue_time_ms(f->queue) + 1000);
}

static void gathers_what_an_outage_has_ended(void **state)
{
	struct fixture *f = *state;
	struct report_row row, rows[4];
	static const struct report_row from;
	uint64_t next;
	int count;

	f->settings.bounces.summary_s = 3600;
	queue_apply_settings(f->queue, &f->settings);
	for (unsigned i = 0; i < 3; i++)
		end_one(f, fixture_submit_one(f, "a@example.org"), 0,
		        RECIPIENT_EXPIRED, true);
	first_row(f, &row);
	assert_int_equal(row.due_ms % 3600000, 0);
	count =
	    queue_read_reports(f->reader, &from, UINT64_MAX, rows, 4, &next);
	assert_int_equal(count, 3);
	assert_int_equal(rows[0].due_ms, rows[2].due_ms);
}

static void drops_the_row_of_a_message_that_is_gone(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit_one(f, "a@example.org");
	struct report *report = report_new();
	struct report_row row;

	end_one(f, id, 0, RECIPIENT_FAILED, false);
	first_row(f, &row);
	/* A row of a message that nobody has: as after a purge. */
	report_add_subject(report, id + 1, row.due_ms, NULL, 0);
	assert_int_equal(fixture_do(f, &report->job), 0);
	assert_int_equal(first_row(f, &row), id);
	report_free(report);
}

/* ------------------------------------------------------------------ bodies */

static bool has_body(struct fixture *f, uint64_t body_id)
{
	char *piece = malloc(BODY_PIECE_MAX);
	size_t len;
	int r = queue_read_piece(f->reader, body_id, 0, piece, &len);

	free(piece);
	assert_true(r == 0 || r == -ENOENT);
	return r == 0;
}

static void keeps_the_body_until_success_is_told(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit_one(f, "a@example.org");
	struct report_row row;
	struct report *report;
	struct message *m;
	uint64_t body_id;

	end_one(f, id, 0, RECIPIENT_DELIVERED, false);
	m = fixture_read(f, id);
	body_id = m->body_id;
	assert_true(has_body(f, body_id));
	message_free(m);
	first_row(f, &row);
	report = report_of(id, row.due_ms, 0, RECIPIENT_DELIVERED, false);
	assert_int_equal(fixture_do(f, &report->job), 0);
	report_free(report);
	assert_false(has_body(f, body_id));
	m = fixture_read(f, id);
	assert_true(m->flags & MESSAGE_BODY_GONE);
	message_free(m);
}

static struct change *resend_of(struct fixture *f, uint64_t id)
{
	struct message *old = fixture_read(f, id);
	struct change *resend = change_new(CHANGE_RESEND, id);

	resend->submission = fixture_mail(three, "");
	free(resend->submission->header);
	resend->submission->header = NULL;
	resend->submission->header_len = 0;
	resend->submission->shared_body_id = old->body_id;
	resend->submission->message->header_len = old->header_len;
	resend->submission->message->size = old->size;
	message_free(old);
	return resend;
}

static void shares_the_body_of_what_is_sent_again(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit_one(f, "a@example.org");
	struct change *resend, *again;
	uint64_t body_id;
	struct message *m;

	assert_int_equal(fixture_end(f, id, RECIPIENT_FAILED), 0);
	resend = resend_of(f, id);
	again = resend_of(f, id);
	body_id = resend->submission->shared_body_id;
	assert_int_equal(fixture_do(f, &resend->job), 0);
	assert_int_equal(fixture_do(f, &again->job), 0);
	m = fixture_read(f, id);
	assert_int_equal(m->timeline[m->timeline_count - 1].kind,
	                 TIMELINE_RESENT);
	message_free(m);
	/* Each of the three may go first; the last one takes the body. */
	assert_int_equal(
	    fixture_end(f, resend->submission->id, RECIPIENT_DELIVERED), 0);
	assert_true(has_body(f, body_id));
	assert_int_equal(
	    fixture_end(f, again->submission->id, RECIPIENT_DELIVERED), 0);
	assert_true(has_body(f, body_id));
	change_free(resend);
	change_free(again);
	resend = resend_of(f, id);
	assert_int_equal(fixture_do(f, &resend->job), 0);
	assert_int_equal(
	    fixture_end(f, resend->submission->id, RECIPIENT_FAILED), 0);
	assert_true(has_body(f, body_id));
	change_free(resend);
}

static void sends_nothing_again_that_is_not_ones_own(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit_one(f, "a@example.org");
	struct change *resend;

	assert_int_equal(fixture_end(f, id, RECIPIENT_FAILED), 0);
	resend = resend_of(f, id);
	resend->is_for_owner_only = true;
	resend->owner_uid = 4711;
	assert_int_equal(fixture_do(f, &resend->job), -ENOENT);
	resend->owner_uid = 1000;
	resend->submission->shared_body_id++;
	assert_int_equal(fixture_do(f, &resend->job), -EALREADY);
	change_free(resend);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(keeps_what_is_owed_over_a_restart),
		TEST(adds_the_report_and_takes_the_mark_in_one),
		TEST(refuses_a_report_of_what_has_changed),
		TEST(waits_for_company_while_something_is_undecided),
		TEST(gathers_what_an_outage_has_ended),
		TEST(drops_the_row_of_a_message_that_is_gone),
		TEST(keeps_the_body_until_success_is_told),
		TEST(shares_the_body_of_what_is_sent_again),
		TEST(sends_nothing_again_that_is_not_ones_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
