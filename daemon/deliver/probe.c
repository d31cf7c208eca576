#include "config.h"

#include "deliver/probe.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "buffer.h"
#include "deliver/connection.h"
#include "deliver/connector.h"
#include "deliver/probe_words.h"
#include "deliver/sasl.h"
#include "deliver/smtp_mail.h"
#include "deliver/smtp_target.h"
#include "runtime/xalloc.h"
#include "settings.h"
#include "smtp/client.h"

/* Far below RFC 5321 4.5.3.2. */
#define CONNECT_S    10
#define HANDSHAKE_MS 15000
#define GREETING_MS  20000
#define REPLY_MS     30000
#define LOGIN_MS     60000
#define DOT_MS       120000

enum stage {
	CONNECTING,
	ENCRYPTING, /* from the first byte */
	TALKING,
	OVER,
};

struct probe {
	struct probe_params params;
	struct smtp_target *target;
	enum stage stage;
	struct connector *connector;
	struct event *patience; /* for the connector */
	struct event *end;      /* on_done comes from the loop */
	struct transport_address address;
	struct connection *connection;
	struct smtp_client *client;
	struct sasl *sasl;
	struct smtp_reply_parser parser;
	struct smtp_mail mail;
	bool is_handed_over;
	bool is_good;
	bool has_tls;
};

static void on_connected(void *context, int fd,
                         const struct transport_address *address);
static void on_patience(evutil_socket_t fd, short what, void *context);
static void on_end(evutil_socket_t fd, short what, void *context);
static void on_tls(void *context);
static void on_progress(void *context);
static void on_lost(void *context, const struct connection_loss *loss);
static void start_tls(struct probe *probe);
static void start_dialogue(struct probe *probe);
static void take_replies(struct probe *probe);
static void observe_session(struct probe *probe, enum smtp_phase phase,
                            const struct smtp_reply *reply);
static void observe_mail(struct probe *probe, enum smtp_phase phase,
                         const struct smtp_reply *reply);
static void advance(struct probe *probe);
static void tell(struct probe *probe, enum probe_step step, const char *detail);
static void tell_fault(struct probe *probe, enum probe_step step,
                       const struct verdict *fault, enum tls_fault tls);
static void tell_local(struct probe *probe, enum probe_step step,
                       enum verdict_fault fault, const char *text);

struct probe *probe_new(const struct probe_params *params)
{
	static const struct timeval patience = { .tv_sec = CONNECT_S };
	struct probe *probe = xcalloc(1, sizeof(*probe));

	assert(params->target->address_count > 0);
	probe->params = *params;
	probe->target = smtp_target_new(params->target);
	probe->patience = evtimer_new(params->base, on_patience, probe);
	probe->end = event_new(params->base, -1, 0, on_end, probe);
	if (!probe->patience || !probe->end ||
	    evtimer_add(probe->patience, &patience) < 0 ||
	    connector_new(&probe->connector, params->base,
	                  probe->target->addresses,
	                  probe->target->address_count,
	                  CONNECTOR_LIMIT_S * 1000, on_connected, probe) < 0)
		abort();
	return probe;
}

void probe_free(struct probe *probe)
{
	if (!probe)
		return;
	connector_free(probe->connector);
	connection_free(probe->connection);
	smtp_client_free(probe->client);
	sasl_free(probe->sasl);
	event_free(probe->patience);
	event_free(probe->end);
	smtp_mail_done(&probe->mail);
	smtp_target_free(probe->target);
	free(probe);
}

bool probe_is_good(const struct probe *probe)
{
	return probe->is_good;
}

const struct smtp_capabilities *probe_capabilities(const struct probe *probe)
{
	static const struct smtp_capabilities none;

	return probe->client ? smtp_client_capabilities(probe->client) : &none;
}

/* --- To the greeting ----------------------------------------------------- */

static void fail_to_connect(struct probe *probe,
                            const struct transport_address *address, int error)
{
	char text[VERDICT_TEXT_SIZE];

	smtp_target_describe_failure(probe->target, address, error, text,
	                             sizeof(text));
	tell_local(probe, PROBE_CONNECT, FAULT_NETWORK, text);
}

