/*
 * control_problems - what is wrong now, since when, and which command helps
 *
 * That mail does not go where it is sent comes first, then what needs a human.
 */
#include "config.h"

#include "control/handlers.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "control/accounts.h"
#include "control/control_internal.h"
#include "control/event_hook.h"
#include "control/request.h"
#include "control/users.h"
#include "deliver/oauth.h"
#include "deliver/scheduler.h"
#include "queue/queue.h"
#include "runtime/xalloc.h"
#include "settings.h"
#include "staging.h"

#define CERTIFICATE_WARN_MS (14 * 24 * 60 * 60 * UINT64_C(1000))

static void shape_staging(void *context, const char *what, const char *next);
static void shape_set_aside(struct emitter *emit, uint64_t count,
                            const char *state, const char *more);
static void shape_store_problems(struct emitter *emit,
                                 const struct queue_counts *counts);
static void shape_trouble(struct emitter *emit, const char *name,
                          const struct relay_status *status,
                          const struct oauth_news *account);
static void shape_accounts(struct request *request);
static char *describe_fault(const struct relay_status *status);
static void shape_disabled(struct request *request, const char *name,
                           const struct relay_status *status);
static void shape_holds(struct request *request, const char *name,
                        const struct relay_status *status);
static void shape_pace(struct emitter *emit, const char *name,
                       const struct relay_status *status);
static void shape_certificate(struct emitter *emit, const char *name,
                              const struct relay_status *status);
