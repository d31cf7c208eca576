#include "config.h"

#include "control/gate.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>

#include "control/connection.h"
#include "control/control_internal.h"
#include "control/emit.h"
#include "control/request.h"
#include "runtime/loop.h"
#include "settings.h"

#define SUBMISSION "POST /v1/messages"
/* evhttp allocates for each: very many of them take it long. */
#define HEAD_LINES_MAX 100

/* What the head says of the body. */
struct body {
	uint64_t length;
	bool has_length;
	bool is_chunked;
	unsigned cost;
};

struct refusal {
	int status;
	const char *reason;
	const char *code;
	const char *message;
	const char *next;
};

static const struct refusal too_large = {
	413, "Content Too Large", "too_large",
	"the body is larger than can be taken",
	"send less, or message/rfc822, or raise receive.message_size and "
	"receive.memory"
};
static const struct refusal too_many_fields = {
	431, "Request Header Fields Too Large", "too_many_fields",
	"the head has too many fields", "send at most 100"
};
static const struct refusal busy = { 503, "Service Unavailable", "busy",
	                             "large messages are being taken already",
	                             "try again in a moment" };
static const struct refusal too_many = {
	429, "Too Many Requests", "too_many_connections",
	"you have too many connections open already",
	"close some, or see `submitters` in relais.yaml(5)"
};

static void on_input(struct evbuffer *input,
                     const struct evbuffer_cb_info *info, void *context);
static void look(struct connection *connection);
static size_t head_size(const struct gate *gate);
static bool has_many_lines(const struct gate *gate, size_t size);
static bool is_submission(const struct gate *gate);
static void read_head(const struct gate *gate, struct body *ret_body);
static void decide(struct connection *connection, const struct body *body);
static bool make_room(struct connection *connection, uint64_t bytes);
static void refuse(struct connection *connection,
                   const struct refusal *refusal);
static void on_rest(struct bufferevent *bev, void *context);
static void on_rest_end(struct bufferevent *bev, short what, void *context);

void gate_open(struct connection *connection)
{
	struct evbuffer *input = bufferevent_get_input(connection->bev);

	buffer_init(&connection->gate.head, REQUEST_HEAD_MAX);
	if (evbuffer_add_cb(input, on_input, connection) == NULL)
		abort();
}

void gate_close(struct connection *connection)
{
	struct gate *gate = &connection->gate;

	(void)evbuffer_remove_cb(bufferevent_get_input(connection->bev),
	                         on_input, connection);
	gate_release(connection);
	buffer_done(&gate->head);
}

void gate_release(struct connection *connection)
{
	connection->control->body_bytes -= connection->gate.reserved_bytes;
	connection->gate.reserved_bytes = 0;
}

void gate_reset(struct connection *connection)
{
	struct gate *gate = &connection->gate;
	struct evbuffer *input = bufferevent_get_input(connection->bev);
	size_t len = evbuffer_get_length(input);

	gate_release(connection);
	gate->is_decided = false;
	buffer_clear(&gate->head);
	evhttp_connection_set_max_body_size(connection->http, REQUEST_BODY_MAX);
	bufferevent_setwatermark(connection->bev, EV_READ, 0,
	                         REQUEST_INPUT_MAX);
	/* What was sent behind the last one without waiting for its answer. */
	if (len > REQUEST_HEAD_MAX)
		len = REQUEST_HEAD_MAX;
	if (len == 0 || buffer_reserve(&gate->head, len) < 0)
		return;
	(void)evbuffer_copyout(input, gate->head.data, len);
	buffer_grow(&gate->head, len);
	look(connection);
}

/* Comes before evhttp is told that there is something to read. */
static void on_input(struct evbuffer *input,
                     const struct evbuffer_cb_info *info, void *context)
{
	struct connection *connection = context;
	struct gate *gate = &connection->gate;
	struct evbuffer_ptr start;
	size_t len = info->n_added;

	if (len == 0 || gate->is_decided || connection->request != NULL)
		return;
	if (len > REQUEST_HEAD_MAX - gate->head.len)
		len = REQUEST_HEAD_MAX - gate->head.len;
	if (buffer_reserve(&gate->head, len) < 0 ||
	    evbuffer_ptr_set(input, &start, info->orig_size, EVBUFFER_PTR_SET) <
	        0)
		return;
	(void)evbuffer_copyout_from(input, &start,
	                            gate->head.data + gate->head.len, len);
	buffer_grow(&gate->head, len);
	look(connection);
}

