/*
 * transport_smtp - one connection of SMTP or LMTP: sockets ⇄ smtp/client
 *
 * The first message connects, encrypts and logs in; each one after it starts
 * at MAIL. Decisions about the dialogue are the engine's; here are the bytes,
 * the deadlines and what is reported.
 *
 * Opportunistic TLS whose handshake fails is not tried twice: the message goes
 * over a second connection in the clear (RFC 7435).
 */
#include "config.h"

#include "deliver/transport.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "clock.h"
#include "deliver/connection.h"
#include "deliver/connector.h"
#include "deliver/sasl.h"
#include "deliver/smtp_mail.h"
#include "deliver/smtp_target.h"
#include "queue/queue.h"
#include "runtime/loop.h"
#include "runtime/xalloc.h"
#include "settings.h"
#include "smtp/client.h"

/* A transaction may take an hour, and a second more for each so many octets,
 * however well each of its steps keeps its own time. */
#define TRANSACTION_MAX_MS    (3600 * INT64_C(1000))
#define TRANSACTION_BYTES_A_S 1024

#define HANDSHAKE_MAX_S 60

#define DAY_MS (24 * 60 * 60 * INT64_C(1000))

/* Written before the others of the loop have their turn. */
#define TURN_BYTES (512 * 1024)

enum stage {
	FRESH,
	CONNECTING,
	/* implicit TLS, before the greeting */
	ENCRYPTING,
	TALKING,
	/* takes no message any more */
	OVER,
};

struct smtp_transport {
	struct transport transport;
	struct transport_events events;
	struct event_base *base;
	struct smtp_target *target;

	enum stage stage;
	struct connector *connector;
	struct transport_address address;
	struct connection *connection;
	struct smtp_client *client;
	struct sasl *sasl;
	struct smtp_reply_parser parser;
	uint64_t certificate_end_ms;
	char tls_version[16];
	bool is_without_tls; /* where opportunistic TLS has failed */

	const struct transport_message *message;
	struct smtp_mail mail;
	/* the engine has the message */
	bool is_handed_over;
	bool is_in_send;
	struct event *report;

	/* replies heard and writes done, and how many there were when the
	 * deadline was set: bytes that trickle in don't move it */
	unsigned moves;
	unsigned timed_moves;
	int64_t end_ms;

	/* a fault outside of the dialogue */
	struct verdict fault;
	struct verdict *untried; /* for mail the engine never saw */
};

static int smtp_new(struct transport **ret_transport, struct loop *loop,
                    const struct transport_target *target,
                    const struct transport_events *events);
static void smtp_send(struct transport *transport,
                      const struct transport_message *message);
static void smtp_free(struct transport *transport);

const struct transport_kind transport_smtp = {
	.create = smtp_new,
	.send = smtp_send,
	.destroy = smtp_free,
};

static void start_connecting(struct smtp_transport *t);
static void start_tls(struct smtp_transport *t);
static void start_dialogue(struct smtp_transport *t, bool has_tls);
static void on_connected(void *context, int fd,
                         const struct transport_address *address);
static void on_tls(void *context);
static void on_progress(void *context);
static void on_lost(void *context, const struct connection_loss *loss);
static void on_report(evutil_socket_t fd, short what, void *context);
static void take_replies(struct smtp_transport *t);
static void advance(struct smtp_transport *t);
static void write_output(struct smtp_transport *t);
static void fail(struct smtp_transport *t, enum smtp_phase phase,
                 enum verdict_fault fault, const char *text);
static void hang_up(struct smtp_transport *t);
static void report(struct smtp_transport *t);

static int smtp_new(struct transport **ret_transport, struct loop *loop,
                    const struct transport_target *target,
                    const struct transport_events *events)
{
	struct smtp_transport *t = xcalloc(1, sizeof *t);

	assert(loop_is_mine(loop));
	assert(target->address_count > 0);
	t->transport.kind = &transport_smtp;
	t->events = *events;
	t->base = loop_base(loop);
	t->target = smtp_target_new(target);
	t->report = event_new(t->base, -1, 0, on_report, t);
	if (!t->report)
		abort();
	*ret_transport = &t->transport;
	return 0;
}

