#include "config.h"

#include "control/connection.h"

#include <stdlib.h>
#include <string.h>

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>

#include "clock.h"
#include "control/control_internal.h"
#include "control/request.h"
#include "runtime/log.h"
#include "runtime/loop.h"
#include "runtime/xalloc.h"
#include "settings.h"

/* Taken in one turn of the loop, so that those who are here are served. */
#define ACCEPT_AT_ONCE 16
/* Connections of a uid that are served at once, whatever the others do. */
#define FEW 4
/* The others have half of each such time in any case. */
#define CROWD_PERIOD_US 1000

static void on_admission(evutil_socket_t fd, short what, void *context);
static void pause_accepting(struct control *control);
static void admit(struct connection *connection);
static void join_crowd(struct connection *connection);
static void on_turn(evutil_socket_t fd, short what, void *context);
static bool is_far_too_many(const struct connection *connection);
static unsigned count_of_uid(const struct connection *connection);
static void on_close(struct evhttp_connection *http, void *context);
static void on_deadline(evutil_socket_t fd, short what, void *context);
static void connection_free(struct connection *connection);

/*
 * libevent 2.1 asks for a bufferevent before that has its descriptor, and
 * tells of the new connection to nobody. So it is looked at right after the
 * accept, before anything can be read: an active event runs in this turn of
 * the loop. The reference keeps the bufferevent until then.
 */
struct bufferevent *connection_accept(struct event_base *base, void *context)
{
	struct control *control = context;
	struct connection *connection = xcalloc(1, sizeof(*connection));

	connection->control = control;
	/* The descriptor is closed after its events are gone: evhttp itself
	 * would do it before, and take another thread's out of epoll. */
	connection->bev =
	    bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	connection->admission =
	    event_new(base, -1, 0, on_admission, connection);
	connection->deadline = event_new(base, -1, 0, on_deadline, connection);
	if (!connection->bev || !connection->admission || !connection->deadline)
		abort();
	bufferevent_setwatermark(connection->bev, EV_READ, 0,
	                         REQUEST_INPUT_MAX);
	bufferevent_incref(connection->bev);
	event_active(connection->admission, EV_TIMEOUT, 0);
	LIST_INSERT_HEAD(&control->connections, connection, link);
	control->connection_count++;
	pause_accepting(control);
	return connection->bev;
}

/* libevent 2.1 goes on as long as there are any, which may be for ever. */
static void pause_accepting(struct control *control)
{
	if (++control->accepted_count < ACCEPT_AT_ONCE)
		return;
	(void)evconnlistener_disable(control->listener);
	event_active(control->accept_again, EV_TIMEOUT, 0);
}

void connection_on_accept_again(evutil_socket_t fd, short what, void *context)
{
	struct control *control = context;

	(void)fd;
	(void)what;
	control->accepted_count = 0;
	(void)evconnlistener_enable(control->listener);
}

static void on_admission(evutil_socket_t fd, short what, void *context)
{
	struct connection *connection = context;
	struct bufferevent *bev = connection->bev;
	void *http = NULL;

	(void)fd;
	(void)what;
	/* The argument of evhttp's callbacks is its connection; none are left
	 * if it has been given up meanwhile. */
	bufferevent_getcb(bev, NULL, NULL, NULL, &http);
	if (http && evhttp_connection_get_bufferevent(http) == bev) {
		connection->http = http;
		admit(connection);
	} else {
		connection_free(connection);
	}
	(void)bufferevent_decref(bev);
}

static void admit(struct connection *connection)
{
	struct control *control = connection->control;
	struct peer *peer = &connection->peer;
	int r;

	evhttp_connection_set_closecb(connection->http, on_close, connection);
	r = peer_read(peer, bufferevent_getfd(connection->bev), true);
	if (r < 0) {
		log_message(LOG_LEVEL_WARNING, "control",
		            "no credentials of a client: %s", strerror(-r));
		connection_cut(connection);
		return;
	}
	connection->is_administrator = settings_is_administrator(
	    control->settings, peer->uid, peer->gids, peer->gid_count);
	if (is_far_too_many(connection)) {
		connection_cut(connection);
		return;
	}
	connection->is_refused =
	    !connection->is_administrator &&
	    count_of_uid(connection) > connection_limit_of(connection);
	connection->is_crowd =
	    !connection->is_administrator && count_of_uid(connection) > FEW;
	if (connection->is_crowd)
		join_crowd(connection);
	gate_open(connection);
	connection_await_request(connection);
}

