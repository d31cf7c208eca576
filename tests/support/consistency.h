/*
 * consistency - do all tables of a store agree with each other?
 *
 * Looks at every row: each must be where the records say, and nowhere else.
 */
#ifndef RELAIS_TESTS_CONSISTENCY_H
#define RELAIS_TESTS_CONSISTENCY_H

#include <stdbool.h>

struct queue;

#define CONSISTENCY_LANES 1000

/* No body is under way, and nothing is written meanwhile. Says what is wrong
 * on stderr. */
bool consistency_is_kept(struct queue *queue);

#endif
