/*
 * request_stream - answers in pieces, as fast as the client takes them
 */
#include "config.h"

#include "control/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/buffer.h>
#include <event2/http.h>

#include "control/connection.h"

static void on_chunk_drained(struct evhttp_connection *http, void *context);

void request_stream_begin(struct request *request, const char *type,
                          int64_t length)
{
	struct evkeyvalq *headers =
	    evhttp_request_get_output_headers(request->http);
	char text[24];

	(void)evhttp_add_header(headers, "Content-Type", type);
	(void)evhttp_add_header(headers, "Cache-Control", "no-store");
	if (length >= 0) {
		snprintf(text, sizeof(text), "%" PRId64, length);
		(void)evhttp_add_header(headers, "Content-Length", text);
	}
	evhttp_send_reply_start(request->http, 200, "OK");
}

void request_stream_send(struct request *request, struct evbuffer *data,
                         void (*on_drained)(struct request *request))
{
	request->then = on_drained;
	evhttp_send_reply_chunk_with_cb(
	    request->http, data, on_drained ? on_chunk_drained : NULL, request);
}

static void on_chunk_drained(struct evhttp_connection *http, void *context)
{
	struct request *request = context;

	(void)http;
	request->then(request);
}

/* The emitter begins anew for each line. */
void request_stream_line(struct request *request)
{
	struct evbuffer *out = evbuffer_new();

	if (!out || emit_result(&request->emit) < 0 ||
	    evbuffer_add(out, request->body.data, request->body.len) < 0 ||
	    evbuffer_add(out, "\n", 1) < 0)
		abort();
	buffer_clear(&request->body);
	emit_init(&request->emit, &request->body);
	request_stream_send(request, out, NULL);
	evbuffer_free(out);
}

void request_stream_heartbeat(struct request *request)
{
	struct evbuffer *out = evbuffer_new();

	if (!out || evbuffer_add(out, "\n", 1) < 0)
		abort();
	request_stream_send(request, out, NULL);
	evbuffer_free(out);
}

void request_stream_reply(struct request *request)
{
	struct evbuffer *out = evbuffer_new();

	if (!out || emit_result(&request->emit) < 0 ||
	    evbuffer_add(out, request->body.data, request->body.len) < 0 ||
	    evbuffer_add(out, "\n", 1) < 0)
		abort();
	request_stream_send(request, out, NULL);
	evbuffer_free(out);
	request_stream_end(request);
}

void request_stream_end(struct request *request)
{
	struct evhttp_request *http = request->http;

	request_forget_connection(request);
	request_free(request);
	evhttp_send_reply_end(http);
}

void request_stream_cut(struct request *request)
{
	struct connection *connection = request->connection;

	request_forget_connection(request);
	request_free(request);
	connection_cut(connection);
}
