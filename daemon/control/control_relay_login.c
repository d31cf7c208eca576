/*
 * control_relay_login - a person logs a relay in, told step by step
 *
 * One JSON object a line, as the steps come; the last one has "result". A
 * client that goes away ends its login. What a browser was sent to is handed
 * over by a request of its own, meanwhile.
 */
#include "config.h"

#include "control/handlers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "control/connection.h"
#include "control/control_internal.h"
#include "control/json.h"
#include "control/request.h"
#include "deliver/oauth.h"
#include "deliver/oauth_login.h"
#include "deliver/scheduler.h"
#include "hints.h"
#include "runtime/xalloc.h"
#include "settings.h"

#define LOGINS_MAX   8
#define URL_SIZE_MAX 8192
#define PORT_USUAL   8765

struct sign_in {
	LIST_ENTRY(sign_in) link;
	uint64_t id;
	struct request *request;
	struct event *heartbeat;
};

/* What the client sends. */
struct login_order {
	uint16_t redirect_port;
	char url[URL_SIZE_MAX];
};

static const struct relay_settings *find_relay(struct request *request);
static bool read_order(struct request *request, struct login_order *order);
static unsigned count_logins(const struct control *control);
static void on_step(struct letter *letter);
static void tell_step(struct sign_in *sign_in, const struct oauth_step *step);
static void tell_result(struct sign_in *sign_in, const struct oauth_step *step);
static void on_status(struct request *request);
static void on_heartbeat(evutil_socket_t fd, short what, void *context);
static void on_gone(struct request *request);
static void sign_in_free(struct sign_in *sign_in);

void relays_login(struct request *request)
{
	static const struct timeval often = { HEARTBEAT_S, 0 };
	const struct relay_settings *relay = find_relay(request);
	struct login_order given;
	struct sign_in *sign_in;
	struct control *control;

	/* What answers the request ends it. */
	if (!relay || !read_order(request, &given))
		return;
	control = request->control;
	if (count_logins(control) >= LOGINS_MAX) {
		request_fail(request, 429, "too_many_logins", NULL,
		             "%d logins are under way already", LOGINS_MAX);
		return;
	}
	request_log_relay(request, "relay-login", relay->name,
	                  oauth_grant_name(relay->oauth.grant));
	sign_in = xcalloc(1, sizeof(*sign_in));
	sign_in->id = ++control->last_login;
	sign_in->request = request;
	sign_in->heartbeat =
	    event_new(control->base, -1, EV_PERSIST, on_heartbeat, sign_in);
	if (!sign_in->heartbeat || event_add(sign_in->heartbeat, &often) < 0)
		abort();
	LIST_INSERT_HEAD(&control->logins, sign_in, link);
	request->context = sign_in;
	request->on_gone = on_gone;
	request_stream_begin(request, "application/x-ndjson", -1);
	oauth_login_begin(control->oauth,
	                  &(struct oauth_login_order){
			      .id = sign_in->id,
			      .settings = request->settings,
			      .relay = relay,
			      .redirect_port = given.redirect_port,
			      .home = control->mailbox,
			      .on_step = on_step,
			      .context = control,
			  });
}

/* To the login of this relay that is under way. */
void relays_login_url(struct request *request)
{
	const struct relay_settings *relay = find_relay(request);
	struct login_order given;
	struct sign_in *sign_in;
	struct control *control;

	/* What answers the request ends it. */
	if (!relay || !read_order(request, &given))
		return;
	control = request->control;
	LIST_FOREACH (sign_in, &control->logins, link)
		if (strcmp(sign_in->request->parameter, request->parameter) ==
		    0)
			break;
	if (!sign_in) {
		request_fail(request, 404, "no_login", "relaisctl relay login",
		             "no login of relay %s is under way", relay->name);
	} else if (!given.url[0]) {
		request_fail(request, 422, "bad_order", NULL,
		             "url: expected what the browser was sent to");
	} else {
		oauth_login_hand_over(control->oauth, sign_in->id, given.url);
		emit_object(&request->emit, NULL);
		emit_bool(&request->emit, "handed_over", true);
		emit_end(&request->emit);
		request_reply(request, 202);
	}
	explicit_bzero(&given, sizeof(given));
}

/* Answers the request itself where there is none that could log in. */
static const struct relay_settings *find_relay(struct request *request)
{
	const struct relay_settings *relay =
	    settings_find_relay_by_name(request->settings, request->parameter);

	if (!relay) {
		request_fail(request, 404, "no_such_relay",
		             "relaisctl relay list", "there is no relay %s",
		             request->parameter);
	} else if (!relay->oauth.is_set) {
		request_fail(
		    request, 409, "no_oauth",
		    "oauth in relais.yaml(5) says which service to use",
		    "relay %s has no oauth: there is nothing to log in to",
		    relay->name);
		relay = NULL;
	}
	return relay;
}