static void smtp_free(struct transport *transport)
{
	struct smtp_transport *t = (struct smtp_transport *)transport;

	if (t->stage == TALKING && !t->message &&
	    smtp_client_status(t->client) == SMTP_CLIENT_READY) {
		smtp_client_quit(t->client);
		write_output(t);
	}
	hang_up(t);
	smtp_client_free(t->client);
	sasl_free(t->sasl);
	event_free(t->report);
	smtp_mail_done(&t->mail);
	smtp_target_free(t->target);
	free(t->untried);
	free(t);
}

static void smtp_send(struct transport *transport,
                      const struct transport_message *message)
{
	struct smtp_transport *t = (struct smtp_transport *)transport;

	assert(!t->message && t->stage != OVER);
	t->message = message;
	t->is_handed_over = false;
	t->end_ms = clock_monotonic_us() / 1000 + TRANSACTION_MAX_MS +
	            (int64_t)(message->size / TRANSACTION_BYTES_A_S) * 1000;
	t->is_in_send = true;
	if (t->stage == FRESH)
		start_connecting(t);
	advance(t);
	t->is_in_send = false;
}

/* --- To the greeting ----------------------------------------------------- */

static void start_connecting(struct smtp_transport *t)
{
	t->stage = CONNECTING;
	if (connector_new(&t->connector, t->base, t->target->addresses,
	                  t->target->address_count,
	                  smtp_target_limit_ms(t->target, CONNECTOR_LIMIT_S),
	                  on_connected, t) < 0)
		abort();
}

static void on_connected(void *context, int fd,
                         const struct transport_address *address)
{
	struct smtp_transport *t = context;
	const struct connection_events events = { on_progress, on_tls, on_lost,
		                                  t };
	char text[VERDICT_TEXT_SIZE];

	t->address = *address;
	connector_free(t->connector);
	t->connector = NULL;
	if (fd < 0) {
		smtp_target_describe_failure(t->target, address, -fd, text,
		                             sizeof text);
		fail(t, PHASE_CONNECT, FAULT_NETWORK, text);
		advance(t);
		return;
	}
	if (connection_new_take(&t->connection, t->base, fd, &events) < 0)
		abort();
	if (t->target->relay->security == RELAY_TLS) {
		t->stage = ENCRYPTING;
		start_tls(t);
	} else {
		start_dialogue(t, false);
	}
	advance(t);
}

static void start_tls(struct smtp_transport *t)
{
	const struct relay_settings *relay = t->target->relay;
	const struct tls_options options = {
		.settings = &relay->tls,
		.is_opportunistic = relay->security == RELAY_OPPORTUNISTIC,
		.host = t->target->host,
		.port = t->target->port,
	};
	int r = connection_start_tls(t->connection, &options);

	if (r == -ENOMEM)
		abort();
	if (r < 0)
		fail(t, PHASE_TLS, FAULT_CONFIG,
		     tls_text(connection_tls(t->connection)));
	t->moves++;
}

static void start_dialogue(struct smtp_transport *t, bool has_tls)
{
	struct smtp_client_options options =
	    smtp_target_options(t->target, has_tls, t->is_without_tls);

	if (smtp_target_has_login(t->target)) {
		if (smtp_target_new_sasl(t->target, &t->address, &t->sasl) <
		    0) {
			fail(t, PHASE_AUTH, FAULT_CONFIG,
			     "the configured login mechanism is not one of "
			     "relais");
			return;
		}
		options.auth = sasl_auth(t->sasl);
	}
	if (smtp_client_new(&t->client, &options) < 0)
		abort();
	t->parser = (struct smtp_reply_parser){ .code = 0 };
	t->stage = TALKING;
	t->moves++;
}

/* Whose mail it is if we crash over what the far side says. */
static void note_work(const struct smtp_transport *t)
{
	queue_note_work(t->message ? t->message->id : 0);
}

