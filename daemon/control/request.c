#include "config.h"

#include "control/request.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include "clock.h"
#include "control/connection.h"
#include "control/control_internal.h"
#include "control/users.h"
#include "deliver/scheduler.h"
#include "queue/route.h"
#include "queue_id.h"
#include "runtime/log.h"
#include "runtime/xalloc.h"
#include "settings.h"

/* Ids, addresses and replies of a page of messages with many recipients. */
#define ANSWER_MAX (256 * 1024 * 1024)
/* Who has so much to read gets no more. */
#define UNREAD_MAX (8 * 1024 * 1024)

static struct request *request_new(struct connection *connection,
                                   struct evhttp_request *http);
static bool find_endpoint(struct request *request, const char *path,
                          const struct endpoint *table, size_t count);
static void refuse_method(struct request *request, unsigned methods);
static bool may_ask(struct request *request);
static bool find_id(struct request *request);
static void on_scheduler_answer(struct letter *letter);
static void take_turn(struct request *request);
static void handle(struct request *request);
static const char *reason_of(int status);
static void send_buffer(struct request *request, int status, char *data,
                        size_t len);
static void on_complete(struct evhttp_request *http, void *context);

/* ---------------------------------------------------------------- arrival */

void request_dispatch(struct connection *connection,
                      struct evhttp_request *http, const struct endpoint *table,
                      size_t count)
{
	struct request *request = request_new(connection, http);
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(http);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
	const char *query = uri ? evhttp_uri_get_query(uri) : NULL;

	if (connection->is_refused) {
		(void)evhttp_add_header(evhttp_request_get_output_headers(http),
		                        "Connection", "close");
		request_fail(request, 429, "too_many_connections", NULL,
		             "you have %u connections open already",
		             connection_limit_of(connection));
		return;
	}
	if (!find_endpoint(request, path ? path : "", table, count) ||
	    !may_ask(request) || !find_id(request))
		return;
	if (query && evhttp_parse_query_str(query, request->query) < 0) {
		request_fail(request, 400, "bad_query", NULL,
		             "the part behind the `?` is not name=value&…");
		return;
	}
	if (request->endpoint->asks_scheduler)
		request_ask_scheduler(request, take_turn);
	else
		take_turn(request);
}

static struct request *request_new(struct connection *connection,
                                   struct evhttp_request *http)
{
	struct control *control = connection->control;
	struct request *request = xcalloc(1, sizeof(*request));

	request->control = control;
	request->connection = connection;
	request->http = http;
	request->settings = settings_ref(control->settings);
	request->uid = connection->peer.uid;
	request->pid = connection->peer.pid;
	request->is_administrator = settings_is_administrator(
	    request->settings, connection->peer.uid, connection->peer.gids,
	    connection->peer.gid_count);
	request->query = xcalloc(1, sizeof(*request->query));
	TAILQ_INIT(request->query);
	buffer_init(&request->body, ANSWER_MAX);
	emit_init(&request->emit, &request->body);
	LIST_INSERT_HEAD(&control->requests, request, link);
	connection->request = request;
	connection_serve(connection);
	evhttp_request_set_on_complete_cb(http, on_complete, connection);
	return request;
}

/* These three answer the request themselves where they return false. */
static bool find_endpoint(struct request *request, const char *path,
                          const struct endpoint *table, size_t count)
{
	unsigned methods = 0;
	enum method method = 0;

	switch ((unsigned)evhttp_request_get_command(request->http)) {
	case EVHTTP_REQ_GET:
		method = METHOD_GET;
		break;
	case EVHTTP_REQ_POST:
		method = METHOD_POST;
		break;
	case EVHTTP_REQ_PUT:
		method = METHOD_PUT;
		break;
	case EVHTTP_REQ_DELETE:
		method = METHOD_DELETE;
		break;
	}
	request->endpoint = endpoint_find(table, count, method, path,
	                                  request->parameter, &methods);
	if (request->endpoint)
		return true;
	if (methods)
		refuse_method(request, methods);
	else
		request_fail(request, 404, "no_such_path",
		             "see relaisctl(8) and docs/control-protocol",
		             "there is nothing at %s", path);
	return false;
}

