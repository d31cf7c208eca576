/* The scheduler over the real store, with workers that settle at once. */
#include "config.h"

#include "../support/queue_fixture.h"

#include <event2/event.h>

#include "clock.h"
#include "deliver/scheduler.h"
#include "deliver/worker.h"
#include "runtime/loop.h"
#include "runtime/xalloc.h"
#include "settings_errors.h"

#define MESSAGES   150
#define DEADLINE_S 60

static const struct settings *settings;
static struct loop *loop;
static struct scheduler *scheduler;
static struct queue *queue;
static struct mailbox *settled_box;
static struct worker *workers[2];
static int worker_marks[2];

static uint64_t ids[MESSAGES];
static unsigned attempts[MESSAGES];
static unsigned at_work[MESSAGES];
static unsigned delivered;
static bool is_mute; /* workers keep what they get */

/* ---------------------------------------------------------------- workers */

struct assignment *assignment_new(void)
{
	return xcalloc(1, sizeof(struct assignment));
}

void assignment_free(struct assignment *assignment)
{
	if (assignment == NULL)
		return;
	settings_unref(assignment->settings);
	free(assignment->fault_host);
	free(assignment);
}

void worker_forget(struct worker *worker, uint64_t id)
{
	(void)worker;
	(void)id;
}

static unsigned index_of(uint64_t id)
{
	unsigned i = 0;

	while (i < MESSAGES && ids[i] != id)
		i++;
	assert_true(i < MESSAGES);
	return i;
}

static void on_settled(struct letter *letter)
{
	struct settlement *settlement =
	    LETTER_OF(letter, struct settlement, job.letter);

	assert_int_equal(settlement->job.result, 0);
	settlement_free(settlement);
}

/* The first attempt at every third message is deferred for a moment. */
static void settle(uint64_t id, uint16_t part)
{
	struct settlement *settlement = settlement_new(1);
	unsigned i = index_of(id);
	bool is_deferred = attempts[i]++ == 0 && i % 3 == 0;

	/* Nobody else has it. */
	assert_int_equal(at_work[i], 0);
	settlement->id = id;
	settlement->part = part;
	settlement->started_ms = (uint64_t)clock_wall_ms();
	settlement->relay = xstrdup("office");
	settlement->inflight_slot = INFLIGHT_NONE;
	fixture_say(&settlement->recipients[0], 0,
	            is_deferred ? RECIPIENT_WAITING : RECIPIENT_DELIVERED,
	            queue_time_ms(queue) + 30);
	settlement->job.kind = QUEUE_SETTLE;
	settlement->job.home = settled_box;
	settlement->job.on_done = on_settled;
	delivered += !is_deferred;
	queue_post_take(queue, &settlement->job);
}

void worker_assign_take(struct worker *worker, struct assignment *assignment)
{
	(void)worker;
	for (unsigned i = 0; i < assignment->part_count; i++) {
		if (is_mute) {
			at_work[index_of(assignment->parts[i].id)]++;
			continue;
		}
		settle(assignment->parts[i].id, assignment->parts[i].part);
		assignment->parts[i].outcome = PART_SETTLED;
	}
	if (is_mute) {
		/* The process dies with it. */
		assignment_free(assignment);
		return;
	}
	assignment->had_session = true;
	assignment->letter.open = assignment->on_done;
	mailbox_post_take(assignment->home, &assignment->letter);
}

/* ---------------------------------------------------------------- fixture */

static void begin(struct fixture *f)
{
	fixture_open(f);
	queue = f->queue;
	assert_int_equal(
	    scheduler_new(&scheduler, loop, queue, settings, workers, 2), 0);
	assert_int_equal(queue_start(queue), 0);
	assert_int_equal(queue_reader_new(&f->reader, queue), 0);
	assert_int_equal(scheduler_start(scheduler), 0);
}

static bool is_idle;

static void on_idle(void *context)
{
	(void)context;
	is_idle = true;
}

static void end(struct fixture *f)
{
	queue_reader_free(f->reader);
	scheduler_drain(scheduler, on_idle, NULL);
	loop_finish(loop); /* what came home begins nothing any more */
	queue_stop(f->queue);
	loop_finish(loop);
	scheduler_free(scheduler);
	queue_free(f->queue);
	f->queue = NULL;
}

static void load_settings(void)
{
	static const char yaml[] =
	    "hostname: host.example.com\n"
	    "relays:\n"
	    "  office: {url: \"smtp://relay.example.com:25\","
	    " limits: {connections: 3}}\n";
	char path[] = "/tmp/relais-test-XXXXXX";
	int fd = mkstemp(path);
	struct settings_errors errors;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, yaml, strlen(yaml)), strlen(yaml));
	close(fd);
	settings_errors_init(&errors);
	if (settings_load(path, &settings, &errors) < 0)
		settings_errors_print(&errors, stderr);
	settings_errors_done(&errors);
	unlink(path);
	assert_non_null(settings);
}

