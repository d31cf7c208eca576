/*
 * connector - the first of several addresses that answers
 */
#include "config.h"

#include "deliver/connector.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

struct attempt {
	struct connector *connector;
	int fd; /* -1: not tried, or over */
	struct event *event;
};

struct connector {
	struct event_base *base;
	const struct transport_address *addresses;
	size_t count;
	connector_done on_done;
	void *context;
	/* the head start of the latest attempt, and the limit of all */
	struct event *next;
	struct event *limit;
	struct attempt attempts[CONNECTOR_ADDRESSES_MAX];
	size_t tried;
	size_t running;
	size_t last_failed;
	int error;
};

static void on_turn(evutil_socket_t fd, short what, void *context);
static void on_limit(evutil_socket_t fd, short what, void *context);
static void on_writable(evutil_socket_t fd, short what, void *context);
static int start(struct connector *connector);
static void try_more(struct connector *connector);
static void stop(struct attempt *attempt);
static void fail(struct connector *connector, size_t index, int error);

int connector_new(struct connector **ret_connector, struct event_base *base,
                  const struct transport_address *addresses, size_t count,
                  unsigned limit_ms, connector_done on_done, void *context)
{
	const struct timeval limit = {
		.tv_sec = limit_ms / 1000,
		.tv_usec = limit_ms % 1000 * 1000,
	};
	struct connector *connector = calloc(1, sizeof *connector);

	assert(count > 0);
	if (!connector)
		return -ENOMEM;
	*connector = (struct connector){
		.base = base,
		.addresses = addresses,
		.count = count > CONNECTOR_ADDRESSES_MAX
		             ? CONNECTOR_ADDRESSES_MAX
		             : count,
		.on_done = on_done,
		.context = context,
	};
	for (size_t i = 0; i < CONNECTOR_ADDRESSES_MAX; i++)
		connector->attempts[i] =
		    (struct attempt){ connector, -1, NULL };
	connector->next = evtimer_new(base, on_turn, connector);
	connector->limit = evtimer_new(base, on_limit, connector);
	if (!connector->next || !connector->limit ||
	    evtimer_add(connector->limit, &limit) < 0) {
		connector_free(connector);
		return -ENOMEM;
	}
	event_active(connector->next, EV_TIMEOUT, 0);
	*ret_connector = connector;
	return 0;
}

void connector_free(struct connector *connector)
{
	if (!connector)
		return;
	for (size_t i = 0; i < connector->count; i++)
		stop(&connector->attempts[i]);
	if (connector->next)
		event_free(connector->next);
	if (connector->limit)
		event_free(connector->limit);
	free(connector);
}

static void stop(struct attempt *attempt)
{
	if (attempt->event)
		event_free(attempt->event);
	if (attempt->fd >= 0)
		(void)close(attempt->fd);
	attempt->event = NULL;
	attempt->fd = -1;
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	try_more(context);
}

/* Starts the next one that can be started; when none is left, that is all. */
static void try_more(struct connector *connector)
{
	const struct timeval head_start = {
		.tv_usec = CONNECTOR_HEAD_START_MS * 1000,
	};

	while (connector->tried < connector->count) {
		size_t index = connector->tried++;
		int r = start(connector);

		if (r == 0) {
			connector->running++;
			if (connector->tried < connector->count)
				(void)evtimer_add(connector->next, &head_start);
			return;
		}
		fail(connector, index, r);
	}
	if (connector->running == 0)
		connector->on_done(
		    connector->context, connector->error,
		    &connector->addresses[connector->last_failed]);
}

static void fail(struct connector *connector, size_t index, int error)
{
	connector->error = error;
	connector->last_failed = index;
}

static int start(struct connector *connector)
{
	size_t index = connector->tried - 1;
	const struct transport_address *address = &connector->addresses[index];
	const struct sockaddr *sa = (const struct sockaddr *)&address->address;
	struct attempt *attempt = &connector->attempts[index];
	int on = 1;

	attempt->fd = socket(sa->sa_family,
	                     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (attempt->fd < 0)
		return -errno;
	if (sa->sa_family != AF_UNIX)
		(void)setsockopt(attempt->fd, IPPROTO_TCP, TCP_NODELAY, &on,
		                 sizeof on);
	if (connect(attempt->fd, sa, address->length) < 0 &&
	    errno != EINPROGRESS) {
		int error = errno;

		stop(attempt);
		return -error;
	}
	attempt->event = event_new(connector->base, attempt->fd, EV_WRITE,
	                           on_writable, attempt);
	if (!attempt->event || event_add(attempt->event, NULL) < 0) {
		stop(attempt);
		return -ENOMEM;
	}
	return 0;
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
	struct attempt *attempt = context;
	struct connector *connector = attempt->connector;
	size_t index = (size_t)(attempt - connector->attempts);
	socklen_t len = sizeof(int);
	int error = 0;

	(void)what;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	connector->running--;
	if (error != 0) {
		stop(attempt);
		fail(connector, index, -error);
		try_more(connector);
		return;
	}
	attempt->fd = -1;
	connector->on_done(connector->context, fd,
	                   &connector->addresses[index]);
}

static void on_limit(evutil_socket_t fd, short what, void *context)
{
	struct connector *connector = context;
	size_t last = connector->tried > 0 ? connector->tried - 1 : 0;

	(void)fd;
	(void)what;
	for (size_t i = 0; i < connector->count; i++)
		stop(&connector->attempts[i]);
	connector->on_done(connector->context, -ETIMEDOUT,
	                   &connector->addresses[last]);
}
