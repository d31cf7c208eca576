/*
 * test_committer - durable or refused, through faults, kills and clocks
 */
#include "config.h"

#include "../support/queue_fixture.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "clock.h"
#include "queue/inflight.h"
#include "queue/parts.h"

/* ------------------------------------------------------------------- faults */

/* Fails the n-th call of a kind, for as long as it is armed. */
struct fault {
	_Atomic int countdown; /* calls until it fails; -1: never */
	_Atomic int failures;  /* how many calls in a row fail then */
	_Atomic int error;
	enum store_call call;
};

static int fail_nth(enum store_call call, void *context)
{
	struct fault *fault = context;

	if (call != fault->call || atomic_load(&fault->countdown) < 0)
		return 0;
	if (atomic_fetch_sub(&fault->countdown, 1) > 0)
		return 0;
	if (atomic_fetch_sub(&fault->failures, 1) <= 0) {
		atomic_store(&fault->countdown, -1);
		return 0;
	}
	atomic_store(&fault->countdown, 0);
	return atomic_load(&fault->error);
}

static void arm(struct fixture *f, struct fault *fault, enum store_call call,
                int nth, int failures, int error)
{
	fault->call = call;
	atomic_store(&fault->error, error);
	atomic_store(&fault->failures, failures);
	atomic_store(&fault->countdown, nth);
	store_set_fault(f->queue->store, fail_nth, fault);
}

static void refuses_mail_and_keeps_nothing_of_it(void **state)
{
	static const int errors[] = { -ENOSPC, -EIO, -ENOMEM };
	struct fixture *f = *state;
	struct fault fault = { .countdown = -1 };
	const char *to[] = { "a@example.org", NULL };
	uint64_t last = fixture_submit_one(f, "first@example.org");

	for (unsigned e = 0; e < 3; e++) {
		bool is_refused = true;

		/* The n-th put for n = 0, 1 … until one goes through. */
		for (int nth = 0; is_refused; nth++) {
			struct submission *s = fixture_mail(to, "body\r\n");
			struct queue_counts counts;
			int r;

			assert_true(nth < 100);
			arm(f, &fault, STORE_CALL_PUT, nth, 1, errors[e]);
			r = fixture_do(f, &s->job);
			is_refused = r != 0;
			arm(f, &fault, STORE_CALL_PUT, -1, 0, 0);
			if (is_refused) {
				assert_int_equal(r, errors[e]);
				assert_non_null(s->header);
				assert_non_null(s->body);
				/* It can be posted again as it is. */
				assert_int_equal(fixture_do(f, &s->job), 0);
			}
			assert_true(s->id > last);
			last = s->id;
			submission_free(s);
			assert_int_equal(queue_read_counts(f->reader, &counts),
			                 0);
			assert_int_equal(counts.waiting_parts,
			                 counts.messages[MESSAGE_QUEUED]);
		}
	}
}

static void refuses_mail_whose_commit_fails(void **state)
{
	struct fixture *f = *state;
	struct fault fault = { .countdown = -1 };
	const char *to[] = { "a@example.org", NULL };
	struct submission *s = fixture_mail(to, "body\r\n");
	struct queue_counts counts;

	arm(f, &fault, STORE_CALL_COMMIT, 0, 1, -EIO);
	assert_int_equal(fixture_do(f, &s->job), -EIO);
	submission_free(s);
	assert_int_equal(queue_read_counts(f->reader, &counts), 0);
	assert_int_equal(counts.messages[MESSAGE_QUEUED], 0);
	assert_true(fixture_submit_one(f, "b@example.org") > 0);
}

static void never_refuses_a_verdict(void **state)
{
	struct fixture *f = *state;
	struct fault fault = { .countdown = -1 };

	for (int nth = 0; nth < 12; nth++) {
		uint64_t id = fixture_submit_one(f, "a@example.org");

		arm(f, &fault, STORE_CALL_PUT, nth, 1, -ENOSPC);
		assert_int_equal(fixture_end(f, id, RECIPIENT_DELIVERED), 0);
		arm(f, &fault, STORE_CALL_PUT, -1, 0, 0);
		assert_int_equal(fixture_state(f, id), MESSAGE_DELIVERED);
	}
}

