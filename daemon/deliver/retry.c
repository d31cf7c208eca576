/*
 * retry - what a verdict means for a recipient's future
 *
 * What is a fault of a relay or of a connection charges nobody; it still ends
 * a recipient that is too old, so that no mail waits for ever behind a relay
 * that never comes back.
 */
#include "config.h"

#include "deliver/retry.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "queue/queue_time.h"
#include "settings.h"

/* RFC 1047: a slow filter behind the lost reply may still finish. */
#define UNKNOWN_DELAY_MS (15 * 60 * UINT64_C(1000))

/* Most greylisters let a triplet pass after 300 seconds. */
#define GREYLIST_DELAY_MS  (5 * 60 * UINT64_C(1000))
#define GREYLIST_SPREAD_MS (60 * UINT64_C(1000))

/* A relay may wish for a pause, but not for ever. */
#define RETRY_AFTER_MAX_S (24 * 60 * 60)

static uint64_t left_ms(const struct settings *settings,
                        const struct retry_question *question);
static void decide_expired(struct settlement_recipient *decision,
                           const struct retry_question *question);
static bool is_to_be_charged(const struct retry_question *question);
static bool is_first_of_part(const struct retry_question *question);
static bool is_for_next_transaction(const struct retry_question *question);
static uint64_t delay_ms(const struct settings *settings,
                         const struct retry_question *question);
static uint64_t backoff_ms(const struct settings *settings, unsigned attempts,
                           uint32_t random);
static uint64_t uncharged_ms(const struct settings *settings,
                             const struct retry_question *question);

void retry_decide(struct settlement_recipient *ret_decision,
                  const struct settings *settings,
                  const struct retry_question *question)
{
	const struct verdict *verdict = question->verdict;

	ret_decision->verdict = *verdict;
	ret_decision->due_ms = 0;
	ret_decision->is_charged = is_to_be_charged(question);
	ret_decision->is_maybe_duplicate =
	    verdict->class == VERDICT_UNKNOWN ||
	    (question->recipient->flags & RECIPIENT_MAYBE_DUPLICATE) != 0;

	switch (verdict->class) {
	case VERDICT_DELIVERED:
		ret_decision->state = RECIPIENT_DELIVERED;
		return;
	case VERDICT_PERMANENT:
		ret_decision->state = RECIPIENT_FAILED;
		return;
	case VERDICT_NONE:
		/* Not tried: not even old age ends it without a try. */
		ret_decision->state = RECIPIENT_WAITING;
		ret_decision->due_ms = question->queue_now_ms;
		return;
	case VERDICT_TEMPORARY:
	case VERDICT_UNKNOWN:
		break;
	}
	if (!is_for_next_transaction(question) && !question->is_time_unsure &&
	    left_ms(settings, question) == 0) {
		decide_expired(ret_decision, question);
		return;
	}
	ret_decision->state = RECIPIENT_WAITING;
	ret_decision->due_ms =
	    question->queue_now_ms + delay_ms(settings, question);
}

static bool is_to_be_charged(const struct retry_question *question)
{
	const struct verdict *verdict = question->verdict;

	switch (verdict->class) {
	case VERDICT_NONE:
		return false;
	case VERDICT_DELIVERED:
	case VERDICT_PERMANENT:
	case VERDICT_UNKNOWN:
		return true;
	case VERDICT_TEMPORARY:
		break;
	}
	return verdict->scope != SCOPE_RELAY &&
	       verdict->scope != SCOPE_CONNECTION &&
	       !is_for_next_transaction(question);
}

/*
 * RFC 5321 4.5.3.1.10: the rest goes into the next transaction. A relay that
 * finds the first recipient of a part one too many makes no progress that way
 * and is treated like any other refusal.
 */
static bool is_for_next_transaction(const struct retry_question *question)
{
	return question->verdict->class == VERDICT_TEMPORARY &&
	       question->verdict->fault == FAULT_TOO_MANY_RECIPIENTS &&
	       !is_first_of_part(question);
}

static bool is_first_of_part(const struct retry_question *question)
{
	const struct message *message = question->message;

	for (unsigned i = 0; i < message->recipient_count; i++) {
		const struct message_recipient *other = &message->recipients[i];

		if (other->state == RECIPIENT_WAITING &&
		    other->part == question->recipient->part)
			return other == question->recipient;
	}
	return true;
}

uint64_t retry_age_ms(const struct retry_question *question)
{
	return queue_time_age_ms(question->message->id,
	                         question->message->submitted_ms,
	                         question->queue_now_ms, question->now_ms);
}