static int set_up(void **state)
{
	struct fixture *f = fixture_make();

	load_settings();
	memset(attempts, 0, sizeof(attempts));
	memset(at_work, 0, sizeof(at_work));
	delivered = 0;
	is_mute = false;
	for (unsigned i = 0; i < 2; i++)
		workers[i] = (struct worker *)(void *)&worker_marks[i];
	assert_int_equal(loop_new(&loop, "test"), 0);
	assert_int_equal(mailbox_new(&settled_box, loop), 0);
	begin(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	end(f);
	mailbox_free(settled_box);
	fixture_free(f);
	loop_free(loop);
	settings_unref(settings);
	settings = NULL;
	return 0;
}

static uint64_t waiting(struct fixture *f)
{
	struct queue_counts counts;

	assert_int_equal(queue_read_counts(f->reader, &counts), 0);
	return counts.waiting_parts;
}

static void run_until_nothing_waits(struct fixture *f)
{
	int64_t end_ms = clock_boottime_ms() + DEADLINE_S * 1000;

	while (waiting(f) > 0) {
		assert_true(clock_boottime_ms() < end_ms);
		event_base_loop(loop_base(loop), EVLOOP_ONCE);
	}
	event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
}

static void submit_all(struct fixture *f)
{
	for (unsigned i = 0; i < MESSAGES; i++) {
		const char *to[] = { "a@example.org", NULL };
		struct submission *s = fixture_mail(to, "body\r\n");

		s->parts[0].lane.relay = settings->relays[0].id;
		s->parts[0].lane.priority = (enum priority)(i % 3);
		s->parts[0].lane.submitter_class = i % 7;
		ids[i] = fixture_submit(f, s);
		assert_true(ids[i] != 0);
	}
}

static void check_all(struct fixture *f)
{
	assert_int_equal(delivered, MESSAGES);
	for (unsigned i = 0; i < MESSAGES; i++) {
		assert_int_equal(attempts[i], i % 3 == 0 ? 2 : 1);
		assert_int_equal(fixture_state(f, ids[i]), MESSAGE_DELIVERED);
	}
}

static void delivers_everything_once_with_retries(void **state)
{
	struct fixture *f = *state;

	submit_all(f);
	run_until_nothing_waits(f);
	check_all(f);
}

static void begins_again_with_what_a_dead_process_had_in_hand(void **state)
{
	struct fixture *f = *state;

	is_mute = true;
	submit_all(f);
	while (at_work[0] == 0)
		event_base_loop(loop_base(loop), EVLOOP_ONCE);
	end(f);
	memset(at_work, 0, sizeof(at_work));
	is_mute = false;
	begin(f);
	run_until_nothing_waits(f);
	check_all(f);
}

static void on_changed(struct letter *letter)
{
	struct change *change = LETTER_OF(letter, struct change, job.letter);

	assert_int_equal(change->job.result, 0);
	change_free(change);
}

static void wish(enum change_kind kind, uint64_t id)
{
	struct change *change = change_new(kind, id);

	change->job.home = settled_box;
	change->job.on_done = on_changed;
	scheduler_change_take(scheduler, change);
}

static void holds_releases_and_cancels_between_attempts(void **state)
{
	struct fixture *f = *state;
	int64_t end_ms = clock_boottime_ms() + DEADLINE_S * 1000;

	scheduler_pause_relay(scheduler, settings->relays[0].id, 0, NULL);
	submit_all(f);
	for (unsigned i = 0; i < MESSAGES; i++)
		wish(i % 2 == 0 ? CHANGE_HOLD : CHANGE_CANCEL, ids[i]);
	while (waiting(f) > 0) {
		assert_true(clock_boottime_ms() < end_ms);
		event_base_loop(loop_base(loop), EVLOOP_ONCE);
	}
	scheduler_resume_relay(scheduler, settings->relays[0].id);
	for (unsigned i = 0; i < MESSAGES; i += 2)
		wish(CHANGE_RELEASE, ids[i]);
	while (delivered < MESSAGES / 2) {
		assert_true(clock_boottime_ms() < end_ms);
		event_base_loop(loop_base(loop), EVLOOP_ONCE);
	}
	run_until_nothing_waits(f);
	for (unsigned i = 0; i < MESSAGES; i++) {
		assert_int_equal(fixture_state(f, ids[i]),
		                 i % 2 == 0 ? MESSAGE_DELIVERED
		                            : MESSAGE_CANCELLED);
		assert_int_equal(attempts[i] > 0, i % 2 == 0);
	}
	is_idle = false;
	scheduler_drain(scheduler, on_idle, NULL);
	while (!is_idle) {
		assert_true(clock_boottime_ms() < end_ms);
		event_base_loop(loop_base(loop), EVLOOP_ONCE);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(delivers_everything_once_with_retries),
		TEST(begins_again_with_what_a_dead_process_had_in_hand),
		TEST(holds_releases_and_cancels_between_attempts),
	};

	assert_int_equal(loop_prepare_process(), 0);
	return cmocka_run_group_tests_name("scheduler_queue", tests, NULL,
	                                   NULL);
}
