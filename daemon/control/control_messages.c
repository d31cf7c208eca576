/*
 * control_messages - messages as they are: lists, one with its story, and
 * what it says
 */
#include "config.h"

#include "control/handlers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>

#include "control/control_internal.h"
#include "control/page.h"
#include "control/request.h"
#include "control/selection.h"
#include "queue_id.h"
#include "runtime/xalloc.h"

#define LIST_LIMIT_DEFAULT 50
#define LIST_STEP          50
#define LIST_SIZE_BYTES    (4 * 1024 * 1024)
#define WAIT_MAX_S         300

/* A list's query string. */
struct list_query {
	struct selection selection;
	uint64_t before;
	unsigned limit;
};

static int list_query_read(struct list_query *query, struct request *request,
                           char error[SELECTION_ERROR_SIZE]);
static int list_query_set(struct list_query *query, const char *name,
                          const char *value, char error[SELECTION_ERROR_SIZE]);
static int add_messages(struct request *request, struct list_query *query);
static int add_step(struct request *request, const struct selection *selection,
                    const struct shape_view *view, unsigned step,
                    uint64_t *before, unsigned *ret_count);
static int read_own(struct request *request, struct message **ret_message);
static int read_number(const char *text, unsigned long low, unsigned long high,
                       unsigned *ret_number);

/* ------------------------------------------------------------------- list */

void messages_list(struct request *request)
{
	char error[SELECTION_ERROR_SIZE];
	struct list_query query = { .limit = LIST_LIMIT_DEFAULT };
	int r;

	selection_init(&query.selection);
	if (!request->is_administrator)
		selection_restrict(&query.selection, request->uid);
	if (list_query_read(&query, request, error) < 0) {
		request_fail(request, 400, "bad_query", NULL, "%s", error);
	} else {
		r = add_messages(request, &query);
		if (r < 0)
			request_fail_errno(request, r);
		else
			request_reply(request, 200);
	}
	selection_done(&query.selection);
}

/*
 * In steps, so that a list of messages with very many recipients takes no
 * more memory than others: it ends early, and goes on with the next page.
 */
static int add_messages(struct request *request, struct list_query *query)
{
	struct emitter *emit = &request->emit;
	struct shape_view view;
	unsigned left = query->limit;
	uint64_t next = query->before;
	bool goes_on;
	int r;

	request_view(request, &view);
	emit_object(emit, NULL);
	emit_array(emit, "messages");
	do {
		unsigned step = left < LIST_STEP ? left : LIST_STEP;
		unsigned count;

		r = add_step(request, &query->selection, &view, step, &next,
		             &count);
		left -= count;
		goes_on = r == 0 && next && count == step && left > 0 &&
		          request->body.len < LIST_SIZE_BYTES;
	} while (goes_on);
	emit_end(emit);
	if (next)
		emit_id(emit, "next", next);
	else
		emit_null(emit, "next");
	emit_end(emit);
	return r;
}

static int add_step(struct request *request, const struct selection *selection,
                    const struct shape_view *view, unsigned step,
                    uint64_t *before, unsigned *ret_count)
{
	struct page *page = xcalloc(1, sizeof(*page));
	unsigned i;
	int r;

	r = page_read(page, request->control->reader, selection, view, *before,
	              step);
	for (i = 0; i < page->count; i++)
		shape_message(&request->emit, NULL, page->messages[i], view,
		              false);
	*before = page->next;
	*ret_count = page->count;
	page_done(page);
	free(page);
	return r;
}

static int list_query_read(struct list_query *query, struct request *request,
                           char error[SELECTION_ERROR_SIZE])
{
	struct evkeyval *pair;

	TAILQ_FOREACH (pair, request->query, next) {
		int r = list_query_set(query, pair->key, pair->value, error);

		if (r < 0)
			return r;
	}
	return 0;
}

static int list_query_set(struct list_query *query, const char *name,
                          const char *value, char error[SELECTION_ERROR_SIZE])
{
	if (strcmp(name, "limit") == 0) {
		if (read_number(value, 1, PAGE_MAX, &query->limit) == 0)
			return 0;
		snprintf(error, SELECTION_ERROR_SIZE,
		         "limit: expected a number from 1 to %d", PAGE_MAX);
		return -EINVAL;
	}
	if (strcmp(name, "cursor") == 0) {
		if (queue_id_parse(value, &query->before) == 0)
			return 0;
		snprintf(error, SELECTION_ERROR_SIZE,
		         "cursor: expected `next` of an earlier answer");
		return -EINVAL;
	}
	return selection_set(&query->selection, name, value, error);
}

/* ------------------------------------------------------------------- show */

