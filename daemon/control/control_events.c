/*
 * control_events - the event stream, and waiting for one message's end
 *
 * Both follow the feed that the committer writes. Each stream has a position
 * of its own, so that what is past and what comes are the same: rows above the
 * position are read and sent until the client's buffer is full, and on when it
 * has drained. While nobody listens nothing is read.
 *
 * Thread: the control loop.
 */
#include "config.h"

#include "control/handlers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include "clock.h"
#include "control/connection.h"
#include "control/control_internal.h"
#include "control/request.h"
#include "queue/queue.h"
#include "runtime/xalloc.h"

#define ROWS_AT_ONCE 64

/* A client that listens: for all that happens, or for one message's end. */
struct watcher {
	LIST_ENTRY(watcher) link;
	struct streams *streams;
	struct request *request;
	uint64_t position; /* of the feed: what was sent last */
	struct event *heartbeat;
	struct event *more; /* go on reading in the next turn */
	bool is_draining;   /* goes on when the client has taken the last */
	uint64_t waits_for; /* message id; 0: a stream */
	int64_t give_up_boot_ms;
};

LIST_HEAD(watcher_list, watcher);

struct streams {
	struct control *control;
	struct feed_listener feed;
	bool is_listening;
	struct watcher_list streams;
	struct watcher_list waiters;
	uint64_t waiters_position;
};

static void on_feed(struct letter *letter);
static void listen_again(struct streams *streams);
static struct watcher *watcher_new(struct request *request,
                                   struct watcher_list *list);
static void watcher_free(struct watcher *watcher);
static void on_watcher_gone(struct request *request);
static void on_heartbeat(evutil_socket_t fd, short what, void *context);
static void on_more(evutil_socket_t fd, short what, void *context);
static void set_heartbeat(struct watcher *watcher);
static void send_text(struct watcher *watcher, const char *text);
static bool find_start(struct request *request, uint64_t *ret_position);
static void fail_gone(struct request *request, uint64_t position,
                      uint64_t oldest, uint64_t newest);
static bool has_stream(const struct streams *streams, uid_t uid);
static void pump(struct watcher *watcher);
static void on_drained(struct request *request);
static void end_of_ring(struct watcher *watcher, uint64_t oldest);
static void add_event(struct watcher *watcher, struct evbuffer *out,
                      const struct feed_row *row);
static void check_waiters(struct streams *streams);
static void check_waiter(struct watcher *waiter);
static void answer_waiter(struct watcher *waiter);
static void finish_wait(struct request *request);

/* ------------------------------------------------------------------- feed */

struct streams *streams_new(struct control *control)
{
	struct streams *streams = xcalloc(1, sizeof(*streams));

	streams->control = control;
	streams->feed.letter.open = on_feed;
	streams->feed.mailbox = control->mailbox;
	LIST_INIT(&streams->streams);
	LIST_INIT(&streams->waiters);
	queue_listen_feed(control->queue, &streams->feed);
	listen_again(streams);
	return streams;
}

void streams_free(struct streams *streams)
{
	free(streams);
}

static void on_feed(struct letter *letter)
{
	struct streams *streams =
	    LETTER_OF(letter, struct streams, feed.letter);
	struct watcher *watcher, *next;

	streams->is_listening = false;
	if (LIST_EMPTY(&streams->streams) && LIST_EMPTY(&streams->waiters))
		return;
	listen_again(streams);
	for (watcher = LIST_FIRST(&streams->streams); watcher; watcher = next) {
		next = LIST_NEXT(watcher, link);
		if (!watcher->is_draining)
			pump(watcher);
	}
	check_waiters(streams);
}

/* Before the feed is read, so that nothing falls in between. */
static void listen_again(struct streams *streams)
{
	if (streams->is_listening)
		return;
	streams->is_listening = true;
	queue_feed_listen_again(&streams->feed);
}

/* --------------------------------------------------------------- watchers */

static struct watcher *watcher_new(struct request *request,
                                   struct watcher_list *list)
{
	struct control *control = request->control;
	struct watcher *watcher = xcalloc(1, sizeof(*watcher));

	watcher->streams = control->streams;
	watcher->request = request;
	watcher->heartbeat =
	    event_new(control->base, -1, 0, on_heartbeat, watcher);
	watcher->more = event_new(control->base, -1, 0, on_more, watcher);
	if (!watcher->heartbeat || !watcher->more)
		abort();
	request->context = watcher;
	request->on_gone = on_watcher_gone;
	LIST_INSERT_HEAD(list, watcher, link);
	listen_again(control->streams);
	return watcher;
}

static void watcher_free(struct watcher *watcher)
{
	LIST_REMOVE(watcher, link);
	event_free(watcher->heartbeat);
	event_free(watcher->more);
	watcher->request->on_gone = NULL;
	free(watcher);
}

static void on_watcher_gone(struct request *request)
{
	watcher_free(request->context);
	request_free(request);
}

