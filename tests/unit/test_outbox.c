/*
 * test_outbox - what comes in one turn of the loop shares a commit
 */
#include "config.h"

#include "../support/queue_fixture.h"

#include <event2/event.h>

#include "receive/outbox.h"
#include "runtime/loop.h"

static const char *const to[] = { "user@example.org", NULL };

/* A client whose message is ready as soon as its turn comes. */
struct client {
	struct fixture *f;
	struct outbox *outbox;
	struct submission *submission;
};

static void on_client(evutil_socket_t fd, short what, void *argument)
{
	struct client *client = argument;
	uint64_t pending = atomic_load(&client->f->queue->gauges.pending_jobs);

	(void)fd;
	(void)what;
	assert_int_equal(pending, 0);
	client->submission->job.home = client->f->home;
	client->submission->job.on_done = fixture_no_letter;
	outbox_add_take(client->outbox, &client->submission->job);
}

static unsigned wait_for_letters(struct fixture *f)
{
	struct letter *letter = mailbox_wait(f->home, 60000);
	unsigned count = 0;

	for (; letter != NULL; letter = letter->next)
		count++;
	return count;
}

static void post_in_two_turns(struct fixture *f, int priority)
{
	struct event_base *base = event_base_new();
	struct client clients[3];
	struct event *events[3];
	struct outbox *outbox;

	assert_non_null(base);
	assert_int_equal(event_base_priority_init(base, LOOP_PRIORITIES), 0);
	assert_int_equal(outbox_new(&outbox, base, priority, f->queue), 0);
	for (unsigned turn = 1; turn <= 2; turn++) {
		uint64_t commits = atomic_load(&f->queue->gauges.commits);

		for (unsigned i = 0; i < 3; i++) {
			clients[i] = (struct client){
				.f = f,
				.outbox = outbox,
				.submission = fixture_mail(to, "body\r\n"),
			};
			events[i] =
			    event_new(base, -1, 0, on_client, &clients[i]);
			assert_int_equal(
			    event_priority_set(events[i], priority), 0);
			event_active(events[i], EV_TIMEOUT, 0);
		}
		assert_true(event_base_loop(base, EVLOOP_NONBLOCK) >= 0);
		assert_int_equal(wait_for_letters(f), 3);
		assert_int_equal(atomic_load(&f->queue->gauges.commits),
		                 commits + 1);
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(clients[i].submission->job.result, 0);
			submission_free(clients[i].submission);
			event_free(events[i]);
		}
	}
	outbox_free(outbox);
	event_base_free(base);
}

static void posts_together_what_came_in_one_turn(void **state)
{
	post_in_two_turns(*state, LOOP_USUAL);
}

static void posts_together_what_a_crowd_has(void **state)
{
	post_in_two_turns(*state, LOOP_CROWD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    posts_together_what_came_in_one_turn, fixture_setup,
		    fixture_teardown),
		cmocka_unit_test_setup_teardown(posts_together_what_a_crowd_has,
		                                fixture_setup,
		                                fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
