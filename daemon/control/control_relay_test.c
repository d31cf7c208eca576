/*
 * control_relay_test - the test of a relay, told step by step
 *
 * One JSON object a line, as the steps come; the last one has "result". A
 * client that goes away ends its test.
 */
#include "config.h"

#include "control/handlers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "address.h"
#include "control/connection.h"
#include "control/control_internal.h"
#include "control/json.h"
#include "control/relay_change.h"
#include "control/relay_draft.h"
#include "control/request.h"
#include "deliver/relay_test.h"
#include "runtime/xalloc.h"
#include "settings.h"
#include "settings_tree.h"

#define TESTS_MAX 8

struct trial {
	struct request *request;
	struct relay_test *test;
	struct event *heartbeat;
	char to[ADDRESS_SIZE];
};

static bool read_to(struct request *request, bool is_in_body,
                    char to[ADDRESS_SIZE]);
static void begin(struct request *request, const struct settings *settings,
                  const struct relay_settings *relay, const char *to);
static void on_step(void *context, const struct relay_test_step *step);
static void on_done(void *context, const struct relay_test_outcome *outcome);
static void on_heartbeat(evutil_socket_t fd, short what, void *context);
static void on_gone(struct request *request);
static void trial_free(struct trial *trial);

/* One that is saved. */
void relays_test(struct request *request)
{
	const struct relay_settings *relay =
	    settings_find_relay_by_name(request->settings, request->parameter);
	char to[ADDRESS_SIZE];

	if (!relay)
		request_fail(request, 404, "no_such_relay",
		             "relaisctl relay list", "there is no relay %s",
		             request->parameter);
	else if (read_to(request, true, to))
		begin(request, request->settings, relay, to);
}

/* One that isn't: its keys are the body. */
void relays_test_draft(struct request *request)
{
	const char *name = request_query(request, "name");
	const struct settings *settings = NULL;
	struct relay_draft_input input = { NULL, 0, false };
	struct settings_node *draft = NULL;
	struct settings_errors errors;
	char to[ADDRESS_SIZE];
	int r;

	if (!name)
		name = "unsaved";
	if (!read_to(request, false, to))
		return;
	input.text = request_input(request, &input.len);
	input.is_yaml = request_is_yaml(request);
	settings_errors_init(&errors);
	r = relay_draft_read(&input, &draft, &errors);
	if (r == 0 && !relay_change_may_set(request, name, draft))
		r = 1; /* it has been answered */
	if (r == 0) {
		settings_node_free(settings_node_remove(draft, "name"));
		r = settings_load_relay(request->settings, name, draft,
		                        &settings, &errors);
	}
	if (r < 0)
		request_fail_errors(request, "bad_relay",
		                    "the relay cannot be tested like this",
		                    &errors);
	settings_errors_done(&errors);
	settings_node_free(draft);
	if (r == 0)
		begin(request, settings, &settings->relays[0], to);
	settings_unref(settings);
}

/* ------------------------------------------------------------------- order */

static int on_member(void *context, const char *path,
                     const struct json_value *value,
                     char error[JSON_ERROR_SIZE])
{
	char *to = context;

	if (strcmp(path, "to") != 0) {
		snprintf(error, JSON_ERROR_SIZE,
		         "%.80s: not known here; expected to", path);
		return -EINVAL;
	}
	if (value->kind == JSON_IS_NULL)
		return 0;
	if (value->kind != JSON_IS_TEXT ||
	    strlen(value->text) >= ADDRESS_SIZE) {
		snprintf(error, JSON_ERROR_SIZE, "to: expected an address");
		return -EINVAL;
	}
	strcpy(to, value->text);
	return 0;
}