static void look(struct connection *connection)
{
	struct gate *gate = &connection->gate;
	size_t size = head_size(gate);
	struct body body;

	if (has_many_lines(gate, size > 0 ? size : gate->head.len)) {
		gate->is_decided = true;
		refuse(connection, &too_many_fields);
		return;
	}
	if (size == 0) {
		/* evhttp has the same limit, and says so. */
		gate->is_decided = gate->head.len == REQUEST_HEAD_MAX;
		return;
	}
	gate->is_decided = true;
	if (is_submission(gate)) {
		read_head(gate, &body);
		decide(connection, &body);
	}
	buffer_done(&gate->head);
}

/* With the empty line that ends it; 0: that is not there yet. */
static size_t head_size(const struct gate *gate)
{
	const char *data = gate->head.data, *crlf, *lf;
	size_t len = gate->head.len;

	if (data == NULL)
		return 0;
	crlf = memmem(data, len, "\n\r\n", 3);
	/* Others that are pipelined may be behind it. */
	if (crlf != NULL)
		len = (size_t)(crlf - data);
	lf = memmem(data, len, "\n\n", 2);
	if (lf != NULL)
		return (size_t)(lf - data) + 2;
	return crlf == NULL ? 0 : len + 3;
}

static bool has_many_lines(const struct gate *gate, size_t size)
{
	unsigned lines = 0;
	size_t i;

	for (i = 0; i < size; i++)
		lines += gate->head.data[i] == '\n';
	return lines > HEAD_LINES_MAX;
}

static bool is_submission(const struct gate *gate)
{
	size_t len = strlen(SUBMISSION);

	return gate->head.len > len &&
	       memcmp(gate->head.data, SUBMISSION, len) == 0 &&
	       strchr(" ?", gate->head.data[len]) != NULL;
}

static bool is_field(const char *line, size_t len, const char *name,
                     const char **ret_value)
{
	size_t name_len = strlen(name);

	if (len <= name_len || strncasecmp(line, name, name_len) != 0 ||
	    line[name_len] != ':')
		return false;
	for (line += name_len + 1; *line == ' ' || *line == '\t';)
		line++;
	*ret_value = line;
	return true;
}

/* Every line has its end: the head's last one is empty. */
static void read_head(const struct gate *gate, struct body *ret_body)
{
	const char *line = gate->head.data, *value;
	const char *end = line + gate->head.len, *next;
	bool has_type = false;

	*ret_body = (struct body){ .cost = GATE_COST_JSON };
	for (; (next = memchr(line, '\n', (size_t)(end - line))) != NULL;
	     line = next + 1) {
		size_t len = (size_t)(next - line);

		if (len <= 1 && (len == 0 || *line == '\r'))
			return;
		if (is_field(line, len, "Content-Length", &value)) {
			errno = 0;
			ret_body->length = strtoull(value, NULL, 10);
			ret_body->has_length =
			    errno == 0 && isdigit((unsigned char)*value);
		} else if (is_field(line, len, "Transfer-Encoding", &value)) {
			ret_body->is_chunked = true;
		} else if (!has_type &&
		           is_field(line, len, "Content-Type", &value)) {
			/* Of several, evhttp finds the first. */
			has_type = true;
			if (strncasecmp(value, "message/", 8) == 0)
				ret_body->cost = GATE_COST_RAW;
			else if (strncasecmp(value, "multipart/", 10) == 0)
				ret_body->cost = GATE_COST_FORM;
		}
	}
}

static void decide(struct connection *connection, const struct body *body)
{
	struct control *control = connection->control;
	const struct settings_receive *receive = &control->settings->receive;
	uint64_t memory = receive->memory_bytes;
	uint64_t most = memory / body->cost;
	uint64_t length = body->length;

	if (body->cost == GATE_COST_RAW && receive->message_size_bytes > 0 &&
	    receive->message_size_bytes < most)
		most = receive->message_size_bytes;
	if (body->is_chunked)
		length = most < GATE_UNKNOWN_MAX ? most : GATE_UNKNOWN_MAX;
	else if (!body->has_length)
		return;
	/* Always welcome, as with any other request. */
	if (!body->is_chunked && length <= REQUEST_BODY_MAX && length <= most)
		return;
	if (connection->is_refused) {
		refuse(connection, &too_many);
		return;
	}
	if (length > most) {
		refuse(connection, &too_large);
		return;
	}
	if (!make_room(connection, length * body->cost)) {
		refuse(connection, &busy);
		return;
	}
	connection->gate.is_chunked = body->is_chunked;
	connection->gate.reserved_bytes = length * body->cost;
	control->body_bytes += connection->gate.reserved_bytes;
	evhttp_connection_set_max_body_size(connection->http,
	                                    (ev_ssize_t)length);
	bufferevent_setwatermark(connection->bev, EV_READ, 0,
	                         length + REQUEST_INPUT_MAX);
}

