/*
 * control_submit - POST /v1/messages: mail over HTTP
 *
 * A body is a message as it is, with its envelope in the query, or describes
 * one or several, as JSON or as a form. They become commands and contents, and
 * go to the receiver together, which judges them as if they had come by the
 * submission socket. The answer is sent when all of them have theirs.
 */
#include "config.h"

#include "control/handlers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include "control/connection.h"
#include "control/control_internal.h"
#include "control/draft.h"
#include "control/draft_json.h"
#include "control/form.h"
#include "control/gate.h"
#include "control/mime.h"
#include "control/request.h"
#include "control/submission_answer.h"
#include "queue_id.h"
#include "receive/handover.h"
#include "runtime/xalloc.h"
#include "settings.h"

#define MESSAGES_MAX 1000
/* What the messages of an array may be together, beside GATE_COST_JSON. */
#define MADE_EXTRA (1024 * 1024)

/* What became of one message so far. */
struct posted {
	unsigned index; /* in the handover, unless */
	char *sentence; /* it says why it goes no further; or NULL */
};

/* One request. */
struct posting {
	struct request *request;
	struct handover *handover;
	struct posted *posted;
	unsigned count;
	bool is_array;
	uint64_t made_bytes, made_max; /* of an array: so far, at most */
	const struct form *form;       /* while it is read; or NULL */
	char *key;                     /* of the header field; or NULL */
	char error[DRAFT_ERROR_SIZE];  /* of the draft that is being filled */
};

static char *read_key_field(struct request *request);
static int read_raw(struct posting *posting);
static int read_json(struct posting *posting, const char *text, size_t len);
static int read_form(struct posting *posting, const char *type);
static void begin_draft(void *context, struct draft *draft);
static void end_draft(void *context, struct draft *draft, const char *error);
static void hand_over(struct posting *posting);
static void on_taken(struct letter *letter);
static void on_answered(struct letter *letter);
static void answer(struct posting *posting);
static void posting_free(struct posting *posting);

static const char *field_of(struct request *request, const char *name)
{
	return evhttp_find_header(
	    evhttp_request_get_input_headers(request->http), name);
}

/* Is it this media type, whatever its parameters? */
static bool is_type(const char *type, const char *wanted)
{
	size_t len = strlen(wanted);

	return strncasecmp(type, wanted, len) == 0 &&
	       (type[len] == '\0' || type[len] == ';' || type[len] == ' ');
}

void messages_submit(struct request *request)
{
	const char *type = field_of(request, "Content-Type");
	struct posting *posting = xcalloc(1, sizeof(*posting));
	const char *text, *why;
	bool is_raw;
	size_t len;
	int r;

	posting->request = request;
	is_raw = type != NULL && is_type(type, "message/rfc822");
	if (!is_raw && mime_prepare(&why) < 0) {
		request_fail(
		    request, 503, "no_mime",
		    "install GMime 3 (libgmime-3.0-0), or send message/rfc822",
		    "messages cannot be written here: %s", why);
		posting_free(posting);
		return;
	}
	posting->key = read_key_field(request);
	posting->handover = handover_new(&request->connection->peer);
	if (type == NULL || is_type(type, "application/json")) {
		text = request_input(request, &len);
		r = read_json(posting, text, len);
	} else if (is_raw) {
		r = read_raw(posting);
	} else if (is_type(type, "multipart/form-data")) {
		r = read_form(posting, type);
	} else {
		request_fail(request, 415, "bad_type",
		             "send message/rfc822, application/json or "
		             "multipart/form-data",
		             "a message is not submitted as %.100s", type);
		posting_free(posting);
		return;
	}
	if (r < 0) {
		request_fail(request, r == -EBADMSG ? 400 : 422,
		             r == -EBADMSG ? "bad_json" : "bad_message",
		             "see control-protocol", "%s", posting->error);
		posting_free(posting);
		return;
	}
	hand_over(posting);
}

/* A token, or in quotes as RFC 9651 writes texts. */
static char *read_key_field(struct request *request)
{
	const char *value = field_of(request, "Idempotency-Key");
	size_t len;

	if (value == NULL)
		return NULL;
	len = strlen(value);
	if (len >= 2 && *value == '"' && value[len - 1] == '"')
		return xasprintf("%.*s", (int)len - 2, value + 1);
	return xstrdup(value);
}

/* ---------------------------------------------------------------- bodies */

/* What the query and the header say of any message of the request. */
static int set_common(struct posting *posting, struct draft *draft)
{
	struct evkeyval *pair;
	char *key;
	int r = 0;

	TAILQ_FOREACH (pair, posting->request->query, next) {
		r = draft_set(draft, pair->key, pair->value, posting->error);
		if (r < 0)
			return r;
	}
	if (posting->key == NULL)
		return 0;
	/* Each message of an array has a key of its own. */
	key = posting->is_array
	          ? xasprintf("%s/%u", posting->key, posting->count)
	          : xstrdup(posting->key);
	r = draft_set(draft, "key", key, posting->error);
	free(key);
	return r;
}

