/*
 * control_changes - retry, hold, release, cancel, resend, reschedule: of one
 * message, and all but the last of many
 *
 * Every change is a job of the queue that goes by way of the scheduler and
 * comes home when it is on disk. A bulk change walks the list page by page,
 * newest first; the next page is read when the changes of the last are home.
 */
#include "config.h"

#include "control/handlers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "clock.h"
#include "control/connection.h"
#include "control/control_internal.h"
#include "control/order.h"
#include "control/page.h"
#include "control/request.h"
#include "control/resend.h"
#include "deliver/scheduler.h"
#include "runtime/xalloc.h"

#define BULK_PAGE   100
#define PROGRESS_MS 200

struct verb {
	const char *name;
	/* What it can be done to. */
	unsigned states;
	unsigned members; /* of the order, a filter aside */
};

struct bulk {
	struct request *request;
	enum change_kind kind;
	struct order order;
	struct event *next_page;
	uint64_t before;
	bool is_last_page;
	bool is_abandoned; /* the client is gone */
	bool is_streaming; /* the answer has begun */
	int64_t said_boot_ms;
	unsigned under_way;
	uint64_t matched, changed, accepted, failed;
	int error; /* the last failure */
};

static const struct verb *verb_of(enum change_kind kind);
static void post_change(struct request *request, struct change *change);
static struct change *make_change(struct request *request,
                                  enum change_kind kind, uint64_t id,
                                  const struct order *order);
static bool read_order(struct request *request, struct order *ret_order,
                       unsigned members);
static void on_one_done(struct letter *letter);
static void reply_cancelled(struct request *request);
static void refuse_change(struct request *request, enum change_kind kind);
static bool restrict_states(struct bulk *bulk);
static void on_next_page(evutil_socket_t fd, short what, void *context);
static void begin_page(struct bulk *bulk, struct page *page);
static void on_bulk_change_done(struct letter *letter);
static void on_bulk_gone(struct request *request);
static void read_next_page(struct bulk *bulk);
static void go_on(struct bulk *bulk);
static void keep_company(struct bulk *bulk);
static void finish(struct bulk *bulk);
static void shape_outcome(struct emitter *emit, const struct bulk *bulk);

static const struct verb *verb_of(enum change_kind kind)
{
	static const struct verb retry = { "retry",
		                           SELECTION_DELIVERING |
		                               1u << MESSAGE_QUEUED,
		                           ORDER_REASON };
	static const struct verb hold = { "hold",
		                          SELECTION_DELIVERING |
		                              1u << MESSAGE_QUEUED,
		                          ORDER_REASON | ORDER_UNTIL };
	static const struct verb release = { "release",
		                             1u << MESSAGE_HELD |
		                                 1u << MESSAGE_PARKED,
		                             ORDER_REASON };
	static const struct verb cancel = { "cancel", SELECTION_WAITING,
		                            ORDER_REASON };
	static const struct verb resend = { "resend",
		                            SELECTION_WAITING |
		                                1u << MESSAGE_FAILED |
		                                1u << MESSAGE_EXPIRED |
		                                1u << MESSAGE_PARTIAL,
		                            ORDER_REASON };
	static const struct verb reschedule = { "reschedule",
		                                1u << MESSAGE_QUEUED,
		                                ORDER_REASON | ORDER_AT };

	switch (kind) {
	case CHANGE_RETRY:
		return &retry;
	case CHANGE_HOLD:
		return &hold;
	case CHANGE_RELEASE:
		return &release;
	case CHANGE_CANCEL:
		return &cancel;
	case CHANGE_RESEND:
		return &resend;
	case CHANGE_RESCHEDULE:
		return &reschedule;
	case CHANGE_PARK:
	case CHANGE_REROUTE:
		break;
	}
	abort();
}

static struct change *make_change(struct request *request,
                                  enum change_kind kind, uint64_t id,
                                  const struct order *order)
{
	struct change *change = change_new(kind, id);

	change->job.home = request->control->mailbox;
	change->is_for_owner_only = !request->is_administrator;
	change->owner_uid = request->uid;
	change->until_ms =
	    kind == CHANGE_RESCHEDULE ? order->at_ms : order->until_ms;
	if (order->reason[0])
		change->reason =
		    xasprintf("%s (%s)", order->reason, request_user(request));
	else
		change->reason = xasprintf("by %s", request_user(request));
	return change;
}

/* Its letter comes home in any case. */
static void post_change(struct request *request, struct change *change)
{
	struct control *control = request->control;
	int r;

	if (change->kind != CHANGE_RESEND) {
		scheduler_change_take(control->scheduler, change);
		return;
	}
	r = resend_prepare(change, control->reader, request->settings);
	if (r == 0) {
		queue_post_take(control->queue, &change->job);
		return;
	}
	change->job.result = r;
	change->job.letter.open = change->job.on_done;
	mailbox_post_take(control->mailbox, &change->job.letter);
}

