/*
 * connection - a blocking Unix socket with one deadline for whole calls
 *
 * Knows of the far side only that it sends SMTP replies. Deadlines are kept by
 * the socket's own time-outs, so that no call needs a poll(2) beside it; they
 * are exact to CONNECTION_SLACK_MS.
 *
 * Errors:  -errno; -ETIMEDOUT: the deadline has passed; -ECONNRESET: the far
 *          side has closed; -EPROTO: what it says is no SMTP.
 * Signals: interrupted calls go on. SIGPIPE is never raised.
 * Thread:  one at a time.
 */
#ifndef RELAIS_CONNECTION_H
#define RELAIS_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "buffer.h"
#include "smtp/reply.h"

#define CONNECTION_SLACK_MS 20

/* Each line of a conversation, without its end. */
typedef void (*connection_tracer)(bool is_ours, const char *line, size_t len);

struct connection {
	/* -1: not connected */
	int fd;
	/* monotonic; 0: none */
	int64_t deadline_us;
	/* how long the socket may block, as it was told last; 0: for ever */
	int64_t armed_us;
	struct buffer input;
	/* bytes of the reply given out last */
	size_t reply_size;
	struct smtp_reply_parser parser;
	/* NULL: nobody listens */
	connection_tracer tracer;
};

void connection_init(struct connection *connection);
/* Closes it; it can be opened again. */
void connection_close(struct connection *connection);

/* For the calls from now on; 0: no deadline. */
void connection_set_timeout(struct connection *connection, unsigned timeout_ms);

/* -ENAMETOOLONG, or what connect(2) says. */
int connection_open(struct connection *connection, const char *path);

bool connection_is_open(const struct connection *connection);

/* Sends all of it. Changes iov. */
int connection_send(struct connection *connection, struct iovec *iov,
                    size_t count);

/* The next reply; borrowed until the next call. */
int connection_read_reply(struct connection *connection,
                          struct smtp_reply *ret_reply);

/* The same without waiting: -EAGAIN where no whole reply has come. */
int connection_try_reply(struct connection *connection,
                         struct smtp_reply *ret_reply);

#endif