static void shape_event_hook(struct request *request);
static void shape_problem(struct emitter *emit, uint64_t since_ms,
                          const char *next, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

void problems_shape(struct request *request, const struct queue_counts *counts)
{
	const struct scheduler_query *scheduler = request->scheduler;
	struct emitter *emit = &request->emit;
	size_t i;

	emit_array(emit, "problems");
	staging_describe(request->settings, shape_staging, emit);
	shape_set_aside(emit, counts->messages[MESSAGE_PARKED], "parked",
	                ": someone must decide");
	shape_store_problems(emit, counts);
	for (i = 0; i < scheduler->relay_count; i++) {
		const struct relay_status *status = &scheduler->relays[i];
		const char *name = status->name;

		shape_trouble(emit, name, status,
		              accounts_find(request->control->accounts, name));
		shape_disabled(request, name, status);
		shape_holds(request, name, status);
		shape_pace(emit, name, status);
		shape_certificate(emit, name, status);
	}
	shape_event_hook(request);
	shape_accounts(request);
	shape_set_aside(emit, counts->messages[MESSAGE_HELD], "held", "");
	emit_end(emit);
}

/* Whoever looks is to see it, too, before he wonders where his mail is. */
void problems_shape_staging(struct request *request)
{
	emit_array(&request->emit, "problems");
	staging_describe(request->settings, shape_staging, &request->emit);
	emit_end(&request->emit);
}

static void shape_staging(void *context, const char *what, const char *next)
{
	shape_problem(context, 0, next, "%s", what);
}

static void shape_set_aside(struct emitter *emit, uint64_t count,
                            const char *state, const char *more)
{
	char next[64];

	if (count == 0)
		return;
	snprintf(next, sizeof(next), "relaisctl list --state %s", state);
	shape_problem(emit, 0, next, "%llu message%s %s%s",
	              (unsigned long long)count, count == 1 ? " is" : "s are",
	              state, more);
}

static void shape_store_problems(struct emitter *emit,
                                 const struct queue_counts *counts)
{
	char since[CLOCK_RFC3339_SIZE];

	if (counts->stalled_since_ms) {
		clock_format_rfc3339((int64_t)counts->stalled_since_ms, since);
		shape_problem(emit, counts->stalled_since_ms,
		              "look at the disk: dmesg, iostat",
		              "disk stalled since %s: new mail is put off",
		              since);
	}
	if (counts->is_full)
		shape_problem(emit, 0,
		              "make room on the disk, or raise queue.maximum",
		              "the store is full: new mail is put off");
}

static void shape_trouble(struct emitter *emit, const char *name,
                          const struct relay_status *status,
                          const struct oauth_news *account)
{
	char *reason = describe_fault(status);
	const char *colon = *reason ? ": " : "";
	char *next = NULL;

	switch (status->state) {
	case BREAKER_CLOSED:
	case BREAKER_HALF_OPEN:
		break;
	case BREAKER_OPEN:
		next = xasprintf("relaisctl relay test %s", name);
		shape_problem(emit, status->since_ms, next,
		              "relay %s does not work%s%s", name, colon,
		              reason);
		break;
	case BREAKER_HELD:
		next = accounts_remedy_dup(account);
		if (!next)
			next = xasprintf("mend the cause, then: "
			                 "relaisctl relay resume %s",
			                 name);
		shape_problem(emit, status->since_ms, next,
		              "relay %s is held until someone acts%s%s", name,
		              colon, reason);
		break;
	case BREAKER_PAUSED:
		next = xasprintf("relaisctl relay resume %s", name);
		shape_problem(emit, status->since_ms, next,
		              "relay %s is paused%s%s", name, colon, reason);
		break;
	}
	free(reason);
	free(next);
}

/* "535 5.7.8 bad credentials (at auth)"; the caller's to free. */
static char *describe_fault(const struct relay_status *status)
{
	const struct verdict *fault = &status->fault;
	char enhanced[24] = "";

	if (fault->code == 0)
		return xstrdup(fault->text);
	if (fault->enhanced[0] != 0)
		(void)snprintf(enhanced, sizeof(enhanced), "%u.%u.%u ",
		               fault->enhanced[0], fault->enhanced[1],
		               fault->enhanced[2]);
	return xasprintf("%u %s%s (at %s)", fault->code, enhanced, fault->text,
	                 smtp_phase_name(fault->phase));
}

/* Nobody would notice before the mail expires. */
static void shape_disabled(struct request *request, const char *name,
                           const struct relay_status *status)
{
	const struct relay_settings *relay =
	    settings_find_relay(request->settings, status->id);
	uint64_t waiting =
	    status->waiting[0] + status->waiting[1] + status->waiting[2];
	char *next;

	if (!relay || relay->enabled || waiting == 0)
		return;
	next = xasprintf("relaisctl relay enable %s", name);
	shape_problem(
	    &request->emit, 0, next,
	    "relay %s is disabled, and mail waits for it: %llu message%s", name,
	    (unsigned long long)waiting, waiting == 1 ? "" : "s");
	free(next);
}

/* A relay without a token may not know it yet: nobody has sent by it since. */
static void shape_accounts(struct request *request)
{
	const struct settings *settings = request->settings;

	for (size_t i = 0; i < settings->relay_count; i++) {
		const struct relay_settings *relay = &settings->relays[i];
		const struct oauth_news *account =
		    accounts_find(request->control->accounts, relay->name);
		const struct relay_status *status =
		    shape_relay_status(request->scheduler, relay->id);
		char *next = accounts_remedy_dup(account);

		if (relay->enabled && relay->oauth.is_set && account &&
		    account->problem.fault != FAULT_NONE &&
		    (!status || status->state == BREAKER_CLOSED))
			shape_problem(&request->emit, 0, next, "relay %s: %s",
			              relay->name, account->problem.text);
		free(next);
	}
}

static void shape_holds(struct request *request, const char *name,
                        const struct relay_status *status)
{
	struct emitter *emit = &request->emit;
	char *next =
	    xasprintf("mend the cause, then: relaisctl relay resume %s", name);
	size_t i;

	for (i = 0; i < status->hold_count; i++) {
		const struct submitter_hold *hold = &status->holds[i];
		struct shape_view view;
		const char *user;

		request_view(request, &view);
		user = view.user_name(view.context, hold->submitter);
		if (user)
			shape_problem(emit, hold->since_ms, next,
			              "mail of %s is held at relay %s: %s",
			              user, name, hold->reason);
		else
			shape_problem(emit, hold->since_ms, next,
			              "mail of uid %u is held at relay %s: %s",
			              hold->submitter, name, hold->reason);
	}
	free(next);
}

/* It mends itself, but slowly. */
static void shape_pace(struct emitter *emit, const char *name,
                       const struct relay_status *status)
{
	char *next;

	if (status->learned_pace == 0)
		return;
	next = xasprintf("set limits.rate of %s to what it allows, then: "
	                 "relaisctl relay resume %s",
	                 name, name);
	shape_problem(
	    emit, status->learned_ms, next,
	    "relay %s was sent too much at once: it gets %u message%s a "
	    "minute now, and more every ten minutes",
	    name, status->learned_pace, status->learned_pace == 1 ? "" : "s");
	free(next);
}

/* Of the relay, as TLS has seen it last. */
static void shape_certificate(struct emitter *emit, const char *name,
                              const struct relay_status *status)
{
	char end[CLOCK_RFC3339_SIZE];
	uint64_t now_ms = (uint64_t)clock_wall_ms();

	if (status->certificate_end_ms == 0 ||
	    status->certificate_end_ms > now_ms + CERTIFICATE_WARN_MS)
		return;
	clock_format_rfc3339((int64_t)status->certificate_end_ms, end);
	shape_problem(
	    emit, 0, "ask whoever runs the relay to renew it",
	    "the certificate of relay %s %s on %.10s", name,
	    status->certificate_end_ms > now_ms ? "ends" : "has ended", end);
}

static void shape_event_hook(struct request *request)
{
	struct emitter *emit = &request->emit;
	struct event_hook_status hook;

	event_hook_look(request->control->event_hook, &hook);
	if (hook.is_set && hook.problem)
		shape_problem(
		    emit, hook.problem_since_ms,
		    "mend it; the events it missed: relaisctl watch --after 0",
		    "events.command fails: %s", hook.problem);
	if (hook.dropped > 0)
		shape_problem(
		    emit, 0,
		    "make it faster, or use relais-webhook(8), which loses "
		    "none",
		    "events.command is too slow: it has missed %llu events",
		    (unsigned long long)hook.dropped);
}

static void shape_problem(struct emitter *emit, uint64_t since_ms,
                          const char *next, const char *format, ...)
{
	char what[640];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	emit_object(emit, NULL);
	emit_text(emit, "what", what);
	emit_time(emit, "since", since_ms);
	emit_text(emit, "next", next);
	emit_end(emit);
}