static void refuse_method(struct request *request, unsigned methods)
{
	char allow[64];

	snprintf(allow, sizeof(allow), "%s%s%s%s",
	         methods & METHOD_GET ? ", GET" : "",
	         methods & METHOD_POST ? ", POST" : "",
	         methods & METHOD_PUT ? ", PUT" : "",
	         methods & METHOD_DELETE ? ", DELETE" : "");
	(void)evhttp_add_header(
	    evhttp_request_get_output_headers(request->http), "Allow",
	    allow + 2);
	request_fail(request, 405, "no_such_method", NULL, "this path takes %s",
	             allow + 2);
}

static bool may_ask(struct request *request)
{
	if (request->is_administrator)
		return true;
	switch (request->endpoint->audience) {
	case FOR_ANYONE:
		return true;
	case FOR_OWNERS:
		/* A uid that will be another's tomorrow has no past. */
		if (route_submitter_class(request->settings, request->uid) ==
		    request->uid)
			return true;
		request_fail(
		    request, 403, "no_own_view",
		    "an administrator can name this user under submitters",
		    "uid %u is not a stable one and sees no messages",
		    (unsigned)request->uid);
		return false;
	case FOR_ADMINISTRATORS:
		break;
	}
	request_fail(request, 403, "administrators_only",
	             "ask root, or one of control.administrators",
	             "only administrators may do this");
	return false;
}

static bool find_id(struct request *request)
{
	if (!strstr(request->endpoint->path, "{id}") ||
	    queue_id_parse(request->parameter, &request->id) == 0)
		return true;
	request_fail_errno(request, -ENOENT);
	return false;
}

/* -------------------------------------------------------------- scheduler */

void request_ask_scheduler(struct request *request,
                           void (*then)(struct request *request))
{
	struct scheduler_query *query = scheduler_query_new();

	query->home = request->control->mailbox;
	query->on_done = on_scheduler_answer;
	query->context = request;
	/* Messages are shown without the counts, which cost a row a lane. */
	query->is_brief = strncmp(request->endpoint->path, "/v1/messages",
	                          strlen("/v1/messages")) == 0;
	request->then = then;
	scheduler_ask_take(request->control->scheduler, query);
}

static void on_scheduler_answer(struct letter *letter)
{
	struct scheduler_query *query =
	    LETTER_OF(letter, struct scheduler_query, letter);
	struct request *request = query->context;

	scheduler_query_free(request->scheduler);
	request->scheduler = query;
	request->then(request);
}

/* A crowd's requests come one by one, and when nobody else waits. */
static void take_turn(struct request *request)
{
	if (!request->connection || !request->connection->is_crowd) {
		handle(request);
		return;
	}
	request->on_gone = request_free;
	event_active(request->connection->turn, EV_TIMEOUT, 0);
}

void request_on_turn(struct request *request)
{
	request->on_gone = NULL;
	handle(request);
}

static void handle(struct request *request)
{
	if (!request->connection)
		request_free(request);
	else if (!request->is_administrator &&
	         connection_unread_of(request->connection) > UNREAD_MAX)
		request_fail(request, 503, "busy",
		             "read your other connections' answers",
		             "earlier answers have not been read yet");
	else
		request->endpoint->handle(request);
}

/* ------------------------------------------------------------------ input */

const char *request_query(const struct request *request, const char *name)
{
	return evhttp_find_header(request->query, name);
}

const char *request_input(struct request *request, size_t *ret_len)
{
	struct evbuffer *input = evhttp_request_get_input_buffer(request->http);

	*ret_len = evbuffer_get_length(input);
	/* Of nothing it makes NULL. */
	return *ret_len == 0 ? "" : (const char *)evbuffer_pullup(input, -1);
}

bool request_is_yaml(const struct request *request)
{
	const char *type = evhttp_find_header(
	    evhttp_request_get_input_headers(request->http), "Content-Type");

	return type && strstr(type, "yaml");
}

/* ---------------------------------------------------------------- context */

static uint32_t lane_relay(void *context, uint32_t lane)
{
	struct request *request = context;
	struct lane_info info;

	if (queue_read_lane(request->control->reader, lane, &info) < 0)
		return 0;
	return info.key.relay;
}

static const char *user_name(void *context, uid_t uid)
{
	struct request *request = context;

	return users_name(request->control->users, uid);
}

void request_view(struct request *request, struct shape_view *ret_view)
{
	*ret_view = (struct shape_view){
		.settings = request->settings,
		.scheduler = request->scheduler,
		.accounts = request->control->accounts,
		.queue_now_ms = queue_time_ms(request->control->queue),
		.wall_now_ms = (uint64_t)clock_wall_ms(),
		.lane_relay = lane_relay,
		.user_name = user_name,
		.context = request,
	};
}

