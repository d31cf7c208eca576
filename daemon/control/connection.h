/*
 * connection - one client of the control API and who it is
 *
 * Credentials are taken once, at accept. A uid has few connections at a time
 * and can't take all there are: some are kept for administrators. Who is slow
 * with a request is cut, however steadily its octets drip. Who has many waits
 * behind the others, and who does not take its answers gets no more of them.
 */
#ifndef RELAIS_CONTROL_CONNECTION_H
#define RELAIS_CONTROL_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "control/gate.h"
#include "runtime/peer.h"

/* Who is refused gets little time to read it. */
#define REFUSAL_DEADLINE_S 2
/* A request must be complete so long after the one before it. */
#define REQUEST_DEADLINE_S 30
/* No octet read or written for so long: the client is gone. */
#define IDLE_TIMEOUT_S 60
/* Heartbeats of long answers. */
#define HEARTBEAT_S 15

struct bufferevent;
struct control;
struct event;
struct event_base;
struct evhttp_connection;
struct request;

struct connection {
	LIST_ENTRY(connection) link;
	struct control *control;
	struct bufferevent *bev;
	struct evhttp_connection *http; /* NULL until it is looked at */
	struct event *admission;
	struct event *deadline;
	struct event *turn; /* of a crowd's request; or NULL */
	struct peer peer;
	bool is_administrator;   /* at accept */
	bool is_refused;         /* one too many: it is answered with 429 */
	bool is_crowd;           /* its uid has many: it waits for its turn */
	size_t answer_bytes;     /* not taken yet, as far as known */
	struct request *request; /* being answered; or NULL */
	struct gate gate;
};

/* evhttp's callback for each accept; context: the control. */
struct bufferevent *connection_accept(struct event_base *base, void *context);
/* The control's, when it has paused with that. */
void connection_on_accept_again(int fd, short what, void *context);

/* NULL: it was refused. */
struct connection *connection_find(struct control *control,
                                   const struct evhttp_connection *http);

/* The clock for the next request runs, or is stopped while one is answered. */
void connection_await_request(struct connection *connection);
void connection_serve(struct connection *connection);

/*
 * How many one of this uid may have, if it is no administrator's: as many as
 * at the submission socket. The next so many are told so when they ask.
 */
unsigned connection_limit_of(const struct connection *connection);

/* What all of this uid's have been answered and not taken. */
size_t connection_unread_of(const struct connection *connection);

/* Closes it at once; the connection and its client are gone. */
void connection_cut(struct connection *connection);

#endif
