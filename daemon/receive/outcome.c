#include "config.h"

#include "receive/outcome.h"

#include <stdio.h>

#include "queue_id.h"

struct tally {
	unsigned waiting, delivered, ended_badly;
	const struct message_recipient *last_bad;
};

static struct tally count(const struct message *message, unsigned first,
                          unsigned end)
{
	struct tally tally = { 0 };
	unsigned i;

	for (i = first; i < end && i < message->recipient_count; i++) {
		const struct message_recipient *recipient =
		    &message->recipients[i];

		switch (recipient->state) {
		case RECIPIENT_WAITING:
			tally.waiting++;
			break;
		case RECIPIENT_DELIVERED:
			tally.delivered++;
			break;
		case RECIPIENT_FAILED:
		case RECIPIENT_EXPIRED:
		case RECIPIENT_CANCELLED:
			tally.ended_badly++;
			tally.last_bad = recipient;
			break;
		}
	}
	return tally;
}

static struct smtp_answer failure(struct outcome_text *text, const char *id,
                                  const struct message_recipient *recipient)
{
	const struct message_reply *reply = &recipient->reply;
	bool has_code = recipient->state == RECIPIENT_FAILED &&
	                reply->code >= 500 && reply->code <= 599;
	const uint16_t *enhanced = reply->enhanced;

	if (recipient->state == RECIPIENT_FAILED && enhanced[0] == 5)
		(void)snprintf(text->enhanced, sizeof(text->enhanced),
		               "%u.%u.%u", enhanced[0], enhanced[1],
		               enhanced[2]);
	else
		(void)snprintf(text->enhanced, sizeof(text->enhanced), "%s",
		               recipient->state == RECIPIENT_EXPIRED ? "5.4.7"
		                                                     : "5.0.0");
	(void)snprintf(text->text, sizeof(text->text), "%s (%s as %s)",
	               reply->text != NULL ? reply->text : "Not delivered",
	               recipient_state_name(recipient->state), id);
	return smtp_answer(has_code ? reply->code : 554, text->enhanced,
	                   text->text);
}

static enum outcome judge(const struct tally *tally)
{
	if (tally->ended_badly > 0 && tally->waiting + tally->delivered == 0)
		return OUTCOME_FAILED;
	if (tally->waiting > 0 || tally->delivered == 0)
		return OUTCOME_PENDING;
	return tally->ended_badly == 0 ? OUTCOME_DELIVERED : OUTCOME_PARTIAL;
}

enum outcome outcome_of(const struct message *message, unsigned first,
                        unsigned end)
{
	struct tally tally;

	if (message == NULL)
		return OUTCOME_PENDING;
	tally = count(message, first, end);
	return judge(&tally);
}

const char *outcome_name(enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_PENDING:
		return "pending";
	case OUTCOME_DELIVERED:
		return "delivered";
	case OUTCOME_PARTIAL:
		return "partial";
	case OUTCOME_FAILED:
		return "failed";
	}
	return "?";
}

struct smtp_answer outcome_answer(struct outcome_text *text, uint64_t id,
                                  const struct message *message, unsigned first,
                                  unsigned end)
{
	struct tally tally = { 0 };
	char id_text[QUEUE_ID_SIZE];
	enum outcome how;

	queue_id_format(id, id_text);
	if (message != NULL)
		tally = count(message, first, end);
	how = judge(&tally);
	if (how == OUTCOME_FAILED)
		return failure(text, id_text, tally.last_bad);
	(void)snprintf(text->text, sizeof(text->text), "Ok: queued as %s (%s)",
	               id_text, outcome_name(how));
	return smtp_answer(250, "2.0.0", text->text);
}
