/*
 * connection - a connected socket with or without TLS, its input and deadline
 */
#include "config.h"

#include "deliver/connection.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

/* One read(2) takes a whole group's replies. */
#define READ_SIZE 8192

struct connection {
	int fd;
	struct connection_events events;
	struct event *readable;
	struct event *writable;
	struct event *deadline;
	struct tls *tls;
	bool is_in_handshake;
	/* a write met an error; the reader finds out what is left to read */
	int write_error;
	struct buffer in;
};

static void on_readable(evutil_socket_t fd, short what, void *context);
static void on_writable(evutil_socket_t fd, short what, void *context);
static void on_deadline(evutil_socket_t fd, short what, void *context);
static void shake_hands(struct connection *connection);
static int read_all(struct connection *connection, bool *ret_is_end);
static int read_some(struct connection *connection, size_t *ret_len);
static void lose(struct connection *connection, int error);

int connection_new_take(struct connection **ret_connection,
                        struct event_base *base, int fd,
                        const struct connection_events *events)
{
	struct connection *connection = calloc(1, sizeof *connection);

	if (!connection) {
		(void)close(fd);
		return -ENOMEM;
	}
	connection->fd = fd;
	connection->events = *events;
	buffer_init(&connection->in, CONNECTION_INPUT_MAX);
	connection->readable =
	    event_new(base, fd, EV_READ | EV_PERSIST, on_readable, connection);
	connection->writable =
	    event_new(base, fd, EV_WRITE, on_writable, connection);
	connection->deadline = evtimer_new(base, on_deadline, connection);
	if (!connection->readable || !connection->writable ||
	    !connection->deadline ||
	    event_add(connection->readable, NULL) < 0) {
		connection_free(connection);
		return -ENOMEM;
	}
	*ret_connection = connection;
	return 0;
}

void connection_free(struct connection *connection)
{
	if (!connection)
		return;
	if (connection->readable)
		event_free(connection->readable);
	if (connection->writable)
		event_free(connection->writable);
	if (connection->deadline)
		event_free(connection->deadline);
	tls_free(connection->tls);
	(void)close(connection->fd);
	buffer_done(&connection->in);
	free(connection);
}

int connection_start_tls(struct connection *connection,
                         const struct tls_options *options)
{
	int r;

	assert(!connection->tls && connection->in.len == 0);
	r = tls_new(&connection->tls, options, connection->fd);
	if (r < 0)
		return r;
	connection->is_in_handshake = true;
	/* The first flight goes out with the next turn, as events must. */
	return event_add(connection->writable, NULL) < 0 ? -ENOMEM : 0;
}

const struct tls *connection_tls(const struct connection *connection)
{
	return connection->tls;
}

struct buffer *connection_input(struct connection *connection)
{
	return &connection->in;
}

int connection_write(struct connection *connection, const char *data,
                     size_t len, size_t *ret_len)
{
	ssize_t n;
	int r = 0;

	assert(!connection->is_in_handshake);
	if (connection->write_error < 0)
		return connection->write_error;
	if (connection->tls) {
		r = tls_write(connection->tls, data, len, ret_len);
	} else {
		n = send(connection->fd, data, len, MSG_NOSIGNAL);
		if (n >= 0)
			*ret_len = (size_t)n;
		else
			r = errno == EINTR ? -EAGAIN : -errno;
	}
	if (r == 0)
		return 0;
	if (r == -EAGAIN) {
		(void)event_add(connection->writable, NULL);
		return r;
	}
	/* The far side may have said why before it went. */
	connection->write_error = r;
	event_active(connection->readable, EV_READ, 0);
	return r;
}

void connection_wake(struct connection *connection)
{
	event_active(connection->writable, EV_WRITE, 0);
}

void connection_set_deadline(struct connection *connection, unsigned ms)
{
	const struct timeval in = {
		.tv_sec = ms / 1000,
		.tv_usec = ms % 1000 * 1000,
	};

	if (ms > 0)
		(void)evtimer_add(connection->deadline, &in);
	else
		(void)evtimer_del(connection->deadline);
}