static void on_patience(evutil_socket_t fd, short what, void *context)
{
	struct probe *probe = context;

	(void)fd;
	(void)what;
	connector_free(probe->connector);
	probe->connector = NULL;
	fail_to_connect(probe, &probe->target->addresses[0], ETIMEDOUT);
}

static void on_connected(void *context, int fd,
                         const struct transport_address *address)
{
	struct probe *probe = context;
	const struct connection_events events = { on_progress, on_tls, on_lost,
		                                  probe };
	char text[VERDICT_TEXT_SIZE];

	(void)evtimer_del(probe->patience);
	probe->address = *address;
	connector_free(probe->connector);
	probe->connector = NULL;
	if (fd < 0) {
		fail_to_connect(probe, &probe->address, -fd);
		return;
	}
	if (connection_new_take(&probe->connection, probe->params.base, fd,
	                        &events) < 0)
		abort();
	probe_words_address(&probe->address, probe->target->port, text,
	                    sizeof(text));
	tell(probe, PROBE_CONNECT, text);
	if (probe->target->relay->security == RELAY_TLS) {
		probe->stage = ENCRYPTING;
		start_tls(probe);
	} else {
		start_dialogue(probe);
	}
	advance(probe);
}

static void start_tls(struct probe *probe)
{
	const struct relay_settings *relay = probe->target->relay;
	const struct tls_options options = {
		.settings = &relay->tls,
		.is_opportunistic = relay->security == RELAY_OPPORTUNISTIC,
		.host = probe->target->host,
		.port = probe->target->port,
		.is_fresh = true,
	};
	int r = connection_start_tls(probe->connection, &options);

	if (r == -ENOMEM)
		abort();
	if (r < 0)
		tell_local(probe, PROBE_TLS, FAULT_CONFIG,
		           tls_text(connection_tls(probe->connection)));
	else
		connection_set_deadline(probe->connection, HANDSHAKE_MS);
}

static void start_dialogue(struct probe *probe)
{
	struct smtp_client_options options =
	    smtp_target_options(probe->target, probe->has_tls, false);

	/* One reply is one step. */
	options.has_no_pipelining = true;
	probe->stage = TALKING;
	if (probe->params.has_login) {
		if (smtp_target_new_sasl(probe->target, &probe->address,
		                         &probe->sasl) < 0) {
			tell_local(
			    probe, PROBE_LOGIN, FAULT_CONFIG,
			    "the configured login mechanism is not one of "
			    "relais");
			return;
		}
		options.auth = sasl_auth(probe->sasl);
	}
	if (smtp_client_new(&probe->client, &options) < 0)
		abort();
}

static void on_tls(void *context)
{
	struct probe *probe = context;
	const struct tls *tls = connection_tls(probe->connection);
	char text[VERDICT_TEXT_SIZE];

	probe->has_tls = true;
	probe_words_tls(tls, text, sizeof(text));
	tell(probe, PROBE_TLS, text);
	if (probe->stage == ENCRYPTING)
		start_dialogue(probe);
	else
		smtp_client_on_tls(probe->client);
	advance(probe);
}

/* --- The dialogue -------------------------------------------------------- */

static void on_progress(void *context)
{
	struct probe *probe = context;

	if (probe->stage == TALKING)
		take_replies(probe);
	advance(probe);
}

