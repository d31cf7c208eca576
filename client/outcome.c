#include "config.h"

#include "outcome.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "queue_id.h"
#include "smtp/reply.h"

static void find_id(const char *text, char id[RELAIS_ID_SIZE]);

void outcome_clear(struct relais_answer *answer)
{
	*answer = (struct relais_answer){ .recipient = -1 };
}

enum relais_result outcome_fail(struct relais_answer *answer,
                                enum relais_result result, int error,
                                const char *format, ...)
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
                                      const struct smtp_reply *reply,
                                      bool waits)
{
	outcome_clear(answer);
	answer->code = reply->code;
	if (reply->enhanced[0] != 0)
		(void)snprintf(answer->status, sizeof(answer->status),
		               "%u.%u.%u", reply->enhanced[0],
		               reply->enhanced[1], reply->enhanced[2]);
	smtp_reply_text(reply, answer->text, sizeof(answer->text));
	if (smtp_reply_is_positive(reply)) {
		find_id(answer->text, answer->id);
		answer->is_duplicate =
		    strstr(answer->text, "(duplicate)") != NULL;
		if (strstr(answer->text, "(pending)"))
			answer->result = RELAIS_PENDING;
		else if (strstr(answer->text, "(partial)"))
			answer->result = RELAIS_PARTIAL;
		return answer->result;
	}
	if (waits)
		find_id(answer->text, answer->id);
	if (answer->id[0])
		answer->result = RELAIS_FAILED;
	else if (reply->code >= 500)
		answer->result = RELAIS_REJECTED;
	else
		answer->result = RELAIS_TRY_LATER;
	return answer->result;
}

/* "Ok: queued as <id>", "... (failed as <id>)", or nothing but the id. */
static void find_id(const char *text, char id[RELAIS_ID_SIZE])
{
	static const char phrase[] = " as ";
	const char *at = text;
	uint64_t number;

	for (const char *next = text; (next = strstr(next, phrase)) != NULL;)
		at = next += strlen(phrase);
	id[0] = '\0';
	if (strlen(at) < QUEUE_ID_SIZE - 1)
		return;
	memcpy(id, at, QUEUE_ID_SIZE - 1);
	id[QUEUE_ID_SIZE - 1] = '\0';
	at += QUEUE_ID_SIZE - 1;
	if ((*at != '\0' && !strchr(" ).,;", *at)) ||
	    queue_id_parse(id, &number) < 0)
		id[0] = '\0';
}
