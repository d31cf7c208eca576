#include "config.h"

#include "outcome.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "queue_id.h"
#include "smtp/reply.h"

static bool find_id(const char *text, char id[RELAIS_ID_SIZE]);

void outcome_clear(struct relais_answer *answer)
{
	*answer = (struct relais_answer){ .recipient = -1 };
}

enum relais_result outcome_fail(struct relais_answer *answer,
    enum relais_result result, int error, const char *format, ...)
{
	va_list args;

	outcome_clear(answer);
	answer->result = result;
	answer->error = error;
	va_start(args, format);
	(void)vsnprintf(answer->text, sizeof(answer->text), format, args);
	va_end(args);
	return result;
}

enum relais_result outcome_take_reply(struct relais_answer *answer,
    const struct smtp_reply *reply)
{
	bool has_id;

	outcome_clear(answer);
	answer->code = reply->code;
	if (reply->enhanced[0] != 0)
		(void)snprintf(answer->status, sizeof(answer->status),
		    "%u.%u.%u", reply->enhanced[0], reply->enhanced[1],
		    reply->enhanced[2]);
	smtp_reply_text(reply, answer->text, sizeof(answer->text));
	has_id = find_id(answer->text, answer->id);
	answer->is_duplicate = strstr(answer->text, "(duplicate)") != NULL;
	if (smtp_reply_is_positive(reply))
		answer->result = strstr(answer->text, "(pending)")
		    ? RELAIS_PENDING
		    : RELAIS_OK;
	else if (has_id)
		answer->result = RELAIS_FAILED;
	else if (reply->code >= 500)
		answer->result = RELAIS_REJECTED;
	else
		answer->result = RELAIS_TRY_LATER;
	return answer->result;
}

/* "… queued as <id> …"; in the answer to XKEY it may stand alone. */
static bool find_id(const char *text, char id[RELAIS_ID_SIZE])
{
	static const char phrase[] = "queued as ";
	const char *at = strstr(text, phrase);
	uint64_t number;

	at = at ? at + strlen(phrase) : text;
	if (strlen(at) < QUEUE_ID_SIZE - 1)
		return false;
	memcpy(id, at, QUEUE_ID_SIZE - 1);
	id[QUEUE_ID_SIZE - 1] = '\0';
	at += QUEUE_ID_SIZE - 1;
	if ((*at == '\0' || strchr(" ).,;", *at)) &&
	    queue_id_parse(id, &number) == 0)
		return true;
	id[0] = '\0';
	return false;
}

bool outcome_is_committed(enum relais_result result)
{
	return result == RELAIS_OK || result == RELAIS_PENDING ||
	    result == RELAIS_FAILED;
}
