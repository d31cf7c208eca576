#include "config.h"

#include "deliver/notify.h"

#include "address.h"
#include "deliver/retry.h"
#include "settings.h"

/* For those who ask to hear of delays where nobody set a time. */
#define WARN_S (4 * 60 * 60)

static bool is_late(const struct settings *settings,
                    const struct retry_question *question,
                    const struct settlement_recipient *decision);

/* RFC 3461 4: nobody is told about a report, or the loop would never end. */
bool notify_may_tell(const struct settings *settings,
                     const struct message *message)
{
	const char *from = settings->bounces.from;

	return (message->flags & MESSAGE_IS_BOUNCE) == 0 &&
	       *message->sender != '\0' &&
	       (from == NULL || !address_is_same(message->sender, from));
}

bool notify_is_wanted(const struct settings *settings,
                      const struct message *message,
                      const struct message_recipient *recipient,
                      enum recipient_state state)
{
	bool has_wish = (recipient->flags & RECIPIENT_HAS_NOTIFY) != 0;
	unsigned wish = recipient->notify;

	if (!notify_may_tell(settings, message))
		return false;
	switch (state) {
	case RECIPIENT_FAILED:
	case RECIPIENT_EXPIRED:
		return !has_wish || (wish & NOTIFY_FAILURE) != 0;
	case RECIPIENT_WAITING:
		return has_wish ? (wish & NOTIFY_DELAY) != 0
		                : settings->retry.warn_s != 0 ||
		                      (message->flags & MESSAGE_TELLS_DELAY);
	case RECIPIENT_DELIVERED:
		return has_wish && (wish & NOTIFY_SUCCESS) != 0;
	case RECIPIENT_CANCELLED:
		break;
	}
	return false;
}

void notify_decide(struct settlement_recipient *decision,
                   const struct settings *settings,
                   const struct retry_question *question, bool relay_tells)
{
	enum verdict_scope scope = decision->verdict.scope;

	decision->is_relay_fault =
	    decision->state == RECIPIENT_EXPIRED &&
	    (scope == SCOPE_RELAY || scope == SCOPE_CONNECTION);
	decision->is_report_owed = notify_is_wanted(
	    settings, question->message, question->recipient, decision->state);
	if (decision->state == RECIPIENT_DELIVERED && relay_tells)
		decision->is_report_owed = false;
	if (decision->state == RECIPIENT_WAITING &&
	    !is_late(settings, question, decision))
		decision->is_report_owed = false;
}

/*
 * Once, and not for a relay that does not work: it would keep the warning as
 * well as the mail. With direct: it is the recipient's domain that does not.
 */
static bool is_late(const struct settings *settings,
                    const struct retry_question *question,
                    const struct settlement_recipient *decision)
{
	const struct message *message = question->message;
	uint64_t warn_s = settings->retry.warn_s;
	bool is_tried = decision->is_charged ||
	                (question->is_direct &&
	                 decision->verdict.class == VERDICT_TEMPORARY);

	if (!is_tried || question->is_time_unsure ||
	    (question->recipient->flags & RECIPIENT_DELAY_TOLD) != 0)
		return false;
	if (message->flags & MESSAGE_TELLS_DELAY) /* RFC 2852 4 */
		return question->now_ms >= message->deadline_ms;
	if (warn_s == 0)
		warn_s = WARN_S;
	return retry_age_ms(question) >= warn_s * 1000;
}