static int read_raw(struct posting *posting)
{
	struct request *request = posting->request;
	struct evbuffer *content = evbuffer_new();
	struct buffer commands;
	struct draft draft;
	int r;

	if (content == NULL)
		abort();
	draft_init(&draft, true, request->settings->receive.recipients);
	buffer_init(&commands, 0);
	r = set_common(posting, &draft);
	if (r == 0)
		r = draft_check(&draft, posting->error);
	if (r == 0) {
		(void)evbuffer_add_buffer(
		    content, evhttp_request_get_input_buffer(request->http));
		draft_append_commands(&draft, evbuffer_get_length(content),
		                      &commands);
		posting->posted = xcalloc(1, sizeof(*posting->posted));
		posting->count = 1;
		if (draft.is_dry_run) {
			evbuffer_free(content);
			content = NULL;
		}
		handover_add_take(posting->handover, &commands, content);
		content = NULL;
	}
	if (content != NULL)
		evbuffer_free(content);
	draft_done(&draft);
	return r;
}

static int read_json(struct posting *posting, const char *text, size_t len)
{
	const struct draft_taker taker = { begin_draft, end_draft, posting };
	int r;

	/* begin_draft() wants to know. */
	while (len > 0 && strchr(" \t\r\n", *text) != NULL) {
		text++;
		len--;
	}
	posting->is_array = len > 0 && *text == '[';
	if (posting->is_array && posting->form != NULL) {
		/* Each would have all files of the form. */
		(void)snprintf(posting->error, sizeof(posting->error),
		               "message: a form has one, as an object");
		return -EINVAL;
	}
	posting->made_max = GATE_COST_JSON * (uint64_t)len + MADE_EXTRA;
	r = draft_json_read(text, len, &taker, &posting->is_array,
	                    posting->error);
	if (r < 0)
		return r;
	if (posting->count > 0 && posting->count <= MESSAGES_MAX)
		return 0;
	(void)snprintf(posting->error, sizeof(posting->error),
	               "expected 1 to %d messages", MESSAGES_MAX);
	return -EINVAL;
}

static int read_form(struct posting *posting, const char *type)
{
	const struct form_part *message = NULL;
	const char *body;
	struct draft draft;
	struct form form;
	size_t len, i;
	int r;

	body = request_input(posting->request, &len);
	r = form_read(&form, type, body, len, posting->error);
	for (i = 0; r == 0 && i < form.count; i++)
		if (strcmp(form.parts[i].name, "message") == 0)
			message = &form.parts[i];
	posting->form = &form;
	if (r == 0 && message != NULL) {
		r = read_json(posting, message->data, message->len);
	} else if (r == 0) {
		posting->error[0] = '\0';
		begin_draft(posting, &draft);
		end_draft(posting, &draft, NULL);
		draft_done(&draft);
	}
	posting->form = NULL;
	form_done(&form);
	return r;
}

/* Fields are words; whatever has a file name is attached. */
static int set_from_form(struct posting *posting, struct draft *draft)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < posting->form->count; i++) {
		const struct form_part *part = &posting->form->parts[i];
		char *value;

		if (strcmp(part->name, "message") == 0)
			continue;
		if (part->filename != NULL) {
			const struct draft_file file = {
				.name = part->filename,
				.type = part->type,
				.data = part->data,
				.len = part->len,
			};

			r = draft_add_file(draft, &file, posting->error);
			continue;
		}
		value = arena_copy(&draft->arena, part->data, part->len);
		if (value == NULL)
			abort();
		if (strlen(value) != part->len) {
			(void)snprintf(posting->error, sizeof(posting->error),
			               "%.60s: there is a NUL in it",
			               part->name);
			r = -EINVAL;
		} else {
			r = draft_set(draft, part->name, value, posting->error);
		}
	}
	return r;
}

/* ---------------------------------------------------------------- drafts */

static void begin_draft(void *context, struct draft *draft)
{
	struct posting *posting = context;
	int r;

	draft_init(draft, false,
	           posting->request->settings->receive.recipients);
	posting->error[0] = '\0';
	r = set_common(posting, draft);
	if (r == 0 && posting->form != NULL)
		r = set_from_form(posting, draft);
	if (r == 0)
		posting->error[0] = '\0';
}

