/*
 * relay_test - does a relay work, and if not, why, and what mends it?
 */
#include "config.h"

#include "deliver/relay_test.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "address.h"
#include "clock.h"
#include "deliver/addresses.h"
#include "deliver/probe_words.h"
#include "deliver/relay_test_private.h"
#include "deliver/resolver.h"
#include "deliver/test_mail.h"
#include "runtime/loop.h"
#include "runtime/mailbox.h"
#include "runtime/xalloc.h"

/* Who says nothing for so long may be waiting for us. */
#define SILENCE_S 3

static void later(struct relay_test *test,
                  void (*then)(struct relay_test *test));
static void on_turn(evutil_socket_t fd, short what, void *context);
static void on_silence(evutil_socket_t fd, short what, void *context);
static void start(struct relay_test *test);
static void on_addresses(struct letter *letter);
static void on_secrets(struct credentials_waiter *waiter);
static void start_probe(struct relay_test *test);
static void on_step(void *context, const struct probe_event *event);
static void on_done(void *context);
static void start_maildir(struct relay_test *test);
static void tell_token(struct relay_test *test);
static void fail_early(struct relay_test *test, const char *step,
                       const char *text);

struct relay_test *relay_test_new(const struct relay_test_params *params)
{
	struct event_base *base = loop_base(params->loop);
	struct relay_test *test = xcalloc(1, sizeof(*test));

	assert(loop_is_mine(params->loop));
	test->params = *params;
	test->settings = settings_ref(params->settings);
	test->relay = params->relay;
	test->started_ms = test->step_ms = clock_boottime_ms();
	test->waiter.on_ready = on_secrets;
	test->turn = event_new(base, -1, 0, on_turn, test);
	test->silence = evtimer_new(base, on_silence, test);
	if (!test->turn || !test->silence)
		abort();
	test->mail = test_mail_new(test->settings, test->relay, params->to,
	                           params->asker);
	later(test, start);
	return test;
}

void relay_test_free(struct relay_test *test)
{
	if (!test)
		return;
	if (test->is_waiting)
		credentials_cancel(test->params.credentials, &test->waiter);
	if (test->asked)
		test->asked->context = NULL; /* comes home for nobody */
	probe_free(test->probe);
	probe_free(test->side);
	transport_free(test->transport);
	event_free(test->turn);
	event_free(test->silence);
	resolver_query_free(test->hosts);
	test_mail_free(test->mail);
	settings_unref(test->settings);
	free(test);
}

static void later(struct relay_test *test,
                  void (*then)(struct relay_test *test))
{
	test->then = then;
	event_active(test->turn, EV_TIMEOUT, 0);
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
	struct relay_test *test = context;

	(void)fd;
	(void)what;
	test->then(test);
}

/* -------------------------------------------------------------------- name */

static void start(struct relay_test *test)
{
	const struct relay_settings *relay = test->relay;
	const char *domain = NULL;
	struct resolver_query *query;

	if (!test->mail) {
		fail_early(test, "message", "the test mail cannot be made");
		return;
	}
	if (relay->kind == RELAY_MAILDIR) {
		start_maildir(test);
		return;
	}
	if (relay->kind == RELAY_DIRECT) {
		domain = address_domain(test->params.to ? test->params.to : "");
		if (!domain) {
			fail_early(
			    test, "name",
			    "each recipient's domain has a host of its own: "
			    "the test needs an address to send to");
			return;
		}
	}
	if (!domain && !relay->host) {
		start_probe(test);
		return;
	}
	query = resolver_query_new(domain ? RESOLVE_MX : RESOLVE_HOST,
	                           domain ? domain : relay->host, relay->port);
	query->home = test->params.inbox;
	query->on_done = on_addresses;
	query->context = test;
	test->asked = query;
	resolver_ask_take(test->params.resolver, query);
}

/* The first host from `host` on that has an address; the count without one. */
static size_t find_host(const struct relay_test *test, size_t host)
{
	const struct resolver_query *found = test->hosts;

	while (host < found->host_count &&
	       found->hosts[host].address_count == 0)
		host++;
	return host;
}

/* "smtp.example.com has 192.0.2.1, 2001:db8::1" */
static void describe_host(const struct resolver_host *host, char *text,
                          size_t size)
{
	char numeric[128];
	size_t len, i;

	(void)snprintf(text, size, "%s has", host->name);
	for (i = 0; i < host->address_count && i < 4; i++) {
		probe_words_address(&host->addresses[i], 0, numeric,
		                    sizeof(numeric));
		*strrchr(numeric, ':') = '\0';
		len = strlen(text);
		(void)snprintf(text + len, size - len, "%s %s",
		               i > 0 ? "," : "", numeric);
	}
}