static void settles_alone_what_finds_no_room_with_new_mail(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_submit_one(f, "a@example.org");
	struct settlement *settlement = fixture_attempt(f, id, 0, 1);
	const char *to[] = { "b@example.org", NULL };
	struct submission *s = fixture_mail(to, "body\r\n");
	struct fault fault = { .countdown = -1 };
	unsigned home = 0;

	fixture_say(&settlement->recipients[0], 0, RECIPIENT_DELIVERED, 0);
	settlement->job.home = s->job.home = f->home;
	settlement->job.on_done = s->job.on_done = fixture_no_letter;
	/* Both come in one wake-up, so they make one batch. */
	s->job.letter.next = &settlement->job.letter;
	settlement->job.letter.next = NULL;
	arm(f, &fault, STORE_CALL_COMMIT, 0, 1, -ENOSPC);
	queue_post_list_take(f->queue, &s->job.letter);
	while (home < 2) {
		struct letter *l = mailbox_wait(f->home, 60000);

		assert_non_null(l);
		for (; l != NULL; l = l->next)
			home++;
	}
	assert_int_equal(s->job.result, -ENOSPC);
	assert_int_equal(settlement->job.result, 0);
	assert_int_equal(fixture_state(f, id), MESSAGE_DELIVERED);
	settlement_free(settlement);
	submission_free(s);
}

static void refuses_mail_when_full_and_still_settles(void **state)
{
	struct fixture *f = *state;
	char *body = calloc(1, 200001);
	const char *to[] = { "a@example.org", NULL };
	uint64_t ids[64];
	unsigned count = 0;
	int r = 0;

	fixture_stop(f);
	f->settings.queue.maximum_bytes = 8 << 20;
	fixture_start(f);
	memset(body, 'x', 200000);
	while (r == 0 && count < 64) {
		struct submission *s = fixture_mail(to, body);

		r = fixture_do(f, &s->job);
		if (r == 0)
			ids[count++] = s->id;
		submission_free(s);
	}
	assert_int_equal(r, -ENOSPC);
	assert_true(count >= 20);
	assert_int_equal(queue_may_accept(f->queue, 1), -ENOSPC);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(fixture_end(f, ids[i], RECIPIENT_DELIVERED),
		                 0);
	/* What was delivered has given its room back. */
	assert_int_equal(queue_may_accept(f->queue, 1), 0);
	assert_true(fixture_submit_one(f, "b@example.org") > 0);
	free(body);
}

/* A store whose map is really full: LMDB itself says so. */
static void survives_a_full_map(void **state)
{
	struct fixture *f = *state;
	struct store_txn *txn;
	struct store *store;
	char path[80], *error;
	unsigned char key[8], value[3000] = { 0 };
	uint64_t rows = 0;
	int r = 0;

	snprintf(path, sizeof(path), "%s/small", f->directory);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(store_open(&store, path, 1 << 20, &error), 0);
	while (r == 0) {
		assert_int_equal(store_begin(store, &txn), 0);
		memset(key, 0, sizeof(key));
		key[6] = (unsigned char)(rows >> 8);
		key[7] = (unsigned char)rows;
		r = store_append(txn, TABLE_BODY, key, sizeof(key), value,
		                 sizeof(value));
		assert_int_equal(store_txn_error(txn), r);
		r = store_commit(txn);
		rows += r == 0;
	}
	assert_int_equal(r, -ENOSPC);
	assert_true(rows > 100);
	/* Deletes go on, and two commits later there is room again. */
	for (int i = 0; i < 10; i++) {
		memset(key, 0, sizeof(key));
		key[7] = (unsigned char)i;
		assert_int_equal(store_begin(store, &txn), 0);
		assert_int_equal(
		    store_delete(txn, TABLE_BODY, key, sizeof(key)), 0);
		assert_int_equal(store_commit(txn), 0);
	}
	assert_int_equal(store_begin(store, &txn), 0);
	assert_int_equal(
	    store_put(txn, TABLE_BODY, key, sizeof(key), value, sizeof(value)),
	    0);
	assert_int_equal(store_commit(txn), 0);
	store_close(store);
}

