/*
 * retry - what a verdict means for a recipient's future; a pure function
 *
 * Thread: any.
 */
#ifndef RELAIS_DELIVER_RETRY_H
#define RELAIS_DELIVER_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/queue.h"
#include "smtp/verdict.h"

struct settings;

struct retry_question {
	const struct message *message;
	const struct message_recipient *recipient;
	const struct verdict *verdict;
	uint64_t now_ms;       /* wall: for the deadline and the age */
	uint64_t queue_now_ms; /* queue time: for the age and the due */
	bool is_time_unsure;   /* so that nothing ends or is told by age */
	bool is_direct;        /* what is asked is the recipient's own domain */
	uint32_t random;       /* for the jitter */
};

/*
 * Fills state, is_charged, is_maybe_duplicate, due_ms and verdict of one
 * recipient: delivered; failed (permanent); expired (age above retry.expire or
 * past the deadline, told by a verdict 5.4.7); or waiting until due_ms.
 * A verdict of class UNKNOWN waits at least 15 minutes and marks the
 * recipient (RFC 1047); too many recipients (452 4.5.3) is due at once and
 * not charged; greylisting (4.7.1) waits 5 to 6 minutes the first time.
 */
void retry_decide(struct settlement_recipient *ret_decision,
                  const struct settings *settings,
                  const struct retry_question *question);

/* How old the message is, as both clocks say: a wrong one ages no mail. */
uint64_t retry_age_ms(const struct retry_question *question);

#endif