static void on_addresses(struct letter *letter)
{
	struct resolver_query *query =
	    LETTER_OF(letter, struct resolver_query, letter);
	struct relay_test *test = query->context;
	struct relay_test_step step = { .step = "name", .is_ok = true };
	char text[VERDICT_TEXT_SIZE];

	if (!test) {
		resolver_query_free(query);
		return;
	}
	test->asked = NULL;
	test->hosts = query;
	test->host = find_host(test, 0);
	if (query->status != RESOLVED) {
		fail_early(test, "name", query->text);
		return;
	}
	describe_host(&query->hosts[test->host], text, sizeof(text));
	step.detail = text;
	relay_test_tell(test, &step);
	start_probe(test);
}

/* Before there is a probe: it ends here. */
static void fail_early(struct relay_test *test, const char *step,
                       const char *text)
{
	struct relay_test_step told = { .step = step, .detail = text };

	test->has_failed = true;
	test->failed_step = PROBE_MESSAGE;
	verdict_local(&test->fault, VERDICT_TEMPORARY, SCOPE_RELAY, PHASE_NAME,
	              FAULT_CONFIG, text);
	relay_test_explain(test->relay, &test->fault, TLS_FAULT_NONE,
	                   &test->why);
	told.cause = test->why.cause;
	told.next = test->why.next;
	relay_test_tell(test, &told);
	later(test, relay_test_finish);
}

/* ------------------------------------------------------------------- probe */

static void on_secrets(struct credentials_waiter *waiter)
{
	struct relay_test *test = LETTER_OF(waiter, struct relay_test, waiter);

	test->is_waiting = false;
	start_probe(test);
}

int relay_test_probe(struct relay_test *test,
                     const struct relay_settings *relay,
                     struct probe_params *params, struct probe **ret_probe)
{
	struct credentials_secrets secrets = { NULL, NULL };
	struct transport_target target = {
		.relay = relay,
		.host = relay->host,
		.port = relay->port,
		.ehlo_name = relay->hostname ? relay->hostname
		                             : test->settings->hostname,
	};
	struct transport_address local;
	int r;

	if (params->has_login) {
		r = credentials_get(test->params.credentials, test->settings,
		                    relay, &secrets, &test->waiter);
		if (r < 0)
			return r;
	}
	target.password = secrets.password;
	target.token = secrets.token;
	if (test->hosts) {
		const struct resolver_host *host =
		    &test->hosts->hosts[test->host];

		if (relay->kind == RELAY_DIRECT)
			target.host = host->name;
		target.addresses = host->addresses;
		target.address_count = host->address_count;
	} else {
		r = address_of_path(&local, relay->path);
		if (r < 0)
			return r;
		target.host = relay->path;
		target.addresses = &local;
		target.address_count = 1;
	}
	params->base = loop_base(test->params.loop);
	params->target = &target;
	*ret_probe = probe_new(params);
	return 0;
}

static void start_probe(struct relay_test *test)
{
	const struct relay_settings *relay = test->relay;
	bool has_login = relay->authentication != RELAY_AUTHENTICATION_OFF;
	struct probe_params params = {
		.has_login = has_login && relay->kind != RELAY_DIRECT,
		.message = test_mail_message(test->mail),
		.on_step = on_step,
		.on_done = on_done,
		.context = test,
	};
	int r;

	if (test->is_clear) {
		test->clear = *relay;
		test->clear.security = RELAY_CLEAR;
		relay = &test->clear;
	}
	r = relay_test_probe(test, relay, &params, &test->probe);
	if (r == -EINPROGRESS)
		test->is_waiting = true;
	else if (r == -EIO)
		fail_early(test,
		           test->relay->oauth.is_set ? "token" : "password",
		           credentials_problem(test->params.credentials));
	else if (r == 0 && test->relay->oauth.is_set && !test->has_token)
		tell_token(test);
	else if (r < 0)
		fail_early(test, "connect", strerror(-r));
}

static void tell_token(struct relay_test *test)
{
	int64_t life_s =
	    credentials_life_s(test->params.credentials, test->relay);
	char text[VERDICT_TEXT_SIZE];
	const struct relay_test_step step = { .step = "token",
		                              .is_ok = true,
		                              .detail = text };

	test->has_token = true;
	(void)snprintf(text, sizeof(text), "of %.200s, good for %u min",
	               test->relay->oauth.token_url,
	               life_s > 0 ? (unsigned)(life_s / 60) : 0);
	relay_test_tell(test, &step);
}

static void on_step(void *context, const struct probe_event *event)
{
	static const struct timeval silence = { .tv_sec = SILENCE_S };
	struct relay_test *test = context;
	struct relay_test_step step = {
		.step = probe_step_name(event->step),
		.is_ok = event->is_ok,
		.detail = event->detail,
	};

	if (event->step == PROBE_CONNECT && event->is_ok &&
	    test->relay->kind == RELAY_SMTP &&
	    test->relay->security != RELAY_TLS)
		(void)evtimer_add(test->silence, &silence);
	if (event->step == PROBE_GREETING) {
		test->has_greeting = true;
		(void)evtimer_del(test->silence);
	}
	if (!event->is_ok) {
		relay_test_fail(test, event->step, &event->fault, event->tls);
		return;
	}
	relay_test_tell(test, &step);
}