void messages_show(struct request *request)
{
	const char *word = request_query(request, "wait");
	struct message *message;
	unsigned wait_s = 0;
	bool has_ended;
	int r;

	if (word && read_number(word, 1, WAIT_MAX_S, &wait_s) < 0) {
		request_fail(request, 400, "bad_query", NULL,
		             "wait: expected seconds, from 1 to %d",
		             WAIT_MAX_S);
		return;
	}
	if (wait_s == 0) {
		messages_reply_one(request);
		return;
	}
	r = read_own(request, &message);
	if (r < 0) {
		request_fail_errno(request, r);
		return;
	}
	has_ended = message->state >= MESSAGE_FAILED;
	message_free(message);
	if (has_ended)
		messages_reply_one(request);
	else
		events_wait_for_message(request, wait_s);
}

void messages_reply_one(struct request *request)
{
	struct message *message;
	struct shape_view view;
	int r;

	r = read_own(request, &message);
	if (r < 0) {
		request_fail_errno(request, r);
		return;
	}
	request_view(request, &view);
	shape_message(&request->emit, NULL, message, &view, true);
	message_free(message);
	request_reply(request, request->is_accepted_only ? 202 : 200);
}

/* Another's message is as unknown as one that never was. */
static int read_own(struct request *request, struct message **ret_message)
{
	struct message *message;
	int r;

	r = queue_read_message(request->control->reader, request->id, &message);
	if (r < 0)
		return r;
	if (!request->is_administrator && message->uid != request->uid) {
		message_free(message);
		return -ENOENT;
	}
	*ret_message = message;
	return 0;
}

static int read_number(const char *text, unsigned long low, unsigned long high,
                       unsigned *ret_number)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || number < low ||
	    number > high)
		return -EINVAL;
	*ret_number = (unsigned)number;
	return 0;
}

/* ---------------------------------------------------------------- content */

/* A message on its way out, one piece at a time as the client takes it. */
struct content {
	uint64_t body_id;
	uint64_t header_len;
	uint64_t left; /* octets yet to be sent */
	uint32_t piece;
	char data[BODY_PIECE_MAX];
};

static void begin_content(struct request *request);
static void send_piece(struct request *request);
static int add_piece(struct content *content, struct queue_reader *reader,
                     struct evbuffer *out);
static void on_content_gone(struct request *request);

/* Record and first piece are of one moment: what is there is begun well. */
void messages_content(struct request *request)
{
	struct queue_reader *reader = request->control->reader;
	int r = queue_reader_hold(reader);

	if (r < 0) {
		request_fail_errno(request, r);
		return;
	}
	begin_content(request);
	queue_reader_release(reader);
}

static void begin_content(struct request *request)
{
	struct message *message;
	struct content *content;
	int r;

	r = read_own(request, &message);
	if (r < 0) {
		request_fail_errno(request, r);
		return;
	}
	if (!message->body_id || message->flags & MESSAGE_BODY_GONE) {
		message_free(message);
		request_fail(request, 410, "content_gone", NULL,
		             "the content of %s is no longer kept",
		             request->parameter);
		return;
	}
	content = xcalloc(1, sizeof(*content));
	content->body_id = message->body_id;
	content->header_len = message->header_len;
	content->left = message->size;
	message_free(message);
	request_log(request, "read_content", request->id, NULL, -1);
	request->context = content;
	request->on_gone = on_content_gone;
	request_stream_begin(request, "message/rfc822", (int64_t)content->left);
	send_piece(request);
}

static void send_piece(struct request *request)
{
	struct content *content = request->context;
	struct evbuffer *out;
	int r;

	if (content->left == 0) {
		free(content);
		request_stream_end(request);
		return;
	}
	out = evbuffer_new();
	if (!out)
		abort();
	r = add_piece(content, request->control->reader, out);
	if (r == 0 && evbuffer_get_length(out) > 0 &&
	    evbuffer_get_length(out) <= content->left) {
		content->left -= evbuffer_get_length(out);
		request_stream_send(request, out, send_piece);
	} else {
		/* Deleted meanwhile, or not what the record says: the client
		 * sees that it is short. */
		free(content);
		request_stream_cut(request);
	}
	evbuffer_free(out);
}

/* Behind the header block belongs an empty line, which isn't stored. */
static int add_piece(struct content *content, struct queue_reader *reader,
                     struct evbuffer *out)
{
	size_t header_len = 0;
	size_t len;
	int r;

	r = queue_read_piece(reader, content->body_id, content->piece,
	                     content->data, &len);
	if (r < 0)
		return r;
	if (content->piece++ == 0) {
		if (content->header_len > len)
			return -EBADMSG;
		header_len = content->header_len;
		if (evbuffer_add(out, content->data, header_len) < 0 ||
		    evbuffer_add(out, "\r\n", 2) < 0)
			return -ENOMEM;
	}
	if (evbuffer_add(out, content->data + header_len, len - header_len) < 0)
		return -ENOMEM;
	return 0;
}

static void on_content_gone(struct request *request)
{
	free(request->context);
	request_free(request);
}