/* Answers the request itself where it returns false. */
static bool read_order(struct request *request, struct order *ret_order,
                       unsigned members)
{
	char error[JSON_ERROR_SIZE];
	const char *text;
	size_t len;

	text = request_input(request, &len);
	order_init(ret_order, members);
	if (!request->is_administrator)
		selection_restrict(&ret_order->filter, request->uid);
	if (order_read(ret_order, text, len, error) == 0)
		return true;
	order_done(ret_order);
	request_fail(request, 422, "bad_order", NULL, "%s", error);
	return false;
}

/* -------------------------------------------------------------------- one */

void changes_one(struct request *request)
{
	enum change_kind kind = (enum change_kind)request->endpoint->detail;
	struct order order;
	struct change *change;

	if (!read_order(request, &order, verb_of(kind)->members))
		return;
	if (kind == CHANGE_RESCHEDULE && order.at_ms == 0) {
		order_done(&order);
		request_fail(
		    request, 422, "no_time", NULL,
		    "say when: `at`, a time like 2026-11-23T18:40:01Z");
		return;
	}
	change = make_change(request, kind, request->id, &order);
	change->job.on_done = on_one_done;
	change->job.context = request;
	order_done(&order);
	post_change(request, change);
}

static void on_one_done(struct letter *letter)
{
	struct change *change = LETTER_OF(letter, struct change, job.letter);
	struct request *request = change->job.context;
	enum change_kind kind = change->kind;
	int result = change->job.result;
	uint64_t id = request->id;

	request->is_accepted_only = change->is_accepted_only;
	/* What is answered is the message that goes out. */
	if (kind == CHANGE_RESEND && result == 0)
		request->id = change->submission->id;
	change_free(change);
	if (result == -EALREADY) {
		refuse_change(request, kind);
		return;
	}
	if (result == -ERANGE) {
		request_fail(
		    request, 409, "behind_deadline", NULL,
		    "%s is not to be relayed so late: its deadline lies "
		    "before that",
		    request->parameter);
		return;
	}
	if (result < 0) {
		request_fail_errno(request, result);
		return;
	}
	request_log(request, verb_of(kind)->name, id, NULL, -1);
	request_ask_scheduler(request, kind == CHANGE_CANCEL
	                                   ? reply_cancelled
	                                   : messages_reply_one);
}

/* Of a damaged message nothing is left that could be shown. */
static void reply_cancelled(struct request *request)
{
	struct emitter *emit = &request->emit;
	struct message *message;
	int r;

	r = queue_read_message(request->control->reader, request->id, &message);
	if (r != -ENOENT) {
		if (r == 0)
			message_free(message);
		messages_reply_one(request);
		return;
	}
	emit_object(emit, NULL);
	emit_text(emit, "id", request->parameter);
	emit_text(emit, "state", "cancelled");
	emit_end(emit);
	request_reply(request, 200);
}

static void refuse_change(struct request *request, enum change_kind kind)
{
	struct message *message;
	const char *state = "gone";

	if (queue_read_message(request->control->reader, request->id,
	                       &message) == 0) {
		state = message_state_name(message->state);
		if (kind == CHANGE_RESEND)
			state = resend_obstacle(message);
		if (kind == CHANGE_RESCHEDULE &&
		    message->state == MESSAGE_QUEUED)
			state = "on its way already";
		message_free(message);
	}
	request_fail(request, 409, "nothing_to_do", NULL,
	             "cannot %s %s: it is %s", verb_of(kind)->name,
	             request->parameter, state);
}

/* ------------------------------------------------------------------- bulk */

void changes_bulk(struct request *request)
{
	enum change_kind kind = (enum change_kind)request->endpoint->detail;
	struct order order;
	struct bulk *bulk;

	if (!read_order(request, &order,
	                verb_of(kind)->members | ORDER_DRY_RUN |
	                    ORDER_PROGRESS | ORDER_FILTER))
		return;
	if (!order.has_filter) {
		order_done(&order);
		request_fail(request, 422, "no_filter", NULL,
		             "say which messages: a `filter`, {} for all");
		return;
	}
	bulk = xcalloc(1, sizeof(*bulk));
	bulk->request = request;
	bulk->kind = kind;
	bulk->order = order;
	bulk->next_page =
	    event_new(request->control->base, -1, 0, on_next_page, bulk);
	if (!bulk->next_page)
		abort();
	request->context = bulk;
	request->on_gone = on_bulk_gone;
	if (restrict_states(bulk))
		read_next_page(bulk);
	else
		finish(bulk);
}

/* False: the states asked for have nothing that could be changed. */
static bool restrict_states(struct bulk *bulk)
{
	unsigned *states = &bulk->order.filter.states;
	unsigned possible = verb_of(bulk->kind)->states;

	*states = *states ? *states & possible : possible;
	return *states != 0;
}

/* A page a turn of the loop: others get their answers in between. */
static void read_next_page(struct bulk *bulk)
{
	static const struct timeval at_once;

	(void)event_add(bulk->next_page, &at_once);
}

