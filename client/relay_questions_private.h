/*
 * relay_questions_private - what the two files of relay_questions share
 */
#ifndef RELAIS_RELAY_QUESTIONS_PRIVATE_H
#define RELAIS_RELAY_QUESTIONS_PRIVATE_H

#include "relay_questions.h"

#define RELAY_VALUE_SIZE 320

/* Does the order say it, be it that it is to be removed? */
bool relay_questions_is_said(const struct relay_questions *questions,
                             const char *key);

/* The relay's present value; NULL where it has none. */
const char *relay_questions_usual(const struct relay_questions *questions,
                                  const char *key, char room[RELAY_VALUE_SIZE]);

/* An answer into the order, where it changes something. */
void relay_questions_put(struct relay_questions *questions, const char *key,
                         const char *value);

#endif
