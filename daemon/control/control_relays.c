/*
 * control_relays - relays as they are; pause and resume
 */
#include "config.h"

#include "control/handlers.h"

#include <stdio.h>
#include <string.h>

#include "control/control_internal.h"
#include "control/order.h"
#include "control/request.h"
#include "deliver/breaker.h"
#include "deliver/scheduler.h"
#include "providers.h"
#include "settings.h"

/* What the query asks for; all that is given must hold. */
struct relay_filter {
	const char *state, *provider, *word; /* NULL: any */
	bool has_enabled, is_enabled;
};

static int read_filter(struct request *request, struct relay_filter *filter);
static bool is_wanted(const struct request *request,
                      const struct relay_filter *filter,
                      const struct relay_settings *relay);
static const struct relay_settings *find_relay(struct request *request);

void relays_list(struct request *request)
{
	const struct settings *settings = request->settings;
	struct emitter *emit = &request->emit;
	struct relay_filter filter;
	struct shape_view view;
	size_t i;

	if (read_filter(request, &filter) < 0)
		return;
	request_view(request, &view);
	emit_object(emit, NULL);
	emit_array(emit, "relays");
	for (i = 0; i < settings->relay_count; i++)
		if (is_wanted(request, &filter, &settings->relays[i]))
			shape_relay(emit, NULL, &settings->relays[i], &view);
	emit_end(emit);
	emit_end(emit);
	request_reply(request, 200);
}

static bool is_state(const char *word)
{
	unsigned state;

	for (state = BREAKER_CLOSED; state <= BREAKER_PAUSED; state++)
		if (strcmp(word,
		           breaker_state_name((enum breaker_state)state)) == 0)
			return true;
	return false;
}

/* -1: the request is answered */
static int read_filter(struct request *request, struct relay_filter *filter)
{
	const char *enabled = request_query(request, "enabled");

	*filter = (struct relay_filter){
		.state = request_query(request, "state"),
		.provider = request_query(request, "provider"),
		.word = request_query(request, "word"),
		.has_enabled = enabled != NULL,
		.is_enabled = enabled && strcmp(enabled, "true") == 0,
	};
	if (filter->state && !is_state(filter->state))
		request_fail(request, 400, "bad_query", NULL,
		             "there is no state `%s`; expected closed, open, "
		             "half-open, held or paused",
		             filter->state);
	else if (enabled && !filter->is_enabled &&
	         strcmp(enabled, "false") != 0)
		request_fail(request, 400, "bad_query", NULL,
		             "enabled: expected true or false");
	else
		return 0;
	return -1;
}

/* In what relaisctl relay list shows of it, too. */
static bool has_word(const struct relay_settings *relay, const char *word)
{
	const char *const texts[] = {
		relay->name,     relay->description,
		relay->host,     relay->provider ? relay->provider->id : NULL,
		relay->username, relay->from.address,
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i] && strcasestr(texts[i], word))
			return true;
	return false;
}

static bool is_wanted(const struct request *request,
                      const struct relay_filter *filter,
                      const struct relay_settings *relay)
{
	const struct relay_status *status =
	    shape_relay_status(request->scheduler, relay->id);
	enum breaker_state state = status ? status->state : BREAKER_CLOSED;

	if (filter->state &&
	    strcmp(filter->state, breaker_state_name(state)) != 0)
		return false;
	if (filter->provider &&
	    (!relay->provider ||
	     strcmp(filter->provider, relay->provider->id) != 0))
		return false;
	if (filter->has_enabled && filter->is_enabled != relay->enabled)
		return false;
	return !filter->word || has_word(relay, filter->word);
}

void relays_show(struct request *request)
{
	relays_reply(request, 200);
}

void relays_reply(struct request *request, int status)
{
	const struct relay_settings *relay = find_relay(request);
	struct emitter *emit = &request->emit;
	struct shape_view view;

	if (!relay)
		return;
	request_view(request, &view);
	emit_object(emit, NULL);
	shape_relay_members(emit, relay, &view);
	if (request->report)
		request_emit_lines(emit, "warnings", request->report);
	emit_end(emit);
	request_reply(request, status);
}

/* Answers the request itself where there is none. */
static const struct relay_settings *find_relay(struct request *request)
{
	const struct relay_settings *relay =
	    settings_find_relay_by_name(request->settings, request->parameter);

	if (!relay)
		request_fail(request, 404, "no_such_relay",
		             "relaisctl relay list", "there is no relay %s",
		             request->parameter);
	return relay;
}

void relays_pause(struct request *request)
{
	const struct relay_settings *relay = find_relay(request);
	char error[JSON_ERROR_SIZE];
	struct order order;
	const char *text;
	size_t len;

	if (!relay)
		return;
	text = request_input(request, &len);
	order_init(&order, ORDER_REASON | ORDER_UNTIL);
	if (order_read(&order, text, len, error) < 0) {
		request_fail(request, 422, "bad_order", NULL, "%s", error);
	} else {
		if (!order.reason[0])
			snprintf(order.reason, sizeof(order.reason), "by %s",
			         request_user(request));
		scheduler_pause_relay(request->control->scheduler, relay->id,
		                      order.until_ms, order.reason);
		request_log(request, "pause", 0, relay->name, -1);
		/* Asked after the pause, answered after it. */
		request_ask_scheduler(request, relays_show);
	}
	order_done(&order);
}

void relays_resume(struct request *request)
{
	const struct relay_settings *relay = find_relay(request);

	if (!relay)
		return;
	scheduler_resume_relay(request->control->scheduler, relay->id);
	request_log(request, "resume", 0, relay->name, -1);
	request_ask_scheduler(request, relays_show);
}