/* Empty: no mail is to be sent. Answers the request where it's false. */
static bool read_to(struct request *request, bool is_in_body,
                    char to[ADDRESS_SIZE])
{
	const char *given = request_query(request, "to");
	char error[JSON_ERROR_SIZE];
	const char *text;
	size_t len;

	snprintf(to, ADDRESS_SIZE, "%s", given ? given : "");
	if (is_in_body) {
		text = request_input(request, &len);
		if (json_walk(text, len, on_member, to, error) < 0) {
			request_fail(request, 422, "bad_order", NULL, "%s",
			             error);
			return false;
		}
	}
	if (*to && (address_check(to, strlen(to), ADDRESS_UTF8) < 0 ||
	            !address_domain(to))) {
		request_fail(request, 422, "bad_order", NULL,
		             "to: %s is no address", to);
		return false;
	}
	return true;
}

static void begin(struct request *request, const struct settings *settings,
                  const struct relay_settings *relay, const char *to)
{
	static const struct timeval often = { HEARTBEAT_S, 0 };
	struct control *control = request->control;
	struct relay_test_params params = {
		.loop = control->loop,
		.inbox = control->mailbox,
		.resolver = control->resolver,
		.credentials = control->credentials,
		.settings = settings,
		.relay = relay,
		.asker = request_user(request),
		.on_step = on_step,
		.on_done = on_done,
	};
	struct trial *trial;

	if (control->test_count >= TESTS_MAX) {
		request_fail(request, 429, "too_many_tests", NULL,
		             "%d tests are under way already", TESTS_MAX);
		return;
	}
	control->test_count++;
	request_log_relay(request, "relay-test", relay->name, to);
	trial = xcalloc(1, sizeof(*trial));
	trial->request = request;
	snprintf(trial->to, sizeof(trial->to), "%s", to);
	params.to = *trial->to ? trial->to : NULL;
	params.context = trial;
	trial->heartbeat =
	    event_new(control->base, -1, EV_PERSIST, on_heartbeat, trial);
	if (!trial->heartbeat || event_add(trial->heartbeat, &often) < 0)
		abort();
	request->context = trial;
	request->on_gone = on_gone;
	request_stream_begin(request, "application/x-ndjson", -1);
	trial->test = relay_test_new(&params);
}

/* ------------------------------------------------------------------ answer */

static void on_step(void *context, const struct relay_test_step *step)
{
	struct trial *trial = context;
	struct emitter *emit = &trial->request->emit;

	emit_object(emit, NULL);
	emit_text(emit, "step", step->step);
	emit_bool(emit, "ok", step->is_ok);
	emit_number(emit, "ms", step->ms);
	emit_text(emit, "detail", step->detail);
	emit_text(emit, "cause", step->cause);
	emit_text(emit, "next", step->next);
	emit_end(emit);
	request_stream_line(trial->request);
}

static const char *result_word(enum relay_test_result result)
{
	switch (result) {
	case RELAY_TEST_FAILED:
		return "failed";
	case RELAY_TEST_REACHABLE:
		return "reachable";
	case RELAY_TEST_ACCEPTED:
		return "accepted";
	}
	return NULL;
}

static void on_done(void *context, const struct relay_test_outcome *outcome)
{
	struct trial *trial = context;
	struct request *request = trial->request;
	struct emitter *emit = &request->emit;

	emit_object(emit, NULL);
	emit_text(emit, "result", result_word(outcome->result));
	emit_number(emit, "ms", outcome->ms);
	emit_text(emit, "to", *trial->to ? trial->to : NULL);
	emit_text(emit, "cause", outcome->cause);
	emit_text(emit, "next", outcome->next);
	if (outcome->security) {
		emit_object(emit, "works_with");
		emit_text(emit, "security", outcome->security);
		emit_number(emit, "port", outcome->port);
		emit_end(emit);
	} else {
		emit_null(emit, "works_with");
	}
	emit_end(emit);
	trial_free(trial);
	request->on_gone = NULL;
	request_stream_reply(request);
}

static void on_heartbeat(evutil_socket_t fd, short what, void *context)
{
	struct trial *trial = context;

	(void)fd;
	(void)what;
	request_stream_heartbeat(trial->request);
}

static void on_gone(struct request *request)
{
	trial_free(request->context);
	request_free(request);
}

static void trial_free(struct trial *trial)
{
	trial->request->control->test_count--;
	relay_test_free(trial->test);
	event_free(trial->heartbeat);
	free(trial);
}