static void add_message(struct posting *posting, const struct draft *draft)
{
	struct evbuffer *content = NULL;
	struct buffer commands;
	char *data;
	size_t len;

	buffer_init(&commands, 0);
	mime_build(draft, &data, &len);
	draft_append_commands(draft, len, &commands);
	posting->made_bytes += len + commands.len;
	if (!draft->is_dry_run) {
		content = evbuffer_new();
		if (content == NULL ||
		    evbuffer_add_reference(content, data, len,
		                           request_free_data, data) < 0)
			abort();
	} else {
		free(data);
	}
	handover_add_take(posting->handover, &commands, content);
}

static void end_draft(void *context, struct draft *draft, const char *error)
{
	struct posting *posting = context;
	struct posted *posted;

	/* What is beyond is counted, and then refused with all the others. */
	if (posting->count++ >= MESSAGES_MAX)
		return;
	posting->posted = xrealloc(posting->posted,
	                           posting->count * sizeof(*posting->posted));
	posted = &posting->posted[posting->count - 1];
	posted->sentence = NULL;
	posted->index = posting->handover->count;
	/* What was wrong first. */
	if (posting->error[0] != '\0')
		error = posting->error;
	if (error == NULL && draft_check(draft, posting->error) < 0)
		error = posting->error;
	/* What the query says is in every one of them. */
	if (error == NULL && posting->is_array &&
	    posting->made_bytes > posting->made_max)
		error = "the messages are far larger than what was posted";
	if (error == NULL)
		add_message(posting, draft);
	else
		posted->sentence = xstrdup(error);
}

/* ---------------------------------------------------------------- answers */

static void hand_over(struct posting *posting)
{
	struct control *control = posting->request->control;
	struct handover *handover = posting->handover;

	/* What was sent is elsewhere by now. */
	(void)evbuffer_drain(
	    evhttp_request_get_input_buffer(posting->request->http), SIZE_MAX);
	if (handover->count == 0) {
		answer(posting);
		return;
	}
	handover->home = control->mailbox;
	handover->on_done = on_answered;
	handover->taken.open = on_taken;
	handover->context = posting;
	control->hand_over_take(control->hand_over_context, handover);
}

/* The outcome may be long in coming: the memory is free for others. */
static void on_taken(struct letter *letter)
{
	struct handover *handover = LETTER_OF(letter, struct handover, taken);
	struct posting *posting = handover->context;

	if (posting->request->connection)
		gate_release(posting->request->connection);
}

static void on_answered(struct letter *letter)
{
	struct handover *handover = LETTER_OF(letter, struct handover, letter);

	answer(handover->context);
}

static void shape_one(struct emitter *emit, const struct posting *posting,
                      unsigned i)
{
	const struct posted *posted = &posting->posted[i];

	if (posted->sentence != NULL)
		submission_shape_bad(emit, posted->sentence);
	else
		submission_shape(emit,
		                 &posting->handover->messages[posted->index]);
}

static int status_of(const struct posting *posting, unsigned i)
{
	const struct posted *posted = &posting->posted[i];

	if (posted->sentence != NULL)
		return 422;
	return submission_status(&posting->handover->messages[posted->index]);
}

static void add_field(struct request *request, const char *name,
                      const char *value)
{
	if (request->http)
		(void)evhttp_add_header(
		    evhttp_request_get_output_headers(request->http), name,
		    value);
}

/* What the head of the answer to one message says. */
static void add_fields(struct request *request,
                       const struct handover_message *message)
{
	unsigned retry_s = submission_retry_after_s(message);
	char text[64], id[QUEUE_ID_SIZE];

	if (message->id != 0) {
		queue_id_format(message->id, id);
		(void)snprintf(text, sizeof(text), "/v1/messages/%s", id);
		add_field(request, "Location", text);
	}
	if (retry_s > 0) {
		(void)snprintf(text, sizeof(text), "%u", retry_s);
		add_field(request, "Retry-After", text);
	}
}

/* An array is answered with 200, whatever became of its messages. */
static void answer(struct posting *posting)
{
	struct request *request = posting->request;
	struct emitter *emit = &request->emit;
	int status = 200;
	unsigned i;

	if (posting->is_array) {
		emit_array(emit, NULL);
		for (i = 0; i < posting->count; i++) {
			emit_object(emit, NULL);
			emit_number(emit, "status", status_of(posting, i));
			shape_one(emit, posting, i);
			emit_end(emit);
		}
		emit_end(emit);
	} else {
		emit_object(emit, NULL);
		shape_one(emit, posting, 0);
		emit_end(emit);
		status = status_of(posting, 0);
		if (posting->posted[0].sentence == NULL)
			add_fields(request, &posting->handover->messages[0]);
	}
	posting_free(posting);
	request_reply(request, status);
}

static void posting_free(struct posting *posting)
{
	unsigned i;

	for (i = 0; i < posting->count && i < MESSAGES_MAX; i++)
		free(posting->posted[i].sentence);
	free(posting->posted);
	free(posting->key);
	handover_free(posting->handover);
	free(posting);
}