static void take_replies(struct probe *probe)
{
	struct buffer *in = connection_input(probe->connection);
	struct smtp_reply reply;
	int r = 0;

	while (probe->stage == TALKING && in->len > 0 &&
	       smtp_client_status(probe->client) == SMTP_CLIENT_BUSY) {
		enum smtp_phase phase = smtp_client_phase(probe->client);

		r = smtp_reply_parse(&probe->parser, in->data, in->len, &reply);
		if (r < 0)
			break;
		smtp_client_on_reply(probe->client, &reply);
		if (phase < PHASE_MAIL)
			observe_session(probe, phase, &reply);
		else
			observe_mail(probe, phase, &reply);
		buffer_consume(in, reply.size);
	}
	if (r == -EPROTO)
		tell_local(probe,
		           probe_words_step(smtp_client_phase(probe->client)),
		           FAULT_PROTOCOL, "what the relay says is not SMTP");
	/* RFC 3207 6 */
	else if (probe->stage == TALKING && in->len > 0 &&
	         smtp_client_status(probe->client) == SMTP_CLIENT_WANTS_TLS)
		tell_local(probe, PROBE_TLS, FAULT_PROTOCOL,
		           "clear text followed the reply to STARTTLS");
}

/* The message's, or the relay's. */
static const struct verdict *fault_of(const struct probe *probe)
{
	const struct verdict *verdict = NULL;

	if (probe->is_handed_over)
		verdict = &smtp_client_verdicts(probe->client)[0];
	if (!verdict || verdict->class == VERDICT_NONE ||
	    verdict->class == VERDICT_DELIVERED)
		verdict = smtp_client_fault(probe->client);
	return verdict->class == VERDICT_NONE ? NULL : verdict;
}

static void tell_ehlo(struct probe *probe)
{
	char text[VERDICT_TEXT_SIZE];

	probe_words_offer(smtp_client_capabilities(probe->client), text,
	                  sizeof(text));
	tell(probe, PROBE_EHLO, text);
}

/* EHLO is told of when no STARTTLS follows: then it is said again. */
static void observe_session(struct probe *probe, enum smtp_phase phase,
                            const struct smtp_reply *reply)
{
	const struct verdict *fault = fault_of(probe);
	enum smtp_phase now =
	    fault ? fault->phase : smtp_client_phase(probe->client);
	char text[VERDICT_TEXT_SIZE];

	if (phase == PHASE_GREETING && (!fault || fault->phase != phase)) {
		smtp_reply_text(reply, text, sizeof(text));
		tell(probe, PROBE_GREETING, text);
	}
	if ((phase == PHASE_EHLO || phase == PHASE_STARTTLS) &&
	    (now == PHASE_AUTH || now == PHASE_MAIL))
		tell_ehlo(probe);
	if (phase == PHASE_AUTH && now == PHASE_MAIL && !fault) {
		probe_words_login(probe->target->relay,
		                  sasl_mechanism(probe->sasl), text,
		                  sizeof(text));
		tell(probe, PROBE_LOGIN, text);
	}
	if (fault)
		tell_fault(probe, probe_words_step(fault->phase), fault,
		           TLS_FAULT_NONE);
}

static void observe_mail(struct probe *probe, enum smtp_phase phase,
                         const struct smtp_reply *reply)
{
	bool is_last = !smtp_client_is_sending(probe->client);
	const struct verdict *fault = is_last ? fault_of(probe) : NULL;
	enum probe_step step = probe_words_step(phase);
	char text[VERDICT_TEXT_SIZE];

	smtp_reply_text(reply, text, sizeof(text));
	if (fault)
		tell_fault(probe, step, fault, TLS_FAULT_NONE);
	else if ((phase == PHASE_MAIL || phase == PHASE_RCPT) &&
	         smtp_reply_is_positive(reply))
		tell(probe, step, text);
	else if (phase == PHASE_DOT && is_last)
		tell(probe, step, text);
	if (is_last && !fault) {
		probe->is_good = true;
		probe->stage = OVER;
	}
}

static void on_lost(void *context, const struct connection_loss *loss)
{
	struct probe *probe = context;
	struct verdict fault;
	char text[VERDICT_TEXT_SIZE];

	if (loss->is_handshake) {
		probe_words_handshake(connection_tls(probe->connection), loss,
		                      text, sizeof(text));
		verdict_local(&fault, VERDICT_TEMPORARY, SCOPE_RELAY, PHASE_TLS,
		              loss->fault, text);
		tell_fault(probe, PROBE_TLS, &fault, loss->tls);
		return;
	}
	if (probe->stage == TALKING)
		take_replies(probe);
	if (probe->stage != TALKING)
		return;
	(void)snprintf(text, sizeof(text), "%s while waiting for %s",
	               loss->text, smtp_client_awaited(probe->client));
	tell_local(probe, probe_words_step(smtp_client_phase(probe->client)),
	           loss->fault, text);
}