static void on_next_page(evutil_socket_t fd, short what, void *context)
{
	struct bulk *bulk = context;
	struct request *request = bulk->request;
	struct shape_view view;
	struct page *page;
	int r;

	(void)fd;
	(void)what;
	request_view(request, &view);
	page = xcalloc(1, sizeof(*page));
	r = page_read(page, request->control->reader, &bulk->order.filter,
	              &view, bulk->before, BULK_PAGE);
	if (r < 0) {
		bulk->error = r;
		bulk->is_last_page = true;
	} else {
		bulk->before = page->next;
		bulk->is_last_page = page->next == 0;
		begin_page(bulk, page);
	}
	page_done(page);
	free(page);
	go_on(bulk);
}

static void begin_page(struct bulk *bulk, struct page *page)
{
	unsigned i;

	bulk->matched += page->count;
	if (bulk->order.is_dry_run)
		return;
	for (i = 0; i < page->count; i++) {
		struct change *change =
		    make_change(bulk->request, bulk->kind,
		                page->messages[i]->id, &bulk->order);

		change->job.on_done = on_bulk_change_done;
		change->job.context = bulk;
		bulk->under_way++;
		post_change(bulk->request, change);
	}
}

static void on_bulk_change_done(struct letter *letter)
{
	struct change *change = LETTER_OF(letter, struct change, job.letter);
	struct bulk *bulk = change->job.context;
	int result = change->job.result;

	bulk->under_way--;
	/* What has ended or gone meanwhile is nobody's failure. */
	if (result == 0 && change->is_accepted_only)
		bulk->accepted++;
	else if (result == 0)
		bulk->changed++;
	else if (result != -EALREADY && result != -ENOENT) {
		bulk->failed++;
		bulk->error = result;
	}
	change_free(change);
	go_on(bulk);
}

/* The rest is left alone: whoever asked has changed their mind. */
static void on_bulk_gone(struct request *request)
{
	struct bulk *bulk = request->context;

	bulk->is_abandoned = true;
	event_del(bulk->next_page);
	if (bulk->under_way == 0)
		finish(bulk);
}

static void go_on(struct bulk *bulk)
{
	if (bulk->under_way > 0)
		return;
	if (bulk->is_last_page || bulk->is_abandoned) {
		finish(bulk);
		return;
	}
	keep_company(bulk);
	read_next_page(bulk);
}

/*
 * Of more than one page the answer begins at once, with line ends that are
 * nothing to JSON, or with how far it is: so the client knows that work goes
 * on, and is known to be there.
 */
static void keep_company(struct bulk *bulk)
{
	bool has_progress = bulk->order.has_progress;
	int64_t pause_ms = has_progress ? PROGRESS_MS : HEARTBEAT_S * 1000;
	int64_t now_ms = clock_boottime_ms();
	struct evbuffer *out;

	if (bulk->is_streaming && now_ms < bulk->said_boot_ms + pause_ms)
		return;
	if (!bulk->is_streaming)
		request_stream_begin(bulk->request,
		                     has_progress ? "application/x-ndjson"
		                                  : "application/json",
		                     -1);
	bulk->is_streaming = true;
	bulk->said_boot_ms = now_ms;
	out = evbuffer_new();
	if (!out ||
	    (has_progress &&
	     evbuffer_add_printf(out, "{\"progress\":%" PRIu64 "}",
	                         bulk->matched) < 0) ||
	    evbuffer_add(out, "\n", 1) < 0)
		abort();
	request_stream_send(bulk->request, out, NULL);
	evbuffer_free(out);
}

static void finish(struct bulk *bulk)
{
	struct request *request = bulk->request;
	bool is_streaming = bulk->is_streaming;
	int error = bulk->error;

	if (!bulk->order.is_dry_run)
		request_log(request, verb_of(bulk->kind)->name, 0, NULL,
		            (int64_t)(bulk->changed + bulk->accepted));
	shape_outcome(&request->emit, bulk);
	event_free(bulk->next_page);
	order_done(&bulk->order);
	free(bulk);
	request->on_gone = NULL;
	if (is_streaming && request->connection)
		request_stream_reply(request);
	else if (error < 0 && request->connection)
		request_fail_errno(request, error);
	else
		request_reply(request, 200);
}

static void shape_outcome(struct emitter *emit, const struct bulk *bulk)
{
	emit_object(emit, NULL);
	emit_bool(emit, "dry_run", bulk->order.is_dry_run);
	emit_number(emit, "matched", (int64_t)bulk->matched);
	emit_number(emit, "changed", (int64_t)bulk->changed);
	emit_number(emit, "accepted", (int64_t)bulk->accepted);
	emit_number(emit, "failed", (int64_t)bulk->failed);
	emit_text(emit, "failure",
	          bulk->error < 0 ? strerror(-bulk->error) : NULL);
	emit_end(emit);
}
