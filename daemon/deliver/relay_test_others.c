/*
 * relay_test_others - other modes and ports, where the one set fails
 *
 * Each is tried up to the relay's offer: nothing of a login or a mail is shown
 * to a port that nobody has set.
 */
#include "config.h"

#include "deliver/relay_test_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <event2/event.h>

#include "deliver/resolver.h"
#include "providers.h"

static bool is_worth_it(const struct relay_test *test);
static void collect(struct relay_test *test);
static void add(struct relay_test *test, enum relay_security security,
                uint16_t port);
static void try_next(struct relay_test *test);
static void start_side(struct relay_test *test, enum relay_security security,
                       uint16_t port);
static void on_side_step(void *context, const struct probe_event *event);
static void on_side_done(void *context);
static void end_silence(struct relay_test *test, bool speaks_tls);

bool relay_test_try_others(struct relay_test *test)
{
	if (!is_worth_it(test))
		return false;
	if (test->other_count == 0)
		collect(test);
	if (test->other_count == 0)
		return false;
	test->other = 0;
	try_next(test);
	return true;
}

/* The mode of encryption or the port may be what is wrong. */
static bool is_worth_it(const struct relay_test *test)
{
	const struct verdict *fault = &test->fault;
	bool wants_tls = fault->code == 530 || fault->code == 538 ||
	                 strcasestr(fault->text, "STARTTLS") ||
	                 strcasestr(fault->text, "AUTH was not offered") ||
	                 strcasestr(fault->text, "no TLS");

	if (test->relay->kind != RELAY_SMTP || !test->relay->host)
		return false;
	switch (test->failed_step) {
	case PROBE_CONNECT:
	case PROBE_GREETING:
		return fault->code == 0;
	case PROBE_TLS:
		return test->tls == TLS_FAULT_NONE ||
		       test->tls == TLS_FAULT_NOT_TLS ||
		       test->tls == TLS_FAULT_REFUSED ||
		       test->tls == TLS_FAULT_OTHER;
	case PROBE_EHLO:
	case PROBE_LOGIN:
	case PROBE_SENDER:
		return wants_tls && (test->relay->security == RELAY_CLEAR ||
		                     fault->code == 0);
	case PROBE_RECIPIENT:
	case PROBE_MESSAGE:
		break;
	}
	return false;
}

/* The likely ones first; without encryption only where no password goes. */
static void collect(struct relay_test *test)
{
	const struct relay_settings *relay = test->relay;
	bool has_login = relay->authentication != RELAY_AUTHENTICATION_OFF;

	if (test->failed_step == PROBE_GREETING) {
		/* Who has said nothing so far won't say STARTTLS. */
		if (!test->is_deaf)
			add(test, RELAY_TLS, relay->port);
	} else if (test->failed_step != PROBE_CONNECT) {
		add(test, RELAY_STARTTLS, relay->port);
		add(test, RELAY_TLS, relay->port);
		if (!has_login)
			add(test, RELAY_CLEAR, relay->port);
	}
	if (relay->provider && strcmp(relay->provider->host, relay->host) == 0)
		add(test,
		    strcmp(relay->provider->security, "tls") == 0
		        ? RELAY_TLS
		        : RELAY_STARTTLS,
		    relay->provider->port);
	add(test, RELAY_TLS, 465);
	add(test, RELAY_STARTTLS, 587);
	if (!has_login)
		add(test, RELAY_STARTTLS, 25);
}

static void add(struct relay_test *test, enum relay_security security,
                uint16_t port)
{
	const struct relay_settings *relay = test->relay;
	bool is_set =
	    relay->port == port &&
	    (relay->security == security ||
	     (relay->security == RELAY_OPPORTUNISTIC && security != RELAY_TLS));
	unsigned i;

	for (i = 0; i < test->other_count; i++)
		if (test->others[i].security == security &&
		    test->others[i].port == port)
			return;
	if (is_set || test->other_count == RELAY_TEST_OTHERS_MAX)
		return;
	test->others[test->other_count++] =
	    (struct relay_test_other){ security, port };
}

static void try_next(struct relay_test *test)
{
	const struct relay_test_other *other = &test->others[test->other];

	if (test->other == test->other_count) {
		relay_test_finish(test);
		return;
	}
	start_side(test, other->security, other->port);
}

static void start_side(struct relay_test *test, enum relay_security security,
                       uint16_t port)
{
	struct probe_params params = {
		.on_step = on_side_step,
		.on_done = on_side_done,
		.context = test,
	};
	size_t i;

	test->variant = *test->relay;
	test->variant.security = security;
	test->variant.port = port;
	test->side_detail[0] = '\0';
	/* The addresses hold the port, too. */
	for (i = 0; test->hosts && i < test->hosts->host_count; i++)
		resolver_host_set_port(&test->hosts->hosts[i], port);
	if (relay_test_probe(test, &test->variant, &params, &test->side) < 0)
		abort();
}

static void on_side_step(void *context, const struct probe_event *event)
{
	struct relay_test *test = context;

	if (!event->is_ok)
		(void)snprintf(test->side_detail, sizeof(test->side_detail),
		               "%s", event->detail);
}

static bool may_log_in(const struct relay_test *test)
{
	return test->relay->authentication == RELAY_AUTHENTICATION_OFF ||
	       smtp_capabilities_have(probe_capabilities(test->side),
	                              SMTP_EXT_AUTH);
}

static void on_side_done(void *context)
{
	struct relay_test *test = context;
	bool is_good = probe_is_good(test->side);
	struct relay_test_step step = { .step = "try" };
	char text[VERDICT_TEXT_SIZE + 128];

	if (test->is_side_for_silence) {
		end_silence(test, is_good || *test->side_detail == '\0');
		return;
	}
	if (is_good && !may_log_in(test)) {
		is_good = false;
		(void)snprintf(test->side_detail, sizeof(test->side_detail),
		               "it offers no login there");
	}
	(void)snprintf(text, sizeof(text), "security: %s, port: %u: %s",
	               relay_security_name(test->variant.security),
	               test->variant.port,
	               is_good ? "works" : test->side_detail);
	step.is_ok = is_good;
	step.detail = text;
	probe_free(test->side);
	test->side = NULL;
	relay_test_tell(test, &step);
	test->has_found = is_good;
	if (is_good) {
		relay_test_finish(test);
		return;
	}
	test->other++;
	try_next(test);
}

/* --- Silence ------------------------------------------------------------- */

void relay_test_ask_for_tls(struct relay_test *test)
{
	test->is_side_for_silence = true;
	start_side(test, RELAY_TLS, test->relay->port);
}

/* What speaks TLS waits for us to begin, as we wait for it. */
static void end_silence(struct relay_test *test, bool speaks_tls)
{
	struct verdict fault;

	probe_free(test->side);
	test->side = NULL;
	test->is_side_for_silence = false;
	test->is_deaf = !speaks_tls;
	if (!speaks_tls || test->has_greeting || test->has_failed)
		return;
	verdict_local(&fault, VERDICT_TEMPORARY, SCOPE_RELAY, PHASE_GREETING,
	              FAULT_CONFIG,
	              "nothing was said: this port speaks TLS from the "
	              "start");
	relay_test_fail(test, PROBE_GREETING, &fault, TLS_FAULT_NONE);
	relay_test_probe_ended(test);
}