/*
 * LMDB writes the page that makes a commit count through a descriptor of its
 * own, a few octets only. Fails that write, as a dying disk would.
 */
static _Atomic bool is_end_of_commit_failing;

__attribute__((visibility("default"))) ssize_t pwrite(int fd, const void *data,
                                                      size_t len, off_t at)
{
	if (len < STORE_PAGE_BYTES && atomic_load(&is_end_of_commit_failing)) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, data, len, at);
}

__attribute__((visibility("default"))) ssize_t
pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	return pwrite(fd, data, len, at);
}

static void ends_without_an_answer_when_the_outcome_is_unknown(void **state)
{
	struct fixture *f = *state;
	uint64_t kept = fixture_submit_one(f, "a@example.org");
	int status, answered[2];
	char byte;
	pid_t child;

	fixture_stop(f);
	assert_int_equal(pipe(answered), 0);
	child = fork();
	if (child == 0) {
		fixture_start(f);
		atomic_store(&is_end_of_commit_failing, true);
		(void)fixture_submit_one(f, "b@example.org");
		_exit(write(answered[1], "!", 1) == 1 ? 0 : 2);
	}
	(void)close(answered[1]);
	assert_int_equal(read(answered[0], &byte, 1), 0);
	(void)close(answered[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EXIT_FAILURE);
	fixture_start(f);
	assert_int_equal(fixture_state(f, kept), MESSAGE_QUEUED);
}

static void refuses_another_format_in_plain_words(void **state)
{
	static const unsigned char version[4] = { 0, 0, 0, 9 };
	struct fixture *f = *state;
	struct store_txn *txn;
	struct store *store;
	struct queue *queue;
	char *error = NULL;

	fixture_stop(f);
	assert_int_equal(store_open(&store, f->directory, 1 << 30, &error), 0);
	assert_int_equal(store_begin(store, &txn), 0);
	assert_int_equal(store_put(txn, TABLE_META, "format", 6, version, 4),
	                 0);
	assert_int_equal(store_commit(txn), 0);
	store_close(store);
	assert_int_equal(queue_open(&queue, &f->settings, &error),
	                 -EPROTONOSUPPORT);
	assert_non_null(strstr(error, "format 9"));
	free(error);
}

static void lets_one_process_in(void **state)
{
	struct fixture *f = *state;
	struct queue *queue;
	char *error = NULL;

	assert_int_equal(queue_open(&queue, &f->settings, &error), -EBUSY);
	assert_non_null(strstr(error, "another relaisd"));
	free(error);
}

/* ------------------------------------------------------------------- clocks */

static _Atomic int64_t fake_wall_ms, fake_boot_ms;

static int64_t get_fake_wall_ms(void)
{
	return fake_wall_ms;
}

static int64_t get_fake_boot_ms(void)
{
	return fake_boot_ms;
}

static int64_t get_fake_monotonic_us(void)
{
	return fake_boot_ms * 1000;
}

static const struct clock_source fake_clock = {
	.wall_ms = get_fake_wall_ms,
	.boottime_ms = get_fake_boot_ms,
	.monotonic_us = get_fake_monotonic_us,
};

static void keeps_queue_time_when_the_wall_clock_jumps(void **state)
{
	struct fixture *f = *state;
	uint64_t first, second, third, before;

	fixture_stop(f);
	fake_wall_ms = 1795000000000;
	fake_boot_ms = 5000000;
	clock_replace(&fake_clock);
	fixture_start(f);
	first = fixture_submit_one(f, "a@example.org");
	before = queue_time_ms(f->queue);
	assert_int_equal(first >> 22, before);

	/* Back by a year while running: only the time since boot counts. */
	fake_wall_ms -= 365ll * 86400 * 1000;
	fake_boot_ms += 1500;
	assert_int_equal(queue_time_ms(f->queue), before + 1500);
	second = fixture_submit_one(f, "b@example.org");
	assert_true(second > first);

	/* And over a restart: it goes on from where the store has been. */
	fixture_restart(f);
	assert_true(queue_time_ms(f->queue) > before + 1500);
	assert_true(queue_time_ms(f->queue) < before + 3000);
	third = fixture_submit_one(f, "c@example.org");
	assert_true(third > second);
	fixture_stop(f);
	clock_replace(NULL);
	fixture_start(f);
}

struct gate {
	_Atomic bool is_closed;
	_Atomic bool is_waiting;
};

/* A disk that does not answer while the gate is closed. */
static int wait_at_gate(enum store_call call, void *context)
{
	struct gate *gate = context;

	if (call != STORE_CALL_COMMIT)
		return 0;
	while (atomic_load(&gate->is_closed)) {
		atomic_store(&gate->is_waiting, true);
		sched_yield();
	}
	return 0;
}

static void refuses_mail_while_the_disk_stalls(void **state)
{
	struct fixture *f = *state;
	const char *to[] = { "a@example.org", NULL };
	struct submission *s = fixture_mail(to, "body\r\n");
	struct gate gate = { .is_closed = true };
	struct queue_counts counts;

	fixture_stop(f);
	fake_wall_ms = 1795000000000;
	fake_boot_ms = 5000000;
	clock_replace(&fake_clock);
	fixture_start(f);
	store_set_fault(f->queue->store, wait_at_gate, &gate);
	s->job.home = f->home;
	s->job.on_done = fixture_no_letter;
	queue_post_take(f->queue, &s->job);
	while (!atomic_load(&gate.is_waiting))
		sched_yield();
	fake_boot_ms += 4000;
	assert_int_equal(queue_may_accept(f->queue, 1000), 0);
	fake_boot_ms += 2000;
	fake_wall_ms += 6000;
	assert_int_equal(queue_may_accept(f->queue, 1000), -EBUSY);
	assert_int_equal(queue_read_counts(f->reader, &counts), 0);
	assert_int_equal(counts.stalled_since_ms, 1795000000000);
	/* A slow disk is no reason to restart us, one that is dead is. */
	assert_int_equal(queue_last_progress_ms(f->queue), 5006000);
	fake_boot_ms += 600000;
	assert_true(queue_last_progress_ms(f->queue) <= 5000000);

	atomic_store(&gate.is_closed, false);
	assert_ptr_equal(mailbox_wait(f->home, 60000), &s->job.letter);
	assert_int_equal(s->job.result, 0);
	submission_free(s);
	assert_true(fixture_submit_one(f, "b@example.org") > 0);
	assert_int_equal(queue_may_accept(f->queue, 1000), 0);
	fixture_stop(f);
	clock_replace(NULL);
	fixture_start(f);
}

/* -------------------------------------------------------------------- kills */

/* What the child tells, in memory that outlives it. */
struct told {
	_Atomic uint64_t acknowledged;
	uint64_t ids[100000];
	/* One attempt at a time: 0, or the id that is in flight. */
	_Atomic uint64_t in_flight;
	_Atomic uint64_t delivered;
	_Atomic uint64_t attempts;
};

static void work_until_killed(struct fixture *f, struct told *told)
{
	fixture_start(f);
	for (;;) {
		uint64_t n = atomic_load(&told->acknowledged);
		uint64_t id = fixture_submit_one(f, "a@example.org");
		struct settlement *s;

		told->ids[n] = id;
		atomic_store(&told->acknowledged, n + 1);
		if (n % 3 != 0)
			continue;
		s = fixture_attempt(f, id, 0, 1);
		fixture_say(&s->recipients[0], 0, RECIPIENT_DELIVERED, 0);
		atomic_store(&told->in_flight, id);
		s->inflight_slot = inflight_fill(f->queue, id, s->part);
		assert_int_equal(fixture_settle(f, s), 0);
		atomic_store(&told->in_flight, 0);
		atomic_fetch_add(&told->delivered, 1);
	}
}

static unsigned count_marked(struct fixture *f, const struct told *told,
                             uint64_t *ret_delivered, uint64_t expected)
{
	uint64_t acknowledged = atomic_load(&told->acknowledged);
	unsigned marked = 0;

	*ret_delivered = 0;
	for (uint64_t i = 0; i < acknowledged; i++) {
		struct message *m = fixture_read(f, told->ids[i]);
		bool is_marked =
		    (m->recipients[0].flags & RECIPIENT_MAYBE_DUPLICATE) != 0;

		*ret_delivered += m->state == MESSAGE_DELIVERED;
		if (is_marked) {
			marked++;
			assert_int_equal(m->id, expected);
			assert_int_equal(m->state, MESSAGE_QUEUED);
			assert_int_equal(
			    m->timeline[m->timeline_count - 1].kind,
			    TIMELINE_UNKNOWN);
		}
		message_free(m);
	}
	return marked;
}

static void keeps_what_was_acknowledged_when_killed(void **state)
{
	struct fixture *f = *state;
	struct told *told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
	                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t marked_before = 0;

	assert_ptr_not_equal(told, MAP_FAILED);
	fixture_stop(f);
	for (unsigned round = 0; round < 30; round++) {
		uint64_t wanted =
		    atomic_load(&told->acknowledged) + 5 + round % 7;
		uint64_t in_flight, delivered;
		unsigned marked;
		int status;
		pid_t child = fork();

		if (child == 0) {
			work_until_killed(f, told);
			_exit(1);
		}
		while (atomic_load(&told->acknowledged) < wanted)
			assert_int_equal(waitpid(child, &status, WNOHANG), 0);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));

		in_flight = atomic_load(&told->in_flight);
		atomic_store(&told->in_flight, 0);
		fixture_start(f);
		marked = count_marked(f, told, &delivered, in_flight);
		assert_true(marked <= 1);
		if (marked == 1) {
			/* Ended here, so that the next round starts clean. */
			assert_int_equal(
			    fixture_change(f, CHANGE_CANCEL, in_flight), 0);
			marked_before++;
			for (uint64_t i = 0;
			     i < atomic_load(&told->acknowledged); i++)
				if (told->ids[i] == in_flight)
					told->ids[i] = told->ids[0];
		}
		assert_true(delivered >=
		            atomic_load(&told->delivered) - marked_before);
		fixture_stop(f);
	}
	fixture_start(f);
	munmap(told, sizeof(*told));
}