static int on_member(void *context, const char *path,
                     const struct json_value *value,
                     char error[JSON_ERROR_SIZE])
{
	struct login_order *order = context;

	if (strcmp(path, "redirect_port") == 0) {
		if (value->kind == JSON_IS_NUMBER && value->number > 0 &&
		    value->number <= UINT16_MAX) {
			order->redirect_port = (uint16_t)value->number;
			return 0;
		}
		snprintf(error, JSON_ERROR_SIZE,
		         "redirect_port: expected a port");
	} else if (strcmp(path, "url") == 0) {
		if (value->kind == JSON_IS_TEXT &&
		    strlen(value->text) < sizeof(order->url)) {
			strcpy(order->url, value->text);
			return 0;
		}
		snprintf(error, JSON_ERROR_SIZE, "url: expected an URL");
	} else {
		snprintf(error, JSON_ERROR_SIZE,
		         "%.80s: not known here; expected redirect_port or url",
		         path);
	}
	return -EINVAL;
}

static bool read_order(struct request *request, struct login_order *order)
{
	char error[JSON_ERROR_SIZE];
	const char *text;
	size_t len;

	*order = (struct login_order){ .redirect_port = PORT_USUAL };
	text = request_input(request, &len);
	if (json_walk(text, len, on_member, order, error) == 0)
		return true;
	request_fail(request, 422, "bad_order", NULL, "%s", error);
	return false;
}

static unsigned count_logins(const struct control *control)
{
	const struct sign_in *sign_in;
	unsigned count = 0;

	LIST_FOREACH (sign_in, &control->logins, link)
		count++;
	return count;
}

/* ------------------------------------------------------------------ answer */

static void on_step(struct letter *letter)
{
	struct oauth_step *step = LETTER_OF(letter, struct oauth_step, letter);
	struct control *control = step->context;
	struct sign_in *sign_in;

	LIST_FOREACH (sign_in, &control->logins, link)
		if (sign_in->id == step->id)
			break;
	if (sign_in) {
		tell_step(sign_in, step);
		if (step->end != LOGIN_GOES_ON)
			tell_result(sign_in, step);
	}
	oauth_step_free(step);
}

/* "" and "": nothing is known about it. */
static void find_cause(const struct request *request, const char *detail,
                       struct explanation *ret_cause)
{
	static const uint16_t none[3] = { 0 };
	const struct relay_settings *relay =
	    settings_find_relay_by_name(request->settings, request->parameter);

	*ret_cause = (struct explanation){ NULL, NULL };
	(void)hints_explain(ret_cause, request->settings, relay, 0, none,
	                    detail);
}

static void tell_step(struct sign_in *sign_in, const struct oauth_step *step)
{
	struct request *request = sign_in->request;
	struct emitter *emit = &request->emit;
	struct explanation cause = { NULL, NULL };

	if (!step->is_ok)
		find_cause(request, step->detail, &cause);
	emit_object(emit, NULL);
	emit_text(emit, "step", step->step);
	emit_bool(emit, "ok", step->is_ok);
	emit_text(emit, "detail", step->detail);
	emit_text(emit, "cause", cause.explain);
	emit_text(emit, "next", cause.next);
	emit_text(emit, "url", step->url);
	emit_text(emit, "complete_url", step->complete_url);
	emit_text(emit, "code", step->code);
	if (step->expires_in_s > 0)
		emit_number(emit, "expires_in", step->expires_in_s);
	else
		emit_null(emit, "expires_in");
	emit_end(emit);
	request_stream_line(request);
}

/* With a login the relay is asked again at once, unless someone paused it. */
static void tell_result(struct sign_in *sign_in, const struct oauth_step *step)
{
	struct request *request = sign_in->request;
	struct emitter *emit = &request->emit;
	bool is_done = step->end == LOGIN_DONE;

	emit_object(emit, NULL);
	emit_text(emit, "result", is_done ? "logged-in" : "failed");
	emit_text(emit, "relay", request->parameter);
	emit_end(emit);
	sign_in_free(sign_in);
	request->on_gone = NULL;
	request_log_relay(request,
	                  is_done ? "relay-logged-in" : "relay-login-failed",
	                  request->parameter, "");
	if (is_done)
		request_ask_scheduler(request, on_status);
	else
		request_stream_reply(request);
}

static void on_status(struct request *request)
{
	const struct relay_settings *relay =
	    settings_find_relay_by_name(request->settings, request->parameter);
	const struct relay_status *status =
	    shape_relay_status(request->scheduler, relay->id);

	if (status &&
	    (status->state == BREAKER_HELD || status->state == BREAKER_OPEN))
		scheduler_resume_relay(request->control->scheduler, relay->id);
	if (request->http)
		request_stream_reply(request);
	else
		request_free(request);
}

static void on_heartbeat(evutil_socket_t fd, short what, void *context)
{
	struct sign_in *sign_in = context;

	(void)fd;
	(void)what;
	request_stream_heartbeat(sign_in->request);
}

static void on_gone(struct request *request)
{
	struct sign_in *sign_in = request->context;

	oauth_login_cancel(request->control->oauth, sign_in->id);
	sign_in_free(sign_in);
	request_free(request);
}

static void sign_in_free(struct sign_in *sign_in)
{
	LIST_REMOVE(sign_in, link);
	event_free(sign_in->heartbeat);
	free(sign_in);
}
