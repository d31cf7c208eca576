/*
 * test_consistency - whatever happens, the tables agree with each other
 *
 * Random submissions, attempts and changes with failing calls in between; then
 * every row is looked at and must be where the records say, and nowhere else.
 */
#include "config.h"

#include "../support/queue_fixture.h"

#include <errno.h>

#include "queue/report.h"

#include "../support/consistency.h"
#include "queue/inflight.h"

#define LANES    7
#define LIVE_MAX 40

static unsigned seed;

static unsigned pick(unsigned below)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % below;
}

/* ------------------------------------------------------------- what happens */

struct faults {
	_Atomic unsigned seed;
	_Atomic unsigned count;
};

static int fail_sometimes(enum store_call call, void *context)
{
	struct faults *faults = context;
	unsigned next = faults->seed * 1103515245 + 12345;

	(void)call;
	faults->seed = next;
	if ((next >> 16) % 150 != 0)
		return 0;
	faults->count++;
	return -ENOSPC;
}

static void use_lanes(struct submission *s, unsigned count)
{
	static const char *const domains[LANES] = { "a", "b", "c", "d",
		                                    "e", "f", "g" };

	s->parts = message_allocate(s->message, count * sizeof(*s->parts));
	memset(s->parts, 0, count * sizeof(*s->parts));
	for (unsigned i = 0; i < count; i++) {
		s->parts[i].lane.relay = 1;
		s->parts[i].lane.domain = domains[pick(LANES)];
		if (pick(8) == 0)
			s->parts[i].due_ms = wall_now_ms() + pick(100000);
	}
	s->part_count = count;
	for (unsigned i = 0; i < s->message->recipient_count; i++)
		s->message->recipients[i].part = (uint16_t)(i % count);
}

static uint64_t submit_something(struct fixture *f)
{
	const char *to[80] = { NULL };
	unsigned count = pick(10) == 0 ? 60 + pick(10) : 1 + pick(5);
	unsigned parts = 1 + pick(count < 4 ? count : 4);
	struct submission *s;

	for (unsigned i = 0; i < count; i++)
		to[i] = "someone@example.org";
	s = fixture_mail(to, "short\r\n");
	use_lanes(s, parts);
	if (pick(12) == 0) {
		s->message->state = MESSAGE_HELD;
		s->message->hold_reason = "test";
	}
	return fixture_submit(f, s);
}

static void attempt_something(struct fixture *f, uint64_t id)
{
	struct message *m = fixture_read(f, id);
	struct settlement *s;
	unsigned count = 0;
	uint16_t number;
	int r;

	if (m->part_count == 0) {
		message_free(m);
		return;
	}
	number = m->parts[pick(m->part_count)].number;
	s = settlement_new(m->recipient_count);
	s->id = id;
	s->part = number;
	s->relay = strdup(pick(3) == 0 ? "backup" : "office");
	s->inflight_slot = inflight_fill(f->queue, id, number);
	for (unsigned i = 0; i < m->recipient_count; i++) {
		static const enum recipient_state states[] = {
			RECIPIENT_DELIVERED, RECIPIENT_DELIVERED,
			RECIPIENT_WAITING,   RECIPIENT_WAITING,
			RECIPIENT_FAILED,    RECIPIENT_EXPIRED
		};

		if (m->recipients[i].state != RECIPIENT_WAITING ||
		    m->recipients[i].part != number || pick(20) == 0)
			continue;
		fixture_say(&s->recipients[count], (uint16_t)i, states[pick(6)],
		            queue_time_ms(f->queue) + 1000 * pick(6));
		s->recipients[count].is_report_owed = pick(2) == 0;
		s->recipients[count].is_relay_fault = pick(4) == 0;
		count++;
	}
	s->recipient_count = count;
	message_free(m);
	r = fixture_settle(f, s);
	assert_int_equal(r, 0);
}

static void change_something(struct fixture *f, uint64_t id)
{
	static const enum change_kind kinds[] = {
		CHANGE_HOLD,  CHANGE_RELEASE, CHANGE_RELEASE, CHANGE_RETRY,
		CHANGE_RETRY, CHANGE_CANCEL,  CHANGE_PARK,    CHANGE_REROUTE
	};
	struct change *change = change_new(kinds[pick(8)], id);
	struct message *m = fixture_read(f, id);
	int r;

	if (change->kind == CHANGE_REROUTE) {
		change->lanes =
		    calloc(m->recipient_count, sizeof(*change->lanes));
		for (unsigned i = 0; i < m->recipient_count; i++) {
			change->lanes[i].relay = 2 + pick(3);
			change->lanes[i].domain = "";
		}
	}
	message_free(m);
	r = fixture_do(f, &change->job);
	assert_true(r == 0 || r == -EALREADY || r == -ENOSPC);
	change_free(change);
}

static void report_something(struct fixture *f)
{
	static const char *const to[] = { "sender@example.com", NULL };
	static const struct report_row from;
	struct reported reported[80];
	struct report_row row;
	struct report *report;
	struct message *m;
	unsigned count = 0;
	uint64_t next;
	int r;

	if (queue_read_reports(f->reader, &from, UINT64_MAX, &row, 1, &next) !=
	    1)
		return;
	m = fixture_read(f, row.id);
	for (unsigned i = 0; i < m->recipient_count; i++)
		if ((m->recipients[i].flags & RECIPIENT_REPORT_OWED) != 0 &&
		    pick(4) != 0)
			reported[count++] = (struct reported){
				.index = (uint16_t)i,
				.state = m->recipients[i].state,
			};
	message_free(m);
	report = report_new();
	if (pick(2) == 0)
		report->submission = fixture_mail(to, "short\r\n");
	report_add_subject(report, row.id, row.due_ms, reported, count);
	r = fixture_do(f, &report->job);
	assert_true(r == 0 || r == -ENOSPC);
	report_free(report);
}

static void run_at_random(struct fixture *f, unsigned steps)
{
	uint64_t live[LIVE_MAX];
	unsigned count = 0;

	while (steps-- > 0) {
		unsigned at = count > 0 ? pick(count) : 0;
		unsigned what = pick(12);

		if (count == 0 || (what < 3 && count < LIVE_MAX)) {
			uint64_t id = submit_something(f);

			if (id != 0)
				live[count++] = id;
		} else if (what < 8) {
			attempt_something(f, live[at]);
		} else if (what < 10) {
			change_something(f, live[at]);
		} else {
			report_something(f);
		}
		if (count > 0 && at < count &&
		    fixture_state(f, live[at]) > MESSAGE_PARKED)
			live[at] = live[--count];
	}
}

static void tables_agree_after_anything(void **state)
{
	struct fixture *f = *state;

	seed = 1;
	run_at_random(f, 800);
	assert_true(consistency_is_kept(f->queue));
	fixture_restart(f);
	assert_true(consistency_is_kept(f->queue));
	run_at_random(f, 200);
	assert_true(consistency_is_kept(f->queue));
}

static void tables_agree_when_calls_fail(void **state)
{
	struct fixture *f = *state;
	struct faults faults = { .seed = 99 };

	seed = 2;
	store_set_fault(f->queue->store, fail_sometimes, &faults);
	run_at_random(f, 800);
	store_set_fault(f->queue->store, NULL, NULL);
	assert_true(faults.count > 20);
	assert_true(consistency_is_kept(f->queue));
	fixture_restart(f);
	assert_true(consistency_is_kept(f->queue));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(tables_agree_after_anything),
		TEST(tables_agree_when_calls_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