static void marks_only_what_was_in_flight(void **state)
{
	struct fixture *f = *state;
	const char *to[] = { "a@example.org", "b@example.org", NULL };
	uint64_t ids[3];
	struct settlement *s;
	struct message *m;
	pid_t child;
	int status;

	fixture_stop(f);
	child = fork();
	if (child == 0) {
		fixture_start(f);
		for (unsigned i = 0; i < 3; i++)
			ids[i] = fixture_submit(f, fixture_mail(to, "x\r\n"));
		/* The first is deferred: its mark speaks of the part before. */
		s = fixture_attempt(f, ids[0], 0, 2);
		fixture_say(&s->recipients[0], 0, RECIPIENT_WAITING, 0);
		fixture_say(&s->recipients[1], 1, RECIPIENT_WAITING, 0);
		(void)inflight_fill(f->queue, ids[0], s->part);
		assert_int_equal(fixture_settle(f, s), 0);
		/* One recipient of the second is done, the other in flight. */
		s = fixture_attempt(f, ids[1], 0, 1);
		fixture_say(&s->recipients[0], 0, RECIPIENT_DELIVERED, 0);
		assert_int_equal(fixture_settle(f, s), 0);
		m = fixture_read(f, ids[1]);
		(void)inflight_fill(f->queue, ids[1], m->recipients[1].part);
		(void)raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	fixture_start(f);
	{
		struct queue_filter all = { 0 };
		struct message *list[4];
		uint64_t next;

		assert_int_equal(queue_list(f->reader, &all, 0, list, 4, &next),
		                 3);
		for (unsigned i = 0; i < 3; i++) {
			/* Newest first: the second one is in the middle. */
			unsigned flags0 = list[i]->recipients[0].flags;
			unsigned flags1 = list[i]->recipients[1].flags;

			assert_int_equal(flags0, 0);
			assert_int_equal(
			    flags1, i == 1 ? RECIPIENT_MAYBE_DUPLICATE : 0);
			message_free(list[i]);
		}
	}
}

/* Another boot, no clean end: what was due may have been sent. */
static void doubts_what_was_due_after_a_power_cut(void **state)
{
	struct fixture *f = *state;
	uint64_t due, later, newer;
	struct settlement *s;
	struct message *m;
	pid_t child;
	int status;
	char path[80];
	struct queue_filter all = { 0 };
	struct message *list[3];
	uint64_t next;

	fixture_stop(f);
	child = fork();
	if (child == 0) {
		fixture_start(f);
		due = fixture_submit_one(f, "due@example.org");
		later = fixture_submit_one(f, "later@example.org");
		s = fixture_attempt(f, later, 0, 1);
		fixture_say(&s->recipients[0], 0, RECIPIENT_WAITING,
		            queue_time_ms(f->queue) + 3600000);
		assert_int_equal(fixture_settle(f, s), 0);
		(void)raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	/* The marks are not of this store: as good as another boot. */
	snprintf(path, sizeof(path), "%s/inflight", f->directory);
	assert_int_equal(unlink(path), 0);
	fixture_start(f);
	newer = fixture_submit_one(f, "newer@example.org");
	assert_int_equal(queue_list(f->reader, &all, 0, list, 3, &next), 3);
	due = list[2]->id;
	later = list[1]->id;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(list[i]->recipients[0].flags, 0);
		message_free(list[i]);
	}
	/* A clean restart does not forget the doubt. */
	fixture_restart(f);
	assert_int_equal(fixture_end(f, due, RECIPIENT_DELIVERED), 0);
	assert_int_equal(fixture_end(f, later, RECIPIENT_DELIVERED), 0);
	assert_int_equal(fixture_end(f, newer, RECIPIENT_DELIVERED), 0);
	m = fixture_read(f, due);
	assert_int_equal(m->recipients[0].flags, RECIPIENT_MAYBE_DUPLICATE);
	message_free(m);
	m = fixture_read(f, later);
	assert_int_equal(m->recipients[0].flags, 0);
	message_free(m);
	m = fixture_read(f, newer);
	assert_int_equal(m->recipients[0].flags, 0);
	message_free(m);
}

static void counts_slots_in_flight(void **state)
{
	struct fixture *f = *state;
	unsigned slots[INFLIGHT_SLOTS];

	for (unsigned i = 0; i < INFLIGHT_SLOTS; i++) {
		slots[i] = inflight_fill(f->queue, i + 1, 0);
		assert_int_not_equal(slots[i], INFLIGHT_NONE);
	}
	assert_int_equal(inflight_fill(f->queue, 9999, 0), INFLIGHT_NONE);
	inflight_clear(f->queue, slots[17]);
	assert_int_equal(inflight_fill(f->queue, 9999, 0), slots[17]);
	for (unsigned i = 0; i < INFLIGHT_SLOTS; i++)
		inflight_clear(f->queue, slots[i]);
	inflight_clear(f->queue, INFLIGHT_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(refuses_mail_and_keeps_nothing_of_it),
		TEST(refuses_mail_whose_commit_fails),
		TEST(never_refuses_a_verdict),
		TEST(settles_alone_what_finds_no_room_with_new_mail),
		TEST(refuses_mail_when_full_and_still_settles),
		TEST(survives_a_full_map),
		TEST(ends_without_an_answer_when_the_outcome_is_unknown),
		TEST(refuses_another_format_in_plain_words),
		TEST(lets_one_process_in),
		TEST(keeps_queue_time_when_the_wall_clock_jumps),
		TEST(refuses_mail_while_the_disk_stalls),
		TEST(keeps_what_was_acknowledged_when_killed),
		TEST(marks_only_what_was_in_flight),
		TEST(doubts_what_was_due_after_a_power_cut),
		TEST(counts_slots_in_flight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
