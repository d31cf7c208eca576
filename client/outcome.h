/*
 * outcome - fills in a struct relais_answer
 *
 * The first failure of a message is its outcome: later ones follow from it.
 */
#ifndef RELAIS_OUTCOME_H
#define RELAIS_OUTCOME_H

#include <stdbool.h>

#include "relais.h"

struct smtp_reply;

/* RELAIS_OK and nothing else. */
void outcome_clear(struct relais_answer *answer);

/* Each returns the result it has set. */
enum relais_result outcome_fail(struct relais_answer *answer,
                                enum relais_result result, int error,
                                const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * A reply: 2xx, 4xx or 5xx. waits: it answers a message whose outcome was to
 * be waited for, and a refusal that names an id is the relay's.
 */
enum relais_result outcome_take_reply(struct relais_answer *answer,
                                      const struct smtp_reply *reply,
                                      bool waits);

#endif
