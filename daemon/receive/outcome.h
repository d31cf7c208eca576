/*
 * outcome - what became of a message, as the answer to who waited for it
 *
 * All delivered: 250. All failed: the relay's 5xx, with the queue id. Anything
 * else: 250, queued, and in brackets how far it is.
 */
#ifndef RELAIS_RECEIVE_OUTCOME_H
#define RELAIS_RECEIVE_OUTCOME_H

#include <stddef.h>
#include <stdint.h>

#include "queue/message.h"
#include "smtp/answer.h"

enum outcome {
	OUTCOME_PENDING, /* somebody waits yet, or nothing is known */
	OUTCOME_DELIVERED,
	OUTCOME_PARTIAL,
	OUTCOME_FAILED, /* nobody has it, nor will */
};

/* Of recipients [first, end); message NULL: nothing is known. */
enum outcome outcome_of(const struct message *message, unsigned first,
                        unsigned end);
const char *outcome_name(enum outcome outcome);

/* Room for an answer's text and its enhanced code. */
struct outcome_text {
	char enhanced[16];
	char text[400];
};

/*
 * For recipients [first, end) of the message, borrowed text. message NULL:
 * nothing is known but that it is queued.
 */
struct smtp_answer outcome_answer(struct outcome_text *text, uint64_t id,
                                  const struct message *message, unsigned first,
                                  unsigned end);

#endif
