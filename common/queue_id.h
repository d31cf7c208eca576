/*
 * queue_id - queue ids as people see them
 *
 * A 64-bit id is written as exactly 13 characters of Crockford's base32 in
 * lower case (0-9 and a-z without i, l, o, u), so that the order of the texts
 * is the order of the numbers. Times are queue time, in milliseconds.
 */
#ifndef RELAIS_QUEUE_ID_H
#define RELAIS_QUEUE_ID_H

#include <stdint.h>

/* 13 characters and the NUL */
#define QUEUE_ID_SIZE 14

/* An id is its message's time of acceptance, and a counter below. */
#define QUEUE_ID_TIME_SHIFT 22

static inline uint64_t queue_id_time_ms(uint64_t id)
{
	return id >> QUEUE_ID_TIME_SHIFT;
}

void queue_id_format(uint64_t id, char out[QUEUE_ID_SIZE]);

/* Accepts only what queue_id_format() writes; -EINVAL otherwise. */
int queue_id_parse(const char *text, uint64_t *ret_id);

#endif