static void on_tls(void *context)
{
	struct smtp_transport *t = context;

	note_work(t);
	(void)snprintf(t->tls_version, sizeof t->tls_version, "%s",
	               tls_version(connection_tls(t->connection)));
	t->certificate_end_ms =
	    (uint64_t)(clock_wall_ms() +
	               tls_certificate_days(connection_tls(t->connection)) *
	                   DAY_MS);
	t->moves++;
	if (t->stage == ENCRYPTING)
		start_dialogue(t, true);
	else
		smtp_client_on_tls(t->client);
	advance(t);
}

/* --- The dialogue -------------------------------------------------------- */

static void on_progress(void *context)
{
	struct smtp_transport *t = context;

	note_work(t);
	if (t->stage == TALKING)
		take_replies(t);
	advance(t);
}

static void take_replies(struct smtp_transport *t)
{
	struct buffer *in = connection_input(t->connection);
	struct smtp_reply reply;
	int r = 0;

	while (r == 0 && in->len > 0 &&
	       smtp_client_status(t->client) != SMTP_CLIENT_CLOSED) {
		r = smtp_reply_parse(&t->parser, in->data, in->len, &reply);
		if (r < 0)
			break;
		smtp_client_on_reply(t->client, &reply);
		buffer_consume(in, reply.size);
		t->moves++;
	}
	if (r == -EPROTO)
		smtp_client_on_lost(t->client, FAULT_PROTOCOL,
		                    "what the relay says is not SMTP");
	/* RFC 3207 6: what follows was not said by whom we are about to
	 * authenticate. */
	if (smtp_client_status(t->client) == SMTP_CLIENT_WANTS_TLS &&
	    in->len > 0)
		smtp_client_on_lost(t->client, FAULT_PROTOCOL,
		                    "clear text followed the reply to "
		                    "STARTTLS");
}

static void lose_handshake(struct smtp_transport *t,
                           const struct connection_loss *loss)
{
	enum verdict_fault fault = FAULT_TLS;

	if (loss->is_timeout)
		fault = FAULT_NETWORK;
	else if (loss->tls == TLS_FAULT_NOT_TLS)
		fault = FAULT_CONFIG;
	if (t->target->relay->security != RELAY_OPPORTUNISTIC) {
		fail(t, PHASE_TLS, fault, loss->text);
		return;
	}
	hang_up(t);
	smtp_client_free(t->client);
	t->client = NULL;
	t->is_without_tls = true;
	start_connecting(t);
}

/* A last word that came with the end counts. */
static void on_lost(void *context, const struct connection_loss *loss)
{
	struct smtp_transport *t = context;
	char text[VERDICT_TEXT_SIZE];

	note_work(t);
	if (loss->is_handshake) {
		lose_handshake(t, loss);
		advance(t);
		return;
	}
	if (t->stage == TALKING) {
		take_replies(t);
		(void)snprintf(text, sizeof text, "%s while waiting for %s",
		               loss->text, smtp_client_awaited(t->client));
		smtp_client_on_lost(t->client, loss->fault, text);
		/* Logged in, and gone before the first message. */
		if (t->message && !t->is_handed_over &&
		    smtp_client_fault(t->client)->class == VERDICT_NONE)
			fail(t, PHASE_MAIL, loss->fault, loss->text);
	}
	t->stage = OVER;
	advance(t);
}

static void start_message(struct smtp_transport *t)
{
	if (!t->message || t->is_handed_over ||
	    !smtp_client_may_send(t->client))
		return;
	smtp_mail_fill(&t->mail, t->message);
	if (smtp_client_send(t->client, &t->mail.message) < 0)
		abort();
	t->is_handed_over = true;
	t->moves++;
}

static void write_output(struct smtp_transport *t)
{
	size_t written = 0;
	const char *data;
	size_t len;
	size_t n;

	for (;;) {
		smtp_client_output(t->client, &data, &len);
		if (len == 0)
			return;
		if (written >= TURN_BYTES) {
			connection_wake(t->connection);
			return;
		}
		if (connection_write(t->connection, data, len, &n) < 0)
			return;
		smtp_client_wrote(t->client, n);
		written += n;
		t->moves++;
	}
}

