#include "config.h"

#include "connection.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"

/* Replies are short; the longest is the one to EHLO. */
#define READ_SIZE 2048

static int arm(struct connection *connection);
static int take_reply(struct connection *connection,
                      struct smtp_reply *ret_reply);
static int receive(struct connection *connection, int flags);
static void skip(struct iovec *iov, size_t count, size_t len);
static void trace(const struct connection *connection, bool is_ours,
                  const char *text, size_t len);

void connection_init(struct connection *connection)
{
	*connection = (struct connection){ .fd = -1 };
	buffer_init(&connection->input, SMTP_REPLY_SIZE_MAX + READ_SIZE);
}

void connection_close(struct connection *connection)
{
	if (connection->fd >= 0)
		(void)close(connection->fd);
	connection->fd = -1;
	connection->armed_us = 0;
	connection->reply_size = 0;
	connection->parser = (struct smtp_reply_parser){ 0 };
	buffer_done(&connection->input);
}

bool connection_is_open(const struct connection *connection)
{
	return connection->fd >= 0;
}

void connection_set_timeout(struct connection *connection, unsigned timeout_ms)
{
	connection->deadline_us = 0;
	if (timeout_ms > 0)
		connection->deadline_us =
		    clock_monotonic_us() + (int64_t)timeout_ms * 1000;
}

int connection_open(struct connection *connection, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int r;

	if (len == 0 || len >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, len + 1);
	connection->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connection->fd < 0)
		return -errno;
	do {
		r = arm(connection);
		if (r < 0)
			break;
		/* A full backlog is waited for, as long as may be sent. */
		r = connect(connection->fd, (struct sockaddr *)&address,
		            sizeof(address));
		r = r < 0 ? -errno : 0;
	} while (r == -EINTR || r == -EAGAIN);
	if (r < 0)
		connection_close(connection);
	return r;
}

/*
 * Tells the socket how long it may block, unless what it was told last is near
 * enough: no more than our slack too long, and not so short that it would wake
 * us again and again.
 */
static int arm(struct connection *connection)
{
	struct timeval timeout = { 0 };
	int64_t left_us = 0;

	if (connection->deadline_us != 0) {
		left_us = connection->deadline_us - clock_monotonic_us();
		if (left_us <= 0)
			return -ETIMEDOUT;
	}
	if (connection->armed_us >= left_us / 2 &&
	    connection->armed_us - left_us < CONNECTION_SLACK_MS * 1000 &&
	    (connection->armed_us == 0) == (left_us == 0))
		return 0;
	timeout.tv_sec = left_us / 1000000;
	timeout.tv_usec = left_us % 1000000;
	if (setsockopt(connection->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout,
	               sizeof(timeout)) < 0 ||
	    setsockopt(connection->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout,
	               sizeof(timeout)) < 0)
		return -errno;
	connection->armed_us = left_us;
	return 0;
}

int connection_send(struct connection *connection, struct iovec *iov,
                    size_t count)
{
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = count };
	size_t left = 0;

	for (size_t i = 0; i < count; i++)
		left += iov[i].iov_len;
	if (connection->tracer)
		trace(connection, true, iov[0].iov_base, iov[0].iov_len);
	while (left > 0) {
		ssize_t sent;
		int r = arm(connection);

		if (r < 0)
			return r;
		sent = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
		if (sent < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (sent > 0) {
			skip(iov, count, (size_t)sent);
			left -= (size_t)sent;
		}
	}
	return 0;
}

static void skip(struct iovec *iov, size_t count, size_t len)
{
	for (size_t i = 0; i < count; i++) {
		size_t part = len < iov[i].iov_len ? len : iov[i].iov_len;

		iov[i].iov_base = (char *)iov[i].iov_base + part;
		iov[i].iov_len -= part;
		len -= part;
	}
}

int connection_read_reply(struct connection *connection,
                          struct smtp_reply *ret_reply)
{
	int r;

	while ((r = take_reply(connection, ret_reply)) == -EAGAIN) {
		r = arm(connection);
		if (r == 0)
			r = receive(connection, 0);
		if (r < 0 && r != -EINTR && r != -EAGAIN)
			return r;
	}
	return r;
}

int connection_try_reply(struct connection *connection,
                         struct smtp_reply *ret_reply)
{
	int r;

	while ((r = take_reply(connection, ret_reply)) == -EAGAIN) {
		r = receive(connection, MSG_DONTWAIT);
		if (r < 0 && r != -EINTR)
			return r;
	}
	return r;
}

static int take_reply(struct connection *connection,
                      struct smtp_reply *ret_reply)
{
	struct buffer *input = &connection->input;
	int r;

	buffer_consume(input, connection->reply_size);
	connection->reply_size = 0;
	if (input->len == 0)
		return -EAGAIN;
	r = smtp_reply_parse(&connection->parser, input->data, input->len,
	                     ret_reply);
	if (r < 0)
		return r;
	connection->reply_size = ret_reply->size;
	if (connection->tracer)
		trace(connection, false, ret_reply->data, ret_reply->size);
	return 0;
}

static int receive(struct connection *connection, int flags)
{
	struct buffer *input = &connection->input;
	ssize_t len;
	int r;

	r = buffer_reserve(input, READ_SIZE);
	if (r < 0)
		return r;
	len = recv(connection->fd, input->data + input->len, READ_SIZE, flags);
	if (len < 0)
		return -errno;
	if (len == 0)
		return -ECONNRESET;
	buffer_grow(input, (size_t)len);
	return 0;
}

static void trace(const struct connection *connection, bool is_ours,
                  const char *text, size_t len)
{
	while (len > 0) {
		const char *lf = memchr(text, '\n', len);
		size_t line_len = lf ? (size_t)(lf - text) : len;
		size_t used = lf ? line_len + 1 : len;

		if (line_len > 0 && text[line_len - 1] == '\r')
			line_len--;
		connection->tracer(is_ours, text, line_len);
		text += used;
		len -= used;
	}
}