static void start_message(struct probe *probe)
{
	const struct verdict *fault;

	if (!probe->params.message) {
		probe->is_good = true;
		probe->stage = OVER;
		return;
	}
	smtp_mail_fill(&probe->mail, probe->params.message);
	if (smtp_client_send(probe->client, &probe->mail.message) < 0)
		abort();
	probe->is_handed_over = true;
	if (smtp_client_is_sending(probe->client))
		return;
	/* The relay's offer rules it out. */
	fault = fault_of(probe);
	assert(fault);
	tell_fault(probe, PROBE_SENDER, fault, TLS_FAULT_NONE);
}

static void write_output(struct probe *probe)
{
	const char *data;
	size_t len, n;

	for (;;) {
		smtp_client_output(probe->client, &data, &len);
		if (len == 0 ||
		    connection_write(probe->connection, data, len, &n) < 0)
			return;
		smtp_client_wrote(probe->client, n);
	}
}

static unsigned deadline_ms(const struct probe *probe)
{
	enum smtp_phase phase = smtp_client_phase(probe->client);

	if (phase == PHASE_BODY || phase == PHASE_DOT)
		return DOT_MS;
	if (phase == PHASE_GREETING)
		return GREETING_MS;
	return phase >= PHASE_AUTH ? LOGIN_MS : REPLY_MS;
}

/* The last thing in every turn. */
static void advance(struct probe *probe)
{
	enum smtp_client_status status;

	if (probe->stage == TALKING) {
		status = smtp_client_status(probe->client);
		if (status == SMTP_CLIENT_READY && !probe->is_handed_over)
			start_message(probe);
		write_output(probe);
		if (status == SMTP_CLIENT_WANTS_TLS)
			start_tls(probe);
		else if (probe->stage == TALKING)
			connection_set_deadline(probe->connection,
			                        deadline_ms(probe));
	}
	if (probe->stage == OVER)
		event_active(probe->end, EV_TIMEOUT, 0);
}

/* Says good-bye where that can be done without waiting. */
static void on_end(evutil_socket_t fd, short what, void *context)
{
	struct probe *probe = context;

	(void)fd;
	(void)what;
	if (probe->client && probe->connection &&
	    smtp_client_status(probe->client) == SMTP_CLIENT_READY) {
		smtp_client_quit(probe->client);
		write_output(probe);
	}
	connection_free(probe->connection);
	probe->connection = NULL;
	probe->params.on_done(probe->params.context);
}

/* --- What is told -------------------------------------------------------- */

static void tell(struct probe *probe, enum probe_step step, const char *detail)
{
	const struct probe_event event = {
		.step = step,
		.is_ok = true,
		.detail = detail,
	};

	probe->params.on_step(probe->params.context, &event);
}

/* Nothing comes behind it. */
static void tell_fault(struct probe *probe, enum probe_step step,
                       const struct verdict *fault, enum tls_fault tls)
{
	struct probe_event event = {
		.step = step,
		.fault = *fault,
		.tls = tls,
	};
	char text[VERDICT_TEXT_SIZE + 32];

	probe_words_fault(fault, text, sizeof(text));
	event.detail = text;
	probe->stage = OVER;
	probe->params.on_step(probe->params.context, &event);
	event_active(probe->end, EV_TIMEOUT, 0);
}

static void tell_local(struct probe *probe, enum probe_step step,
                       enum verdict_fault fault, const char *text)
{
	struct verdict verdict;

	verdict_local(&verdict, VERDICT_TEMPORARY, SCOPE_RELAY, PHASE_NAME,
	              fault, text);
	tell_fault(probe, step, &verdict, TLS_FAULT_NONE);
}
