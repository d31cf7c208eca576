/* Sockets that end, stay silent, or say too much. */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "deliver/connection.h"

static struct event_base *base;
static struct connection *connection;
static int far;
static unsigned progress;
static struct connection_loss loss;
static bool is_lost;

static void on_progress(void *context)
{
	(void)context;
	progress++;
}

static void on_tls(void *context)
{
	(void)context;
	fail();
}

static void on_lost(void *context, const struct connection_loss *why)
{
	(void)context;
	assert_false(is_lost);
	is_lost = true;
	loss = *why;
}

static int set_up(void **state)
{
	const struct connection_events events = { on_progress, on_tls, on_lost,
		                                  NULL };
	int pair[2];

	(void)state;
	progress = 0;
	is_lost = false;
	base = event_base_new();
	if (!base ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
		return -1;
	far = pair[1];
	return connection_new_take(&connection, base, pair[0], &events);
}

static int tear_down(void **state)
{
	(void)state;
	connection_free(connection);
	event_base_free(base);
	if (far >= 0)
		close(far);
	return 0;
}

static void turn_until_lost(void)
{
	while (!is_lost)
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
}

static void keeps_what_came_before_the_end(void **state)
{
	(void)state;
	assert_int_equal(write(far, "421 bye\r\n", 9), 9);
	close(far);
	far = -1;
	turn_until_lost();
	assert_int_equal(connection_input(connection)->len, 9);
	assert_int_equal(loss.fault, FAULT_NETWORK);
	assert_false(loss.is_timeout);
}

static void reads_the_last_word_when_it_cannot_write(void **state)
{
	size_t n;

	(void)state;
	assert_int_equal(write(far, "552 enough\r\n", 12), 12);
	close(far);
	far = -1;
	assert_int_equal(connection_write(connection, "x", 1, &n), -EPIPE);
	/* not from inside the call */
	assert_false(is_lost);
	turn_until_lost();
	assert_int_equal(connection_input(connection)->len, 12);
}

static void is_not_kept_waiting_by_trickling_bytes(void **state)
{
	(void)state;
	connection_set_deadline(connection, 30);
	while (!is_lost) {
		(void)!write(far, "2", 1);
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
	}
	assert_true(loss.is_timeout);
	assert_true(progress > 0);
}

static void refuses_input_without_end(void **state)
{
	char much[4096];

	(void)state;
	memset(much, 'x', sizeof much);
	while (!is_lost) {
		(void)!write(far, much, sizeof much);
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
	}
	assert_int_equal(loss.fault, FAULT_PROTOCOL);
	assert_true(connection_input(connection)->len <=
	            (size_t)CONNECTION_INPUT_MAX);
}

static void says_when_there_is_room_again(void **state)
{
	static char much[1024 * 1024];
	size_t n;

	(void)state;
	while (connection_write(connection, much, sizeof much, &n) == 0)
		continue;
	assert_int_equal(progress, 0);
	while (progress == 0) {
		assert_true(read(far, much, sizeof much) > 0);
		assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 0);
	}
	assert_int_equal(connection_write(connection, much, 1, &n), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keeps_what_came_before_the_end),
		TEST(reads_the_last_word_when_it_cannot_write),
		TEST(is_not_kept_waiting_by_trickling_bytes),
		TEST(refuses_input_without_end),
		TEST(says_when_there_is_room_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