/* ----------------------------------------------------------------- answer */

void request_reply(struct request *request, int status)
{
	char *data = NULL;
	size_t len = 0;
	int r;

	r = emit_result(&request->emit);
	if (r == 0)
		r = buffer_append(&request->body, "\n", 1);
	if (r == 0)
		r = buffer_take(&request->body, &data, &len);
	if (r < 0) {
		request_fail(request, 500, "too_large", NULL,
		             "the answer does not fit into memory");
		return;
	}
	send_buffer(request, status, data, len);
}

void request_fail(struct request *request, int status, const char *code,
                  const char *next, const char *format, ...)
{
	struct emitter *emit = &request->emit;
	char message[512];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	/* What a handler had begun is no answer. */
	buffer_clear(&request->body);
	emit_init(emit, &request->body);
	emit_object(emit, NULL);
	emit_object(emit, "error");
	emit_text(emit, "code", code);
	emit_text(emit, "message", message);
	emit_text(emit, "next", next);
	emit_end(emit);
	emit_end(emit);
	request_reply(request, status);
}

void request_fail_errno(struct request *request, int error)
{
	/* Whose a damaged message is cannot be known. */
	if (error == -EBADMSG && !request->is_administrator)
		error = -ENOENT;
	switch (-error) {
	case ENOENT:
		request_fail(request, 404, "no_such_message", NULL,
		             "there is no message %s", request->parameter);
		return;
	case ENOSPC:
		request_fail(request, 503, "store_full",
		             "make room on the disk or raise queue.maximum",
		             "the store has no room for the change");
		return;
	case EBADMSG:
		request_fail(
		    request, 503, "message_damaged",
		    "look at the disk; a backup may have it whole; cancel "
		    "deletes what is left of it",
		    "the data of message %s is damaged: it cannot be read",
		    request->parameter);
		return;
	default:
		request_fail(request, 503, "store_failed",
		             "see the log of relaisd", "the store failed: %s",
		             strerror(-error));
	}
}

void request_reply_text_take(struct request *request, const char *type,
                             char *data, size_t len)
{
	if (request->http)
		(void)evhttp_add_header(
		    evhttp_request_get_output_headers(request->http),
		    "Content-Type", type);
	send_buffer(request, 200, data, len);
}

void request_free_data(const void *data, size_t len, void *context)
{
	(void)data;
	(void)len;
	free(context);
}

static void send_buffer(struct request *request, int status, char *data,
                        size_t len)
{
	struct evhttp_request *http = request->http;
	struct evbuffer *out;
	struct evkeyvalq *headers;

	if (!http) {
		free(data);
		request_free(request);
		return;
	}
	headers = evhttp_request_get_output_headers(http);
	if (!evhttp_find_header(headers, "Content-Type"))
		(void)evhttp_add_header(headers, "Content-Type",
		                        "application/json");
	(void)evhttp_add_header(headers, "Cache-Control", "no-store");
	out = evbuffer_new();
	if (!out ||
	    evbuffer_add_reference(out, data, len, request_free_data, data) < 0)
		abort();
	request->connection->answer_bytes = len;
	/* The connection is evhttp's until on_complete(). */
	request_forget_connection(request);
	request_free(request);
	evhttp_send_reply(http, status, reason_of(status), out);
	evbuffer_free(out);
}

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 400, "Bad Request" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 422, "Unprocessable Content" },
		{ 429, "Too Many Requests" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
	};
	size_t i;

	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

static void on_complete(struct evhttp_request *http, void *context)
{
	(void)http;
	connection_await_request(context);
}

/* ---------------------------------------------------------------- the end */

/* Its http request is evhttp's again. */
void request_forget_connection(struct request *request)
{
	request->connection->request = NULL;
	request->connection = NULL;
	request->http = NULL;
}

void request_client_gone(struct request *request)
{
	struct evhttp_request *http = request->http;
	bool is_ours = !evhttp_request_get_connection(http);

	request_forget_connection(request);
	if (is_ours)
		evhttp_request_free(http);
	if (request->on_gone)
		request->on_gone(request);
}

void request_free(struct request *request)
{
	assert(!request->connection);
	LIST_REMOVE(request, link);
	scheduler_query_free(request->scheduler);
	evhttp_clear_headers(request->query);
	free(request->query);
	buffer_done(&request->body);
	settings_unref(request->settings);
	free(request->report);
	free(request);
}
