/*
 * control_internal - what the files of control/ share, and nobody else sees
 *
 * Thread: the control loop.
 */
#ifndef RELAIS_CONTROL_CONTROL_INTERNAL_H
#define RELAIS_CONTROL_CONTROL_INTERNAL_H

#include <stdint.h>
#include <sys/queue.h>

#include "control/control.h"

struct accounts;
struct backup;
struct connection;
struct credentials;
struct event_hook;
struct event;
struct event_base;
struct evconnlistener;
struct evhttp;
struct exporter;
struct oauth;
struct queue_reader;
struct relay_change;
struct request;
struct sign_in;
struct streams;
struct users;

LIST_HEAD(connection_list, connection);
LIST_HEAD(request_list, request);
LIST_HEAD(sign_in_list, sign_in);
STAILQ_HEAD(relay_change_list, relay_change);

struct control {
	struct event_base *base;
	struct queue *queue;
	struct queue_reader *reader;
	struct scheduler *scheduler;
	struct mailbox *mailbox;
	const struct settings *settings;
	void (*reload_take)(void *context, struct control_reload *reload);
	void *reload_context;
	void (*hand_over_take)(void *context, struct handover *handover);
	void *hand_over_context;
	uint64_t started_ms; /* wall */
	uint64_t started_boot_ms;

	struct evhttp *http;
	struct evconnlistener *listener;
	struct event *accept_again;
	unsigned accepted_count;          /* since then */
	int64_t crowd_since_us, crowd_us; /* what a crowd's requests took */
	struct connection_list connections;
	unsigned connection_count;
	unsigned connection_limit;
	uint64_t body_bytes; /* that gates have reserved for mail */

	struct request_list requests;
	struct streams *streams;
	struct users *users;
	struct exporter *exporter;
	struct event_hook *event_hook;
	struct backup *backup; /* under way; or NULL */

	/* For tests of relays. */
	struct loop *loop;
	struct resolver *resolver;
	struct credentials *credentials;
	struct oauth *oauth;
	unsigned test_count;

	/* Logins of relays that are under way, and how their tokens do. */
	struct sign_in_list logins;
	uint64_t last_login;
	struct accounts *accounts;

	/* Changes of relays, one at a time: the first one is under way. */
	struct relay_change_list relay_changes;
};

#endif
