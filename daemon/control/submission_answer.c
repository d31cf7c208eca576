#include "config.h"

#include "control/submission_answer.h"

#include <stdio.h>
#include <string.h>

#include "queue_id.h"
#include "receive/handover.h"

struct refusal {
	int code;             /* of SMTP; 0: any */
	const char *enhanced; /* or how it begins; "": any */
	int status;
	const char *name;
	const char *next;
	unsigned retry_s;
};

/* The first that fits. */
static const struct refusal refusals[] = {
	{ 554, "5.5.4", 409, "key_conflict",
	  "use a new key for another message", 0 },
	{ 552, "", 413, "too_large", "send less, or raise receive.message_size",
	  0 },
	{ 550, "5.7.1", 403, "not_allowed",
	  "see `submitters` in relais.yaml(5)", 0 },
	{ 450, "4.7.1", 429, "too_many_messages", "try again later", 10 },
	{ 421, "4.7.0", 429, "too_many_connections", "try again later", 1 },
	{ 452, "4.5.3", 422, "too_many_recipients",
	  "send several messages, or raise receive.recipients", 0 },
	{ 452, "4.3.1", 503, "store_full", "try again later", 30 },
	{ 0, "4", 503, "try_later", "try again later", 10 },
	{ 0, "5.1", 422, "bad_address", NULL, 0 },
	{ 0, "5.6", 422, "bad_content", NULL, 0 },
	{ 0, "", 422, "bad_message", NULL, 0 },
};

static bool has_failed(const struct handover_message *message)
{
	return message->id != 0 && message->has_waited &&
	       message->how == OUTCOME_FAILED;
}

static const struct refusal *
find_refusal(const struct handover_message *message)
{
	const struct refusal *refusal = refusals;

	while ((refusal->code != 0 && refusal->code != message->code) ||
	       strncmp(refusal->enhanced, message->enhanced,
	               strlen(refusal->enhanced)) != 0)
		refusal++;
	return refusal;
}

int submission_status(const struct handover_message *message)
{
	if (has_failed(message))
		return 422;
	if (message->code >= 400)
		return find_refusal(message)->status;
	if (message->has_waited && message->how == OUTCOME_PENDING)
		return 202;
	return message->id == 0 || message->is_replay ? 200 : 201;
}

unsigned submission_retry_after_s(const struct handover_message *message)
{
	if (has_failed(message) || message->code < 400)
		return 0;
	return find_refusal(message)->retry_s;
}

static void shape_id(struct emitter *emit, uint64_t id)
{
	if (id != 0)
		emit_id(emit, "id", id);
	else
		emit_null(emit, "id");
}

/* "RCPT TO:<address> …" of that recipient. */
static void shape_recipient(struct emitter *emit,
                            const struct handover_message *message)
{
	const char *line = message->commands;
	const char *end = line + message->commands_len;
	char address[600];
	long i;

	for (i = 0; i <= message->recipient && line != NULL; i++) {
		line = memchr(line, '\n', (size_t)(end - line));
		line = line == NULL || ++line == end ? NULL : line;
	}
	if (message->recipient < 0 || line == NULL)
		return;
	line = memchr(line, '<', (size_t)(end - line));
	if (line == NULL)
		return;
	line++;
	(void)snprintf(address, sizeof(address), "%.*s",
	               (int)strcspn(line, ">\r"), line);
	emit_text(emit, "recipient", address);
}

static void shape_error(struct emitter *emit,
                        const struct handover_message *message)
{
	const struct refusal *refusal = find_refusal(message);
	bool is_failure = has_failed(message);

	emit_object(emit, "error");
	emit_text(emit, "code", is_failure ? "not_delivered" : refusal->name);
	emit_text(emit, "message", message->text);
	emit_text(emit, "next",
	          is_failure ? "relaisctl show tells the whole story"
	                     : refusal->next);
	emit_object(emit, "reply");
	emit_number(emit, "code", message->code);
	emit_text(emit, "enhanced",
	          message->enhanced[0] != '\0' ? message->enhanced : NULL);
	emit_end(emit);
	shape_recipient(emit, message);
	emit_end(emit);
}

void submission_shape(struct emitter *emit,
                      const struct handover_message *message)
{
	shape_id(emit, message->id);
	if (message->code >= 400) {
		shape_error(emit, message);
		return;
	}
	emit_bool(emit, "duplicate", message->is_replay);
	emit_text(emit, "outcome",
	          message->has_waited ? outcome_name(message->how) : NULL);
	emit_text(emit, "note",
	          message->is_lowered ? "the priority is lower than asked for"
	                              : NULL);
	emit_text(emit, "text", message->text);
}

void submission_shape_bad(struct emitter *emit, const char *sentence)
{
	emit_null(emit, "id");
	emit_object(emit, "error");
	emit_text(emit, "code", "bad_message");
	emit_text(emit, "message", sentence);
	emit_text(emit, "next", "see control-protocol");
	emit_end(emit);
}
