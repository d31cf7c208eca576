/*
 * control_status - how the whole does: for people, for Prometheus; reload
 */
#include "config.h"

#include "control/handlers.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "control/control_internal.h"
#include "control/event_hook.h"
#include "control/page.h"
#include "control/request.h"
#include "deliver/scheduler.h"
#include "queue/queue.h"
#include "runtime/xalloc.h"
#include "settings.h"

static void shape_program(struct request *request);
static int shape_own_counts(struct request *request);
static int count_own(struct request *request, unsigned states,
                     unsigned *ret_count);
static void shape_messages(struct emitter *emit,
                           const struct queue_counts *counts,
                           uint64_t delivering);
static void shape_store(struct emitter *emit, const struct queue_counts *counts,
                        const char *directory);
static void shape_relays(struct request *request);
static void shape_routing(struct emitter *emit,
                          const struct scheduler_query *scheduler);
static void shape_event_hook(struct request *request);
static void on_reload_done(struct letter *letter);

void status_show(struct request *request)
{
	struct emitter *emit = &request->emit;
	struct queue_counts counts;
	int r;

	emit_object(emit, NULL);
	shape_program(request);
	if (!request->is_administrator) {
		r = shape_own_counts(request);
		problems_shape_staging(request);
		emit_end(emit);
	} else {
		r = queue_read_counts(request->control->reader, &counts);
		if (r == 0) {
			shape_messages(emit, &counts,
			               request->scheduler->delivering_count);
			shape_store(emit, &counts,
			            request->settings->queue.directory);
			shape_relays(request);
			shape_routing(emit, request->scheduler);
			shape_event_hook(request);
			problems_shape(request, &counts);
		}
		emit_end(emit);
	}
	if (r < 0)
		request_fail_errno(request, r);
	else
		request_reply(request, 200);
}

static void shape_program(struct request *request)
{
	struct emitter *emit = &request->emit;
	const struct control *control = request->control;

	emit_text(emit, "version", PACKAGE_VERSION);
	emit_text(emit, "hostname", request->settings->hostname);
	emit_time(emit, "started", control->started_ms);
	emit_number(emit, "uptime_s",
	            (clock_boottime_ms() - (int64_t)control->started_boot_ms) /
	                1000);
	emit_bool(emit, "administrator", request->is_administrator);
}

/* -------------------------------------------------------------------- own */

#define OWN_COUNT_MAX 100

/* More than so many are said as "more": the cost stays bounded. */
static int shape_own_counts(struct request *request)
{
	static const enum message_state shown[] = {
		MESSAGE_QUEUED, MESSAGE_HELD, MESSAGE_PARKED, MESSAGE_FAILED,
		MESSAGE_EXPIRED
	};
	struct emitter *emit = &request->emit;
	unsigned count = 0;
	bool has_more = false;
	size_t i;
	int r = 0;

	emit_object(emit, "messages");
	for (i = 0; r == 0 && i < sizeof(shown) / sizeof(shown[0]); i++) {
		unsigned states = 1u << shown[i];

		if (shown[i] == MESSAGE_QUEUED)
			states |= SELECTION_DELIVERING;
		r = count_own(request, states, &count);
		emit_number(emit, message_state_name(shown[i]), count);
		has_more |= count == OWN_COUNT_MAX;
	}
	emit_end(emit);
	emit_bool(emit, "more", has_more);
	return r;
}

static int count_own(struct request *request, unsigned states,
                     unsigned *ret_count)
{
	struct page *page = xcalloc(1, sizeof(*page));
	struct selection selection;
	struct shape_view view;
	int r;

	request_view(request, &view);
	selection_init(&selection);
	selection.states = states;
	selection_restrict(&selection, request->uid);
	r = page_read(page, request->control->reader, &selection, &view, 0,
	              OWN_COUNT_MAX);
	*ret_count = page->count;
	page_done(page);
	free(page);
	return r;
}

/* -------------------------------------------------------------------- all */

static void shape_messages(struct emitter *emit,
                           const struct queue_counts *counts,
                           uint64_t delivering)
{
	uint64_t queued = counts->messages[MESSAGE_QUEUED];
	int state;

	/* Both were looked at in turn: what is delivering may have ended. */
	if (delivering > queued)
		delivering = queued;
	emit_object(emit, "messages");
	emit_number(emit, "queued", (int64_t)(queued - delivering));
	emit_number(emit, "delivering", (int64_t)delivering);
	for (state = MESSAGE_HELD; state < MESSAGE_STATES; state++)
		emit_number(emit, message_state_name((enum message_state)state),
		            (int64_t)counts->messages[state]);
	emit_end(emit);
	emit_number(emit, "waiting_parts", (int64_t)counts->waiting_parts);
}

