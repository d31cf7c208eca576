/*
 * test_parked - what cannot be handled is set aside, and the rest goes on
 */
#include "config.h"

#include "../support/queue_fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "../support/consistency.h"
#include "queue/bigendian.h"
#include "queue/message_rows.h"

/* The record becomes garbage, as a bad disk would make it. */
static void damage(struct fixture *f, uint64_t id)
{
	unsigned char key[8];
	struct store_txn *txn;

	be64_put(key, id);
	queue_reader_free(f->reader);
	queue_stop(f->queue);
	assert_int_equal(store_begin(f->queue->store, &txn), 0);
	assert_int_equal(
	    store_put(txn, TABLE_MSG, key, sizeof(key), "garbage", 7), 0);
	assert_int_equal(store_commit(txn), 0);
	queue_free(f->queue);
	fixture_start(f);
}

static uint64_t waiting_parts(struct fixture *f)
{
	struct queue_counts counts;

	assert_int_equal(queue_read_counts(f->reader, &counts), 0);
	return counts.waiting_parts;
}

static uint64_t parked(struct fixture *f)
{
	struct queue_counts counts;

	assert_int_equal(queue_read_counts(f->reader, &counts), 0);
	return counts.messages[MESSAGE_PARKED];
}

static unsigned list_parked(struct fixture *f, uint64_t *ret_id)
{
	struct queue_filter filter = { .has_state = true,
		                       .state = MESSAGE_PARKED };
	struct message *messages[8];
	uint64_t next;
	int count = queue_list(f->reader, &filter, 0, messages, 8, &next);

	assert_true(count >= 0);
	for (int i = 0; i < count; i++) {
		*ret_id = messages[i]->id;
		message_free(messages[i]);
	}
	return (unsigned)count;
}

static void check_set_aside(struct fixture *f, uint64_t id)
{
	uint64_t shown = 0;

	damage(f, id);
	assert_int_equal(fixture_change(f, CHANGE_RETRY, id), -EBADMSG);
	assert_int_equal(fixture_change(f, CHANGE_PARK, id), 0);
	assert_int_equal(waiting_parts(f), 0);
	assert_int_equal(parked(f), 1);
	assert_int_equal(list_parked(f, &shown), 1);
	assert_int_equal(shown, id);
	assert_int_equal(fixture_change(f, CHANGE_PARK, id), -EALREADY);
	/* The rest goes on. */
	assert_int_equal(fixture_end(f, fixture_submit_one(f, "b@example.org"),
	                             RECIPIENT_DELIVERED),
	                 0);
	assert_int_equal(fixture_change(f, CHANGE_CANCEL, id), 0);
	assert_int_equal(parked(f), 0);
	assert_int_equal(list_parked(f, &shown), 0);
	fixture_restart(f);
	assert_int_equal(waiting_parts(f), 0);
}

static void sets_a_damaged_record_aside(void **state)
{
	struct fixture *f = *state;

	check_set_aside(f, fixture_submit_one(f, "a@example.org"));
}

static void sets_a_damaged_record_aside_that_was_deferred(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit_one(f, "a@example.org");

	assert_int_equal(fixture_end(f, id, RECIPIENT_WAITING), 0);
	check_set_aside(f, id);
}

static uint64_t body_pieces(struct fixture *f)
{
	struct store_txn *txn;
	uint64_t count;

	assert_int_equal(store_reader_new(&txn, f->queue->store), 0);
	assert_int_equal(store_reader_begin(txn), 0);
	count = store_count(txn, TABLE_BODY);
	store_reader_end(txn);
	store_reader_free(txn);
	return count;
}

static void leaves_no_body_of_what_was_damaged(void **state)
{
	struct fixture *f = *state;
	uint64_t other = fixture_submit_one(f, "a@example.org");
	uint64_t bad = fixture_submit_one(f, "b@example.org");
	uint64_t worse = fixture_submit_one(f, "c@example.org");

	damage(f, bad);
	damage(f, worse);
	assert_int_equal(body_pieces(f), 3);
	/* Some body is the other one's, and which cannot be known. */
	assert_int_equal(fixture_change(f, CHANGE_CANCEL, bad), 0);
	assert_int_equal(body_pieces(f), 3);
	assert_int_equal(fixture_change(f, CHANGE_CANCEL, worse), 0);
	assert_int_equal(body_pieces(f), 1);
	assert_int_equal(fixture_end(f, other, RECIPIENT_DELIVERED), 0);
	assert_int_equal(body_pieces(f), 0);
	assert_true(consistency_is_kept(f->queue));
}