/* Until a refusal for now is the last one; UINT64_MAX: it never is. */
static uint64_t left_ms(const struct settings *settings,
                        const struct retry_question *question)
{
	const struct message *message = question->message;
	uint64_t expire_s = (message->flags & MESSAGE_IS_BOUNCE)
	                        ? settings->bounces.expire_s
	                        : settings->retry.expire_s;
	uint64_t allowed_ms = expire_s * 1000;
	uint64_t age = retry_age_ms(question);
	uint64_t end_ms = message_end_ms(message);
	uint64_t left = UINT64_MAX;
	uint64_t until_ms = 0;

	/* What was to wait has its whole time from then on. */
	if (message->release_ms > message->submitted_ms)
		allowed_ms += message->release_ms - message->submitted_ms;
	if (expire_s != 0)
		left = age < allowed_ms ? allowed_ms - age : 0;
	if (end_ms > question->now_ms)
		until_ms = end_ms - question->now_ms;
	if (end_ms != 0 && until_ms < left)
		left = until_ms;
	return left;
}

/* RFC 3463 3.5: 5.4.7, delivery time expired. */
static void decide_expired(struct settlement_recipient *decision,
                           const struct retry_question *question)
{
	const struct verdict *last = question->verdict;
	uint64_t end_ms = message_end_ms(question->message);
	bool is_deadline = end_ms != 0 && question->now_ms >= end_ms;
	char text[VERDICT_TEXT_SIZE + 128];
	char code[32] = "";

	if (last->code != 0 && last->enhanced[0] != 0)
		snprintf(code, sizeof code, "%u %u.%u.%u ", last->code,
		         last->enhanced[0], last->enhanced[1],
		         last->enhanced[2]);
	else if (last->code != 0)
		snprintf(code, sizeof code, "%u ", last->code);
	snprintf(text, sizeof text, "%s; the last answer was: %s%s",
	         is_deadline ? "not delivered by the time asked for"
	                     : "not delivered within the time allowed",
	         code, last->text);
	verdict_local(&decision->verdict, VERDICT_PERMANENT, last->scope,
	              last->phase, last->fault, text);
	decision->verdict.enhanced[0] = 5;
	decision->verdict.enhanced[1] = 4;
	decision->verdict.enhanced[2] = 7;
	decision->state = RECIPIENT_EXPIRED;
}

static uint64_t delay_ms(const struct settings *settings,
                         const struct retry_question *question)
{
	const struct verdict *verdict = question->verdict;
	unsigned attempts = question->recipient->attempts;
	uint64_t wish_ms = verdict->retry_after_s;
	uint64_t left = left_ms(settings, question);
	uint64_t tell_ms = question->message->flags & MESSAGE_TELLS_DELAY
	                       ? question->message->deadline_ms
	                       : 0;
	uint64_t delay;

	if (is_for_next_transaction(question))
		return 0;
	if (!is_to_be_charged(question))
		delay = uncharged_ms(settings, question);
	else
		delay = backoff_ms(settings, attempts, question->random);

	if (verdict->class == VERDICT_UNKNOWN && delay < UNKNOWN_DELAY_MS)
		delay = UNKNOWN_DELAY_MS;
	if (verdict->class == VERDICT_TEMPORARY && attempts == 0 &&
	    verdict->scope >= SCOPE_SENDER && verdict->enhanced[0] == 4 &&
	    verdict->enhanced[1] == 7 && verdict->enhanced[2] == 1)
		delay =
		    GREYLIST_DELAY_MS + question->random % GREYLIST_SPREAD_MS;
	if (wish_ms > RETRY_AFTER_MAX_S)
		wish_ms = RETRY_AFTER_MAX_S;
	wish_ms *= 1000;
	if (delay < wish_ms)
		delay = wish_ms;

	/* One last try when the time is up, rather than long after it; and
	 * one when a delay is to be told of. */
	if (left > 0 && delay > left)
		delay = left;
	if (tell_ms > question->now_ms && delay > tell_ms - question->now_ms)
		delay = tell_ms - question->now_ms;
	return delay;
}

static uint64_t backoff_ms(const struct settings *settings, unsigned attempts,
                           uint32_t random)
{
	const struct settings_retry *retry = &settings->retry;
	uint64_t first = (uint64_t)retry->first_s * 1000;
	uint64_t maximum = (uint64_t)retry->maximum_s * 1000;
	uint64_t delay = first;
	uint64_t spread;

	if (maximum < first)
		maximum = first;
	while (attempts-- > 0 && delay < maximum && retry->factor_percent > 100)
		delay = delay * retry->factor_percent / 100 + 1;
	if (delay > maximum)
		delay = maximum;

	/* Evenly within ±jitter, but never before the first step's time. */
	spread = delay * retry->jitter_percent / 100;
	delay = delay - spread +
	        (uint64_t)((2 * spread + 1) * ((double)random / 4294967296.0));
	return delay < first ? first : delay;
}

/*
 * No counter goes up where nobody is charged, so the age sets the pace: a
 * message that makes a relay hang up each time is not tried without end.
 */
static uint64_t uncharged_ms(const struct settings *settings,
                             const struct retry_question *question)
{
	uint64_t first = (uint64_t)settings->retry.first_s * 1000;
	uint64_t maximum = (uint64_t)settings->retry.maximum_s * 1000;
	uint64_t delay = retry_age_ms(question) / 2;

	if (delay > maximum)
		delay = maximum;
	return delay < first ? first : delay;
}
