/*
 * queue_id - queue ids as people see them
 *
 * A 64-bit id is written as exactly 13 characters of Crockford's base32 in
 * lower case (0-9 and a-z without i, l, o, u), so that the order of the texts
 * is the order of the numbers.
 */
#ifndef RELAIS_QUEUE_ID_H
#define RELAIS_QUEUE_ID_H

#include <stdint.h>

/* 13 characters and the NUL */
#define QUEUE_ID_SIZE 14

void queue_id_format(uint64_t id, char out[QUEUE_ID_SIZE]);

/* Accepts only what queue_id_format() writes; -EINVAL otherwise. */
int queue_id_parse(const char *text, uint64_t *ret_id);

#endif