/* --- Events -------------------------------------------------------------- */

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct connection *connection = context;
	bool is_end = false;
	size_t before;
	int r;

	(void)fd;
	(void)what;
	if (connection->is_in_handshake) {
		shake_hands(connection);
		return;
	}
	before = connection->in.len;
	r = read_all(connection, &is_end);
	if (connection->write_error < 0 && !is_end && r == 0)
		r = connection->write_error;
	if (is_end || r < 0)
		lose(connection, r);
	else if (connection->in.len > before)
		connection->events.on_progress(connection->events.context);
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
	struct connection *connection = context;

	(void)fd;
	(void)what;
	if (connection->is_in_handshake)
		shake_hands(connection);
	else
		connection->events.on_progress(connection->events.context);
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
	struct connection *connection = context;
	const struct connection_loss loss = {
		.fault = FAULT_NETWORK,
		.is_timeout = true,
		.is_handshake = connection->is_in_handshake,
		.text = "timed out",
	};

	(void)fd;
	(void)what;
	connection->events.on_lost(connection->events.context, &loss);
}

static void shake_hands(struct connection *connection)
{
	int r = tls_handshake(connection->tls);

	if (r == -EAGAIN) {
		if (tls_wants_write(connection->tls))
			(void)event_add(connection->writable, NULL);
		return;
	}
	if (r < 0) {
		lose(connection, r);
		return;
	}
	connection->is_in_handshake = false;
	/* A greeting that came with the last flight has been read already. */
	if (tls_has_pending(connection->tls))
		event_active(connection->readable, EV_READ, 0);
	connection->events.on_tls(connection->events.context);
}

/*
 * Everything there is: what TLS has decrypted wakes nobody. A plain socket
 * that gave less than was asked for has no more, so it is not asked again.
 */
static int read_all(struct connection *connection, bool *ret_is_end)
{
	size_t n;
	int r;

	do {
		r = read_some(connection, &n);
		if (r == -EAGAIN)
			return 0;
		if (r < 0)
			return r;
		if (n == 0) {
			*ret_is_end = true;
			return 0;
		}
	} while (connection->tls ? tls_has_pending(connection->tls)
	                         : n == READ_SIZE);
	return 0;
}

static int read_some(struct connection *connection, size_t *ret_len)
{
	char *room;
	ssize_t n;
	int r;

	*ret_len = 0;
	r = buffer_reserve(&connection->in, READ_SIZE);
	if (r < 0)
		return r;
	room = connection->in.data + connection->in.len;
	if (connection->tls) {
		r = tls_read(connection->tls, room, READ_SIZE, ret_len);
	} else {
		n = recv(connection->fd, room, READ_SIZE, 0);
		if (n < 0)
			r = errno == EINTR ? -EAGAIN : -errno;
		else
			*ret_len = (size_t)n;
	}
	if (r == -EAGAIN && connection->tls && tls_wants_write(connection->tls))
		(void)event_add(connection->writable, NULL);
	if (r == 0)
		buffer_grow(&connection->in, *ret_len);
	return r;
}

/* error 0: an orderly end. */
static void lose(struct connection *connection, int error)
{
	const struct tls *tls = connection->tls;
	struct connection_loss loss = {
		.fault = FAULT_NETWORK,
		.is_handshake = connection->is_in_handshake,
		.text = "the connection was closed",
	};

	if (error == -EMSGSIZE) {
		loss.fault = FAULT_PROTOCOL;
		loss.text = "the relay says more than any reply may have";
	} else if (error < 0) {
		loss.text = strerror(-error);
	}
	if (error < 0 && tls && tls_text(tls)[0]) {
		loss.text = tls_text(tls);
		loss.tls = tls_fault(tls);
	}
	if (connection->is_in_handshake)
		loss.fault = FAULT_TLS;
	/* Nothing more comes, and nothing may be asked of it. */
	(void)event_del(connection->readable);
	(void)event_del(connection->writable);
	connection->events.on_lost(connection->events.context, &loss);
}