static void set_deadline(struct smtp_transport *t)
{
	int64_t left_ms = t->end_ms - clock_monotonic_us() / 1000;
	unsigned step_s = t->stage == TALKING ? smtp_client_timeout_s(t->client)
	                                      : HANDSHAKE_MAX_S;
	int64_t step_ms = smtp_target_limit_ms(t->target, step_s);

	if (!t->connection || t->moves == t->timed_moves)
		return;
	t->timed_moves = t->moves;
	if (t->message && step_ms > left_ms)
		step_ms = left_ms > 1 ? left_ms : 1;
	connection_set_deadline(t->connection, (unsigned)step_ms);
}

/*
 * Whatever can be done now: a message, the output, the deadline for what is
 * awaited next, the report. The last thing in every turn.
 */
static void advance(struct smtp_transport *t)
{
	if (t->stage == TALKING) {
		start_message(t);
		write_output(t);
		if (smtp_client_status(t->client) == SMTP_CLIENT_WANTS_TLS &&
		    !connection_tls(t->connection))
			start_tls(t);
	}
	if (t->stage == TALKING &&
	    smtp_client_status(t->client) == SMTP_CLIENT_CLOSED)
		t->stage = OVER;
	if (t->stage == OVER)
		hang_up(t);
	else
		set_deadline(t);

	if (!t->message) {
		if (t->stage == OVER)
			t->events.on_idle_closed(t->events.context);
		return;
	}
	if (t->is_handed_over ? smtp_client_is_sending(t->client)
	                      : t->stage != OVER)
		return;
	if (t->is_in_send)
		event_active(t->report, EV_TIMEOUT, 0);
	else
		report(t);
}

/* --- The end ------------------------------------------------------------- */

static void fail(struct smtp_transport *t, enum smtp_phase phase,
                 enum verdict_fault fault, const char *text)
{
	verdict_local(&t->fault, VERDICT_TEMPORARY, SCOPE_RELAY, phase, fault,
	              text);
	t->stage = OVER;
}

static void hang_up(struct smtp_transport *t)
{
	connector_free(t->connector);
	connection_free(t->connection);
	t->connector = NULL;
	t->connection = NULL;
}

static void on_report(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	report(context);
}

/* The owner may free us in on_done, or send the next message. */
static void report(struct smtp_transport *t)
{
	struct transport_result result = {
		.count = t->message->recipient_count,
		.fault = t->fault,
		.is_closed = t->stage == OVER,
		.host = t->target->name,
		.tls = t->tls_version[0] ? t->tls_version : NULL,
		.certificate_end_ms = t->certificate_end_ms,
		.phase = t->fault.phase,
	};

	if (t->client) {
		const struct smtp_capabilities *offer =
		    smtp_client_capabilities(t->client);

		if (t->fault.class == VERDICT_NONE)
			result.fault = *smtp_client_fault(t->client);
		result.phase = result.fault.phase;
		result.is_closed |= !smtp_client_may_send(t->client);
		result.size_limit = offer->size_max_bytes;
		result.recipient_limit = offer->rcpt_max;
		result.tells_success = smtp_client_has_dsn(t->client);
	}
	if (t->is_handed_over) {
		result.verdicts = smtp_client_verdicts(t->client);
		result.is_stale = smtp_client_is_stale(t->client);
		for (unsigned i = 0; i < result.count; i++) {
			if (result.verdicts[i].class != VERDICT_NONE &&
			    result.verdicts[i].phase > result.phase)
				result.phase = result.verdicts[i].phase;
		}
	} else {
		free(t->untried);
		t->untried = xcalloc(result.count, sizeof *t->untried);
		result.verdicts = t->untried;
	}
	t->message = NULL;
	(void)event_del(t->report);
	t->events.on_done(t->events.context, &result);
}
