/*
 * submission_answer - what became of a submitted message, as HTTP and JSON
 *
 * Thread: the control loop's.
 */
#ifndef RELAIS_CONTROL_SUBMISSION_ANSWER_H
#define RELAIS_CONTROL_SUBMISSION_ANSWER_H

#include "control/emit.h"

struct handover_message;

/* 201 stored; 200 was there already, or would be stored; 202 stored, and not
 * ended in time; 409, 413, 422, 403, 429, 503: not stored, or failed. */
int submission_status(const struct handover_message *message);

/* Seconds after which to try again; 0: it will not help. */
unsigned submission_retry_after_s(const struct handover_message *message);

/* The members of an object that is open. */
void submission_shape(struct emitter *emit,
                      const struct handover_message *message);

/* The same for what came not so far: `sentence` says why. */
void submission_shape_bad(struct emitter *emit, const char *sentence);

#endif