static void looks_through_many_messages_at_the_next_start(void **state)
{
	struct fixture *f = *state;
	uint64_t other = fixture_submit_one(f, "a@example.org");
	uint64_t bad = fixture_submit_one(f, "b@example.org");

	damage(f, bad);
	f->queue->ledger.sweep_at_once = 0;
	assert_int_equal(fixture_change(f, CHANGE_CANCEL, bad), 0);
	assert_int_equal(body_pieces(f), 2);
	fixture_restart(f);
	assert_int_equal(body_pieces(f), 1);
	assert_int_equal(fixture_end(f, other, RECIPIENT_DELIVERED), 0);
	assert_int_equal(body_pieces(f), 0);
	assert_true(consistency_is_kept(f->queue));
}

static void share_body(struct fixture *f, uint64_t id)
{
	static const char *const to[] = { "b@example.org", NULL };
	struct message *old = fixture_read(f, id);
	struct change *change = change_new(CHANGE_RESEND, id);
	struct submission *again = fixture_mail(to, "");

	free(again->header);
	again->header = NULL;
	again->header_len = 0;
	again->shared_body_id = old->body_id;
	again->message->header_len = old->header_len;
	again->message->size = old->size;
	change->submission = again;
	message_free(old);
	assert_int_equal(fixture_do(f, &change->job), 0);
	change_free(change);
}

static void a_body_is_kept_for_who_else_has_it(void **state)
{
	struct fixture *f = *state;
	uint64_t bad = fixture_submit_one(f, "a@example.org");
	uint64_t again;

	assert_int_equal(fixture_end(f, bad, RECIPIENT_FAILED), 0);
	share_body(f, bad);
	again = f->queue->ledger.totals.last_id;
	damage(f, bad);
	assert_int_equal(fixture_change(f, CHANGE_CANCEL, bad), 0);
	assert_int_equal(body_pieces(f), 1);
	assert_int_equal(fixture_end(f, again, RECIPIENT_DELIVERED), 0);
	assert_int_equal(body_pieces(f), 0);
}

/* A process of its own works on the message, and dies by the signal. */
static void crash(struct fixture *f, uint64_t id, int number)
{
	int status;
	pid_t child;

	fixture_stop(f);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		/* The test library has handlers of its own. */
		(void)signal(number, SIG_DFL);
		fixture_start(f);
		queue_note_work(id);
		(void)raise(number);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), number);
	fixture_start(f);
}

static void sets_aside_what_crashes_it_three_times(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit_one(f, "a@example.org");
	uint64_t other = fixture_submit_one(f, "b@example.org");
	struct message *m;

	crash(f, id, SIGABRT);
	crash(f, id, SIGSEGV);
	assert_int_equal(fixture_state(f, id), MESSAGE_QUEUED);
	crash(f, id, SIGBUS);
	m = fixture_read(f, id);
	assert_int_equal(m->state, MESSAGE_PARKED);
	assert_non_null(strstr(m->hold_reason, "crashed three times"));
	assert_int_equal(m->timeline[m->timeline_count - 1].kind,
	                 TIMELINE_PARKED);
	message_free(m);
	assert_int_equal(fixture_state(f, other), MESSAGE_QUEUED);
	/* A hand lets it try again. */
	assert_int_equal(fixture_change(f, CHANGE_RELEASE, id), 0);
	crash(f, id, SIGABRT);
	assert_int_equal(fixture_state(f, id), MESSAGE_QUEUED);
}

static void blames_nobody_for_being_killed(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit_one(f, "a@example.org");

	for (unsigned i = 0; i < 4; i++)
		crash(f, id, SIGKILL);
	assert_int_equal(fixture_state(f, id), MESSAGE_QUEUED);
}

static void forgets_crashes_once_an_attempt_ends(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit_one(f, "a@example.org");

	crash(f, id, SIGABRT);
	crash(f, id, SIGABRT);
	assert_int_equal(fixture_end(f, id, RECIPIENT_WAITING), 0);
	crash(f, id, SIGABRT);
	crash(f, id, SIGABRT);
	assert_int_equal(fixture_state(f, id), MESSAGE_QUEUED);
	crash(f, id, SIGABRT);
	assert_int_equal(fixture_state(f, id), MESSAGE_PARKED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(sets_a_damaged_record_aside),
		TEST(sets_a_damaged_record_aside_that_was_deferred),
		TEST(leaves_no_body_of_what_was_damaged),
		TEST(looks_through_many_messages_at_the_next_start),
		TEST(a_body_is_kept_for_who_else_has_it),
		TEST(sets_aside_what_crashes_it_three_times),
		TEST(blames_nobody_for_being_killed),
		TEST(forgets_crashes_once_an_attempt_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
