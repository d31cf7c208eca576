/*
 * control_relays - relays as they are; pause and resume
 */
#include "config.h"

#include "control/handlers.h"

#include <stdio.h>

#include "control/control_internal.h"
#include "control/order.h"
#include "control/request.h"
#include "deliver/scheduler.h"
#include "settings.h"

static const struct relay_settings *find_relay(struct request *request);

void relays_list(struct request *request)
{
	const struct settings *settings = request->settings;
	struct emitter *emit = &request->emit;
	struct shape_view view;
	size_t i;

	request_view(request, &view);
	emit_object(emit, NULL);
	emit_array(emit, "relays");
	for (i = 0; i < settings->relay_count; i++)
		shape_relay(emit, NULL, &settings->relays[i], &view);
	emit_end(emit);
	emit_end(emit);
	request_reply(request, 200);
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
