#include "config.h"

#include "sendmail_smtp.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "connection.h"
#include "outcome.h"
#include "sendmail_complaint.h"
#include "submit_socket.h"

#define READ_BYTES (16 * 1024)

/* Who has not greeted by then has something else to do. */
#define GREETING_MS (10 * 1000)

/* A pipe takes so much at once, or says that it would block (PIPE_BUF). */
#define WRITE_BYTES 4096

/* In words that an SMTP client understands. */
static const char not_there[] =
    "421 4.3.2 relaisd is not there; try again later\r";

struct pump {
	int fd;
	bool is_input_open;
	bool is_greeted;
	/* to relaisd, and to the client */
	struct buffer out;
	struct buffer in;
	struct line_translator translator;
};

static int pump_run(struct pump *pump);
static int pump_wait(const struct pump *pump, struct pollfd waits[3]);
static int take_input(struct pump *pump);
static int take_replies(struct pump *pump, bool *ret_is_closed);
static int give_out(struct pump *pump);
static int give_in(struct pump *pump);

int sendmail_smtp(const struct sendmail_options *options)
{
	struct pump pump = { .is_input_open = true };
	struct connection connection;
	struct relais_answer answer;
	int r;

	(void)signal(SIGPIPE, SIG_IGN);
	connection_init(&connection);
	r = connection_open(&connection, submit_socket_path(NULL));
	if (r < 0) {
		puts(not_there);
		(void)outcome_fail(&answer, RELAIS_UNAVAILABLE, -r, "%s: %s",
		                   submit_socket_path(NULL), strerror(-r));
		return complain_of_answer(options, &answer, NULL);
	}
	pump.fd = connection.fd;
	buffer_init(&pump.out, 0);
	buffer_init(&pump.in, 0);
	r = pump_run(&pump);
	buffer_done(&pump.out);
	buffer_done(&pump.in);
	connection_close(&connection);
	if (r == 0)
		return EX_OK;
	if (!pump.is_greeted) {
		puts(not_there);
		complain("there is no session (no greeting from %s; see "
		         "relaisctl status)",
		         submit_socket_path(NULL));
		return EX_UNAVAILABLE;
	}
	complain("the session has ended early (%s; what had no reply was not "
	         "queued)",
	         strerror(-r));
	return EX_UNAVAILABLE;
}

/* Until relaisd closes and all it said has been passed on. */
static int pump_run(struct pump *pump)
{
	bool is_closed = false;
	int r = 0;

	while (r == 0 && !(is_closed && pump->in.len == 0)) {
		struct pollfd waits[3];

		if (is_closed) {
			r = give_in(pump);
			continue;
		}
		r = pump_wait(pump, waits);
		if (r == 0 && waits[0].revents)
			r = take_input(pump);
		if (r == 0 && (waits[1].revents & (POLLIN | POLLHUP | POLLERR)))
			r = take_replies(pump, &is_closed);
		if (r == 0 && (waits[1].revents & POLLOUT) && !is_closed)
			r = give_out(pump);
		if (r == 0 && waits[2].revents)
			r = give_in(pump);
	}
	return r;
}

/* Reads of one side only while the other takes what was read. */
static int pump_wait(const struct pump *pump, struct pollfd waits[3])
{
	bool may_read = pump->is_input_open && pump->out.len == 0;
	int r;

	waits[0] = (struct pollfd){ may_read ? STDIN_FILENO : -1, POLLIN, 0 };
	waits[1] = (struct pollfd){ pump->fd, 0, 0 };
	if (pump->in.len == 0)
		waits[1].events |= POLLIN;
	if (pump->out.len > 0)
		waits[1].events |= POLLOUT;
	waits[2] = (struct pollfd){ pump->in.len > 0 ? STDOUT_FILENO : -1,
		                    POLLOUT, 0 };
	r = poll(waits, 3, pump->is_greeted ? -1 : GREETING_MS);
	if (r > 0)
		return 0;
	if (r == 0)
		return -ETIMEDOUT;
	waits[0].revents = waits[1].revents = waits[2].revents = 0;
	return errno == EINTR ? 0 : -errno;
}

static int take_input(struct pump *pump)
{
	char data[READ_BYTES];
	ssize_t len = read(STDIN_FILENO, data, sizeof(data));

	if (len < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	if (len > 0)
		return line_translator_feed(&pump->translator, data,
		                            (size_t)len, &pump->out);
	/* relaisd ends the session, and a message that is not complete. */
	pump->is_input_open = false;
	(void)shutdown(pump->fd, SHUT_WR);
	return 0;
}

static int take_replies(struct pump *pump, bool *ret_is_closed)
{
	ssize_t len;
	int r;

	/* Woken by the end of the connection, with replies not yet passed. */
	if (pump->in.len > 0)
		return give_in(pump);
	r = buffer_reserve(&pump->in, READ_BYTES);
	if (r < 0)
		return r;
	len = recv(pump->fd, pump->in.data, READ_BYTES, MSG_DONTWAIT);
	if (len < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	if (len == 0)
		*ret_is_closed = true;
	pump->is_greeted = true;
	buffer_grow(&pump->in, (size_t)len);
	return 0;
}

static int give_out(struct pump *pump)
{
	ssize_t len = send(pump->fd, pump->out.data, pump->out.len,
	                   MSG_DONTWAIT | MSG_NOSIGNAL);

	/* Gone: its last words are still to be read. */
	if (len < 0 && (errno == EPIPE || errno == ECONNRESET)) {
		buffer_clear(&pump->out);
		pump->is_input_open = false;
		return 0;
	}
	if (len < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	buffer_consume(&pump->out, (size_t)len);
	return 0;
}

static int give_in(struct pump *pump)
{
	size_t part = pump->in.len < WRITE_BYTES ? pump->in.len : WRITE_BYTES;
	ssize_t len = write(STDOUT_FILENO, pump->in.data, part);

	if (len < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	buffer_consume(&pump->in, (size_t)len);
	return 0;
}