static uint64_t reserved_by(const struct control *control, uid_t uid)
{
	const struct connection *other;
	uint64_t bytes = 0;

	LIST_FOREACH (other, &control->connections, link)
		if (other->gate.reserved_bytes > 0 && other->peer.uid == uid)
			bytes += other->gate.reserved_bytes;
	return bytes;
}

/* One whose body comes in yet, of the uid that holds most; or NULL. */
static struct connection *find_largest(const struct control *control,
                                       uint64_t *ret_bytes)
{
	struct connection *other, *largest = NULL;

	*ret_bytes = 0;
	LIST_FOREACH (other, &control->connections, link) {
		uint64_t bytes;

		if (other->gate.reserved_bytes == 0 || other->request)
			continue;
		bytes = reserved_by(control, other->peer.uid);
		if (bytes > *ret_bytes) {
			*ret_bytes = bytes;
			largest = other;
		}
	}
	return largest;
}

static void give_way(struct connection *connection)
{
	struct evbuffer *input = bufferevent_get_input(connection->bev);

	gate_release(connection);
	/* Pieces that evhttp has put together go with the connection only. */
	if (connection->gate.is_chunked) {
		connection_cut(connection);
		return;
	}
	(void)evbuffer_drain(input, evbuffer_get_length(input));
	refuse(connection, &busy);
}

/* Who holds more than this one's uid would gives way. */
static bool make_room(struct connection *connection, uint64_t bytes)
{
	struct control *control = connection->control;
	uint64_t memory = control->settings->receive.memory_bytes;
	uint64_t own = reserved_by(control, connection->peer.uid) + bytes;
	uint64_t most;

	while (control->body_bytes + bytes > memory) {
		struct connection *largest = find_largest(control, &most);

		if (largest == NULL || most <= own)
			return false;
		give_way(largest);
	}
	return true;
}

/* -------------------------------------------------------------- refusals */

static void shape(struct buffer *body, const struct refusal *refusal)
{
	struct emitter emit;

	emit_init(&emit, body);
	emit_object(&emit, NULL);
	emit_object(&emit, "error");
	emit_text(&emit, "code", refusal->code);
	emit_text(&emit, "message", refusal->message);
	emit_text(&emit, "next", refusal->next);
	emit_end(&emit);
	emit_end(&emit);
	if (emit_result(&emit) < 0 || buffer_append_string(body, "\n") < 0)
		abort();
}

/*
 * evhttp sees nothing more of the request: its connection is ours until the
 * client, which may be sending yet, has read the answer.
 */
static void refuse(struct connection *connection, const struct refusal *refusal)
{
	static const struct timeval deadline = { REFUSAL_DEADLINE_S, 0 };
	struct evbuffer *out = bufferevent_get_output(connection->bev);
	struct buffer body;

	buffer_init(&body, 0);
	shape(&body, refusal);
	bufferevent_setcb(connection->bev, on_rest, NULL, on_rest_end,
	                  connection);
	if (evbuffer_add_printf(
		out,
		"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\nConnection: close\r\n%s\r\n",
		refusal->status, refusal->reason, body.len,
		refusal->status == 413 || refusal->status == 431
		    ? ""
		    : "Retry-After: 1\r\n") < 0 ||
	    evbuffer_add(out, body.data, body.len) < 0)
		abort();
	buffer_done(&body);
	/* Nobody waits for what it may send yet. */
	(void)bufferevent_priority_set(connection->bev, LOOP_CROWD);
	/* While it reads evhttp has nothing to write. */
	(void)bufferevent_enable(connection->bev, EV_READ | EV_WRITE);
	(void)event_add(connection->deadline, &deadline);
}

static void on_rest(struct bufferevent *bev, void *context)
{
	struct evbuffer *input = bufferevent_get_input(bev);

	(void)context;
	(void)evbuffer_drain(input, evbuffer_get_length(input));
}

static void on_rest_end(struct bufferevent *bev, short what, void *context)
{
	/* It may have closed its side alone: then it waits to read. */
	if ((what & BEV_EVENT_EOF) != 0 &&
	    evbuffer_get_length(bufferevent_get_output(bev)) > 0)
		return;
	connection_cut(context);
}