/* A line end is nothing to JSON, and a colon is a comment to a stream. */
static void on_heartbeat(evutil_socket_t fd, short what, void *context)
{
	struct watcher *watcher = context;

	(void)fd;
	(void)what;
	if (watcher->waits_for &&
	    clock_boottime_ms() >= watcher->give_up_boot_ms) {
		answer_waiter(watcher);
		return;
	}
	if (!watcher->is_draining)
		send_text(watcher, watcher->waits_for ? "\n" : ":\n\n");
	set_heartbeat(watcher);
}

static void set_heartbeat(struct watcher *watcher)
{
	int64_t in_ms = HEARTBEAT_S * 1000;
	struct timeval in;

	if (watcher->waits_for) {
		int64_t left_ms =
		    watcher->give_up_boot_ms - clock_boottime_ms();

		if (left_ms < in_ms)
			in_ms = left_ms > 0 ? left_ms : 0;
	}
	in.tv_sec = in_ms / 1000;
	in.tv_usec = in_ms % 1000 * 1000;
	(void)event_add(watcher->heartbeat, &in);
}

static void send_text(struct watcher *watcher, const char *text)
{
	struct evbuffer *out = evbuffer_new();

	if (!out || evbuffer_add(out, text, strlen(text)) < 0)
		abort();
	request_stream_send(watcher->request, out, NULL);
	evbuffer_free(out);
}

/* ---------------------------------------------------------------- streams */

void events_stream(struct request *request)
{
	struct streams *streams = request->control->streams;
	struct watcher *watcher;
	uint64_t position;
	char first[64];

	if (!request->is_administrator && has_stream(streams, request->uid)) {
		request_fail(request, 429, "too_many_streams", NULL,
		             "you have an event stream open already");
		return;
	}
	if (!find_start(request, &position))
		return;
	watcher = watcher_new(request, &streams->streams);
	watcher->position = position;
	request_stream_begin(request, "text/event-stream", -1);
	snprintf(first, sizeof(first), ": events after %" PRIu64 "\n\n",
	         position);
	send_text(watcher, first);
	set_heartbeat(watcher);
	pump(watcher);
}

static bool has_stream(const struct streams *streams, uid_t uid)
{
	const struct watcher *watcher;

	LIST_FOREACH (watcher, &streams->streams, link)
		if (watcher->request->uid == uid)
			return true;
	return false;
}

/* Answers the request itself where it returns false. */
static bool find_start(struct request *request, uint64_t *ret_position)
{
	struct queue_reader *reader = request->control->reader;
	const char *word = request_query(request, "since");
	struct queue_counts counts;
	struct feed_row row;
	uint64_t oldest = 0;
	char *end;
	int r;

	if (!word)
		word = evhttp_find_header(
		    evhttp_request_get_input_headers(request->http),
		    "Last-Event-ID");
	r = queue_read_counts(reader, &counts);
	if (r < 0) {
		request_fail_errno(request, r);
		return false;
	}
	*ret_position = counts.last_sequence;
	if (!word)
		return true;
	*ret_position = strtoull(word, &end, 10);
	if (*word < '0' || *word > '9' || *end) {
		request_fail(request, 400, "bad_query", NULL,
		             "since: expected the number of an event");
		return false;
	}
	r = queue_read_feed(reader, *ret_position, &row, 1, &oldest);
	if (r == -ERANGE || *ret_position > counts.last_sequence) {
		fail_gone(request, *ret_position, oldest, counts.last_sequence);
		return false;
	}
	return true;
}

/* With the numbers as members, for programs that go on from there. */
static void fail_gone(struct request *request, uint64_t position,
                      uint64_t oldest, uint64_t newest)
{
	struct emitter *emit = &request->emit;
	char message[128];

	snprintf(message, sizeof(message),
	         "events after %" PRIu64 " are not there; the oldest is "
	         "%" PRIu64 ", the newest %" PRIu64,
	         position, oldest, newest);
	emit_object(emit, NULL);
	emit_object(emit, "error");
	emit_text(emit, "code", "events_gone");
	emit_text(emit, "message", message);
	emit_text(emit, "next", "list the messages, and go on without since");
	emit_number(emit, "oldest", (int64_t)oldest);
	emit_number(emit, "newest", (int64_t)newest);
	emit_end(emit);
	emit_end(emit);
	request_reply(request, 410);
}

/* Some rows; the rest when they are taken, or in the next turn. */
static void pump(struct watcher *watcher)
{
	static const struct timeval at_once;
	struct feed_row rows[ROWS_AT_ONCE];
	struct evbuffer *out;
	uint64_t oldest = 0;
	int count, i;

	watcher->is_draining = false;
	count = queue_read_feed(watcher->streams->control->reader,
	                        watcher->position, rows, ROWS_AT_ONCE, &oldest);
	if (count < 0) {
		end_of_ring(watcher, oldest);
		return;
	}
	out = evbuffer_new();
	if (!out)
		abort();
	for (i = 0; i < count; i++) {
		add_event(watcher, out, &rows[i]);
		watcher->position = rows[i].sequence;
	}
	if (evbuffer_get_length(out) > 0) {
		watcher->is_draining = true;
		request_stream_send(watcher->request, out, on_drained);
	} else if (count == ROWS_AT_ONCE) {
		(void)event_add(watcher->more, &at_once);
	}
	evbuffer_free(out);
}