static void shape_store(struct emitter *emit, const struct queue_counts *counts,
                        const char *directory)
{
	emit_object(emit, "store");
	emit_text(emit, "directory", directory);
	emit_number(emit, "bytes_used", (int64_t)counts->bytes_used);
	emit_number(emit, "bytes_maximum", (int64_t)counts->bytes_maximum);
	emit_number(emit, "disk_free", (int64_t)counts->disk_free);
	emit_bool(emit, "full", counts->is_full);
	emit_time(emit, "stalled_since", counts->stalled_since_ms);
	emit_time(emit, "oldest_kept", counts->oldest_kept_ms);
	emit_number(emit, "last_sequence", (int64_t)counts->last_sequence);
	emit_number(emit, "commits", (int64_t)counts->commits);
	emit_number(emit, "committed_jobs", (int64_t)counts->committed_jobs);
	emit_end(emit);
}

/* Those that are set, and those that are not but still have mail. */
static void shape_relays(struct request *request)
{
	const struct scheduler_query *scheduler = request->scheduler;
	const struct settings *settings = request->settings;
	struct emitter *emit = &request->emit;
	size_t i;

	emit_array(emit, "relays");
	for (i = 0; i < settings->relay_count; i++) {
		const struct relay_settings *relay = &settings->relays[i];

		emit_object(emit, NULL);
		emit_text(emit, "name", relay->name);
		emit_bool(emit, "default", relay == settings->default_relay);
		emit_bool(emit, "enabled", relay->enabled);
		shape_relay_state(emit, settings, relay,
		                  shape_relay_status(scheduler, relay->id));
		emit_end(emit);
	}
	for (i = 0; i < scheduler->relay_count; i++) {
		const struct relay_status *status = &scheduler->relays[i];

		if (settings_find_relay(settings, status->id))
			continue;
		emit_object(emit, NULL);
		emit_text(emit, "name", status->name);
		emit_bool(emit, "default", false);
		emit_bool(emit, "enabled", false);
		shape_relay_state(emit, settings, NULL, status);
		emit_end(emit);
	}
	emit_end(emit);
}

/* After routing has changed: how far all that waits has been looked at. */
static void shape_routing(struct emitter *emit,
                          const struct scheduler_query *scheduler)
{
	emit_object(emit, "routing");
	emit_text(emit, "state",
	          scheduler->is_rerouting ? "looking" : "settled");
	emit_number(emit, "looked_at", (int64_t)scheduler->parts_looked_at);
	emit_number(emit, "of", (int64_t)scheduler->parts_to_look_at);
	emit_number(emit, "moved", (int64_t)scheduler->messages_moved);
	emit_end(emit);
}

/* null where no command is told the events. */
static void shape_event_hook(struct request *request)
{
	struct emitter *emit = &request->emit;
	struct event_hook_status hook;

	event_hook_look(request->control->event_hook, &hook);
	if (!hook.is_set) {
		emit_null(emit, "event_command");
		return;
	}
	emit_object(emit, "event_command");
	emit_number(emit, "given", (int64_t)hook.events);
	emit_number(emit, "failed", (int64_t)hook.failed);
	emit_number(emit, "dropped", (int64_t)hook.dropped);
	emit_number(emit, "behind", (int64_t)hook.behind);
	emit_text(emit, "problem", hook.problem);
	emit_end(emit);
}

/* ----------------------------------------------------------------- reload */

void status_reload(struct request *request)
{
	struct control *control = request->control;
	struct control_reload *reload = xcalloc(1, sizeof(*reload));

	reload->home = control->mailbox;
	reload->on_done = on_reload_done;
	reload->context = request;
	request_log(request, "reload", 0, NULL, -1);
	control->reload_take(control->reload_context, reload);
}

static void on_reload_done(struct letter *letter)
{
	struct control_reload *reload =
	    LETTER_OF(letter, struct control_reload, letter);
	struct request *request = reload->context;
	struct emitter *emit = &request->emit;

	if (reload->result == 0) {
		emit_object(emit, NULL);
		emit_text(emit, "result", "reloaded");
		request_emit_lines(emit, "warnings", reload->report);
		emit_end(emit);
		request_reply(request, 200);
	} else {
		request_fail_lines(
		    request, "bad_settings",
		    "the settings have errors; the old ones stay",
		    "mend them, then: relaisctl reload", reload->report);
	}
	free(reload->report);
	free(reload);
}