static void join_crowd(struct connection *connection)
{
	connection->turn =
	    event_new(connection->control->base, -1, 0, on_turn, connection);
	if (!connection->turn ||
	    event_priority_set(connection->turn, LOOP_CROWD) < 0)
		abort();
	(void)bufferevent_priority_set(connection->bev, LOOP_CROWD);
}

/* Half of the time is for the others: a thread that never rests is the last to
 * be given a processor. */
static void on_turn(evutil_socket_t fd, short what, void *context)
{
	static const struct timeval pause = { .tv_usec = CROWD_PERIOD_US };
	struct connection *connection = context;
	struct control *control = connection->control;
	int64_t now_us = clock_monotonic_us();

	(void)fd;
	(void)what;
	if (now_us - control->crowd_since_us >= CROWD_PERIOD_US) {
		control->crowd_since_us = now_us;
		control->crowd_us = 0;
	}
	if (control->crowd_us >= CROWD_PERIOD_US / 2) {
		(void)event_add(connection->turn, &pause);
		return;
	}
	request_on_turn(connection->request);
	control->crowd_us += clock_monotonic_us() - now_us;
}

/* Whoever holds this many is cut without a word. */
static bool is_far_too_many(const struct connection *connection)
{
	const struct control *control = connection->control;

	if (control->connection_count > control->connection_limit)
		return true;
	if (connection->is_administrator)
		return false;
	/* A quarter is for those who can put things right. */
	return control->connection_count > control->connection_limit * 3 / 4 ||
	       count_of_uid(connection) > 2 * connection_limit_of(connection);
}

unsigned connection_limit_of(const struct connection *connection)
{
	const struct peer *peer = &connection->peer;
	const struct submitter_rule *rule =
	    settings_find_submitter(connection->control->settings, peer->uid,
	                            peer->gids, peer->gid_count);

	return rule->connections != 0 ? rule->connections
	                              : connection->control->connection_limit;
}

/* This one included. */
static unsigned count_of_uid(const struct connection *connection)
{
	const struct connection *other;
	unsigned count = 0;

	LIST_FOREACH (other, &connection->control->connections, link)
		if (other->http && other->peer.uid == connection->peer.uid)
			count++;
	return count;
}

size_t connection_unread_of(const struct connection *connection)
{
	const struct connection *other;
	size_t bytes = 0;

	LIST_FOREACH (other, &connection->control->connections, link)
		if (other->http && other->peer.uid == connection->peer.uid)
			bytes += other->answer_bytes;
	return bytes;
}

struct connection *connection_find(struct control *control,
                                   const struct evhttp_connection *http)
{
	struct connection *connection;

	LIST_FOREACH (connection, &control->connections, link)
		if (connection->http == http)
			return connection;
	return NULL;
}

void connection_await_request(struct connection *connection)
{
	struct timeval deadline = { REQUEST_DEADLINE_S, 0 };

	connection->answer_bytes = 0;
	gate_reset(connection);
	if (connection->is_refused)
		deadline.tv_sec = REFUSAL_DEADLINE_S;
	(void)event_add(connection->deadline, &deadline);
}

void connection_serve(struct connection *connection)
{
	(void)event_del(connection->deadline);
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	connection_cut(context);
}

void connection_cut(struct connection *connection)
{
	evhttp_connection_free(connection->http);
}

static void on_close(struct evhttp_connection *http, void *context)
{
	struct connection *connection = context;

	(void)http;
	if (connection->request)
		request_client_gone(connection->request);
	connection_free(connection);
}

static void connection_free(struct connection *connection)
{
	LIST_REMOVE(connection, link);
	connection->control->connection_count--;
	event_free(connection->admission);
	event_free(connection->deadline);
	if (connection->turn)
		event_free(connection->turn);
	gate_close(connection);
	peer_done(&connection->peer);
	free(connection);
}