static void on_drained(struct request *request)
{
	pump(request->context);
}

static void on_more(evutil_socket_t fd, short what, void *context)
{
	struct watcher *watcher = context;

	(void)fd;
	(void)what;
	if (!watcher->is_draining)
		pump(watcher);
}

/* The client was too slow for the ring, or the store failed. */
static void end_of_ring(struct watcher *watcher, uint64_t oldest)
{
	struct request *request = watcher->request;
	char text[96];

	snprintf(text, sizeof(text),
	         "event: gone\ndata: {\"oldest\":%" PRIu64 "}\n\n", oldest);
	send_text(watcher, text);
	watcher_free(watcher);
	request_stream_end(request);
}

static void add_event(struct watcher *watcher, struct evbuffer *out,
                      const struct feed_row *row)
{
	struct request *request = watcher->request;
	struct message *message = NULL;
	struct shape_view view;
	struct emitter emit;
	struct buffer text;

	(void)queue_read_message(request->control->reader, row->id, &message);
	if (!request->is_administrator &&
	    (!message || message->uid != request->uid)) {
		message_free(message);
		return;
	}
	request_view(request, &view);
	buffer_init(&text, 0);
	emit_init(&emit, &text);
	shape_event(&emit, row, message, &view);
	if (emit_result(&emit) < 0 ||
	    evbuffer_add_printf(
		out, "id: %" PRIu64 "\nevent: %s\ndata: ", row->sequence,
		timeline_kind_name(row->kind)) < 0 ||
	    evbuffer_add(out, text.data, text.len) < 0 ||
	    evbuffer_add(out, "\n\n", 2) < 0)
		abort();
	buffer_done(&text);
	message_free(message);
}

/* ---------------------------------------------------------------- waiting */

void events_wait_for_message(struct request *request, unsigned wait_s)
{
	struct streams *streams = request->control->streams;
	struct queue_counts counts;
	struct watcher *waiter;
	int r;

	if (LIST_EMPTY(&streams->waiters)) {
		r = queue_read_counts(request->control->reader, &counts);
		if (r < 0) {
			request_fail_errno(request, r);
			return;
		}
		streams->waiters_position = counts.last_sequence;
	}
	waiter = watcher_new(request, &streams->waiters);
	waiter->waits_for = request->id;
	waiter->give_up_boot_ms = clock_boottime_ms() + wait_s * 1000;
	/* Its state was read before; the feed counts from here on. */
	request_stream_begin(request, "application/json", -1);
	send_text(waiter, "\n");
	set_heartbeat(waiter);
	check_waiter(waiter);
}

static void check_waiters(struct streams *streams)
{
	struct queue_reader *reader = streams->control->reader;
	struct watcher *waiter, *next;
	struct feed_row rows[ROWS_AT_ONCE];
	uint64_t oldest = 0;
	int count, i;

	if (LIST_EMPTY(&streams->waiters))
		return;
	do {
		count = queue_read_feed(reader, streams->waiters_position, rows,
		                        ROWS_AT_ONCE, &oldest);
		for (i = 0; i < count; i++)
			streams->waiters_position = rows[i].sequence;
		for (waiter = LIST_FIRST(&streams->waiters); waiter;
		     waiter = next) {
			next = LIST_NEXT(waiter, link);
			for (i = 0; i < count; i++)
				if (rows[i].id == waiter->waits_for)
					break;
			/* -ERANGE: anything may have happened. */
			if (count < 0 || i < count)
				check_waiter(waiter);
		}
		if (count == -ERANGE)
			streams->waiters_position = oldest - 1;
	} while (count == ROWS_AT_ONCE);
}

static void check_waiter(struct watcher *waiter)
{
	struct message *message;
	int r;

	r = queue_read_message(waiter->request->control->reader,
	                       waiter->waits_for, &message);
	if (r == 0 && message->state < MESSAGE_FAILED) {
		message_free(message);
		return;
	}
	if (r == 0)
		message_free(message);
	answer_waiter(waiter);
}

/* From here on the request is one like others. */
static void answer_waiter(struct watcher *waiter)
{
	struct request *request = waiter->request;

	watcher_free(waiter);
	request_ask_scheduler(request, finish_wait);
}

static void finish_wait(struct request *request)
{
	struct message *message;
	struct shape_view view;

	if (!request->connection) {
		request_free(request);
		return;
	}
	if (queue_read_message(request->control->reader, request->id,
	                       &message) < 0) {
		request_stream_cut(request);
		return;
	}
	request_view(request, &view);
	shape_message(&request->emit, NULL, message, &view, true);
	message_free(message);
	request_stream_reply(request);
}
