/*
 * librelais_batch - many messages at once
 *
 * One connection has one message under way at a time: relaisd answers it when
 * it is on disk. So a batch goes over several, each a message ahead of the
 * answers, and relaisd makes durable together what came together. Messages
 * that found no connection - there may be fewer for us - follow one by one.
 */
#include "config.h"

#include "relais.h"

#include <stdbool.h>

#include "outcome.h"
#include "session.h"

static void send_one(struct relais_session *session, unsigned link,
                     struct relais_submission *submission);
static void settle_one(struct relais_session *session, unsigned link,
                       struct relais_submission *submission);
static void submit_rest(struct relais_session *session,
                        struct relais_submission *submissions, size_t count);
static bool is_to_be_tried_again(const struct relais_answer *answer);

size_t relais_submit_batch(struct relais_session *session,
                           struct relais_submission *submissions, size_t count,
                           unsigned timeout_ms)
{
	size_t width = count < SESSION_LINKS ? count : SESSION_LINKS;
	size_t done = 0;

	relais_abort(session);
	session_set_timeout(session, timeout_ms);
	if (width == 0)
		return 0;
	for (size_t i = 0; i < count + width; i++) {
		unsigned link = (unsigned)(i % width);

		if (i >= width)
			settle_one(session, link, &submissions[i - width]);
		if (i < count)
			send_one(session, link, &submissions[i]);
	}
	submit_rest(session, submissions, count);
	for (size_t i = 0; i < count; i++)
		done += submissions[i].answer.id[0] != '\0';
	return done;
}

static void send_one(struct relais_session *session, unsigned link,
                     struct relais_submission *submission)
{
	struct relais_answer *answer = &submission->answer;

	outcome_clear(answer);
	if (envelope_check(submission->envelope, answer) != RELAIS_OK)
		return;
	(void)session_send(session, link, submission->envelope,
	                   submission->data, submission->len, answer);
}

static void settle_one(struct relais_session *session, unsigned link,
                       struct relais_submission *submission)
{
	if (submission->answer.result != RELAIS_OK)
		return; /* it was not sent */
	(void)session_settle(session, link, submission->envelope,
	                     submission->data, submission->len,
	                     &submission->answer);
}

static void submit_rest(struct relais_session *session,
                        struct relais_submission *submissions, size_t count)
{
	enum relais_result result = RELAIS_OK;

	for (size_t i = 0; i < count; i++) {
		struct relais_submission *submission = &submissions[i];

		if (!is_to_be_tried_again(&submission->answer))
			continue;
		/* Nobody is there: that is so for the others, too. */
		if (result == RELAIS_UNAVAILABLE)
			return;
		result = session_submit(session, 0, submission->envelope,
		                        submission->data, submission->len,
		                        &submission->answer);
	}
}

static bool is_to_be_tried_again(const struct relais_answer *answer)
{
	return answer->result == RELAIS_UNAVAILABLE ||
	       (answer->result == RELAIS_TRY_LATER && answer->code == 421);
}