static void on_silence(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	relay_test_ask_for_tls(context);
}

void relay_test_fail(struct relay_test *test, enum probe_step step,
                     const struct verdict *fault, enum tls_fault tls)
{
	struct relay_test_step told = { .step = probe_step_name(step) };
	char text[VERDICT_TEXT_SIZE + 32];

	(void)evtimer_del(test->silence);
	test->has_failed = true;
	test->failed_step = step;
	test->fault = *fault;
	test->tls = tls;
	relay_test_explain(test->relay, fault, tls, &test->why);
	probe_words_fault(fault, text, sizeof(text));
	told.detail = text;
	told.cause = test->why.cause;
	told.next = test->why.next;
	relay_test_tell(test, &told);
}

static void on_done(void *context)
{
	relay_test_probe_ended(context);
}

void relay_test_probe_ended(struct relay_test *test)
{
	bool is_before_mail = test->failed_step < PROBE_SENDER;

	(void)evtimer_del(test->silence);
	probe_free(test->probe);
	probe_free(test->side);
	test->probe = test->side = NULL;
	test->is_side_for_silence = false;
	if (test->has_failed && test->failed_step == PROBE_TLS &&
	    test->relay->security == RELAY_OPPORTUNISTIC && !test->is_clear) {
		/* As a delivery would (RFC 7435). */
		test->is_clear = true;
		test->has_failed = false;
		start_probe(test);
		return;
	}
	if (test->has_failed && is_before_mail &&
	    test->relay->kind == RELAY_DIRECT &&
	    find_host(test, test->host + 1) < test->hosts->host_count) {
		test->host = find_host(test, test->host + 1);
		test->has_failed = false;
		start_probe(test);
		return;
	}
	if (!test->has_failed || !relay_test_try_others(test))
		relay_test_finish(test);
}

/* ----------------------------------------------------------------- maildir */

static void on_captured(void *context, const struct transport_result *result)
{
	struct relay_test *test = context;
	const struct verdict *verdict = &result->verdicts[0];
	struct relay_test_step step = { .step = "message",
		                        .is_ok = true,
		                        .detail = "written to a file" };

	if (verdict->class != VERDICT_DELIVERED) {
		test->has_failed = true;
		step.is_ok = false;
		step.detail = verdict->class == VERDICT_NONE
		                  ? result->fault.text
		                  : verdict->text;
	}
	relay_test_tell(test, &step);
	later(test, relay_test_finish);
}

static void start_maildir(struct relay_test *test)
{
	const struct transport_target target = {
		.relay = test->relay,
		.ehlo_name = test->settings->hostname,
	};
	const struct transport_events events = {
		.on_done = on_captured,
		.context = test,
	};
	struct relay_test_step step = { .step = "folder",
		                        .is_ok = true,
		                        .detail = test->relay->path };

	if (!test->params.to) {
		if (access(test->relay->path, W_OK | X_OK) < 0 &&
		    errno != ENOENT) {
			fail_early(test, "folder", strerror(errno));
			return;
		}
		relay_test_tell(test, &step);
		relay_test_finish(test);
		return;
	}
	if (transport_new(&test->transport, test->params.loop, &target,
	                  &events) < 0)
		abort();
	transport_send(test->transport, test_mail_message(test->mail));
}

/* ----------------------------------------------------------------- the end */

void relay_test_tell(struct relay_test *test,
                     const struct relay_test_step *step)
{
	struct relay_test_step told = *step;
	int64_t now_ms = clock_boottime_ms();

	told.ms = (unsigned)(now_ms - test->step_ms);
	test->step_ms = now_ms;
	test->params.on_step(test->params.context, &told);
}

void relay_test_finish(struct relay_test *test)
{
	struct relay_test_outcome outcome = {
		.result = test->params.to ? RELAY_TEST_ACCEPTED
		                          : RELAY_TEST_REACHABLE,
		.ms = (unsigned)(clock_boottime_ms() - test->started_ms),
	};

	if (test->has_failed) {
		outcome.result = RELAY_TEST_FAILED;
		outcome.cause = test->why.cause;
		outcome.next = test->why.next;
	}
	if (test->has_found) {
		outcome.security = relay_security_name(test->variant.security);
		outcome.port = test->variant.port;
		outcome.cause =
		    test->variant.port == test->relay->port
			? "The security setting is wrong for this port."
			: "The port is wrong, or blocked.";
		outcome.next = NULL;
	}
	test->params.on_done(test->params.context, &outcome);
}
