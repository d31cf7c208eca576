/*
 * probe - one connection to a relay, looked at step by step
 *
 * Goes the way of transport_smtp with objects of its own: connects, encrypts,
 * greets, logs in, offers a message, and tells of each step. Nothing is kept
 * for another time, and the deadlines are those of somebody who waits at a
 * terminal.
 *
 * Thread: its loop's. Events come from the loop, never from inside a call; the
 *         probe may be freed in on_done, and in no other.
 */
#ifndef RELAIS_DELIVER_PROBE_H
#define RELAIS_DELIVER_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "deliver/tls.h"
#include "deliver/transport.h"
#include "smtp/capabilities.h"
#include "smtp/verdict.h"

struct event_base;
struct probe;

/* In this order, but for TLS, which comes behind GREETING with STARTTLS. */
enum probe_step {
	PROBE_CONNECT,
	PROBE_TLS,
	PROBE_GREETING,
	PROBE_EHLO,
	PROBE_LOGIN,
	PROBE_SENDER,
	PROBE_RECIPIENT,
	PROBE_MESSAGE,
};
const char *probe_step_name(enum probe_step step);

/* Borrowed for the call. */
struct probe_event {
	enum probe_step step;
	bool is_ok;
	/* Where it isn't: what was said, by the relay or by us (code 0). */
	struct verdict fault;
	enum tls_fault tls;
	const char *detail; /* what was seen */
};

struct probe_params {
	struct event_base *base;
	/* Copied, but for its relay, which outlives the probe. */
	const struct transport_target *target;
	bool has_login;
	/* Offered after the login; borrowed; or NULL. */
	const struct transport_message *message;
	void (*on_step)(void *context, const struct probe_event *event);
	void (*on_done)(void *context);
	void *context;
};

struct probe *probe_new(const struct probe_params *params);
/* At any time but in on_step. */
void probe_free(struct probe *probe);

/* In on_done: it has come to the end of what was asked. */
bool probe_is_good(const struct probe *probe);

/* As far as the relay has said, else empty. */
const struct smtp_capabilities *probe_capabilities(const struct probe *probe);

#endif
