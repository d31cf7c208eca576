/*
 * connection - a connected socket with or without TLS, its input and deadline
 *
 * Bytes that come in gather in connection_input(); writing goes straight to
 * the socket and says how much it took. One deadline: set for what is awaited,
 * and not moved by bytes that trickle in.
 *
 * Events come from the loop, never from inside a call, and are the last thing
 * done in a turn: the connection may be freed in them.
 * Thread: its loop's.
 */
#ifndef RELAIS_DELIVER_CONNECTION_H
#define RELAIS_DELIVER_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "buffer.h"
#include "deliver/tls.h"
#include "smtp/verdict.h"

struct connection;
struct event_base;

/* More than a reply may have: what is beyond was never asked for. */
enum { CONNECTION_INPUT_MAX = 128 * 1024 };

/* Why there is no connection any more. */
struct connection_loss {
	enum verdict_fault fault;
	/* a TLS handshake failed, and how */
	bool is_handshake;
	enum tls_fault tls;
	bool is_timeout;
	const char *text;
};

struct connection_events {
	/* There is more input, or the socket takes bytes again. */
	void (*on_progress)(void *context);
	/* The handshake of connection_start_tls() is done. */
	void (*on_tls)(void *context);
	/* Input that came before is in connection_input(); nothing follows. */
	void (*on_lost)(void *context, const struct connection_loss *loss);
	void *context;
};

/* Takes the socket, even on failure. 0 or -ENOMEM. */
int connection_new_take(struct connection **ret_connection,
                        struct event_base *base, int fd,
                        const struct connection_events *events);

/* Closes; with TLS says so first, as far as that goes without waiting. */
void connection_free(struct connection *connection);

/*
 * Nothing may wait in the input. 0, -ENOMEM, -EINVAL (the settings' files;
 * then connection_tls() has the text).
 */
int connection_start_tls(struct connection *connection,
                         const struct tls_options *options);

/* NULL before connection_start_tls(). */
const struct tls *connection_tls(const struct connection *connection);

struct buffer *connection_input(struct connection *connection);

/*
 * 0: *ret_len octets were taken; -EAGAIN: none now, on_progress follows; any
 * other: on_lost follows, with what the far side said before it.
 */
int connection_write(struct connection *connection, const char *data,
                     size_t len, size_t *ret_len);

/* on_progress comes in the next turn, after the others of the loop. */
void connection_wake(struct connection *connection);

/* 0: none. */
void connection_set_deadline(struct connection *connection, unsigned ms);

#endif
